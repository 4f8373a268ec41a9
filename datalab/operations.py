"""What the command line can ask for, with a server running on the data directory or without one: one table for both."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import asdict

from datalab.errors import Invalid, Missing
from datalab.model.accounts import Domain, Password, PersonName, Registration, User, Username
from datalab.model.apps import App, IssuedToken, NewApp, Tag
from datalab.model.configuration import Configuration
from datalab.model.events import Position
from datalab.model.figures import FunnelFigures, Overview, Pages
from datalab.model.permissions import OPERATOR
from datalab.model.ranges import Range, read_range
from datalab.model.records import Record
from datalab.model.trimming import Trimmed, read_fields, readable
from datalab.services.api_keys import KeyMade, NewKey
from datalab.services.apps import new_id
from datalab.services.archive import PartitionShown
from datalab.services.export import Exported
from datalab.services.history import MAX_CHUNK, Imported
from datalab.services.services import Services

A = TypeVar("A", bound=Struct)
R = TypeVar("R")
FullName = Annotated[str, Meta(min_length=3, max_length=200, pattern=r"^[^/]+/[^/]+$")]


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
    return msgspec.convert(user, PersonShown, from_attributes=True)


class CreateApp(Struct, frozen=True, tag=True):
    """Make an app."""

    name: FullName
    owner: str
    urls: list[str]
    private: bool = False
    tags: list[str] = []
    description: str = ""
    time_zone: str = "UTC"


class DescribedApp(NewApp, frozen=True):
    """An app as the operator describes one: tags may be left out."""

    tags: Annotated[list[Tag], Meta(max_length=5, description="at most 5 tags of 1 to 30 characters")] = field(
        default_factory=list
    )


async def create_app(services: Services, asked: CreateApp) -> App:
    organisation, _, name = asked.name.partition("/")
    fields = {**asdict(asked), "name": name}
    new = read_fields(DescribedApp, {field: fields[field] for field in DescribedApp.__struct_fields__})
    return await services.apps.add(
        OPERATOR,
        App(
            id=new_id(),
            organisation=organisation.strip().lower(),
            name=new.name,
            owner=asked.owner.strip(),
            origins=new.urls,
            created=0,
            description=new.description,
            tags=new.tags,
            private=new.private,
            time_zone=new.time_zone,
        ),
    )


class ListApps(Struct, frozen=True, tag=True):
    """Every app."""


async def list_apps(services: Services, asked: ListApps) -> list[App]:
    return services.directory.all()


class OneApp(Struct, frozen=True, tag=True):
    """Show an app."""

    app: FullName


async def show_app(services: Services, asked: OneApp) -> App:
    return services.directory.named(asked.app)


class Configure(Struct, frozen=True, tag=True):
    """Replace an app's configuration."""

    app: FullName
    configuration: Configuration


async def configure(services: Services, asked: Configure) -> App:
    app = services.directory.named(asked.app)
    return await services.configurations.replace(OPERATOR, app.id, asked.configuration)


class DeleteApp(Struct, frozen=True, tag=True):
    """Delete an app and all its data."""

    app: FullName


async def delete_app(services: Services, asked: DeleteApp) -> None:
    app = services.directory.named(asked.app)
    await services.apps.delete(OPERATOR, app.id, app.full_name)


class IssueToken(Struct, frozen=True, tag=True):
    """Issue an app token; locks the configuration."""

    app: FullName


async def issue_token(services: Services, asked: IssueToken) -> IssuedToken:
    app = services.directory.named(asked.app)
    return token_of(await services.locks.issue(OPERATOR, app.id, app.full_name))


class RenewToken(Struct, frozen=True, tag=True):
    """Put off the end of an app's token."""

    app: FullName


async def renew_token(services: Services, asked: RenewToken) -> IssuedToken:
    return token_of(await services.locks.renew(OPERATOR, services.directory.named(asked.app).id))


class RotateToken(Struct, frozen=True, tag=True):
    """Issue another token; the present one goes on working for a while."""

    app: FullName
    overlap_hours: Annotated[int, Meta(ge=0, le=8760)] | None = None


async def rotate_token(services: Services, asked: RotateToken) -> IssuedToken:
    app = services.directory.named(asked.app)
    return token_of(await services.locks.rotate(OPERATOR, app.id, asked.overlap_hours))


def token_of(app: App) -> IssuedToken:
    """Raises Missing where a revocation came in between."""
    if app.token is None:
        raise Missing(f"{app.full_name} has no token")
    return app.token


class RevokeToken(Struct, frozen=True, tag=True):
    """Make an app's token invalid."""

    app: FullName


async def revoke_token(services: Services, asked: RevokeToken) -> App:
    return await services.locks.revoke(OPERATOR, services.directory.named(asked.app).id)


class UnlockApp(Struct, frozen=True, tag=True):
    """Revoke the token and archive the partition."""

    app: FullName


async def unlock_app(services: Services, asked: UnlockApp) -> App:
    app = services.directory.named(asked.app)
    return await services.locks.unlock(OPERATOR, app.id, app.full_name)


class ListPartitions(Struct, frozen=True, tag=True):
    """The partitions of an app."""

    app: FullName


