"""The archive: sealed partitions, readable as they were and under what they were collected, until they are deleted."""

from msgspec import Struct
from msgspec.structs import replace

from datalab.errors import Locked, Missing
from datalab.model.apps import App, PartitionRecord, record_id
from datalab.model.configuration import Configuration
from datalab.model.permissions import Action, Actor
from datalab.services.apps import demand_confirmed
from datalab.services.changes import Change, Changes
from datalab.services.partitions import Partitions


class PartitionShown(Struct, frozen=True):
    """A partition; `configuration`, `urls` and `time_zone` are what it ran under, for the open one the app's."""

    number: int
    opened: int
    sealed: int | None
    """Milliseconds since the epoch; None for the open one."""
    bytes: int
    configuration: Configuration
    urls: list[str]
    time_zone: str


class Archive:
    """Lists all partitions of an app; deletes sealed ones."""

    def __init__(self, changes: Changes, partitions: Partitions) -> None:
        self._changes = changes
        self._partitions = partitions

    async def all(self, app: App) -> list[PartitionShown]:
        """Newest first."""
        return [await self._shown(app, record) for record in await self._partitions.records(app)]

    async def one(self, app: App, number: int) -> PartitionShown:
        """Raises Missing."""
        return await self._shown(app, await self._partitions.record(app, number))

    async def as_it_was(self, app: App, number: int | None) -> App:
        """The app under which a sealed partition ran, to ask for its figures; the app itself for the open one or None.

        Raises Missing.
        """
        if number is None or number == app.partition:
            return app
        return under(app, await self._partitions.record(app, number))

    async def latest(self, app: App) -> App:
        """The app as it was in the partition sealed last, the app itself where all are deleted."""
        records = await self._partitions.records(app)
        return under(app, records[0]) if records and records[0].number != app.partition else app

    async def delete(self, actor: Actor, id: str, number: int, confirm: str) -> None:
        """Delete a sealed partition for good. Raises Missing, Forbidden, Invalid; Locked for the open one."""

        def work(change: Change) -> App:
            app = change.app(id, Action.PARTITIONS)
            demand_confirmed(app, confirm)
            record = change.collections.partitions.get(record_id(id, number))
            if record is None or record.deleted:
                raise Missing(f"{app.full_name} has no partition {number}")
            if record.sealed is None:
                raise Locked(f"partition {number} of {app.full_name} is open; unlock the app first")
            change.collections.partitions.replace(replace(record, deleted=True))
            change.log(app, "partition.delete", f"partition {number}")
            return app

        await self._partitions.forget(await self._changes.run(actor, work))

    async def _shown(self, app: App, record: PartitionRecord) -> PartitionShown:
        is_open = record.sealed is None
        return PartitionShown(
            number=record.number,
            opened=record.opened,
            sealed=record.sealed,
            bytes=await self._partitions.size(record),
            configuration=app.configuration if is_open else record.configuration,
            urls=app.origins if is_open else record.origins,
            time_zone=app.time_zone if is_open else record.time_zone,
        )


def under(app: App, record: PartitionRecord) -> App:
    """The app under which a sealed partition ran."""
    return replace(
        app,
        configuration=record.configuration,
        origins=record.origins,
        time_zone=record.time_zone,
        partition=record.number,
        locked=True,
        token=None,
        retiring=None,
    )
