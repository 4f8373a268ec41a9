"""What the operator asks about apps, their configuration, their tokens and their partitions."""

from typing import Annotated

from msgspec import Meta, Struct, field
from msgspec.structs import asdict

from datalab.errors import Missing
from datalab.model.apps import App, IssuedToken, NewApp, Tag
from datalab.model.configuration import Configuration
from datalab.model.permissions import OPERATOR
from datalab.model.trimming import read_fields
from datalab.services.apps import new_id
from datalab.services.archive import PartitionShown
from datalab.services.services import Services

FullName = Annotated[
    str, Meta(min_length=3, max_length=200, pattern=r"^[^/]+/[^/]+$", description="write ORGANISATION/NAME")
]


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
