"""How the pages write numbers, shares, durations and moments: English, and the same everywhere."""

from datetime import date, datetime

NOTHING = "–"
"""Stands where nothing was counted; a zero was counted."""


def number(count: int) -> str:
    """`12,345`."""
    return f"{count:,}"


def decimal(value: float) -> str:
    """One digit behind the point: `3.2`."""
    return f"{value:,.1f}"


def share(part: int, whole: int) -> float | None:
    """`part / whole`, None where there is no whole."""
    return part / whole if whole else None


def percent(rate: float | None) -> str:
    """A rate of 0..1 as `42.3%`; only none at all is `0%` and only all of it is `100%`."""
    if rate is None:
        return NOTHING
    if rate in {0, 1}:
        return f"{rate:.0%}"
    if rate < 0.001:
        return "<0.1%"
    if 0.999 < rate < 1:
        return ">99.9%"
    return f"{rate:.1%}"


def duration(seconds: float | None) -> str:
    """The two largest units of a number of seconds: `<1 s`, `43 s`, `1 min 05 s`, `2 h 04 min`, `3 d 7 h`."""
    if seconds is None:
        return NOTHING
    if 0 < seconds < 1:
        return "<1 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def counted(count: int, one: str, many: str) -> str:
    """A number with its noun in the right form: `1 visitor`, `0 visitors`."""
    return f"{number(count)} {noun(count, one, many)}"


def noun(count: int, one: str, many: str) -> str:
    """The form of the noun that goes with the number."""
    return one if count == 1 else many


def day(moment: date) -> str:
    """`24 Nov 2026`."""
    return f"{moment.day} {moment:%b %Y}"


def days(first: date, last: date) -> str:
    """Both days included, what they share written once: `1–24 Nov 2026`, `28 Oct – 24 Nov 2026`."""
    if first == last:
        return day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{day(last)}"
    if first.year == last.year:
        return f"{first.day} {first:%b} – {day(last)}"
    return f"{day(first)} – {day(last)}"


def bucket(start: str, unit: str) -> str:
    """An RFC 3339 start: `Tue 24 Nov 2026, 14:00`, `Tue 24 Nov 2026`, `week of 23 Nov 2026` or `Nov 2026`."""
    moment = datetime.fromisoformat(start)
    if unit == "month":
        return f"{moment:%b %Y}"
    if unit == "week":
        return f"week of {day(moment)}"
    label = f"{moment:%a} {day(moment)}"
    return f"{label}, {moment:%H:%M}" if unit == "hour" else label


def change(now: float | None, before: float | None) -> str:
    """How much more or less than before: `+12.5%`, `−3.1%`, `±0%`; empty where there is nothing to compare with."""
    if now is None or not before:
        return ""
    part = now / before - 1
    if abs(part) < 0.0005:
        return "±0%"
    digits = 0 if abs(part) >= 9.995 else 1
    return f"{'+' if part > 0 else '−'}{abs(part) * 100:,.{digits}f}%"
