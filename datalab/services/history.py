"""Import of history: records become events of the app's open partition, each once."""

import asyncio
import secrets
from collections import Counter
from functools import partial

import msgspec
import numpy as np

from datalab.clock import Clock
from datalab.errors import Missing, TooMany
from datalab.model.apps import App
from datalab.model.events import Context, Events, Opening, Position
from datalab.model.records import Record, check, content_of, context_of, visitor_key
from datalab.services.directory import Directory
from datalab.services.locks import Locks
from datalab.services.partitions import Partitions, key_of
from datalab.services.record_keys import KeyReader, RecordKeys, record_key
from datalab.stores.journal import Journal, PartitionKey

MAX_CHUNK = 50_000
MAX_RUNS = 8
"""Imports that may be under way at once, of different apps; each keeps 16 bytes an event."""
ABANDONED_MS = 600_000
"""A run that got nothing for so long has lost its client."""


class Imported(msgspec.Struct, frozen=True):
    """What became of a chunk's records."""

    added: int
    repeated: int
    """Left out, since the partition holds them already."""


class Run:
    """An import under way."""

    def __init__(self, app: str, now_ms: int) -> None:
        self.app = app
        self.used = now_ms
        """When it last got something."""
        self.partition = PartitionKey(app, 0)
        self.feeding = asyncio.Lock()
        self.present = RecordKeys()
        """What the partition held before the run."""
        self.brought = RecordKeys()
        """What the run's file held so far."""


class History:
    """A run is begun, fed with chunks in file order, and ended."""

    def __init__(
        self, directory: Directory, locks: Locks, partitions: Partitions, journal: Journal, clock: Clock
    ) -> None:
        self._directory = directory
        self._locks = locks
        self._partitions = partitions
        self._journal = journal
        self._clock = clock
        self._runs: dict[str, Run] = {}

    async def begin(self, app: App) -> str:
        """Start a run; its name. Ends an earlier run of the same app, whose client is taken for gone.

        Two at a time could not tell each other's events from their own. Raises Unavailable, TooMany.
        """
        now, name = self._clock(), secrets.token_hex(8)
        run, reader = Run(app.id, now), KeyReader()
        for other, old in list(self._runs.items()):
            if old.app == app.id or old.used < now - ABANDONED_MS:
                del self._runs[other]
                async with old.feeding:
                    pass
        if len(self._runs) >= MAX_RUNS:
            raise TooMany(f"{MAX_RUNS} imports are under way; wait for one to end")
        self._runs[name] = run
        try:
            async with run.feeding:
                app = await self._locks.begin_partition(app.id)
                await self._partitions.intake(app)
                run.partition = key_of(app)
                async for batch in self._journal.replay(run.partition, Position()):
                    await asyncio.get_running_loop().run_in_executor(None, partial(reader.collect, batch, run.present))
        except BaseException:
            self._runs.pop(name, None)
            raise
        return name

    async def add(self, name: str, records: list[Record]) -> Imported:
        """Store a chunk; raises Invalid, Missing, Unavailable."""
        run = self._run(name)
        async with run.feeding:
            self._run(name)
            run.used = self._clock()
            app = self._directory.get(run.app)
            if key_of(app) != run.partition:
                raise Missing(f"{app.full_name} was unlocked meanwhile; import into its next partition anew")
            intake = await self._partitions.intake(app)
            loop = asyncio.get_running_loop()
            openings, events = await loop.run_in_executor(None, partial(columns, run, records, run.used))
            if len(events):
                await intake.store(openings, events)
        return Imported(added=len(events), repeated=len(records) - len(events))

    async def end(self, name: str) -> None:
        """Wait until everything is in the figures, and forget the run."""
        run = self._runs.pop(name, None)
        if run is not None:
            await self._partitions.settled(self._directory.get(run.app))

    def _run(self, name: str) -> Run:
        if name not in self._runs:
            raise Missing(
                "the import is no longer under way, or another one into the app took its place; start it again"
            )
        return self._runs[name]


def columns(run: Run, records: list[Record], now_ms: int) -> tuple[list[Opening], Events]:
    """The openings and events of the records that the partition does not hold yet.

    The n-th of equal records is new if the partition held fewer than n of them before the run.
    """
    plain = [(visitor_key(record.visitor), check(record, now_ms), *content_of(record)) for record in records]
    keys = [record_key(*entry) for entry in plain]
    before = run.brought.count(keys)
    held = run.present.count(keys)
    run.brought.add(keys)
    within: Counter[bytes] = Counter()
    chosen = []
    for index, key in enumerate(keys):
        if before[index] + within[key] >= held[index]:
            chosen.append(index)
        within[key] += 1
    streams: dict[tuple[bytes, Context], int] = {}
    openings: list[Opening] = []
    texts: dict[str, int] = {}
    stream, sequence, lengths = [], [], Counter[int]()
    for index in chosen:
        record, (visitor, time, *_) = records[index], plain[index]
        context = context_of(record)
        number = streams.setdefault((visitor, context), len(streams))
        if number == len(openings):
            openings.append(Opening(visitor=visitor, started=time, context=context, imported=True))
        lengths[number] += 1
        stream.append(number)
        sequence.append(lengths[number])
    return openings, Events(
        stream=np.array(stream, dtype=np.uint32),
        sequence=np.array(sequence, dtype=np.uint32),
        time=np.array([plain[index][1] for index in chosen], dtype=np.int64),
        kind=np.array([plain[index][2] for index in chosen], dtype=np.uint8),
        text=np.array([texts.setdefault(plain[index][4], len(texts)) for index in chosen], dtype=np.uint32),
        number=np.array([plain[index][3] for index in chosen], dtype=np.uint32),
        texts=list(texts),
    )
