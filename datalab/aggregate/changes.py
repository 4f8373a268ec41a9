"""When sessions changed, by the day and the hour they began: what was computed before may hold still."""

import time
from collections import defaultdict, deque

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from datalab.aggregate.bitmaps import bitmap_of

HOUR_MS = 3_600_000
LOOK_BACK_HOURS = 72
"""How far back such sessions are looked for."""
REMEMBERED = 1_000
"""Changes of which it is known whose they were."""
MANY_VISITORS = 10_000
"""Whose changes are taken for everybody's."""


class Changes:
    """Sessions are told of whenever they are made, go on or are taken apart."""

    def __init__(self, session_timeout_ms: int) -> None:
        # A session that had an event within it may have more, however long ago it began.
        self._lately_ms = max(2 * HOUR_MS, 2 * session_timeout_ms)
        self.total = 0
        """Rises with every change."""
        self.ends: dict[int, int] = {}
        """For each day, when the last of the sessions that began on it ended, or later, ms."""
        self._of_day: dict[int, int] = defaultdict(int)
        self._of_hour: dict[int, int] = defaultdict(int)
        self._changed_at: dict[int, int] = {}
        """For each hour (UTC, since the epoch), the latest event of the sessions that began in it, ms."""
        self._latest = 0
        self._known: dict[int | None, int] = {}
        """What was asked for since the last change."""
        self._whose: deque[tuple[int, float, BitMap | None]] = deque(maxlen=REMEMBERED)
        """Of the last changes the number, when it was (by the process's clock) and the visitors, None for very many."""

    def note(
        self,
        visitor: NDArray[np.integer],
        day: NDArray[np.int64],
        first: NDArray[np.int64],
        last: NDArray[np.int64],
    ) -> None:
        """Sessions of visitors changed that began on a day, at a time, and end at another."""
        if len(day) == 0:
            return
        self.total += 1
        self._known.clear()
        whose = bitmap_of(visitor) if len(visitor) <= MANY_VISITORS else None
        self._whose.append((self.total, time.monotonic(), whose))
        self._latest = max(self._latest, int(last.max()))
        for each, end in latest_of(day, last):
            self._of_day[each] += 1
            self.ends[each] = max(self.ends.get(each, 0), end)
        for each, end in latest_of(first // HOUR_MS, last):
            self._of_hour[each] += 1
            self._changed_at[each] = max(self._changed_at.get(each, 0), end)

    def of_day(self, day: int) -> int:
        """Rises whenever a session that began on the day changes."""
        return self._of_day.get(day, 0)

    def before(self, time_ms: int) -> int:
        """Rises whenever a session changes that began before a full hour; but for that, the higher the later."""
        hour = time_ms // HOUR_MS
        if hour not in self._known:
            self._known[hour] = sum(count for each, count in self._of_hour.items() if each < hour)
        return self._known[hour]

    def visitors_since(self, total: int) -> BitMap | None:
        """Whose sessions changed after the change of this number; None where that is not known any more."""
        found = BitMap()
        for number, _, visitors in reversed(self._whose):
            if number <= total:
                return found
            if visitors is None:
                return None
            found |= visitors
        return found if total >= self.total - len(self._whose) else None

    def number_before(self, seconds: float) -> int:
        """The number of the last change that is so long ago, or an earlier one."""
        limit = time.monotonic() - seconds
        for number, moment, _ in reversed(self._whose):
            if moment <= limit:
                return number
        return self.total - len(self._whose)

    @property
    def settled(self) -> int:
        """The full hour, ms, before which no session began that may well have further events."""
        if None not in self._known:
            newest = self._latest // HOUR_MS
            live = (
                hour
                for hour in range(newest - LOOK_BACK_HOURS, newest + 1)
                if self._changed_at.get(hour, 0) > self._latest - self._lately_ms
            )
            self._known[None] = min(live, default=newest) * HOUR_MS
        return self._known[None]


def latest_of(code: NDArray[np.int64], time: NDArray[np.int64]) -> list[tuple[int, int]]:
    """For each code the latest of its times."""
    order = np.argsort(code, kind="stable")
    ordered = code[order]
    start = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    return list(zip(ordered[start].tolist(), np.maximum.reduceat(time[order], start).tolist(), strict=True))
