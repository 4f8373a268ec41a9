"""Import of history: records become events of the app's open partition, each once."""

import asyncio
import secrets
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from datalab.clock import Clock
from datalab.errors import Missing, TooMany
from datalab.model.apps import App
from datalab.model.records import Record
from datalab.services.directory import Directory
from datalab.services.jobs import Handle, Jobs
from datalab.services.locks import Locks
from datalab.services.partitions import Partitions, key_of
from datalab.services.record_columns import Chunk, Columns, HeldRecords, RecordColumns
from datalab.stores.journal import PartitionKey
from datalab.workers.processes import Child, Ended, Processes

MAX_RUNS = 8
"""Imports that may be under way at once, of different apps; each has a process that keeps 16 bytes an event."""
ABANDONED_MS = 600_000
"""A run that got nothing for so long has lost its client."""
CANCELLED = "the import was cancelled; importing the file again adds only what is missing"


class Imported(msgspec.Struct, frozen=True):
    """What became of a chunk's records."""

    added: int
    repeated: int
    """Left out, since the partition holds them already."""


class Run:
    """An import under way; `job` is what people see of it."""

    def __init__(self, app: str, size: int | None, now_ms: int) -> None:
        self.app = app
        self.size = size
        """Bytes of the file."""
        self.used = now_ms
        """When it last got something."""
        self.job: Handle | None = None
        self.added = 0
        self.repeated = 0
        self.read = 0
        """Bytes of the file so far."""
        self.partition = PartitionKey(app, 0)
        self.feeding = asyncio.Lock()
        self.over: str | None = None
        """Why it takes no more."""
        self.child: Child[HeldRecords | Chunk, Columns] | None = None
        self.stack = AsyncExitStack()
        """Holds the child."""

    @property
    def outcome(self) -> str:
        """In words."""
        return f"{self.added} events added, {self.repeated} were there already"

    def reading(self, done: int, total: int | None) -> None:
        """So many of the partition's events are known."""
        if self.job is not None:
            far = f"{100 * done // total} %" if total else "all"
            self.job.told(0, self.size, f"reading what the partition holds: {far}")

    def came_along(self, imported: Imported, read: int) -> None:
        """A chunk was stored."""
        self.added += imported.added
        self.repeated += imported.repeated
        self.read = max(self.read, read)
        if self.job is not None:
            records = self.added + self.repeated
            self.job.told(self.read if self.size else records, self.size, self.outcome)


class History:
    """A run is begun, fed with chunks in file order, and ended. Its records are read and hashed by its own child."""

    def __init__(
        self, data: Path, directory: Directory, locks: Locks, partitions: Partitions, jobs: Jobs, clock: Clock
    ) -> None:
        self._data = data
        self._directory = directory
        self._locks = locks
        self._partitions = partitions
        self._jobs = jobs
        self._clock = clock
        # They wait for their clients most of the time, so they take no place from other work.
        self._processes = Processes(at_once=MAX_RUNS, waiting=0)
        self._runs: dict[str, Run] = {}

    async def begin(self, app: App, size: int | None = None) -> str:
        """Start a run for a file of so many bytes; its name. Ends an earlier run of the same app, whose client is taken
        for gone: two at a time could not tell each other's events from their own. Raises Unavailable, TooMany.
        """
        now, name = self._clock(), secrets.token_hex(8)
        run = Run(app.id, size, now)
        for other, old in list(self._runs.items()):
            if old.app == app.id:
                async with old.feeding:
                    await self._stop(other, "another import into the app took its place")
        await self.forget_abandoned()
        if len(self._runs) >= MAX_RUNS:
            raise TooMany(f"{MAX_RUNS} imports are under way; wait for one to end")
        self._runs[name] = run

        async def cancel() -> None:
            await self._stop(name, CANCELLED, cancelled=True)

        try:
            async with run.feeding:
                run.job = self._jobs.begin(app, "import", f"import into {app.full_name}", cancel)
                app = await self._locks.begin_partition(app.id)
                intake = await self._partitions.intake(app)
                run.partition = key_of(app)
                run.child = await run.stack.enter_async_context(self._processes.child(RecordColumns, run.job.job.title))
                self._demand_going_on(run)
                await run.child.ask(HeldRecords(str(self._data), run.partition, intake.position), run.reading)
                run.used = self._clock()
                run.job.told(0, size, "")
        except BaseException as failure:
            await self._stop(name, getattr(failure, "detail", "") or "the import could not begin")
            # One that was cancelled is stopped already, maybe before it had its child.
            await run.stack.aclose()
            if isinstance(failure, Ended) and run.over == CANCELLED:
                raise Missing(CANCELLED) from None
            raise
        return name

    async def add(self, name: str, records: list[Record] | msgspec.Raw, read: int = 0) -> Imported:
        """Store a chunk, plain or as msgpack, which ends behind so many bytes of the file.

        Raises Invalid, Missing, Unavailable.
        """
        run = self._run(name)
        async with run.feeding:
            self._demand_going_on(run)
            run.used = self._clock()
            app = self._directory.get(run.app)
            if key_of(app) != run.partition:
                raise Missing(f"{app.full_name} was unlocked meanwhile; import into its next partition anew")
            assert run.child is not None  # noqa: S101  (the run was begun)
            intake = await self._partitions.intake(app)
            packed = records if isinstance(records, msgspec.Raw) else msgspec.Raw(msgspec.msgpack.encode(records))
            try:
                columns = await run.child.ask(Chunk(packed, run.used))
            except Ended as ended:
                self._demand_going_on(run)
                detail = f"{ended.detail}: importing the file again adds only what is missing"
                await self._stop(name, detail)
                raise Ended(detail) from None
            if columns.added:
                batch = await asyncio.to_thread(columns.decode)
                await intake.store(batch.openings, batch.events)
            imported = Imported(columns.added, columns.repeated)
            run.came_along(imported, read)
        return imported

    async def end(self, name: str, *, whole: bool = True) -> None:
        """Wait until everything is in the figures, and forget the run; not the whole file may have come."""
        run = self._runs.get(name)
        if run is not None:
            try:
                await self._partitions.settled(self._directory.get(run.app))
                if whole and run.job is not None:
                    run.job.end("done", run.outcome)
            finally:
                await self._stop(name, f"the import ended before its file did; {run.outcome}")

    async def forget_abandoned(self) -> None:
        """End the runs whose clients are gone."""
        oldest = self._clock() - ABANDONED_MS
        for name, run in list(self._runs.items()):
            if run.used < oldest and not run.feeding.locked():
                await self._stop(name, f"whoever imported is gone; {run.outcome}")

    async def close(self) -> None:
        """End all runs."""
        for name in list(self._runs):
            await self._stop(name, "the appliance was stopped")
        await self._processes.close()

    async def _stop(self, name: str, reason: str, *, cancelled: bool = False) -> None:
        """Forget a run; what waits for its child is refused."""
        run = self._runs.pop(name, None)
        if run is not None:
            run.over = reason
            if run.job is not None:
                run.job.end("cancelled" if cancelled else "failed", reason)
            await run.stack.aclose()

    def _run(self, name: str) -> Run:
        if name not in self._runs:
            raise Missing(
                "the import is no longer under way: it was cancelled, or another one into the app took its place; "
                "start it again"
            )
        return self._runs[name]

    def _demand_going_on(self, run: Run) -> None:
        if run.over is not None:
            raise Missing(run.over)
