"""What sessions did, event by event."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rows import spans, times
from datalab.model.ranges import Range

WRAP_MS = 2**32
"""Rows tell the time up to so much."""


class Trail:
    """Events of sessions, session by session, in the order of time. Each array is made when it is first asked for: most
    questions need some of them, of some of the events."""

    def __init__(
        self,
        aggregate: PartitionAggregate,
        session: NDArray[np.uint32],
        rows: NDArray[np.int64],
        owner: NDArray[np.int64] | None = None,
    ) -> None:
        self._aggregate = aggregate
        self.rows = rows
        """Where they stand in Rows."""
        self.session = session
        """The sessions."""
        if owner is not None:
            self.owner = owner

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def owner(self) -> NDArray[np.int64]:
        """For each event the place of its session among them."""
        count = self._aggregate.sessions.count.values[self.session].astype(np.int64)
        return np.repeat(np.arange(len(self.session)), count)

    @cached_property
    def meaning(self) -> NDArray[Any]:
        """See Meanings."""
        return self._aggregate.rows.meaning.values[self.rows]

    @cached_property
    def route(self) -> NDArray[np.integer]:
        """Of page views, else NONE."""
        found: NDArray[np.integer] = self._aggregate.meanings.route.values[self.meaning]
        return found

    @cached_property
    def number(self) -> NDArray[Any]:
        """Milliseconds of a hover, else 0."""
        return self._aggregate.rows.number.values[self.rows]

    @cached_property
    def time(self) -> NDArray[np.int64]:
        """Milliseconds."""
        sessions, low = self._aggregate.sessions, self._aggregate.rows.time.values
        first = sessions.first.values[self.session]
        long = np.flatnonzero(sessions.last.values[self.session] - first >= WRAP_MS)
        passed = low[self.rows] - first.astype(np.uint32)[self.owner]
        found: NDArray[np.int64] = np.add(first[self.owner], passed, dtype=np.int64)
        for place in long.tolist():
            session = self.session[place : place + 1]
            start, count = sessions.start.values[session].astype(np.int64), sessions.count.values[session]
            mine = np.flatnonzero(self.owner == place)
            whole = times(sessions.first.values[session], low[spans(start, count)], count.astype(np.int64))
            found[mine] = whole[self.rows[mine] - start]
        return found

    def chosen(self, which: NDArray[Any]) -> "Trail":
        """Some of the events, by place."""
        some = Trail(self._aggregate, self.session, self.rows[which], self.owner[which])
        for name in ("meaning", "route", "time"):
            if name in self.__dict__:
                some.__dict__[name] = self.__dict__[name][which]
        return some

    def within(self, range: Range) -> "Trail":
        """Those in a range."""
        return self if range == Range() else self.chosen(np.flatnonzero(inside(self.time, range)))


def trail(aggregate: PartitionAggregate, session: NDArray[np.uint32]) -> Trail:
    """All events of sessions."""
    sessions = aggregate.sessions
    return Trail(aggregate, session, spans(sessions.start.values[session], sessions.count.values[session]))


def joined(aggregate: PartitionAggregate, session: NDArray[np.uint32], trails: list[tuple[int, Trail]]) -> Trail:
    """Events of sessions out of trails of some of them, each with the place where its sessions begin among all."""
    return Trail(
        aggregate,
        session,
        np.concatenate([each.rows for _, each in trails]),
        np.concatenate([each.owner + first for first, each in trails]),
    )


def inside(time: NDArray[np.int64], range: Range) -> NDArray[np.bool_]:
    """Which times lie in a range."""
    found = np.ones(len(time), dtype=bool)
    if range.from_ is not None:
        found &= time >= range.from_
    if range.to is not None:
        found &= time < range.to
    return found
