"""Accounts: profiles, colleagues, and what admins do with the people of their organisation."""

from msgspec import Struct
from msgspec.structs import replace

from datalab.errors import Forbidden, Missing
from datalab.model.accounts import Organisation, Profile, User
from datalab.model.apps import App
from datalab.model.notifications import Kind
from datalab.model.permissions import Actor, demand_admin, demand_person
from datalab.services.changes import Change, Changes
from datalab.services.logins import end_logins
from datalab.services.tabs import Tabs


class Me(Struct, frozen=True):
    """A person's own account."""

    username: str
    organisation: str
    first_name: str
    last_name: str
    position: str
    admin: bool
    second_factor: bool
    recovery_codes: int
    """How many are left."""


class Colleague(Struct, frozen=True):
    """A person of the organisation."""

    username: str
    first_name: str
    last_name: str
    position: str
    admin: bool
    online: bool
    pending: bool
    disabled: bool


class Accounts:
    """An account is known by its username, whatever the case."""

    def __init__(self, changes: Changes, tabs: Tabs) -> None:
        self._changes = changes
        self._tabs = tabs

    def me(self, actor: Actor) -> Me:
        """Whoever acts."""
        user = demand_person(actor)
        factor = user.second_factor if user.second_factor and user.second_factor.confirmed else None
        return Me(
            username=user.username,
            organisation=user.organisation,
            first_name=user.first_name,
            last_name=user.last_name,
            position=user.position,
            admin=user.admin,
            second_factor=factor is not None,
            recovery_codes=len(factor.recovery) if factor else 0,
        )

    async def edit(self, actor: Actor, profile: Profile) -> Me:
        """Change names and position."""

        def work(change: Change) -> User:
            user = replace(
                demand_person(change.actor),
                first_name=profile.first_name,
                last_name=profile.last_name,
                position=profile.position,
            )
            change.collections.users.replace(user)
            change.log(user.organisation, "account.edit", user.username)
            return user

        return self.me(Actor(await self._changes.run(actor, work)))

    async def organisation(self, actor: Actor) -> Organisation:
        """The organisation of whoever acts."""
        user = demand_person(actor)
        found = await self._changes.transact(lambda collections: collections.organisations.get(user.organisation))
        return found or Organisation(id=user.organisation, created=user.created)

    async def colleagues(self, actor: Actor) -> list[Colleague]:
        """Everybody of the organisation; those who wait or are disabled are shown to its admins only."""
        viewer = demand_person(actor)
        people = await self._changes.transact(
            lambda collections: collections.users.where(organisation=viewer.organisation)
        )
        online = self._tabs.online(viewer.organisation)
        return [
            Colleague(
                username=user.username,
                first_name=user.first_name,
                last_name=user.last_name,
                position=user.position,
                admin=user.admin,
                online=user.id in online,
                pending=user.pending,
                disabled=user.disabled,
            )
            for user in people
            if user.active or viewer.admin
        ]

    async def colleague(self, actor: Actor, username: str) -> User:
        """Somebody of the same organisation; raises Missing."""
        viewer = demand_person(actor)
        user = await self._changes.transact(lambda collections: collections.users.get(username.lower()))
        if user is None or user.organisation != viewer.organisation or not (user.active or viewer.admin):
            raise Missing(f"there is no colleague {username}")
        return user

    async def find(self, username: str) -> User:
        """Raises Missing."""
        user = await self._changes.transact(lambda collections: collections.users.get(username.lower()))
        if user is None:
            raise Missing(f"there is no user {username}; `datalab user add` makes one")
        return user

    async def all(self) -> list[User]:
        """Everybody, by username."""
        return await self._changes.transact(lambda collections: collections.users.where())

    async def set_admin(self, actor: Actor, username: str, *, admin: bool) -> User:
        """Make a colleague an admin, or no longer one; raises Missing, Forbidden."""

        def work(change: Change) -> User:
            user = subject(change, username)
            if user.pending:
                raise Forbidden(f"{user.username} waits for approval; approve the join request first")
            if not admin:
                keep_an_admin(change, user)
            user = replace(user, admin=admin)
            change.collections.users.replace(user)
            change.log(user.organisation, "admin.give" if admin else "admin.take", user.username)
            return user

        return await self._changes.run(actor, work)

    async def disable(self, actor: Actor, username: str, *, disabled: bool = True) -> User:
        """Keep a person out and end all log-ins, or let the person in again; raises Missing, Forbidden."""

        def work(change: Change) -> User:
            user = subject(change, username)
            if disabled:
                keep_an_admin(change, user)
                end_logins(change.collections, user.id)
            user = replace(user, disabled=disabled)
            change.collections.users.replace(user)
            change.log(user.organisation, "account.disable" if disabled else "account.enable", user.username)
            return user

        return await self._changes.run(actor, work)

    async def remove(self, actor: Actor, username: str) -> User:
        """Remove a person for good; an admin takes over the person's apps. Raises Missing, Forbidden."""

        def work(change: Change) -> User:
            user = subject(change, username)
            keep_an_admin(change, user)
            heirs = [admin for admin in change.admins(user.organisation) if admin.id != user.id]
            acting = change.actor.user
            heir = acting if acting is not None and acting.id != user.id else heirs[0] if heirs else None
            for app in change.collections.apps.where(organisation=user.organisation):
                hand_over(change, app, user, heir)
            remove_person(change, user)
            change.log(user.organisation, "account.remove", user.username)
            return user

        return await self._changes.run(actor, work)


