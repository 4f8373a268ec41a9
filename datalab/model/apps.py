"""A site whose use is measured: its origins, its configuration, its lock and its partitions."""

from typing import Annotated

from msgspec import Meta, Struct

from datalab.model.configuration import Configuration

AppName = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[^/\x00-\x1f]+(?!\n)$")]
Origin = Annotated[str, Meta(max_length=255, pattern=r"^https?://[^/\s?#]+(?!\n)$")]
Tag = Annotated[str, Meta(min_length=1, max_length=30, pattern=r"^[^\x00-\x1f]+(?!\n)$")]


class IssuedToken(Struct, frozen=True, kw_only=True):
    """The one app token that is valid; its generation revokes all earlier ones."""

    text: str
    """The signed token; public by nature, so it is kept to be shown again."""
    generation: int
    issued: int
    expires: int | None
    """Milliseconds since the epoch; None never expires."""


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
    locked: bool = False
    token: IssuedToken | None = None
    token_generation: int = 0
    """Generation of the newest token ever issued; the next gets one more."""
    partition: int = 0
    """Number of the open partition; 0 while none was ever opened."""

    @property
    def full_name(self) -> str:
        """`organisation/name`, as people type it."""
        return f"{self.organisation}/{self.name}"
