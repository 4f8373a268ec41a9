"""The events of all sessions, one row each; a session's rows stand together, in the order of time."""

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.column import Column

GARBAGE_ROWS = 200_000
"""Below it, rows that nobody owns any more are left where they are."""


class Rows:
    """Which rows are a session's is told by `Sessions`."""

    def __init__(self) -> None:
        self.time = Column(np.uint32)
        """The low 32 bits of the time, ms: two events of a session in a row are never 2^32 ms apart."""
        self.meaning = Column(np.uint8)
        self.number = Column(np.uint8)
        """Milliseconds of a hover, else 0."""
        self.garbage = 0
        """Rows that no session owns."""

    def __len__(self) -> int:
        return len(self.time)

    def columns(self) -> dict[str, Column]:
        """By name, for snapshots."""
        return {"time": self.time, "meaning": self.meaning, "number": self.number}

    def grow(self, count: int) -> int:
        """Make room at the end; the first of the new rows."""
        first = len(self)
        for column in (self.time, self.meaning, self.number):
            column.fill(count, 0)
        return first

    def copy(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> None:
        """Copy rows."""
        for column in (self.time, self.meaning, self.number):
            column.put(target, column.values[source])

    def write(
        self, at: NDArray[np.int64], time: NDArray[np.int64], meaning: NDArray[np.uint32], number: NDArray[np.uint32]
    ) -> None:
        """Fill rows."""
        self.time.put(at, (time & 0xFFFFFFFF).astype(np.uint32))
        self.meaning.put(at, meaning)
        self.number.put(at, number)


def spans(start: NDArray[np.integer], count: NDArray[np.integer]) -> NDArray[np.int64]:
    """The integers of all ranges start..start + count, one range after the other."""
    count = count.astype(np.int64)
    total = int(count.sum())
    if total == 0:
        return np.empty(0, dtype=np.int64)
    offsets = start.astype(np.int64) - (np.cumsum(count) - count)
    found: NDArray[np.int64] = np.repeat(offsets, count)
    found += np.arange(total)
    return found


def times(first: NDArray[np.int64], low: NDArray[np.uint32], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times from their low 32 bits, of sessions with these first events and numbers of events, all of them."""
    total = len(low)
    if total == 0:
        return np.empty(0, dtype=np.int64)
    steps = np.empty(total, dtype=np.uint32)
    steps[1:] = low[1:] - low[:-1]
    steps[0] = 0
    start = np.cumsum(count) - count
    start = start[count > 0]
    steps[start] = 0
    passed = np.cumsum(steps, dtype=np.int64)
    lengths = count[count > 0]
    passed += np.repeat(first[count > 0] - passed[start], lengths)
    return passed
