"""The port to the journal: every accepted event, in partitions, the truth about visitors."""

from collections.abc import AsyncIterator
from typing import Protocol

from msgspec import Struct

from datalab.model.events import Batch, Events, Opening, Position


class PartitionKey(Struct, frozen=True, order=True):
    """One lock generation of one app."""

    app: str
    number: int

    def __str__(self) -> str:
        return f"{self.app}/{self.number}"


class Damage(Struct, frozen=True):
    """A stretch of a partition that cannot be read; replay goes on behind it."""

    partition: PartitionKey
    offset: int
    bytes: int
    reason: str

    def __str__(self) -> str:
        place = f"{self.bytes} bytes at offset {self.offset}"
        return f"journal {self.partition}: {place} are damaged ({self.reason}); replay skips them"


class Journal(Protocol):
    """Append-only batches in partitions. Positions count openings and events from the partition's beginning."""

    async def open(self, partition: PartitionKey) -> Position:
        """Make the partition writable, a new one if there is none; the position of its end. A torn tail is cut off.

        Raises Unavailable where the disk refuses, Refusal where the partition is sealed.
        """
        ...

    async def append(self, partition: PartitionKey, openings: list[Opening], events: Events) -> Batch:
        """On disk when this returns. Raises Unavailable where the disk refuses; the partition is then as before."""
        ...

    def replay(self, partition: PartitionKey, since: Position) -> AsyncIterator[Batch]:
        """What was appended after `since`, in order; what is damaged is left out. Raises Missing."""
        ...

    async def seal(self, partition: PartitionKey) -> None:
        """No event can be appended from now on, over restarts too."""
        ...

    async def archive(self, partition: PartitionKey) -> None:
        """Seal the partition and put it aside; it can still be replayed and verified."""
        ...

    async def delete(self, partition: PartitionKey) -> None:
        """Raises Missing."""
        ...

    async def partitions(self) -> list[PartitionKey]:
        """All, archived ones too, in order."""
        ...

    async def size(self, partition: PartitionKey) -> int:
        """Bytes on disk."""
        ...

    async def verify(self, partition: PartitionKey) -> list[Damage]:
        """Read and check every byte."""
        ...

    async def close(self) -> None: ...
