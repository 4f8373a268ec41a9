"""What people are told: one notification is one thing that happened, for one person."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace


class Kind(StrEnum):
    """What happened."""

    INVITED = "invited"
    REMINDED = "reminded"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    REMOVED = "removed"
    LEFT = "left"
    TRANSFERRED = "transferred"
    TOKEN_EXPIRES = "token-expires"  # noqa: S105  (a name)
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    CHANGED = "changed"
    DELETED = "deleted"
    JOIN_REQUEST = "join-request"
    JOINED = "joined"


class Notification(Struct, frozen=True, kw_only=True):
    """`id` is `user/time-random`, so that ids order by time."""

    id: str
    user: str
    """Whose it is."""
    kind: Kind
    created: int
    """Milliseconds since the epoch."""
    by: str
    """Username of who caused it, `(operator)` for the command line, empty for the appliance itself."""
    app: str = ""
    """Id of the app it is about, if any."""
    app_name: str = ""
    """`organisation/name`."""
    detail: str = ""
    read: bool = False
    hidden: bool = False
    """Kept, but no longer shown among the others."""


def shown(notification: Notification) -> Notification:
    """As its person sees it: named by what stands behind the slash."""
    return replace(notification, id=notification.id.partition("/")[2])
