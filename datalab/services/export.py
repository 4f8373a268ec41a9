"""Export: a partition's events as lines, each a record that `import` reads, in the order of the journal."""

import asyncio
import os
import struct
import tempfile
import weakref
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from datalab.clock import Clock, system_clock
from datalab.errors import Missing, Unavailable
from datalab.model.apps import App
from datalab.model.events import Batch, Context, Events, Position
from datalab.model.records import encode_record, lost_visitor, plain_context, record_of
from datalab.stores.journal import Journal, PartitionKey

PIECE_BYTES = 256 * 1024
CHUNK_BYTES = 4 * 1024 * 1024
"""About; the line that goes beyond it is still in it."""
EVENTS_AT_ONCE = 4096
"""Small batches are collected up to here before a thread converts them; of a large one, as many are taken at a time."""
MAX_READINGS = 8
"""Exports in chunks that are remembered between two chunks; a further one is right too, but starts over each time."""
ABANDONED_MS = 600_000
"""A reading nobody went on with for so long has lost its client."""
KNOWN = 4096
"""Streams and contexts kept in memory; beyond it the memory starts afresh."""
RETRY_SECONDS = 5.0
START = Position()


class Exported(msgspec.Struct, frozen=True):
    """A part of an export."""

    lines: bytes
    """Whole lines, each with its line feed."""
    next: Position | None
    """Where the next part begins, None where this is the last one."""
    partition: int
    """The number to go on with: which partition is the open one may change meanwhile."""


class Scratch:
    """A file without a name, gone with the last reference to it, also while a thread still uses it."""

    def __init__(self, folder: Path | None) -> None:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            self._handle = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._handle)
        self.size = 0

    def write(self, data: bytes | bytearray, at: int) -> None:
        """All of it."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._handle, rest, at)
            at, rest = at + written, rest[written:]
        self.size = max(self.size, at)

    def read(self, length: int, at: int) -> bytes:
        """Zeros where nothing was written."""
        return os.pread(self._handle, length, at).ljust(length, b"\0")


class Openings:
    """Whose each stream of a partition is and in which context it began: on disk, since there may be millions."""

    ROW = struct.Struct("<16sQI")
    """Visitor, place and length of the context; a length of 0 where the opening was lost."""

    def __init__(self, folder: Path | None) -> None:
        self._rows = Scratch(folder)
        self._contexts = Scratch(folder)
        self._places: dict[Context, tuple[int, int]] = {}
        self._recent: dict[int, tuple[bytes, Context]] = {}
        self._count = 0

    def note(self, batch: Batch) -> None:
        """Remember a batch's openings; a second time changes nothing. Raises OSError."""
        if batch.end.streams <= self._count:
            return
        rows, contexts = bytearray(), bytearray()
        for opening in batch.openings:
            rows += self.ROW.pack(opening.visitor, *self._place(opening.context, contexts))
        self._contexts.write(contexts, self._contexts.size)
        self._rows.write(rows, batch.start.streams * self.ROW.size)
        self._count = batch.end.streams

    def of(self, stream: int) -> tuple[bytes, Context]:
        """Visitor and plain context; a stand-in where the opening was lost. Raises OSError."""
        found = self._recent.get(stream)
        if found is None:
            visitor, at, length = self.ROW.unpack(self._rows.read(self.ROW.size, stream * self.ROW.size))
            found = (
                (visitor, decode_context(self._contexts.read(length, at)))
                if length
                else (lost_visitor(stream), Context())
            )
            if len(self._recent) >= KNOWN:
                self._recent.clear()
            self._recent[stream] = found
        return found

    def _place(self, context: Context, fresh: bytearray) -> tuple[int, int]:
        """Where the context lies; one that is not known is added to what comes next into the file."""
        place = self._places.get(context)
        if place is None:
            data = msgspec.msgpack.encode(plain_context(context))
            place = self._contexts.size + len(fresh), len(data)
            fresh += data
            if len(self._places) >= KNOWN:
                self._places.clear()
            self._places[context] = place
        return place


