"""Aggregation: brings each partition's aggregate up to the journal, answers from it, saves it."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.aggregate.snapshot_file import SnapshotFile
from datalab.errors import Missing
from datalab.model.events import Batch, Position, join
from datalab.model.sequences import Seen
from datalab.stores.journal import Journal, PartitionKey
from datalab.workers import memory

log = logging.getLogger(__name__)

R = TypeVar("R")
QUEUED_EVENTS = 100_000
"""Events of a partition that may wait to be aggregated before its intake waits too."""
PAUSE_SECONDS = 0.05
"""Small batches that come within this time are applied together."""
JOINED_EVENTS = 8_000
"""Of small batches; a question that comes meanwhile waits for no more than them."""
LONG_SECONDS = 0.05
"""What takes longer went over very many sessions, and let much memory go."""
TURN_SECONDS = 0.1
"""Questions go first for so long, then it is the events' turn."""
REPLAYED_EVENTS = 50_000
"""Joined while nobody can ask anything."""


class Partition:
    """An aggregate with its queue; the lock is held while it is changed or read, always off the event loop."""

    def __init__(self, aggregate: PartitionAggregate, file: SnapshotFile) -> None:
        self.generation = 0
        self.forgotten = False
        self.lock = threading.Lock()
        self.queue: deque[Batch] = deque()
        self.queued_events = 0
        self.arrived = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()
        self.idle = asyncio.Event()
        self.idle.set()
        self.asked = 0
        """Questions that wait or are being answered."""
        self.unasked = asyncio.Event()
        self.unasked.set()
        self.replace(aggregate, file)

    def replace(self, aggregate: PartitionAggregate, file: SnapshotFile) -> None:
        """Take over figures made anew, with the file they are saved in."""
        self.aggregate = aggregate
        self.events = aggregate.position.events
        """Events applied so far; read by the event loop without the lock."""
        self.file = file
        self.generation += 1


