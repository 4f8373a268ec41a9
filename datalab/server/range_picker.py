"""The range picker: presets and pairs of dates, all in the app's time zone."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from msgspec import Struct

from datalab.server.notation import day, days

DEFAULT_PRESET = "28d"
PRESETS = {
    "today": "Today",
    "yesterday": "Yesterday",
    "7d": "7 days",
    "28d": "28 days",
    "90d": "90 days",
    "all": "All",
}


class Choice(Struct, frozen=True):
    """One preset of the range picker."""

    label: str
    href: str
    current: bool


class RangePicker(Struct, frozen=True):
    """Presets, and two dates of which both are included (`through` in the form, unlike `to` in an address)."""

    label: str
    choices: list[Choice]
    from_: str
    through: str
    today: str
    custom: bool
    partition: int | None = None
    """The sealed partition that is looked at; None for the open one."""
    segment: str = ""
    """Whose visits are looked at, kept when another range is chosen."""


def preset_dates(preset: str, today: date) -> tuple[str | None, str | None]:
    """First day and the day after the last, as the range reader takes them; unknown presets are the default."""
    tomorrow = (today + timedelta(days=1)).isoformat()
    match preset:
        case "all":
            return None, None
        case "today":
            return today.isoformat(), tomorrow
        case "yesterday":
            return (today - timedelta(days=1)).isoformat(), today.isoformat()
        case "7d" | "90d":
            return (today - timedelta(days=int(preset[:-1]) - 1)).isoformat(), tomorrow
        case _:
            return (today - timedelta(days=27)).isoformat(), tomorrow


def day_after(text: str) -> str:
    """The day after a date; anything else stays as it is, for the range reader to refuse."""
    try:
        return (date.fromisoformat(text) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return text


def range_picker(
    path: str,
    zone: str,
    preset: str | None,
    days_shown: tuple[date | None, date | None],
    today: date,
    partition: int | None = None,
    segment: str = "",
) -> RangePicker:
    """The picker of the page at `path`; `preset` is None for a range of two dates."""
    kept = {**({"partition": partition} if partition is not None else {}), **({"segment": segment} if segment else {})}
    first, last = days_shown
    label = f"until {day(last)}" if last else PRESETS["all"]
    if first and last:
        label = days(first, last)
    return RangePicker(
        label=f"{label}, {zone}",
        choices=[
            Choice(text, f"{path}?{urlencode({'range': name, **kept})}", name == preset)
            for name, text in PRESETS.items()
        ],
        from_=first.isoformat() if first else "",
        through=last.isoformat() if last else "",
        today=today.isoformat(),
        custom=preset is None,
        partition=partition,
        segment=segment,
    )


def first_and_last_day(
    from_: str | None, to: str | None, starts: Sequence[str] = ()
) -> tuple[date | None, date | None]:
    """The days a range covers, both included; open ends are taken from the starts of its line's buckets."""
    first = from_ or (starts[0] if starts else None)
    if to:
        last: datetime | None = datetime.fromisoformat(to) - timedelta(milliseconds=1)
    else:
        last = datetime.fromisoformat(starts[-1]) if starts else None
    return datetime.fromisoformat(first).date() if first else None, last.date() if last else None