class Reading:
    """A partition being read. Always from its beginning, since any event may belong to the first opening."""

    def __init__(self, batches: AsyncIterator[Batch], since: Position, scratch: Path | None, clock: Clock) -> None:
        self.position = since
        self.used = clock()
        self.ended = False
        self._batches = batches
        self._waiting: deque[Batch] = deque()
        self._scratch = scratch
        self._openings: Openings | None = None
        self._clock = clock

    async def read(self, limit: int) -> bytes:
        """Lines of `limit` bytes or one line more; fewer at the end. Raises Missing, Unavailable."""
        lines = bytearray()
        self.used = self._clock()
        while len(lines) < limit and await self._fetch():
            try:
                await asyncio.get_running_loop().run_in_executor(None, self._convert, lines, limit)
            except OSError as error:
                raise Unavailable(
                    f"the export has no room for what it has to remember: {error.strerror}", retry_after=RETRY_SECONDS
                ) from error
        self.ended = len(lines) < limit
        return bytes(lines)

    async def _fetch(self) -> bool:
        """Have some batches waiting; False at the end."""
        count = sum(len(batch.events) for batch in self._waiting)
        while count < EVENTS_AT_ONCE:
            batch = await anext(self._batches, None)
            if batch is None:
                break
            self._waiting.append(batch)
            count += len(batch.events)
        return bool(self._waiting)

    def _convert(self, lines: bytearray, limit: int) -> None:
        if self._openings is None:
            self._openings = Openings(self._scratch)
        while self._waiting and len(lines) < limit:
            batch = self._waiting[0]
            self._openings.note(batch)
            done = max(0, self.position.events - batch.start.events)
            while done < len(batch.events) and len(lines) < limit:
                part = batch.events.slice(done, done + EVENTS_AT_ONCE)
                done += self._write(part, self._openings, lines, limit)
                self.position = Position(batch.end.streams, batch.start.events + done)
            if done >= len(batch.events):
                self._waiting.popleft()

    def _write(self, events: Events, openings: Openings, lines: bytearray, limit: int) -> int:
        """Add the lines of the first of these events, as many as fit; how many."""
        rows = zip(
            events.stream.tolist(),
            events.time.tolist(),
            events.kind.tolist(),
            events.number.tolist(),
            events.text.tolist(),
            strict=True,
        )
        for count, (stream, time, kind, number, text) in enumerate(rows):
            if len(lines) >= limit:
                return count
            visitor, context = openings.of(stream)
            record = record_of(visitor, context, time, kind, number, events.texts[text], self.used)
            lines += encode_record(record)
            lines += b"\n"
        return len(events)


class Export:
    """Reads partitions, archived ones too; `scratch` is the folder for what is remembered of a partition meanwhile."""

    def __init__(self, journal: Journal, scratch: Path | None = None, clock: Clock = system_clock) -> None:
        self._journal = journal
        self._scratch = scratch
        self._clock = clock
        self._readings: dict[tuple[PartitionKey, Position], Reading] = {}
        """Where each left off."""

    async def find(self, app: App, number: int | None = None) -> PartitionKey:
        """A partition of an app, by default the open one. Raises Missing, naming those there are."""
        numbers = [key.number for key in await self._journal.partitions() if key.app == app.id]
        wanted = app.partition if number is None else number
        if wanted in numbers:
            return PartitionKey(app.id, wanted)
        if not numbers:
            raise Missing(f"{app.full_name} has no partition yet; issue a token or import history")
        there = ", ".join(map(str, numbers))
        raise Missing(
            f"{app.full_name} has no open partition; choose one of {there}" if number is None
            else f"{app.full_name} has no partition {number}; there is {there}"
        )  # fmt: skip

    async def records(self, key: PartitionKey, since: Position = START) -> AsyncIterator[bytes]:
        """The events behind a position as they are now, in pieces of PIECE_BYTES or one line more.

        Raises Missing, Unavailable.
        """
        reading = self._begin(key, since)
        while not reading.ended:
            if piece := await reading.read(PIECE_BYTES):
                yield piece

    async def chunk(self, key: PartitionKey, position: Position) -> Exported:
        """The events behind a position, some megabytes of them; raises Missing, Unavailable.

        Going on from `next` continues the same reading as long as it is remembered.
        """
        await self._journal.size(key)  # what was deleted since is not read on
        self._forget_abandoned()
        reading = self._readings.pop((key, position), None) or self._begin(key, position)
        lines = await reading.read(CHUNK_BYTES)
        if reading.ended:
            return Exported(lines, None, key.number)
        self._readings[key, reading.position] = reading
        while len(self._readings) > MAX_READINGS:
            del self._readings[next(iter(self._readings))]
        return Exported(lines, reading.position, key.number)

    def _begin(self, key: PartitionKey, since: Position) -> Reading:
        return Reading(self._journal.replay(key, START), since, self._scratch, self._clock)

    def _forget_abandoned(self) -> None:
        oldest = self._clock() - ABANDONED_MS
        for place, reading in list(self._readings.items()):
            if reading.used < oldest:
                del self._readings[place]


decode_context = msgspec.msgpack.Decoder(Context).decode
