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
    """Append-only batches in partitions. Positions count openings and events from the partition's beginning.

    Every method raises Unavailable where the disk refuses and once the journal is closed.
    """

    async def open(self, partition: PartitionKey) -> Position:
        """Make the partition writable, a new one if there is none; the position of its end.

        A torn or damaged tail is cut off, and the log says how many bytes. Raises Locked where the partition is sealed,
        Unavailable, leaving it as it is, where it was written by a newer version or is something else.
        """
        ...

    async def append(self, partition: PartitionKey, openings: list[Opening], events: Events) -> Batch:
        """On disk when this returns. Raises Unavailable where the disk refuses; the partition is then as before, and
        the next append may succeed. Raises Locked where it is sealed, Missing where it was never opened or is deleted.
        """
        ...

    def replay(self, partition: PartitionKey, since: Position) -> AsyncIterator[Batch]:
        """What was appended after `since`, in order; the first batch is cut where `since` lies within it.

        What is damaged is left out. Raises Missing; Unavailable for batches of a newer version.
        """
        ...

    async def seal(self, partition: PartitionKey) -> None:
        """No event can be appended from now on, over restarts too. Raises Missing."""
        ...

    async def archive(self, partition: PartitionKey) -> None:
        """Seal the partition and put it aside; it can still be replayed and verified. Raises Missing."""
        ...

    async def delete(self, partition: PartitionKey) -> None:
        """Sealed and archived ones too. Raises Missing."""
        ...

    async def partitions(self) -> list[PartitionKey]:
        """All, archived ones too, in order."""
        ...

    async def size(self, partition: PartitionKey) -> int:
        """Bytes on disk (in memory: a figure that grows with every batch). Raises Missing."""
        ...

    async def verify(self, partition: PartitionKey) -> list[Damage]:
        """Read and check every byte; a partition that cannot be read at all is damage too. Raises Missing."""
        ...

    async def close(self) -> None:
        """Finish what was begun."""
        ...
