"""Sessions: one row each, and how a visitor's events are cut into them (SEMANTICS, session)."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datalab.aggregate.column import Column
from datalab.aggregate.meanings import NONE


class Sessions:
    """Rows are never reused: a session that late events made part of another stays as a row that no bitmap names.

    A visitor's sessions have rising numbers in the order of time.
    """

    def __init__(self) -> None:
        self.visitor = Column(np.uint32)
        self.first = Column(np.int64)
        self.last = Column(np.int64)
        """Times of the first and last event, ms."""
        self.start = Column(np.uint32)
        """Its first row in `Rows`."""
        self.count = Column(np.uint8)
        self.room = Column(np.uint8)
        """It may have 2^room rows where they stand, 0: no more than it has."""
        self.views = Column(np.uint8)
        self.acted = Column(np.uint8)
        """Whether there was a click, hover or custom event: then it is no bounce."""
        self.entry = Column(np.uint8)
        self.exit = Column(np.uint8)
        """Route codes of the first and last page view plus 1, 0 without any."""
        self.context = Column(np.uint8)
        """Of its first event's stream."""
        self.referrer = Column(np.uint8)
        self.referrer_at = Column(np.uint8)
        """Which of its events had it first."""
        self.tag = Column(np.uint8)
        """Of its first tagged page view."""
        self.previous = Column(np.uint32)
        """The visitor's session before this one, NONE for the first."""

    def __len__(self) -> int:
        return len(self.visitor)

    def columns(self) -> dict[str, Column]:
        """By name, for snapshots."""
        return dict(vars(self))


class Runs(Struct, frozen=True):
    """Events in the order (visitor, time), cut into runs that each lie in one session."""

    order: NDArray[np.intp]
    start: NDArray[np.intp]
    """Where each run starts in the order."""
    end: NDArray[np.intp]
    """Where it ends (its last event)."""
    fresh: NDArray[np.bool_]
    """Whether the run begins a session; else it goes on with the visitor's last one."""


def cut_runs(
    visitor: NDArray[np.uint32], time: NDArray[np.int64], last_time: NDArray[np.int64], timeout_ms: int
) -> Runs:
    """Cut events into runs; those of one time stay in their order. `last_time` is each event's visitor's last event
    before all of these."""
    order = np.lexsort((time, visitor))
    visitors, times = visitor[order], time[order]
    changes = np.empty(len(order), dtype=bool)
    changes[0] = True
    np.not_equal(visitors[1:], visitors[:-1], out=changes[1:])
    before = np.empty_like(times)
    before[1:] = times[:-1]
    heads = np.flatnonzero(changes)
    before[heads] = last_time[order[heads]]
    gap = times - before >= timeout_ms
    start = np.flatnonzero(changes | gap)
    return Runs(order, start, np.append(start[1:], len(order)) - 1, gap[start])


LONG_AGO = -(2**62)
"""The last event's time of a visitor without any."""


def last_times(sessions: Sessions, last_session: NDArray[np.uint32]) -> NDArray[np.int64]:
    """When the given sessions ended, LONG_AGO for NONE."""
    times = np.full(len(last_session), LONG_AGO, dtype=np.int64)
    known = last_session != NONE
    times[known] = sessions.last.values[last_session[known]]
    return times
