"""What the operator asks about people."""

from msgspec import Struct, convert
from msgspec.structs import asdict

from datalab.model.accounts import Domain, Password, PersonName, Registration, User, Username
from datalab.model.permissions import OPERATOR
from datalab.model.trimming import Trimmed, read_fields
from datalab.services.api_keys import KeyMade, NewKey
from datalab.services.services import Services


class AddUser(Struct, frozen=True, tag=True):
    """Make a person."""

    username: str
    organisation: str
    password: str
    first_name: str = ""
    last_name: str = ""
    position: str = ""


class NewPerson(Trimmed, frozen=True):
    """A person as the operator describes one: names may be left out."""

    username: Username
    organisation: Domain
    password: Password
    first_name: PersonName = ""
    last_name: PersonName = ""
    position: PersonName = ""


class PersonShown(Struct, frozen=True):
    """A person, without secrets."""

    username: str
    organisation: str
    first_name: str
    last_name: str
    position: str
    admin: bool
    disabled: bool
    pending: bool


async def add_user(services: Services, asked: AddUser) -> PersonShown:
    new = read_fields(NewPerson, asdict(asked))
    return shown(await services.registrations.add(Registration(**asdict(new))))


class ListUsers(Struct, frozen=True, tag=True):
    """Everybody."""


async def list_users(services: Services, asked: ListUsers) -> list[PersonShown]:
    return [shown(user) for user in await services.accounts.all()]


class SetPassword(Struct, frozen=True, tag=True):
    """Give a person a new password; all log-ins end."""

    username: str
    password: str


class ChosenPassword(Trimmed, frozen=True):
    """A new password."""

    password: Password


async def set_password(services: Services, asked: SetPassword) -> None:
    chosen = read_fields(ChosenPassword, {"password": asked.password})
    await services.logins.set_password(OPERATOR, asked.username, chosen.password)


class DisableUser(Struct, frozen=True, tag=True):
    """Keep a person out, or let the person in again."""

    username: str
    disabled: bool = True


async def disable_user(services: Services, asked: DisableUser) -> PersonShown:
    return shown(await services.accounts.disable(OPERATOR, asked.username, disabled=asked.disabled))


class RemoveUser(Struct, frozen=True, tag=True):
    """Remove a person; an admin of the organisation takes over the apps."""

    username: str


async def remove_user(services: Services, asked: RemoveUser) -> PersonShown:
    return shown(await services.accounts.remove(OPERATOR, asked.username))


class MakeKey(Struct, frozen=True, tag=True):
    """Make an API key of a person."""

    username: str
    name: str
    scope: str = "read"


async def make_key(services: Services, asked: MakeKey) -> KeyMade:
    new = read_fields(NewKey, {"name": asked.name, "scope": asked.scope})
    return await services.api_keys.make(OPERATOR, new, user=asked.username)


def shown(user: User) -> PersonShown:
    """What may be shown of a person."""
    return convert(user, PersonShown, from_attributes=True)
