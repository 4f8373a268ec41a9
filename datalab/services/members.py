"""Members of private apps: invited by the owner, of the same organisation, in when they accept."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from datalab.errors import Forbidden, Invalid, Missing, Taken, TooMany
from datalab.model.accounts import User
from datalab.model.apps import MAX_MEMBERS, App, Membership, State
from datalab.model.notifications import Kind
from datalab.model.permissions import Action, Actor
from datalab.services.changes import Change, Changes

REMINDER_MS = 3_600_000
"""Time between two reminders of the same person."""


class Member(Struct, frozen=True):
    """A person of an app: `owner`, or the state of the invitation."""

    username: str
    """In lower case."""
    state: str
    invited: int | None
    reminded: int | None
    answered: int | None


class Members:
    """Each change is all or nothing."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def all(self, app: App) -> list[Member]:
        """The owner, then whoever was ever invited."""
        return [
            Member(app.owner, "owner", None, None, None),
            *(
                Member(member.user, member.state.value, member.invited, member.reminded, member.answered)
                for member in app.members
            ),
        ]

    async def invite(self, actor: Actor, id: str, usernames: Sequence[str]) -> App:
        """Invite colleagues, all of them or none. Raises Missing, Forbidden, Taken, Invalid, TooMany."""

        def work(change: Change) -> App:
            app = change.app(id, Action.INVITE)
            if not app.private:
                raise Invalid(f"{app.full_name} is open to everybody of {app.organisation}; nobody needs an invitation")
            people = [colleague(change, app, username) for username in dict.fromkeys(map(str.lower, usernames))]
            members = {member.user: member for member in app.members}
            for person in people:
                if person.id == app.owner:
                    raise Taken(f"{person.username} owns {app.full_name}")
                known = members.pop(person.id, None)
                if known is not None and known.state in (State.PENDING, State.ACCEPTED):
                    raise Taken(f"{person.username} is {known.state} already")
                members[person.id] = Membership(user=person.id, state=State.PENDING, invited=change.now)
            if len(members) > MAX_MEMBERS:
                raise TooMany(f"an app has at most {MAX_MEMBERS} members; remove some first")
            app = change.save(replace(app, members=list(members.values())))
            change.log(app, "member.invite", *(person.username for person in people))
            change.tell((person.id for person in people), Kind.INVITED, app)
            return app

        return await self._changes.run(actor, work)

    async def remind(self, actor: Actor, id: str, username: str) -> App:
        """Remind somebody who has not answered, once an hour at most. Raises Missing, Forbidden, TooMany."""

        def work(change: Change) -> App:
            app = change.app(id, Action.INVITE)
            member = membership(app, username, State.PENDING)
            since = change.now - max(member.invited, member.reminded or 0)
            if since < REMINDER_MS:
                raise TooMany(
                    f"{username} was told within the last hour; wait before reminding again",
                    retry_after=(REMINDER_MS - since) / 1000,
                )
            app = put(change, app, replace(member, reminded=change.now))
            change.log(app, "member.remind", member.user)
            change.tell([member.user], Kind.REMINDED, app)
            return app

        return await self._changes.run(actor, work)

    async def cancel(self, actor: Actor, id: str, username: str) -> App:
        """Take an invitation back that was not answered. Raises Missing, Forbidden."""

        def work(change: Change) -> App:
            app = change.app(id, Action.INVITE)
            member = membership(app, username, State.PENDING)
            app = put(change, app, replace(member, state=State.CANCELLED, answered=change.now))
            change.log(app, "member.cancel", member.user)
            change.tell([member.user], Kind.CANCELLED, app)
            return app

        return await self._changes.run(actor, work)

    async def answer(self, actor: Actor, id: str, *, accept: bool) -> App:
        """Accept or decline the invitation of whoever acts. Raises Missing."""

        def work(change: Change) -> App:
            app = change.app(id, Action.ANSWER)
            member = membership(app, change.actor.id, State.PENDING)
            state = State.ACCEPTED if accept else State.DECLINED
            app = put(change, app, replace(member, state=state, answered=change.now))
            change.log(app, "member.accept" if accept else "member.decline", member.user)
            change.tell([app.owner], Kind.ACCEPTED if accept else Kind.DECLINED, app)
            return app

        return await self._changes.run(actor, work)

    async def remove(self, actor: Actor, id: str, username: str) -> None:
        """The owner removes a member, a member leaves. Raises Missing, Forbidden."""

        def work(change: Change) -> None:
            leaving = change.actor.id == username.lower()
            app = change.app(id, Action.LEAVE if leaving else Action.INVITE)
            member = membership(app, username, State.ACCEPTED)
            app = change.save(replace(app, members=[other for other in app.members if other.user != member.user]))
            change.log(app, "member.leave" if leaving else "member.remove", member.user)
            if leaving:
                change.tell([app.owner], Kind.LEFT, app)
            else:
                change.tell([member.user], Kind.REMOVED, app)

        await self._changes.run(actor, work)

    async def transfer(self, actor: Actor, id: str, username: str) -> App:
        """Give an app to a colleague who may read it; the owner stays as a member. Raises Missing, Forbidden."""

        def work(change: Change) -> App:
            app = change.app(id, Action.TRANSFER)
            heir = colleague(change, app, username)
            if heir.id == app.owner:
                raise Taken(f"{heir.username} owns {app.full_name} already")
            if app.private and app.state_of(heir.id) is not State.ACCEPTED:
                raise Forbidden(f"{heir.username} is no member of {app.full_name}; invite first")
            former = Membership(user=app.owner, state=State.ACCEPTED, invited=change.now, answered=change.now)
            members = [member for member in app.members if member.user not in (heir.id, app.owner)]
            app = change.save(replace(app, owner=heir.id, members=[*members, former]))
            change.log(app, "app.transfer", f"from {former.user} to {heir.username}")
            change.tell([heir.id, former.user], Kind.TRANSFERRED, app)
            return app

        return await self._changes.run(actor, work)


def colleague(change: Change, app: App, username: str) -> User:
    """An active person of the app's organisation; raises Missing."""
    user = change.collections.users.get(username.strip().lower())
    if user is None or user.organisation != app.organisation or not user.active:
        raise Missing(f"there is no colleague {username} in {app.organisation}")
    return user


def membership(app: App, username: str, state: State) -> Membership:
    """A person's membership in this state; raises Missing."""
    for member in app.members:
        if member.user == username.lower() and member.state is state:
            return member
    what = "invitation of" if state is State.PENDING else "member"
    raise Missing(f"{app.full_name} has no {what} {username}")


def put(change: Change, app: App, member: Membership) -> App:
    """Replace a person's membership."""
    members = [member if other.user == member.user else other for other in app.members]
    return change.save(replace(app, members=members))
