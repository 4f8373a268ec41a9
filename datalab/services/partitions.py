"""Partitions: for each app the one that takes events, with its intake and its figures, and the sealed ones."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from datalab.aggregate.rules import Rules
from datalab.clock import Clock
from datalab.errors import Missing, Refusal
from datalab.ingest.gate import Gate
from datalab.ingest.intake import Intake
from datalab.model.agents import own_hosts
from datalab.model.apps import App, PartitionRecord, record_id
from datalab.services.directory import Directory
from datalab.services.replays import Replays
from datalab.settings import Settings
from datalab.stores.documents import Documents
from datalab.stores.journal import Journal, PartitionKey
from datalab.workers.aggregation import Aggregation
from datalab.workers.runner import Runner

log = logging.getLogger(__name__)

ARCHIVED_IN_MEMORY = 3
"""Sealed partitions whose figures are kept in memory once somebody looked at them."""


class Partitions:
    """Opened at start and when they are first needed. What documents say of a partition is carried out here."""

    def __init__(
        self,
        documents: Documents,
        directory: Directory,
        journal: Journal,
        aggregation: Aggregation,
        runner: Runner,
        settings: Settings,
        clock: Clock,
        replays: Replays | None = None,
    ) -> None:
        self.gate = Gate()
        self.unopened: dict[str, str] = {}
        """Apps whose partition could not be opened at start, and why."""
        self._documents = documents
        self._directory = directory
        self._journal = journal
        self._aggregation = aggregation
        self._runner = runner
        self._settings = settings
        self._clock = clock
        self._replays = replays
        """None: what an archived partition's snapshot does not tell is replayed in this process."""
        self._intakes: dict[PartitionKey, Intake] = {}
        self._archived: dict[PartitionKey, None] = {}
        """Those in memory, the one asked for longest ago first."""
        self._opening = asyncio.Lock()
        self._left: dict[str, Callable[[], Awaitable[None]]] = {}
        """What the disk refused so far, by name."""

    def rules(self, app: App) -> Rules:
        """What the app's figures depend on."""
        return Rules(
            configuration=app.configuration,
            own_hosts=own_hosts(app.origins),
            session_timeout_ms=self._settings.figures.session_timeout_minutes * 60_000,
            max_values=self._settings.figures.max_values,
            zone=app.time_zone,
        )

    async def open_all(self) -> None:
        """Finish what a crash interrupted, then open every app's partition; one that cannot be opened does not keep
        the others from it."""
        for record in await self._documents.run(lambda collections: collections.partitions.where()):
            key = PartitionKey(record.app, record.number)
            if record.deleted:
                await self._carry_out(f"deletion of {key}", partial(self._delete, key))
            elif record.sealed is not None:
                await self._carry_out(f"archiving of {key}", partial(self._put_aside, key))
        await self._forget_deleted()
        for app in self._directory.all():
            if app.partition:
                try:
                    await self.intake(app)
                except Refusal as refusal:
                    self.unopened[app.full_name] = refusal.detail
                    log.error("%s takes no events: %s", app.full_name, refusal.detail)
                    with suppress(Missing):
                        # What there is can still be read.
                        await self._aggregation.load(key_of(app), self.rules(app))

    async def intake(self, app: App) -> Intake:
        """The intake of the app's open partition; raises Unavailable, Missing where there is none (any more)."""
        if not app.partition:
            raise Missing(f"{app.full_name} has no open partition; issue a token or import history")
        key = key_of(app)
        if key in self._intakes:
            return self._intakes[key]
        async with self._opening:
            if self._directory.get(app.id).partition != app.partition:
                raise Missing(f"partition {app.partition} of {app.full_name} is sealed")
            if key not in self._intakes:
                intake = Intake(
                    key, self._journal, self._aggregation.feed, self.gate, self._settings.ingest, self._clock
                )
                await intake.open()
                await self._aggregation.load(key, self.rules(app), intake.position)
                self._intakes[key] = intake
                self._runner.start(f"aggregation of {key}", lambda: self._aggregation.run(key))
                self._runner.start(f"intake of {key}", intake.run)
                self.unopened.pop(app.full_name, None)
        return self._intakes[key]

    async def recompute(self, app: App) -> None:
        """Make the figures anew after a change of the configuration."""

        async def work() -> None:
            async with self._opening:
                # As the app is now: it may have been changed again, unlocked or deleted.
                current = next((known for known in self._directory.all() if known.id == app.id), None)
                if current is not None and (key := key_of(current)) in self._intakes:
                    async with self._intakes[key].paused():
                        await self._aggregation.settled(key)
                        await self._aggregation.reload(key, self.rules(current))

        await self._carry_out(f"figures of {app.full_name}", work)

    async def settled(self, app: App) -> None:
        """Wait until everything stored is in the figures."""
        if app.partition and key_of(app) in self._intakes:
            await self._aggregation.settled(key_of(app))

    async def archive(self, app: App, number: int) -> None:
        """Put a partition aside that the documents say is sealed: what has arrived is committed first."""
        key = PartitionKey(app.id, number)

        async def work() -> None:
            async with self._opening:
                await self._close(key)
                await self._aggregation.save()
                self._aggregation.unload(key)
                await self._put_aside(key)

        await self._carry_out(f"archiving of {key}", work)

    async def readable(self, app: App) -> bool:
        """Have the figures of an app's partition in memory, a sealed one's too; False where there are none.

        Raises Underway while a sealed one's are made anew, Unavailable where they cannot be.
        """
        key = key_of(app)
        if not self._aggregation.has(key):
            if not self._is_sealed(app):
                return False
            if self._replays is not None:
                async with self._opening:
                    pass  # where it is just being put aside, its file has no place yet
                await self._replays.make(app, key, self.rules(app))
            async with self._opening:
                if not self._aggregation.has(key):
                    await self._aggregation.load(key, self.rules(app))
        if self._is_sealed(app):
            self._archived.pop(key, None)
            self._archived[key] = None
            while len(self._archived) > ARCHIVED_IN_MEMORY:
                oldest = next(iter(self._archived))
                del self._archived[oldest]
                self._aggregation.unload(oldest)
        return True

    def _is_sealed(self, app: App) -> bool:
        return app.partition > 0 and self._directory.get(app.id).partition != app.partition

    async def record(self, app: App, number: int) -> PartitionRecord:
        """Of one partition of an app; raises Missing."""
        found = await self._documents.run(lambda collections: collections.partitions.get(record_id(app.id, number)))
        if found is None or found.deleted:
            raise Missing(f"{app.full_name} has no partition {number}")
        return found

    async def records(self, app: App) -> list[PartitionRecord]:
        """Of all partitions of an app, newest first."""
        found = await self._documents.run(lambda collections: collections.partitions.where(app=app.id))
        return sorted((record for record in found if not record.deleted), key=lambda record: -record.number)

    async def size(self, record: PartitionRecord) -> int:
        """Bytes on disk, 0 where the file is not there."""
        try:
            return await self._journal.size(PartitionKey(record.app, record.number))
        except Missing:
            return 0

    async def forget(self, app: App) -> None:
        """Delete the data of partitions that the documents say are deleted."""

        async def work() -> None:
            found = await self._documents.run(lambda collections: collections.partitions.where(app=app.id))
            async with self._opening:
                for record in found:
                    if record.deleted:
                        key = PartitionKey(record.app, record.number)
                        await self._close(key)
                        await self._delete(key)
            await self._forget_deleted()

        await self._carry_out(f"deletion of data of {app.full_name}", work)

    async def carry_out_left(self) -> None:
        """Try again what the disk refused."""
        left, self._left = self._left, {}
        for name, work in left.items():
            await self._carry_out(name, work)

    async def _carry_out(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do to files and figures what the documents say already: a refusal undoes nothing, so it is tried again."""
        try:
            await work()
        except Refusal as refusal:
            log.error("%s: not done yet: %s", name, refusal.detail)
            self._left[name] = work

    def troubles(self) -> dict[str, str]:
        """Why apps take no events at the moment, by full name."""
        refusing = {
            app.full_name: refusal.detail
            for app in self._directory.all()
            if (intake := self._intakes.get(key_of(app))) and (refusal := intake.refusal)
        }
        return self.unopened | refusing

    async def close(self) -> None:
        """Commit what has arrived."""
        for key in list(self._intakes):
            await self._close(key)

    async def _close(self, key: PartitionKey) -> None:
        intake = self._intakes.pop(key, None)
        if intake is not None:
            intake.close()
            await self._runner.join(f"intake of {key}")
            await self._aggregation.settled(key)

    async def _put_aside(self, key: PartitionKey) -> None:
        try:
            await self._journal.archive(key)
        except Missing:
            # It was sealed before it ever got a file; an empty one tells that nothing came.
            await self._journal.open(key)
            await self._journal.archive(key)

    async def _delete(self, key: PartitionKey) -> None:
        self._archived.pop(key, None)
        if self._replays is not None:
            await self._replays.forget(key)
        await self._aggregation.forget(key)
        with suppress(Missing):
            await self._journal.delete(key)

    async def _forget_deleted(self) -> None:
        """Remove the records whose files are gone."""
        left = set(await self._journal.partitions())

        def gone(record: PartitionRecord) -> bool:
            return record.deleted and PartitionKey(record.app, record.number) not in left

        await self._documents.run(
            lambda collections: [
                collections.partitions.remove(record.id) for record in collections.partitions.where() if gone(record)
            ]
        )


def key_of(app: App) -> PartitionKey:
    """The app's partition: the open one, or for an app as it was (see `Archive`) the sealed one."""
    return PartitionKey(app.id, app.partition)
