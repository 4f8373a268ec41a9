"""The journal without a disk, for tests."""

from collections.abc import AsyncIterator

from datalab.errors import Locked, Missing, Unavailable
from datalab.model.events import Batch, Events, Opening, Position
from datalab.stores.journal import Damage, PartitionKey


class MemoryJournal:
    """Implements `datalab.stores.journal.Journal`."""

    def __init__(self) -> None:
        self._batches: dict[PartitionKey, list[Batch]] = {}
        self._sealed: set[PartitionKey] = set()
        self._closed = False

    async def open(self, partition: PartitionKey) -> Position:
        self._refuse_closed()
        if partition in self._sealed:
            raise Locked(f"partition {partition} is sealed")
        batches = self._batches.setdefault(partition, [])
        return batches[-1].end if batches else Position()

    async def append(self, partition: PartitionKey, openings: list[Opening], events: Events) -> Batch:
        self._of(partition)
        batch = Batch(start=await self.open(partition), openings=openings, events=events)
        self._batches[partition].append(batch)
        return batch

    async def replay(self, partition: PartitionKey, since: Position) -> AsyncIterator[Batch]:
        for batch in list(self._of(partition)):
            if batch.end.streams > since.streams or batch.end.events > since.events:
                yield batch.after(since)

    async def seal(self, partition: PartitionKey) -> None:
        self._of(partition)
        self._sealed.add(partition)

    async def archive(self, partition: PartitionKey) -> None:
        await self.seal(partition)

    async def delete(self, partition: PartitionKey) -> None:
        self._of(partition)
        del self._batches[partition]
        self._sealed.discard(partition)

    async def partitions(self) -> list[PartitionKey]:
        self._refuse_closed()
        return sorted(self._batches)

    async def size(self, partition: PartitionKey) -> int:
        return sum(1 + len(batch.openings) + len(batch.events) for batch in self._of(partition))

    async def verify(self, partition: PartitionKey) -> list[Damage]:
        self._of(partition)
        return []

    async def close(self) -> None:
        self._closed = True

    def _refuse_closed(self) -> None:
        if self._closed:
            raise Unavailable("the journal is closed")

    def _of(self, partition: PartitionKey) -> list[Batch]:
        self._refuse_closed()
        if partition not in self._batches:
            raise Missing(f"there is no partition {partition}")
        return self._batches[partition]
