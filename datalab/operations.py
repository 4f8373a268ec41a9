"""What the command line can ask for, with a server running on the data directory or without one: one table for both."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from datalab.errors import Invalid, Missing
from datalab.model.accounts import Domain, Password, PersonName, User, Username
from datalab.model.apps import App, AppName, IssuedToken, Tag
from datalab.model.configuration import Configuration
from datalab.model.figures import FunnelFigures, Overview, Pages
from datalab.model.ranges import Range, read_range
from datalab.model.records import Record
from datalab.services.apps import new_id
from datalab.services.history import MAX_CHUNK, Imported
from datalab.services.services import Services

A = TypeVar("A", bound=Struct)
R = TypeVar("R")
FullName = Annotated[str, Meta(min_length=3, max_length=200, pattern=r"^[^/]+/[^/]+$")]


class AddUser(Struct, frozen=True, tag=True):
    """Make a person."""

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


async def add_user(services: Services, asked: AddUser) -> PersonShown:
    user = await services.accounts.add(
        asked.username, asked.organisation, asked.password, asked.first_name, asked.last_name, asked.position
    )
    return shown(user)


class ListUsers(Struct, frozen=True, tag=True):
    """Everybody."""


async def list_users(services: Services, asked: ListUsers) -> list[PersonShown]:
    return [shown(user) for user in await services.accounts.all()]


def shown(user: User) -> PersonShown:
    """What may be shown of a person."""
    return PersonShown(user.username, user.organisation, user.first_name, user.last_name, user.position, user.admin)


class CreateApp(Struct, frozen=True, tag=True):
    """Make an app."""

    name: FullName
    owner: Username
    urls: Annotated[list[str], Meta(min_length=1, max_length=50)]
    private: bool = False
    tags: Annotated[list[Tag], Meta(max_length=5)] = []
    description: Annotated[str, Meta(max_length=2000)] = ""
    time_zone: Annotated[str, Meta(max_length=60)] = "UTC"


async def create_app(services: Services, asked: CreateApp) -> App:
    organisation, _, name = (part.strip() for part in asked.name.partition("/"))
    check_name(name)
    return await services.apps.add(
        App(
            id=new_id(),
            organisation=organisation.lower(),
            name=name,
            owner=asked.owner,
            origins=asked.urls,
            created=0,
            description=asked.description,
            tags=asked.tags,
            private=asked.private,
            time_zone=asked.time_zone,
        )
    )


def check_name(name: str) -> None:
    """Raises Invalid."""
    try:
        msgspec.convert(name, AppName)
    except msgspec.ValidationError as error:
        raise Invalid(f"app name {name[:80]!r}: {error}") from None


class ListApps(Struct, frozen=True, tag=True):
    """Every app."""


async def list_apps(services: Services, asked: ListApps) -> list[App]:
    return services.apps.all()


class OneApp(Struct, frozen=True, tag=True):
    """Show an app."""

    app: FullName


async def show_app(services: Services, asked: OneApp) -> App:
    return services.apps.named(asked.app)


class Configure(Struct, frozen=True, tag=True):
    """Replace an app's configuration."""

    app: FullName
    configuration: Configuration


async def configure(services: Services, asked: Configure) -> App:
    app = await services.apps.configure(services.apps.named(asked.app), asked.configuration)
    await services.partitions.recompute(app)
    return app


class IssueToken(Struct, frozen=True, tag=True):
    """Issue an app token; locks the configuration."""

    app: FullName


async def issue_token(services: Services, asked: IssueToken) -> IssuedToken:
    app = await services.apps.issue_token(services.apps.named(asked.app))
    await services.partitions.intake(app)
    if app.token is None:
        raise Missing(f"{asked.app} has no token")
    return app.token


class RevokeToken(Struct, frozen=True, tag=True):
    """Make an app's token invalid."""

    app: FullName


async def revoke_token(services: Services, asked: RevokeToken) -> App:
    return await services.apps.revoke_token(services.apps.named(asked.app))


class BeginImport(Struct, frozen=True, tag=True):
    """Start an import of history."""

    app: FullName


async def begin_import(services: Services, asked: BeginImport) -> str:
    return await services.history.begin(services.apps.named(asked.app))


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


class Report(Struct, frozen=True, tag=True):
    """Figures of an app."""

    app: FullName
    from_: str | None = None
    to: str | None = None
    funnel: str | None = None
    unit: str = "visitors"
    order: str = "ordered"

    def range(self, app: App, services: Services) -> Range:
        """In the app's time zone."""
        return read_range(self.from_, self.to, app.time_zone, services.clock())


class ReportOverview(Report, frozen=True, tag=True):
    """Headline figures."""


async def report_overview(services: Services, asked: ReportOverview) -> Overview:
    app = services.apps.named(asked.app)
    return await services.insights.overview(app, asked.range(app, services))


class ReportPages(Report, frozen=True, tag=True):
    """Routes."""


async def report_pages(services: Services, asked: ReportPages) -> Pages:
    app = services.apps.named(asked.app)
    return await services.insights.pages(app, asked.range(app, services))


class ReportFunnel(Report, frozen=True, tag=True):
    """A funnel."""


async def report_funnel(services: Services, asked: ReportFunnel) -> FunnelFigures:
    app = services.apps.named(asked.app)
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
        Operation(CreateApp, App, create_app),
        Operation(ListApps, list[App], list_apps),
        Operation(OneApp, App, show_app),
        Operation(Configure, App, configure),
        Operation(IssueToken, IssuedToken, issue_token),
        Operation(RevokeToken, App, revoke_token),
        Operation(BeginImport, str, begin_import),
        Operation(ImportRecords, Imported, import_records),
        Operation(EndImport, None, end_import),
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
        raise Invalid(readable(error)) from None
    return msgspec.msgpack.encode(await operation.run(services, asked))


def readable(error: msgspec.DecodeError) -> str:
    """`$.username` as `username`."""
    reason, _, place = str(error).partition(" - at `$.")
    return f"{place.rstrip('`')}: {reason}" if place else reason
