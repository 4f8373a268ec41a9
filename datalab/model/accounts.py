"""People, their organisations, and the ways in which they prove who they are."""

from typing import Annotated

from msgspec import Meta, Struct

from datalab.model.trimming import ONE_LINE, Trimmed

USERNAME_PATTERN = r"^[A-Za-z0-9._-]+(?!\n)$"
Username = Annotated[
    str,
    Meta(
        min_length=5,
        max_length=32,
        pattern=USERNAME_PATTERN,
        description="a user name has 5 to 32 letters, digits, dots, underscores or hyphens",
    ),
]
Domain = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=120,
        pattern=r"^\w[\w.-]*(?!\n)$",
        description="an organisation is named by its domain, like shop.example: letters, digits, dots and hyphens",
    ),
]
PersonName = Annotated[
    str, Meta(max_length=80, pattern=rf"^{ONE_LINE}*(?!\n)$", description="at most 80 characters on one line")
]
GivenName = Annotated[
    str,
    Meta(min_length=1, max_length=80, pattern=rf"^{ONE_LINE}+(?!\n)$", description="1 to 80 characters on one line"),
]
Password = Annotated[
    str, Meta(min_length=10, max_length=256, description="a password has 10 to 256 characters, blanks around it aside")
]


class Organisation(Struct, frozen=True, kw_only=True):
    """A company, known by its domain; `id` is the domain in lower case."""

    id: str
    created: int
    """Milliseconds since the epoch."""


class SecondFactor(Struct, frozen=True, kw_only=True):
    """A time-based one-time password (RFC 6238) and the codes for the day the phone is lost."""

    secret: str
    """Base32."""
    confirmed: bool = False
    """Asked for at log-in only once a first code was right."""
    used: int = 0
    """The last time step whose code was taken; none counts twice."""
    recovery: list[str] = []
    """SHA-256 of each recovery code left, hex."""


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
    pending: bool = False
    """Waits for an admin's approval; until then nobody can log in as this person."""
    second_factor: SecondFactor | None = None

    @property
    def active(self) -> bool:
        """Whether the person may come in."""
        return not self.disabled and not self.pending


class Login(Struct, frozen=True, kw_only=True):
    """A browser that is logged in; `id` is the SHA-256 of the cookie's random value, hex."""

    id: str
    user: str
    created: int
    expires: int
    """Milliseconds since the epoch."""
    browser: str = ""
    """The user agent's beginning, so that a person recognises it in the list."""


class ApiKey(Struct, frozen=True, kw_only=True):
    """A name for a program that acts as its person; `id` is the SHA-256 of its text, hex."""

    id: str
    user: str
    name: str
    write: bool
    """May it change something."""
    created: int
    last_used: int | None = None
    """Milliseconds since the epoch, to the minute."""


class JoinLink(Struct, frozen=True, kw_only=True):
    """Lets one person into an organisation; `id` is the SHA-256 of its random text, hex."""

    id: str
    organisation: str
    created_by: str
    created: int
    expires: int


class Registration(Trimmed, frozen=True):
    """What a person who registers fills in."""

    username: Username
    password: Password
    first_name: GivenName
    last_name: GivenName
    organisation: Domain
    position: PersonName = ""
    join: Annotated[str, Meta(max_length=100)] | None = None
    """The text of a join link."""


class Profile(Trimmed, frozen=True):
    """What a person can change of the profile."""

    first_name: GivenName
    last_name: GivenName
    position: PersonName = ""
