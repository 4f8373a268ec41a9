"""The clock on the wall of a zone, looked at every quarter of an hour, where all changes of clocks happen."""

from bisect import bisect_left
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

HOUR = 60 * 60 * 1000
QUARTER = HOUR // 4
DAY = 24 * HOUR


@cache
def wall(time: int, zone: str) -> datetime:
    return datetime.fromtimestamp(time / 1000, ZoneInfo(zone))


def show(time: int | None, zone: str) -> str | None:
    return None if time is None else wall(time, zone).isoformat()


def period(time: int, zone: str, unit: str) -> int:
    """The number of the day, the (ISO) week or the month in which a time lies: the next one's is one higher."""
    now = wall(time // QUARTER * QUARTER, zone)
    if unit == "month":
        return now.year * 12 + now.month
    return now.toordinal() if unit == "day" else (now - timedelta(days=now.weekday())).toordinal() // 7


def period_start(number: int, near: int, zone: str, unit: str) -> int:
    """The first quarter of an hour of the period with a number, looked for around a time."""
    quarters = range(near // QUARTER * QUARTER - 33 * DAY, near + 33 * DAY, QUARTER)
    return quarters[bisect_left(quarters, number, key=lambda time: period(time, zone, unit))]


def cuts(from_: int, to: int, zone: str, unit: str) -> list[tuple[int, int]]:
    """[from_, to) cut wherever the wall says that a bucket begins."""
    edges = [from_]
    if unit == "hour":
        first = from_ // QUARTER * QUARTER + QUARTER
        edges += [time for time in range(first, to, QUARTER) if wall(time, zone).minute == 0]
    else:
        last = period(to - 1, zone, unit)
        while (number := period(edges[-1], zone, unit)) < last:
            edges.append(period_start(number + 1, edges[-1], zone, unit))
    return list(pairwise([*edges, to]))