async def list_partitions(services: Services, asked: ListPartitions) -> list[PartitionShown]:
    return await services.archive.all(services.directory.named(asked.app))


class DeletePartition(Struct, frozen=True, tag=True):
    """Delete an archived partition."""

    app: FullName
    number: int


async def delete_partition(services: Services, asked: DeletePartition) -> None:
    app = services.directory.named(asked.app)
    await services.archive.delete(OPERATOR, app.id, asked.number, app.full_name)


class BeginImport(Struct, frozen=True, tag=True):
    """Start an import of history."""

    app: FullName


async def begin_import(services: Services, asked: BeginImport) -> str:
    return await services.history.begin(services.directory.named(asked.app))


class ImportRecords(Struct, frozen=True, tag=True):
    """A chunk of an import, in file order."""

    run: str
    records: Annotated[list[Record], Meta(max_length=MAX_CHUNK)]


async def import_records(services: Services, asked: ImportRecords) -> Imported:
    return await services.history.add(asked.run, asked.records)


class EndImport(Struct, frozen=True, tag=True):
    """The end of an import; returns when it is in the figures."""

    run: str


async def end_import(services: Services, asked: EndImport) -> None:
    await services.history.end(asked.run)


class ExportChunk(Struct, frozen=True, tag=True):
    """A part of a partition's events, from a position on."""

    app: FullName
    partition: int | None
    position: Position


async def export_chunk(services: Services, asked: ExportChunk) -> Exported:
    key = await services.export.find(services.directory.named(asked.app), asked.partition)
    return await services.export.chunk(key, asked.position)


class Report(Struct, frozen=True, tag=True):
    """Figures of an app."""

    app: FullName
    from_: str | None = None
    to: str | None = None
    funnel: str | None = None
    unit: str = "visitors"
    order: str = "ordered"
    partition: int | None = None

    async def chosen(self, services: Services) -> App:
        """The app, as it was where a sealed partition is asked for."""
        return await services.archive.as_it_was(services.directory.named(self.app), self.partition)

    def range(self, app: App, services: Services) -> Range:
        """In the app's time zone."""
        return read_range(self.from_, self.to, app.time_zone, services.clock())


class ReportOverview(Report, frozen=True, tag=True):
    """Headline figures."""


async def report_overview(services: Services, asked: ReportOverview) -> Overview:
    app = await asked.chosen(services)
    return await services.insights.overview(app, asked.range(app, services))


class ReportPages(Report, frozen=True, tag=True):
    """Routes."""


async def report_pages(services: Services, asked: ReportPages) -> Pages:
    app = await asked.chosen(services)
    return await services.insights.pages(app, asked.range(app, services))


class ReportFunnel(Report, frozen=True, tag=True):
    """A funnel."""


async def report_funnel(services: Services, asked: ReportFunnel) -> FunnelFigures:
    app = await asked.chosen(services)
    return await services.insights.funnel(app, asked.range(app, services), asked.funnel, asked.unit, asked.order)


class Operation(Generic[A, R]):
    """An entry of the table: what is asked, what is answered, and by whom."""

    def __init__(self, asked: type[A], answered: Any, run: Callable[[Services, A], Awaitable[R]]) -> None:
        self.asked = asked
        self.answered = answered
        self.run = run


OPERATIONS: dict[str, Operation[Any, Any]] = {
    operation.asked.__name__: operation
    for operation in (
        Operation(AddUser, PersonShown, add_user),
        Operation(ListUsers, list[PersonShown], list_users),
        Operation(SetPassword, None, set_password),
        Operation(DisableUser, PersonShown, disable_user),
        Operation(RemoveUser, PersonShown, remove_user),
        Operation(MakeKey, KeyMade, make_key),
        Operation(CreateApp, App, create_app),
        Operation(ListApps, list[App], list_apps),
        Operation(OneApp, App, show_app),
        Operation(Configure, App, configure),
        Operation(DeleteApp, None, delete_app),
        Operation(UnlockApp, App, unlock_app),
        Operation(ListPartitions, list[PartitionShown], list_partitions),
        Operation(DeletePartition, None, delete_partition),
        Operation(IssueToken, IssuedToken, issue_token),
        Operation(RenewToken, IssuedToken, renew_token),
        Operation(RotateToken, IssuedToken, rotate_token),
        Operation(RevokeToken, App, revoke_token),
        Operation(BeginImport, str, begin_import),
        Operation(ImportRecords, Imported, import_records),
        Operation(EndImport, None, end_import),
        Operation(ExportChunk, Exported, export_chunk),
        Operation(ReportOverview, Overview, report_overview),
        Operation(ReportPages, Pages, report_pages),
        Operation(ReportFunnel, FunnelFigures, report_funnel),
    )
}


async def perform(services: Services, name: str, body: bytes) -> bytes:
    """Do what was asked, both ways in msgpack; raises Refusal."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise Missing(f"there is no operation {name[:80]!r}; client and server are of different versions")
    try:
        asked = msgspec.msgpack.decode(body, type=operation.asked)
    except msgspec.DecodeError as error:
        raise Invalid(readable(operation.asked, error)) from None
    return msgspec.msgpack.encode(await operation.run(services, asked))
