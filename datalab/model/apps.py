"""A site whose use is measured: its origins, its configuration, its members, its lock and its partitions."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from datalab.model.configuration import Configuration, Revisions
from datalab.model.trimming import ONE_LINE, Trimmed

AppName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=60,
        pattern=rf"^(?!.*/){ONE_LINE}+(?!\n)$",
        description="the name of an app has 1 to 60 characters on one line and no slash",
    ),
]
Tag = Annotated[
    str,
    Meta(min_length=1, max_length=30, pattern=rf"^{ONE_LINE}+(?!\n)$", description="a tag has 1 to 30 characters"),
]
Tags = Annotated[list[Tag], Meta(min_length=1, max_length=5, description="1 to 5 tags of 1 to 30 characters")]
Urls = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=2048)]],
    Meta(min_length=1, max_length=50, description="1 to 50 URLs of the site, like https://shop.example"),
]
Description = Annotated[str, Meta(max_length=2000, description="at most 2000 characters")]
TimeZone = Annotated[str, Meta(min_length=1, max_length=60, description="a time zone like Europe/Berlin")]
MAX_MEMBERS = 200
"""Of a private app, whatever their state."""


class IssuedToken(Struct, frozen=True, kw_only=True):
    """An app token. Its generation tells it from all earlier and later ones."""

    text: str
    """The signed token; public by nature, so it is kept to be shown again."""
    generation: int
    issued: int
    expires: int | None
    """Milliseconds since the epoch; None never expires. A renewal puts it off without another text."""
    warned: bool = False
    """Whether the owner was told that it expires soon."""


class State(StrEnum):
    """Of an invitation to a private app."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class Membership(Struct, frozen=True, kw_only=True):
    """A colleague invited to a private app."""

    user: str
    state: State
    invited: int
    """Milliseconds since the epoch."""
    reminded: int | None = None
    answered: int | None = None


class App(Struct, frozen=True, kw_only=True):
    """`id` is random and URL-safe; `organisation/name` is unique."""

    id: str
    organisation: str
    name: str
    owner: str
    origins: list[str]
    created: int
    description: str = ""
    tags: list[str] = []
    private: bool = False
    time_zone: str = "UTC"
    configuration: Configuration = Configuration()
    revisions: Revisions = Revisions()
    members: list[Membership] = []
    locked: bool = False
    token: IssuedToken | None = None
    retiring: IssuedToken | None = None
    """The token that was rotated away, valid until its `expires`."""
    token_generation: int = 0
    """Generation of the newest token ever issued; the next gets one more."""
    partition: int = 0
    """Number of the open partition; 0 while there is none."""
    last_partition: int = 0
    """Number of the newest partition ever opened; the next gets one more."""

    @property
    def full_name(self) -> str:
        """`organisation/name`, as people type it."""
        return f"{self.organisation}/{self.name}"

    def state_of(self, user: str) -> State | None:
        """A person's state, None where the person was never invited."""
        return next((member.state for member in self.members if member.user == user), None)

    def valid_token(self, generation: int) -> IssuedToken | None:
        """The token of a generation, as long as it was neither revoked nor replaced; its end is up to the caller."""
        return next((token for token in (self.token, self.retiring) if token and token.generation == generation), None)


class NewApp(Trimmed, frozen=True):
    """What makes an app."""

    name: AppName
    urls: Urls
    tags: Tags
    description: Description = ""
    private: bool = False
    time_zone: TimeZone = "UTC"


class AppDetails(Trimmed, frozen=True):
    """What the owner can change of an app; what is left out stays."""

    urls: Urls | None = None
    description: Description | None = None
    tags: Tags | None = None
    private: bool | None = None
    time_zone: TimeZone | None = None


class PartitionRecord(Struct, frozen=True, kw_only=True):
    """The data of one lock generation of an app, and under what it was collected; `id` is `app/number`."""

    id: str
    app: str
    number: int
    opened: int
    sealed: int | None = None
    """Milliseconds since the epoch; None for the open one."""
    configuration: Configuration = Configuration()
    """Of a sealed partition; an open one's is the app's."""
    origins: list[str] = []
    time_zone: str = "UTC"
    deleted: bool = False
    """Its file is to be removed, and this record once that is done."""


def record_id(app: str, number: int) -> str:
    """Of a partition's record."""
    return f"{app}/{number}"