def subject(change: Change, username: str) -> User:
    """The person whom an admin or the operator deals with; raises Missing, Forbidden."""
    user = change.collections.users.get(username.lower())
    if change.actor.user is not None:
        admin = demand_admin(change.actor)
        if user is None or user.organisation != admin.organisation:
            raise Missing(f"there is no colleague {username}")
    if user is None:
        raise Missing(f"there is no user {username}")
    return user


def keep_an_admin(change: Change, user: User) -> None:
    """Raises Forbidden where an organisation with people would be left without an admin."""
    others = [
        person for person in change.collections.users.where(organisation=user.organisation) if person.id != user.id
    ]
    if user.admin and others and not any(person.admin and person.active for person in others):
        raise Forbidden(f"{user.username} is the only admin of {user.organisation}; make somebody else admin first")


def hand_over(change: Change, app: App, user: User, heir: User | None) -> None:
    """Take a removed person out of an app; what the person owned goes to the heir. Raises Forbidden without one."""
    members = [member for member in app.members if member.user != user.id]
    if app.owner == user.id:
        if heir is None:
            raise Forbidden(f"{user.username} owns {app.full_name} and nobody can take over; delete the app first")
        members = [member for member in members if member.user != heir.id]
        app = change.save(replace(app, owner=heir.id, members=members))
        change.log(app, "app.transfer", f"from {user.username}, who was removed, to {heir.username}")
        change.tell([heir.id], Kind.TRANSFERRED, app, f"{user.username} was removed")
    elif members != app.members:
        app = change.save(replace(app, members=members))
        change.log(app, "member.remove", f"{user.username}, whose account was removed")


def remove_person(change: Change, user: User) -> None:
    """Remove an account with all that belongs to it, so that nothing passes to whoever takes the name.

    With its last person an organisation ends; whoever founds it anew begins with an empty audit log.
    """
    collections = change.collections
    end_logins(collections, user.id)
    for key in collections.api_keys.where(user=user.id):
        collections.api_keys.remove(key.id)
    for notification in collections.notifications.where(user=user.id):
        collections.notifications.remove(notification.id)
    for link in collections.join_links.where(organisation=user.organisation):
        if link.created_by.lower() == user.id:
            collections.join_links.remove(link.id)
    for app in collections.apps.where(organisation=user.organisation):
        for segment in collections.segments.where(app=app.id):
            if segment.by == user.id:
                collections.segments.replace(replace(segment, by=""))
    collections.users.remove(user.id)
    if not collections.users.where(organisation=user.organisation):
        collections.organisations.remove(user.organisation)
