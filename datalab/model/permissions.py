"""Who may do what: one table of actions and the roles that may take them.

A person's role in an app follows from the app alone; whoever may not read an app is told that it does not exist.
"""

from enum import StrEnum

from msgspec import Struct

from datalab.errors import Forbidden, Missing, Unauthenticated
from datalab.model.accounts import User
from datalab.model.apps import App, State


class Role(StrEnum):
    """What a person is to an app."""

    OWNER = "owner"
    MEMBER = "member"
    INVITED = "invited"
    """To a private app, and has not answered."""
    ADMIN = "admin"
    """Of the app's organisation, and not a member."""
    STRANGER = "stranger"


class Action(StrEnum):
    """What can be done to an app."""

    READ = "read"
    CONFIGURE = "configure"
    SEGMENTS = "segments"
    """Save some, and change one's own; whoever may edit the app may change those of others."""
    EDIT = "edit"
    DELETE = "delete"
    TOKEN = "token"  # noqa: S105  (a name)
    UNLOCK = "unlock"
    PARTITIONS = "partitions"
    """Delete archived ones."""
    INVITE = "invite"
    """Invite, remind, cancel, remove."""
    TRANSFER = "transfer"
    LEAVE = "leave"
    ANSWER = "answer"
    """Accept or decline an invitation."""
    AUDIT = "audit"


MAY: dict[Action, frozenset[Role]] = {
    Action.READ: frozenset({Role.OWNER, Role.MEMBER}),
    Action.CONFIGURE: frozenset({Role.OWNER, Role.MEMBER}),
    Action.SEGMENTS: frozenset({Role.OWNER, Role.MEMBER}),
    Action.EDIT: frozenset({Role.OWNER}),
    Action.DELETE: frozenset({Role.OWNER}),
    Action.TOKEN: frozenset({Role.OWNER}),
    Action.UNLOCK: frozenset({Role.OWNER}),
    Action.PARTITIONS: frozenset({Role.OWNER}),
    Action.INVITE: frozenset({Role.OWNER}),
    Action.TRANSFER: frozenset({Role.OWNER}),
    Action.LEAVE: frozenset({Role.MEMBER}),
    Action.ANSWER: frozenset({Role.INVITED}),
    Action.AUDIT: frozenset({Role.OWNER, Role.ADMIN}),
}
SEES = frozenset({Role.OWNER, Role.MEMBER})
"""Who is told that something is forbidden; for all others the app does not exist."""


class Actor(Struct, frozen=True):
    """Who acts: a person, or (without one) the operator at the machine's command line or the appliance itself."""

    user: User | None
    write: bool = True
    """False for an API key that may only read."""
    by_key: bool = False
    label: str = ""
    """Stands in audit log and notifications where there is no person."""

    @property
    def id(self) -> str:
        """As the audit log names it."""
        return self.user.id if self.user is not None else self.label

    @property
    def name(self) -> str:
        """As people read it."""
        return self.user.username if self.user is not None else self.label


OPERATOR = Actor(None, label="(operator)")
APPLIANCE = Actor(None)


def roles(user: User, app: App) -> set[Role]:
    """Everything a person is to an app."""
    if user.organisation != app.organisation or not user.active:
        return {Role.STRANGER}
    found = {Role.ADMIN} if user.admin else set()
    state = app.state_of(user.id)
    if app.owner == user.id:
        found.add(Role.OWNER)
    elif not app.private or state is State.ACCEPTED:
        found.add(Role.MEMBER)
    if state is State.PENDING:
        found.add(Role.INVITED)
    return found or {Role.STRANGER}


def may(actor: Actor, app: App, action: Action) -> bool:
    """Whether this is allowed."""
    return actor.user is None or bool(roles(actor.user, app) & MAY[action])


def demand(actor: Actor, app: App, action: Action) -> None:
    """Raises Missing where the actor may not know of the app, Forbidden where this is not allowed."""
    if may(actor, app, action):
        return
    if actor.user is None or not roles(actor.user, app) & SEES:
        raise Missing("there is no such app")
    if action is Action.ANSWER:
        raise Missing("there is no invitation to answer")
    if action is Action.LEAVE:
        raise Forbidden("the owner cannot leave an app; transfer it to a colleague first")
    raise Forbidden(f"only the owner of {app.full_name} may do this; ask {app.owner}")


def demand_admin(actor: Actor) -> User:
    """The admin; raises Unauthenticated, Forbidden."""
    user = demand_person(actor)
    if not user.admin:
        raise Forbidden("only an admin of the organisation may do this; ask one")
    return user


def demand_write(actor: Actor) -> None:
    """Raises Forbidden for an API key that may only read."""
    if not actor.write:
        raise Forbidden("this API key may only read; make one with the scope write")


def demand_present(actor: Actor) -> User:
    """The person who acts and is logged in, not a program with a key; raises Unauthenticated, Forbidden."""
    if actor.by_key:
        raise Forbidden("an API key may not do this; log in")
    return demand_person(actor)


def demand_person(actor: Actor) -> User:
    """The person who acts; raises Unauthenticated."""
    if actor.user is None:
        raise Unauthenticated("this is done by a person who is logged in")
    return actor.user
