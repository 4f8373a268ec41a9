"""The sessions and page views of a range."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from datalab.aggregate.bitmaps import bitmap_of, members
from datalab.aggregate.partition import SLOT_MS, PartitionAggregate
from datalab.aggregate.texts import NONE
from datalab.model.ranges import Range


class Selection:
    """A session is in a range when it has an event in it; a page view when its own time is (SEMANTICS, ranges)."""

    def __init__(self, aggregate: PartitionAggregate, range: Range) -> None:
        self._aggregate = aggregate
        self.range = range
        self.bitmap = aggregate.all if range == Range() else sessions_between(aggregate, range.from_, range.to)
        self.sessions = members(self.bitmap)

    @cached_property
    def visitors(self) -> int:
        """Distinct visitors of the sessions."""
        return distinct(self._aggregate, self.sessions)

    def views(self) -> NDArray[np.intp]:
        """Rows of the page views."""
        rows = self._aggregate.rows
        chosen = rows.route.values != NONE
        if self.range.from_ is not None:
            chosen &= rows.time.values >= self.range.from_
        if self.range.to is not None:
            chosen &= rows.time.values < self.range.to
        return np.flatnonzero(chosen)


def sessions_between(aggregate: PartitionAggregate, from_: int | None, to: int | None) -> BitMap:
    """Sessions with an event in [from, to), ms: whole slots by their bitmaps, the two edges event by event."""
    slots = aggregate.slots.by_code
    if not slots:
        return BitMap()
    size = SLOT_MS
    first = min(slots) if from_ is None else -(-from_ // size)
    end = max(slots) + 1 if to is None else to // size
    if first >= end:
        return bitmap_of(sessions_at_edge(aggregate, from_, to))
    found = aggregate.slots.union(first, end)
    if from_ is not None and from_ < first * size:
        found |= bitmap_of(sessions_at_edge(aggregate, from_, first * size))
    if to is not None and to > end * size:
        found |= bitmap_of(sessions_at_edge(aggregate, end * size, to))
    return found


def sessions_at_edge(aggregate: PartitionAggregate, from_: int | None, to: int | None) -> NDArray[np.uint32]:
    """Sessions with an event in [from, to), by looking at every event."""
    time = aggregate.rows.time.values
    chosen = np.ones(len(time), dtype=bool)
    if from_ is not None:
        chosen &= time >= from_
    if to is not None:
        chosen &= time < to
    return np.unique(aggregate.rows.session.values[chosen])


def distinct(aggregate: PartitionAggregate, sessions: NDArray[np.uint32]) -> int:
    """Distinct visitors of sessions."""
    visitors = aggregate.sessions.visitor.values[sessions]
    if len(visitors) * 16 < len(aggregate.visitors):
        return len(np.unique(visitors))
    seen = np.zeros(len(aggregate.visitors), dtype=bool)
    seen[visitors] = True
    return int(np.count_nonzero(seen))
