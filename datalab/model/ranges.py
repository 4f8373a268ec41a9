"""Ranges of time: half-open [from, to) in an app's time zone, cut into hours or days."""

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from datalab.errors import Invalid

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
YEARS = range(1970, 3000)
"""Beyond them a time is a mistake, and the calendar ends somewhere."""
HOUR_MS = 3_600_000
HOURLY_UP_TO_MS = 3 * 86_400_000
"""Ranges up to this length are shown by hour, longer ones by day."""
MAX_BUCKETS = 4000
"""About eleven years of days."""


class Range(Struct, frozen=True):
    """Milliseconds since the epoch; None for an open end."""

    from_: int | None = None
    to: int | None = None


class Buckets(Struct, frozen=True):
    """`edges[i]` to `edges[i + 1]` is bucket i, in milliseconds; `starts[i]` is its start as RFC 3339 in the zone."""

    unit: str
    """`hour` or `day`."""
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
    info = ZoneInfo(zone)
    return to_ms(datetime.combine(datetime.fromtimestamp(time_ms / 1000, info).date(), time(), info))


def show(time_ms: int | None, zone: str) -> str | None:
    """RFC 3339 in the zone."""
    if time_ms is None:
        return None
    return datetime.fromtimestamp(time_ms / 1000, ZoneInfo(zone)).isoformat()


def buckets(from_: int, to: int, zone: str) -> Buckets:
    """Cut [from_, to) at the zone's full hours or midnights; the first and last bucket may be shorter.

    A day of a clock change has 23 or 25 hours. Raises Invalid beyond MAX_BUCKETS.
    """
    info = ZoneInfo(zone)
    hourly = to - from_ <= HOURLY_UP_TO_MS
    if (to - from_) / (HOUR_MS if hourly else 86_400_000) > MAX_BUCKETS:
        raise Invalid(f"the range has more than {MAX_BUCKETS} days; choose a shorter one")
    edges = [from_]
    if hourly:
        # Hours are stepped in UTC, so that the doubled hour of a clock change is two buckets.
        while (at := edges[-1] + HOUR_MS - since_full_hour(edges[-1], info)) < to:
            edges.append(at)
    else:
        day = datetime.fromtimestamp(from_ / 1000, info).date()
        while (at := to_ms(datetime.combine(day := day + timedelta(days=1), time(), info))) < to:
            # A zone that moved across the date line left a day out.
            if at > edges[-1]:
                edges.append(at)
    starts = [datetime.fromtimestamp(edge / 1000, info).isoformat() for edge in edges]
    return Buckets("hour" if hourly else "day", [*edges, to], starts)


def since_full_hour(time_ms: int, info: ZoneInfo) -> int:
    """Milliseconds since the wall clock's last full hour."""
    wall = datetime.fromtimestamp(time_ms / 1000, info)
    return (wall.minute * 60 + wall.second) * 1000 + wall.microsecond // 1000
