from datetime import datetime
from itertools import pairwise

import pytest

from datalab.errors import Invalid
from datalab.model.ranges import (
    HOUR_MS,
    MAX_BUCKETS,
    Range,
    buckets,
    day_start,
    period_before,
    period_start,
    read_bucket,
    read_moment,
    read_range,
    show,
)

NOW = 1_764_000_000_000
DAY = 24 * HOUR_MS


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-11-24", "UTC", "2026-11-24T00:00:00Z"),
        ("2026-11-24", "Europe/Berlin", "2026-11-23T23:00:00Z"),
        ("2026-11-24T08:00:00Z", "Europe/Berlin", "2026-11-24T08:00:00Z"),
        ("2026-11-24T08:00:00.250+02:00", "Europe/Berlin", "2026-11-24T06:00:00.250Z"),
        ("2026-11-24T08:00", "America/New_York", "2026-11-24T13:00:00Z"),
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z"),  # a day without midnight begins at 01:00
        ("2025-11-02", "America/Havana", "2025-11-02T04:00:00Z"),  # a day with two begins at the first
    ],
)
def test_moment(text: str, zone: str, moment: str) -> None:
    assert read_moment(text, zone) == ms(moment)


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2026-13-01", "2026-02-30", "24.11.2026", "2026-11-24\n", "²026-11-24", "2026-11-24T25:00", "9" * 99],
)
def test_malformed_moments_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="neither a date like"):
        read_moment(text, "UTC")


@pytest.mark.parametrize(
    "text", ["0001-01-01", "1969-12-31", "3000-01-01", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00+12:00"]
)
def test_times_at_the_calendars_ends_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="1970 to 2999"):
        read_moment(text, "Asia/Tokyo")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Adak"])
@pytest.mark.parametrize("text", ["1970-01-01", "2999-12-31"])
def test_the_first_and_last_day_can_be_shown_in_any_zone(text: str, zone: str) -> None:
    shown = show(read_moment(text, zone), zone)
    assert shown is not None
    assert shown.startswith(text)


def test_range() -> None:
    assert read_range("2026-11-23", "2026-11-24", "UTC", NOW) == Range(ms("2026-11-23T00:00Z"), ms("2026-11-24T00:00Z"))
    assert read_range(None, None, "UTC", NOW) == Range()
    assert read_range("", "", "UTC", NOW) == Range()
    assert read_range(None, "1990-01-01", "UTC", NOW) == Range(None, ms("1990-01-01T00:00Z"))


@pytest.mark.parametrize(("from_", "to"), [("2026-11-24", "2026-11-24"), ("2026-11-25", "2026-11-24")])
def test_empty_ranges_are_refused(from_: str, to: str) -> None:
    with pytest.raises(Invalid, match="is empty; `to` is exclusive"):
        read_range(from_, to, "UTC", NOW)


def test_a_range_from_the_future_is_refused() -> None:
    now = ms("2026-11-24T00:00Z")
    assert read_range("2026-11-24", None, "UTC", now) == Range(now, None)
    with pytest.raises(Invalid, match="to now is empty"):
        read_range("2026-11-24T00:00:01Z", None, "UTC", now)


@pytest.mark.parametrize(
    ("day", "hours"), [("2025-10-25", 24), ("2025-10-26", 25), ("2025-10-27", 24), ("2026-03-29", 23)]
)
def test_a_day_of_a_clock_change_has_23_or_25_hours(day: str, hours: int) -> None:
    begin = read_moment(day, "Europe/Berlin")
    found = read_range(
        day, (datetime.fromisoformat(day).date().replace(day=int(day[-2:]) + 1)).isoformat(), "Europe/Berlin", NOW
    )
    assert found.from_ == begin and found.to is not None
    cut = buckets(begin, found.to, "Europe/Berlin")
    assert cut.unit == "hour"
    assert len(cut.starts) == hours
    assert all(end - start == HOUR_MS for start, end in pairwise(cut.edges))
    assert len(set(cut.starts)) == hours


