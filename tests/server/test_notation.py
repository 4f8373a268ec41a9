from datetime import date

import pytest

from datalab.server import notation


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (1, "1"), (999, "999"), (1234, "1,234"), (10**9, "1,000,000,000")]
)
def test_numbers_are_grouped(count: int, text: str) -> None:
    assert notation.number(count) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "–"),
        (0, "0%"),
        (0.0, "0%"),
        (0.0004, "<0.1%"),
        (0.001, "0.1%"),
        (0.4235, "42.4%"),
        (0.999, "99.9%"),
        (0.99999, ">99.9%"),
        (1, "100%"),
        (1.25, "125.0%"),
    ],
)
def test_only_none_is_zero_and_only_all_is_a_hundred(rate: float | None, text: str) -> None:
    assert notation.percent(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.4, "<1 s"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (65, "1 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7440, "2 h 04 min"),
        (86_390, "1 d 0 h"),
        (284_400, "3 d 7 h"),
    ],
)
def test_durations_have_two_units_and_never_sixty_of_one(seconds: float | None, text: str) -> None:
    assert notation.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 visitors"), (1, "1 visitor"), (2, "2 visitors"), (1001, "1,001 visitors")]
)
def test_nouns_follow_their_number(count: int, text: str) -> None:
    assert notation.counted(count, "visitor", "visitors") == text


def test_a_share_of_nothing_is_none() -> None:
    assert notation.share(0, 0) is None
    assert notation.share(1, 4) == 0.25


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2026, 11, 24), date(2026, 11, 24), "24 Nov 2026"),
        (date(2026, 11, 1), date(2026, 11, 24), "1–24 Nov 2026"),
        (date(2026, 10, 28), date(2026, 11, 24), "28 Oct – 24 Nov 2026"),
        (date(2025, 11, 24), date(2026, 11, 24), "24 Nov 2025 – 24 Nov 2026"),
    ],
)
def test_days_name_what_they_share_once(first: date, last: date, text: str) -> None:
    assert notation.days(first, last) == text


def test_buckets_keep_the_zone_they_come_in() -> None:
    assert notation.bucket("2026-11-24T23:00:00+13:00", "hour") == "Tue 24 Nov 2026, 23:00"
    assert notation.bucket("2026-11-24T00:00:00+01:00", "day") == "Tue 24 Nov 2026"
