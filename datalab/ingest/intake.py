"""The intake of one partition: groups what arrives, has each group stored, then acknowledges it and hands it on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import numpy as np
from msgspec.structs import replace

from datalab.clock import Clock
from datalab.errors import Unavailable
from datalab.ingest.gate import Gate, Stream
from datalab.ingest.group import ROW, Group
from datalab.model.events import Batch, Events, Opening, Position
from datalab.model.wire import Event
from datalab.settings import Ingest
from datalab.stores.journal import Journal, PartitionKey

log = logging.getLogger(__name__)

CHARACTERS_PER_EVENT = 256
"""Texts that may wait for the disk, for each event that may: most are shorter, and equal ones count once."""
RETRY_SECONDS = 5.0

Hand = Callable[[PartitionKey, Batch], Awaitable[None]]
"""The next station: aggregation. Waits while that has too much to do."""


class Receiver(Protocol):
    """Whoever sent events and wants to know what became of them."""

    async def stored(self, sequence: int) -> None:
        """Everything sent up to this number is on disk."""
        ...

    async def later(self, refusal: Unavailable) -> None:
        """The disk refuses; the sender keeps its events."""
        ...


class Intake:
    """Bounded: senders wait in `room` while more than `pending_events` wait for the disk."""

    def __init__(
        self, partition: PartitionKey, journal: Journal, hand_on: Hand, gate: Gate, settings: Ingest, clock: Clock
    ) -> None:
        self.partition = partition
        self.refusal: Unavailable | None = None
        """Why the disk refuses at the moment."""
        self.position = Position()
        self._journal = journal
        self._hand_on = hand_on
        self._gate = gate
        self._settings = settings
        self._clock = clock
        self._group = Group()
        self._receivers: dict[Receiver, Stream] = {}
        self._arrived = asyncio.Event()
        self._most_bytes = settings.pending_events * ROW.itemsize
        self._most_characters = settings.pending_events * CHARACTERS_PER_EVENT
        self.full = False
        """Whether senders have to wait in `room`."""
        self._room = asyncio.Event()
        self._room.set()
        self._appending = asyncio.Lock()
        self._closed = False

    async def open(self) -> None:
        """Make the partition writable; raises Unavailable."""
        self.position = await self._journal.open(self.partition)

    async def open_stream(self, opening: Opening) -> int:
        """Store an opening; its stream's number. Raises Unavailable."""
        self._demand_open()
        await self.room()
        self._demand_open()
        waiting: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._group.openings.append(opening)
        self._group.waiting.append(waiting)
        self._arrived.set()
        return await waiting

    def take(self, stream: Stream, events: list[Event], receiver: Receiver) -> None:
        """Accept events for the next commit; `receiver` hears of it. Raises Unavailable while the disk refuses."""
        self._demand_open()
        accepted = self._gate.admit(stream, events)
        if accepted:
            self._group.add(stream.number, accepted, stream.offset, stream.started, self._clock())
            if self._group.bytes >= self._most_bytes or self._group.characters >= self._most_characters:
                self.full = True
                self._room.clear()
        # Also for repeats: what they repeat may still be on its way to the disk, in this group at the latest.
        self._receivers[receiver] = stream
        self._arrived.set()

    def _demand_open(self) -> None:
        if self._closed:
            raise Unavailable(f"partition {self.partition} takes no more events", retry_after=RETRY_SECONDS)
        if self.refusal is not None:
            raise self.refusal

    async def room(self) -> None:
        """Wait while too much waits for the disk; everybody who waited looks again, so that not all rush in at once."""
        while not self._room.is_set():
            await self._room.wait()

    async def store(self, openings: list[Opening], events: Events) -> Batch:
        """Append history at once; its streams are counted from the first of these openings. Raises Unavailable."""
        self._demand_open()
        async with self._appending:
            events = replace(events, stream=events.stream + np.uint32(self.position.streams))
            batch = await self._journal.append(self.partition, openings, events)
            self.position = batch.end
            await self._hand_on(self.partition, batch)
        return batch

    def paused(self) -> asyncio.Lock:
        """Hold it (`async with`) to keep anything from being stored."""
        return self._appending

    async def run(self) -> None:
        """Commit until closed; what has arrived by then is committed before it ends."""
        while True:
            await self._arrived.wait()
            if self._settings.group_commit_ms and not self._closed:
                await asyncio.sleep(self._settings.group_commit_ms / 1000)
            self._arrived.clear()
            await self._commit()
            if self._closed and not self._arrived.is_set():
                return

    def close(self) -> None:
        """Let `run` end."""
        self._closed = True
        self._arrived.set()

    async def _commit(self) -> None:
        # The streams are held until the figures know what was seen of them: nobody may ask earlier.
        group, streams = self._group, self._receivers
        receivers = {receiver: stream.seen.high for receiver, stream in streams.items()}
        self._group, self._receivers, self.full = Group(), {}, False
        self._room.set()
        if group:
            async with self._appending:
                batch = await self._append(group, receivers)
                if batch is None:
                    return
                self.position = batch.end
                await acknowledge(receivers)
                await self._hand_on(self.partition, batch)
        else:
            await acknowledge(receivers)

    async def _append(self, group: Group, receivers: dict[Receiver, int]) -> Batch | None:
        """Store a group, for as long as it takes: sequence numbers were admitted, so it must not be forgotten."""
        events = await asyncio.get_running_loop().run_in_executor(None, group.events)
        while True:
            try:
                batch = await self._journal.append(self.partition, group.openings, events)
            except Exception as failure:
                refusal = self._refusal_of(failure)
                if self.refusal is None:
                    log.error("%s", refusal.detail, exc_info=failure is not refusal)
                await self._refuse(refusal, group, receivers)
                if self._closed:
                    log.error("partition %s: closed with %d events unacknowledged", self.partition, len(events))
                    return None
                await asyncio.sleep(refusal.retry_after or RETRY_SECONDS)
                continue
            if self.refusal is not None:
                log.warning("partition %s: the disk takes events again", self.partition)
                self.refusal = None
            for number, waiting in enumerate(group.waiting, batch.start.streams):
                if not waiting.done():
                    waiting.set_result(number)
            return batch

    def _refusal_of(self, failure: Exception) -> Unavailable:
        """What senders are told; a fault of our own too must not lose what was admitted."""
        if isinstance(failure, Unavailable):
            return failure
        return Unavailable(
            f"partition {self.partition}: the appliance fails to store events, its log says why ({failure!r})",
            retry_after=RETRY_SECONDS,
        )

    async def _refuse(self, refusal: Unavailable, group: Group, receivers: dict[Receiver, int]) -> None:
        self.refusal = refusal
        for waiting in (*group.waiting, *self._group.waiting):
            if not waiting.done():
                waiting.set_exception(refusal)
        for receiver in {**receivers, **self._receivers}:
            await receiver.later(refusal)


async def acknowledge(receivers: dict[Receiver, int]) -> None:
    """Tell everybody how far they are on disk."""
    for receiver, sequence in receivers.items():
        await receiver.stored(sequence)
