"""Days by the clock on the wall: from times to local days and back."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from datalab.model.ranges import to_ms

DAY_MS = 86_400_000


class Calendar:
    """Days are numbered as `date.toordinal` does. Holds the midnights of all days it was ever asked about."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._midnights = np.empty(0, dtype=np.int64)
        self._days = np.empty(0, dtype=np.int64)

    def days(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """The local days of times, ms."""
        if len(times) == 0:
            return np.empty(0, dtype=np.int64)
        first, last = int(times.min()), int(times.max())
        self._cover(first, last)
        start = int(np.searchsorted(self._midnights, first, side="right")) - 1
        end = int(np.searchsorted(self._midnights, last, side="right")) - 1
        if start == end:
            return np.full(len(times), self._days[start])
        at = np.searchsorted(self._midnights[start : end + 1], times, side="right") - 1 + start
        days: NDArray[np.int64] = self._days[at]
        return days

    def day(self, time_ms: int) -> int:
        """The local day of a time."""
        return int(self.days(np.array([time_ms], dtype=np.int64))[0])

    def start(self, day: int) -> int:
        """A day's first instant, ms; of a day that the zone left out, the next one's."""
        return to_ms(datetime.combine(date.fromordinal(day), time(), self._zone))

    def _cover(self, first: int, last: int) -> None:
        if len(self._midnights) and self._midnights[0] <= first and last < self._midnights[-1]:
            return
        if len(self._midnights):
            first, last = min(first, int(self._midnights[0])), max(last, int(self._midnights[-1]))
        day = datetime.fromtimestamp(first / 1000, self._zone).date() - timedelta(days=1)
        midnights: list[int] = []
        days: list[int] = []
        # Some days ahead, so that the next events need no new table.
        while not midnights or midnights[-1] <= last + 40 * DAY_MS:
            at = to_ms(datetime.combine(day, time(), self._zone))
            # A zone that moved across the date line left a day out.
            if midnights and at <= midnights[-1]:
                midnights.pop()
                days.pop()
            midnights.append(at)
            days.append(day.toordinal())
            day += timedelta(days=1)
        self._midnights, self._days = np.array(midnights, dtype=np.int64), np.array(days, dtype=np.int64)
