"""People, their organisations and their logins."""

from typing import Annotated

from msgspec import Meta, Struct

Username = Annotated[str, Meta(min_length=5, max_length=32, pattern=r"^[A-Za-z0-9._-]+(?!\n)$")]
Domain = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^[^/\s\x00-\x1f]+(?!\n)$")]
PersonName = Annotated[str, Meta(max_length=80, pattern=r"^[^\x00-\x1f]*(?!\n)$")]
Password = Annotated[str, Meta(min_length=10, max_length=256)]


class Organisation(Struct, frozen=True, kw_only=True):
    """A company, known by its domain; `id` is the domain in lower case."""

    id: str
    created: int
    """Milliseconds since the epoch."""


class User(Struct, frozen=True, kw_only=True):
    """A person; `id` is the username in lower case, so that it is unique whatever the case."""

    id: str
    username: str
    organisation: str
    password_hash: str
    created: int
    first_name: str = ""
    last_name: str = ""
    position: str = ""
    admin: bool = False
    disabled: bool = False


class Login(Struct, frozen=True, kw_only=True):
    """A browser that is logged in; `id` is the SHA-256 of the cookie's random value, hex."""

    id: str
    user: str
    created: int
    expires: int
    """Milliseconds since the epoch."""
