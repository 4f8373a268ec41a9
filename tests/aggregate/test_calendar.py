"""Local days against the time zone database, asked one by one."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from datalab.aggregate.calendar import Calendar


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "around"),
    [
        ("UTC", "2026-01-01T00:00Z"),
        ("Europe/Berlin", "2025-10-26T00:00Z"),
        ("Europe/Berlin", "2026-03-29T00:00Z"),
        ("America/Havana", "2025-11-02T05:00Z"),  # the midnight comes twice
        ("America/Sao_Paulo", "2018-11-04T03:00Z"),  # there is none
        ("Pacific/Apia", "2011-12-30T10:00Z"),  # a day was left out
        ("Asia/Kathmandu", "1985-12-31T18:30Z"),
    ],
)
def test_days_are_those_of_the_clock_on_the_wall(zone: str, around: str) -> None:
    chance = random.Random(zone + around)
    calendar, info = Calendar(zone), ZoneInfo(zone)
    for spread in (2, 40, 10_000, 3):
        times = [
            ms(around) + chance.randrange(-spread, spread) * 3_600_000 + chance.randrange(-2, 3) for _ in range(50)
        ]
        wanted = [datetime.fromtimestamp(time / 1000, info).date().toordinal() for time in times]
        assert calendar.days(np.array(times, dtype=np.int64)).tolist() == wanted
        for time, day in zip(times, wanted, strict=True):
            assert calendar.day(time) == day
            assert calendar.start(day) <= time < calendar.start(day + 1)


def test_no_times_are_no_days() -> None:
    assert Calendar("UTC").days(np.empty(0, dtype=np.int64)).tolist() == []


def test_a_year_of_hours() -> None:
    calendar, info = Calendar("America/New_York"), ZoneInfo("America/New_York")
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    hours = [begin + timedelta(hours=hour) for hour in range(24 * 366)]
    times = np.array([round(hour.timestamp() * 1000) for hour in hours], dtype=np.int64)
    assert calendar.days(times).tolist() == [hour.astimezone(info).date().toordinal() for hour in hours]
    assert date.fromordinal(calendar.day(int(times[0]))) == date(2025, 12, 31)