def test_days_across_a_clock_change() -> None:
    cut = buckets(
        read_moment("2025-10-24", "Europe/Berlin"), read_moment("2025-10-29", "Europe/Berlin"), "Europe/Berlin"
    )
    assert cut.unit == "day"
    assert [(end - start) // HOUR_MS for start, end in pairwise(cut.edges)] == [24, 24, 25, 24, 24]
    assert cut.starts[2:4] == ["2025-10-26T00:00:00+02:00", "2025-10-27T00:00:00+01:00"]


@pytest.mark.parametrize("start", ["2025-10-26T02:00:00+01:00", "2025-10-26T02:30:00.001+01:00"])
def test_a_range_from_within_the_second_of_the_doubled_hours(start: str) -> None:
    begin = ms(start)
    cut = buckets(begin, begin + 2 * HOUR_MS, "Europe/Berlin")
    assert cut.edges[:2] == [begin, ms("2025-10-26T03:00:00+01:00")]
    assert cut.starts[0] == datetime.fromisoformat(start).isoformat()


@pytest.mark.parametrize(
    ("zone", "around"),
    [
        ("Australia/Lord_Howe", "2025-04-05T15:00Z"),  # half an hour back
        ("Australia/Lord_Howe", "2025-10-04T15:30Z"),  # half an hour forward
        ("Asia/Kathmandu", "2025-10-04T15:30Z"),
        ("America/Havana", "2025-11-02T05:00Z"),
        ("America/Sao_Paulo", "2018-11-04T03:00Z"),
        ("Pacific/Apia", "2011-12-30T10:00Z"),  # a day was left out
        ("Africa/Monrovia", "1972-01-07T00:44:30Z"),  # 44 minutes and 30 seconds
    ],
)
@pytest.mark.parametrize("length", [1, HOUR_MS, 3 * DAY, 3 * DAY + 1, 20 * DAY])
@pytest.mark.parametrize("before", [0, 1, 20 * 60_000, 5 * HOUR_MS, 2 * DAY])
def test_buckets_cover_the_range_and_rise(zone: str, around: str, length: int, before: int) -> None:
    begin = ms(around) - before
    cut = buckets(begin, begin + length, zone)
    assert cut.unit == ("hour" if length <= 3 * DAY else "day")
    assert (cut.edges[0], cut.edges[-1]) == (begin, begin + length)
    longest = HOUR_MS if cut.unit == "hour" else 25 * HOUR_MS
    assert all(0 < end - start <= longest for start, end in pairwise(cut.edges))
    assert len(cut.starts) == len(cut.edges) - 1
    if cut.unit == "day":
        assert [day_start(edge, zone) for edge in cut.edges[1:-1]] == cut.edges[1:-1]


@pytest.mark.parametrize(
    ("length", "unit"),
    [
        (1, "hour"),
        (3 * DAY, "hour"),
        (3 * DAY + 1, "day"),
        (400 * DAY, "day"),
        (400 * DAY + 1, "week"),
        (2800 * DAY, "week"),
        (2800 * DAY + 1, "month"),
    ],
)
def test_longer_ranges_have_longer_buckets(length: int, unit: str) -> None:
    assert buckets(0, length, "UTC").unit == unit


def test_weeks_begin_on_mondays_and_months_on_the_first() -> None:
    zone = "Europe/Berlin"
    begin, end = ms("2025-10-24T12:00+02:00"), ms("2025-11-12T00:00+01:00")
    assert buckets(begin, end, zone, "week").starts == [
        "2025-10-24T12:00:00+02:00", "2025-10-27T00:00:00+01:00", "2025-11-03T00:00:00+01:00",
        "2025-11-10T00:00:00+01:00",
    ]  # fmt: skip
    assert buckets(begin, end, zone, "month").starts == ["2025-10-24T12:00:00+02:00", "2025-11-01T00:00:00+01:00"]
    assert period_start(begin, zone, "day") == ms("2025-10-24T00:00+02:00")
    assert period_start(begin, zone, "week") == ms("2025-10-20T00:00+02:00")
    assert period_start(begin, zone, "month") == ms("2025-10-01T00:00+02:00")
    assert period_start(end, zone, "week") == ms("2025-11-10T00:00+01:00")


@pytest.mark.parametrize(("unit", "length"), [("hour", HOUR_MS), ("day", DAY), ("week", 7 * DAY), ("month", 28 * DAY)])
def test_too_many_buckets_are_refused(unit: str, length: int) -> None:
    assert len(buckets(0, MAX_BUCKETS * length, "UTC", unit).starts) <= MAX_BUCKETS + 1
    with pytest.raises(Invalid, match=f"more than 4000 {unit}s; choose a shorter one or a longer bucket"):
        buckets(0, MAX_BUCKETS * length + 1, "UTC", unit)


def test_a_bucket_that_is_none_is_refused() -> None:
    assert [read_bucket(text) for text in (None, "hour", "month")] == [None, "hour", "month"]
    with pytest.raises(Invalid, match="bucket 'year' is not one of hour, day, week, month"):
        read_bucket("year")


@pytest.mark.parametrize(
    ("from_", "to", "before"),
    [
        # Days are compared with the days before them, also where the clock changed.
        ("2025-10-27", "2025-10-28", ("2025-10-26T00:00+02:00", "2025-10-27T00:00+01:00")),
        ("2025-10-26", "2025-10-27", ("2025-10-25T00:00+02:00", "2025-10-26T00:00+02:00")),
        ("2025-10-20", "2025-10-27", ("2025-10-13T00:00+02:00", "2025-10-20T00:00+02:00")),
        ("2025-11-01", "2025-12-01", ("2025-10-02T00:00+02:00", "2025-11-01T00:00+01:00")),
        # Today so far with yesterday up to the same time.
        ("2025-10-26", "2025-10-26T15:00", ("2025-10-25T00:00+02:00", "2025-10-25T15:00+02:00")),
        ("2025-10-26", None, ("2025-10-25T00:00+02:00", "2025-10-25T15:00+02:00")),
        ("2025-10-20", "2025-10-26T15:00", ("2025-10-13T00:00+02:00", "2025-10-19T15:00+02:00")),
        # Anything else with the stretch before it.
        ("2025-10-26T10:00", "2025-10-26T12:00", ("2025-10-26T08:00+01:00", "2025-10-26T10:00+01:00")),
        ("2025-10-24T10:00", None, ("2025-10-22T04:00+02:00", "2025-10-24T10:00+02:00")),
    ],
)
def test_the_period_before(from_: str, to: str | None, before: tuple[str, str]) -> None:
    zone, now = "Europe/Berlin", ms("2025-10-26T15:00+01:00")
    asked = Range(read_moment(from_, zone), read_moment(to, zone) if to else None)
    assert period_before(asked, zone, now) == Range(ms(before[0]), ms(before[1]))


def test_an_open_beginning_has_no_period_before() -> None:
    assert period_before(Range(None, 5), "UTC", NOW) is None
    assert period_before(Range(), "UTC", NOW) is None


def test_a_day_starts_at_its_midnight() -> None:
    assert day_start(ms("2025-10-26T02:30:00+01:00"), "Europe/Berlin") == ms("2025-10-26T00:00:00+02:00")
    assert day_start(ms("2025-10-26T00:00:00+02:00"), "Europe/Berlin") == ms("2025-10-26T00:00:00+02:00")
    assert day_start(ms("2025-10-26T00:00:00+02:00") - 1, "Europe/Berlin") == ms("2025-10-25T00:00:00+02:00")


def test_show() -> None:
    assert show(None, "UTC") is None
    assert show(ms("2026-11-24T08:00:00.250Z"), "Europe/Berlin") == "2026-11-24T09:00:00.250000+01:00"
