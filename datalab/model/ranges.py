"""Ranges of time: half-open [from, to) in an app's time zone, cut into hours, days, weeks or months."""

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from datalab.errors import Invalid

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
YEARS = range(1970, 3000)
"""Beyond them a time is a mistake, and the calendar ends somewhere."""
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
BUCKETS = ("hour", "day", "week", "month")
"""Weeks begin on Mondays (ISO 8601)."""
SHORTEST_MS = {"hour": HOUR_MS, "day": DAY_MS, "week": 7 * DAY_MS, "month": 28 * DAY_MS}
UP_TO_MS = {"hour": 3 * DAY_MS, "day": 400 * DAY_MS, "week": 2800 * DAY_MS}
"""Ranges up to this length are shown by this unit where none is asked for, longer ones by the next."""
MAX_BUCKETS = 4000
"""About eleven years of days."""


class Range(Struct, frozen=True):
    """Milliseconds since the epoch; None for an open end."""

    from_: int | None = None
    to: int | None = None


class Buckets(Struct, frozen=True):
    """`edges[i]` to `edges[i + 1]` is bucket i, in milliseconds; `starts[i]` is its start as RFC 3339 in the zone."""

    unit: str
    """One of BUCKETS."""
    edges: list[int]
    starts: list[str]


def read_moment(text: str, zone: str) -> int:
    """Milliseconds of a date (its first instant in the zone) or of an RFC 3339 moment; raises Invalid."""
    try:
        if DATE.fullmatch(text):
            moment = datetime.combine(date.fromisoformat(text), time(), ZoneInfo(zone))
        else:
            moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"{text[:40]!r} is neither a date like 2026-11-24 nor a moment like 2026-11-24T08:00:00Z"
        ) from None
    if moment.year not in YEARS:
        raise Invalid(f"{text[:40]!r} lies outside of the years {YEARS[0]} to {YEARS[-1]}")
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone)))


def read_range(from_text: str | None, to_text: str | None, zone: str, now_ms: int) -> Range:
    """A range from two texts, either of which may be missing; raises Invalid where it is empty or malformed."""
    from_ = read_moment(from_text, zone) if from_text else None
    to = read_moment(to_text, zone) if to_text else None
    if from_ is not None and from_ >= (to if to is not None else now_ms + 1):
        raise Invalid(f"the range from {from_text} to {to_text or 'now'} is empty; `to` is exclusive")
    return Range(from_, to)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch."""
    return round(moment.timestamp() * 1000)


def day_start(time_ms: int, zone: str) -> int:
    """The midnight in the zone at or before a time."""
    return period_start(time_ms, zone, "day")


def period_start(time_ms: int, zone: str, unit: str) -> int:
    """The first midnight of a time's day, week or month in the zone."""
    info = ZoneInfo(zone)
    day = datetime.fromtimestamp(time_ms / 1000, info).date()
    if unit == "week":
        day -= timedelta(days=day.weekday())
    elif unit == "month":
        day = day.replace(day=1)
    return to_ms(datetime.combine(day, time(), info))


def show(time_ms: int | None, zone: str) -> str | None:
    """RFC 3339 in the zone."""
    if time_ms is None:
        return None
    return datetime.fromtimestamp(time_ms / 1000, ZoneInfo(zone)).isoformat()


def read_bucket(text: str | None) -> str | None:
    """One of BUCKETS, None for the usual one; raises Invalid."""
    if text is not None and text not in BUCKETS:
        raise Invalid(f"bucket {text[:40]!r} is not one of {', '.join(BUCKETS)}")
    return text


def period_before(range: Range, zone: str, now_ms: int) -> Range | None:
    """What a range is compared with, None for one with an open beginning.

    The stretch before it of the same length; a range that begins at a midnight is moved back by whole days, so that
    today so far is compared with yesterday up to the same time on the clock.
    """
    if range.from_ is None:
        return None
    from_ = range.from_
    to = max(range.to if range.to is not None else now_ms, from_ + 1)
    if from_ != day_start(from_, zone):
        return Range(from_ - (to - from_), from_)
    days = -(-(to - from_) // DAY_MS)
    info = ZoneInfo(zone)
    # A stretch with a day of 25 hours is no day longer.
    while days > 1 and moved(from_, days - 1, info) >= to:
        days -= 1
    return Range(moved(from_, -days, info), moved(to, -days, info))


def moved(time_ms: int, days: int, info: ZoneInfo) -> int:
    """The same time on the wall clock some days later."""
    wall = datetime.fromtimestamp(time_ms / 1000, info)
    return to_ms(datetime.combine(wall.date() + timedelta(days=days), wall.timetz().replace(fold=0), info))


def buckets(from_: int, to: int, zone: str, unit: str | None = None) -> Buckets:
    """Cut [from_, to) at the zone's full hours or midnights; the first and last bucket may be shorter.

    A day of a clock change has 23 or 25 hours. Raises Invalid beyond MAX_BUCKETS.
    """
    info = ZoneInfo(zone)
    if unit is None:
        unit = next((name for name, longest in UP_TO_MS.items() if to - from_ <= longest), "month")
    if (to - from_) / SHORTEST_MS[unit] > MAX_BUCKETS:
        raise Invalid(f"the range has more than {MAX_BUCKETS} {unit}s; choose a shorter one or a longer bucket")
    edges = [from_]
    if unit == "hour":
        # Hours are stepped in UTC, so that the doubled hour of a clock change is two buckets.
        while (at := edges[-1] + HOUR_MS - since_full_hour(edges[-1], info)) < to:
            edges.append(at)
    else:
        day = datetime.fromtimestamp(from_ / 1000, info).date()
        while (at := to_ms(datetime.combine(day := next_start(day, unit), time(), info))) < to:
            # A zone that moved across the date line left a day out.
            if at > edges[-1]:
                edges.append(at)
    starts = [datetime.fromtimestamp(edge / 1000, info).isoformat() for edge in edges]
    return Buckets(unit, [*edges, to], starts)


def next_start(day: date, unit: str) -> date:
    """The first day of the day, week or month after a day's."""
    if unit == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day + timedelta(days=7 - day.weekday() if unit == "week" else 1)


def since_full_hour(time_ms: int, info: ZoneInfo) -> int:
    """Milliseconds since the wall clock's last full hour."""
    wall = datetime.fromtimestamp(time_ms / 1000, info)
    return (wall.minute * 60 + wall.second) * 1000 + wall.microsecond // 1000