class Aggregation:
    """All partitions whose figures are kept in memory."""

    def __init__(self, journal: Journal, snapshots: Path) -> None:
        self._journal = journal
        self._snapshots = snapshots
        self._partitions: dict[PartitionKey, Partition] = {}
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="aggregate")

    async def load(self, key: PartitionKey, rules: Rules, end: Position | None = None) -> None:
        """Make a partition's figures: from its snapshot, where it fits, and what the journal holds behind it.

        `end` is the journal's end where it is known: a snapshot beyond it tells of a tail that was lost since.
        """
        self._partitions[key] = Partition(*await self._make(key, rules, end))

    async def reload(self, key: PartitionKey, rules: Rules) -> None:
        """The same for a partition in use; nothing may be fed meanwhile."""
        self._partition(key).replace(*await self._make(key, rules, None))

    async def _make(
        self, key: PartitionKey, rules: Rules, end: Position | None
    ) -> tuple[PartitionAggregate, SnapshotFile]:
        file = SnapshotFile(self._path(key))
        aggregate = await self._on_thread(lambda: file.read(rules)) or PartitionAggregate(rules)
        if end is not None and (aggregate.position.streams > end.streams or aggregate.position.events > end.events):
            log.warning("partition %s: its snapshot is ahead of the journal; the figures are made anew", key)
            file.forget()
            aggregate = PartitionAggregate(rules)
        start = aggregate.position
        collected: list[Batch] = []
        async for batch in self._journal.replay(key, aggregate.position):
            # Damage between two batches is counted by whoever takes the second one.
            if collected and (
                batch.start != collected[-1].end or events_of(collected) + len(batch.events) > REPLAYED_EVENTS
            ):
                await self._on_thread(partial(aggregate.take, join(collected)))
                collected = []
            collected.append(batch)
        if collected:
            await self._on_thread(partial(aggregate.take, join(collected)))
        log.info(
            "partition %s: %d events, %d of them replayed",
            key, aggregate.position.events, aggregate.position.events - start.events,
        )  # fmt: skip
        if aggregate.position.events - start.events > REPLAYED_EVENTS:
            aggregate.forget_texts()
            await self._on_thread(memory.give_back)
        return aggregate, file

    def has(self, key: PartitionKey) -> bool:
        """Whether a partition is loaded."""
        return key in self._partitions

    def generation(self, key: PartitionKey) -> int:
        """Changes whenever a partition's figures were made anew."""
        return self._partition(key).generation

    def unload(self, key: PartitionKey) -> None:
        """Free the memory of a partition's figures; `run` ends."""
        partition = self._partitions.pop(key, None)
        if partition is not None:
            partition.arrived.set()

    async def forget(self, key: PartitionKey) -> None:
        """The same, and remove its snapshot."""
        if (partition := self._partitions.get(key)) is not None:
            partition.forgotten = True
        self.unload(key)
        await self._on_thread(lambda: self._path(key).unlink(missing_ok=True))

    async def feed(self, key: PartitionKey, batch: Batch) -> None:
        """Queue the batch just appended; waits while the queue is full."""
        partition = self._partition(key)
        partition.queue.append(batch)
        partition.queued_events += len(batch.events)
        partition.arrived.set()
        partition.idle.clear()
        if partition.queued_events >= QUEUED_EVENTS:
            partition.room.clear()
            await partition.room.wait()

    async def run(self, key: PartitionKey) -> None:
        """Apply what is queued, for ever."""
        while (partition := self._partitions.get(key)) is not None:
            await partition.arrived.wait()
            partition.arrived.clear()
            while partition.queue:
                batches = [partition.queue.popleft()]
                count = len(batches[0].events)
                while partition.queue and count + len(partition.queue[0].events) <= JOINED_EVENTS:
                    batches.append(partition.queue.popleft())
                    count += len(batches[-1].events)
                try:
                    await self._on_thread(partial(apply, partition, batches))
                    if partition.asked:
                        # Whoever holds the lock gets it again at once where nobody makes way.
                        with suppress(TimeoutError):
                            await asyncio.wait_for(partition.unasked.wait(), TURN_SECONDS)
                except Exception:
                    # The journal has them; what comes after must not wait for a fault of ours.
                    log.exception(
                        "partition %s: %d events are missing in the figures until they are made anew", key, count
                    )
                partition.queued_events -= count
                if partition.queued_events < QUEUED_EVENTS:
                    partition.room.set()
            partition.idle.set()
            await asyncio.sleep(PAUSE_SECONDS)

    async def settled(self, key: PartitionKey) -> None:
        """Wait until everything queued is applied."""
        await self._partition(key).idle.wait()

    async def ask(self, key: PartitionKey, question: Callable[[PartitionAggregate], R]) -> R:
        """Answer a question from the figures, on a thread. Raises Missing where the partition is not loaded."""
        partition = self._partition(key)

        def answer() -> R:
            begin = time.perf_counter()
            with partition.lock:
                found = question(partition.aggregate)
            if time.perf_counter() - begin > LONG_SECONDS:
                memory.give_back()
            return found

        partition.asked += 1
        partition.unasked.clear()
        try:
            return await self._on_thread(answer)
        finally:
            partition.asked -= 1
            if not partition.asked:
                partition.unasked.set()

    def events(self, key: PartitionKey) -> int:
        """Events of a partition applied so far, 0 for one that is not loaded."""
        partition = self._partitions.get(key)
        return partition.events if partition else 0

    async def seen(self, key: PartitionKey, stream: int) -> Seen | None:
        """Which events of a stream were seen, None where there is no such stream."""
        await self.settled(key)
        return await self.ask(
            key, lambda aggregate: aggregate.streams.seen(stream) if stream < len(aggregate.streams) else None
        )

    async def save(self) -> None:
        """Write a snapshot of each partition that changed."""
        for key, partition in list(self._partitions.items()):
            # One may have been unloaded or forgotten while an earlier one was written.
            if self._partitions.get(key) is not partition or partition.aggregate.position == partition.file.position:
                continue
            try:
                await self._on_thread(partial(save, partition))
            except OSError as error:
                log.warning("partition %s: no snapshot: %s; the next start takes longer", key, error)

    async def close(self) -> None:
        """Save and end."""
        await self.save()
        self._threads.shutdown()

    def _path(self, key: PartitionKey) -> Path:
        return self._snapshots / key.app / f"{key.number}.snapshot"

    def _partition(self, key: PartitionKey) -> Partition:
        if key not in self._partitions:
            raise Missing(f"partition {key} is not loaded")
        return self._partitions[key]

    async def _on_thread(self, work: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def apply(partition: Partition, batches: list[Batch]) -> None:
    """Bring the aggregate forward; batches with nothing missing between them are applied as one."""
    with partition.lock:
        partition.aggregate.take(join(batches))
        partition.events = partition.aggregate.position.events


def save(partition: Partition) -> None:
    """Bring the snapshot up to the figures; raises OSError."""
    file = partition.file
    with partition.lock:
        frame = file.take(partition.aggregate)
    file.write(frame)
    if partition.forgotten:
        # Meanwhile: nothing of it may stay on disk.
        file.path.unlink(missing_ok=True)


def events_of(batches: list[Batch]) -> int:
    """How many there are in all."""
    return sum(len(batch.events) for batch in batches)
