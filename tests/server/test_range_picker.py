from datetime import date

import pytest

from datalab.server import range_picker

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("preset", "dates"),
    [
        ("today", ("2026-11-24", "2026-11-25")),
        ("yesterday", ("2026-11-23", "2026-11-24")),
        ("7d", ("2026-11-18", "2026-11-25")),
        ("28d", ("2026-10-28", "2026-11-25")),
        ("90d", ("2026-08-27", "2026-11-25")),
        ("all", (None, None)),
    ],
)
def test_presets_count_today_as_a_day(preset: str, dates: tuple[str | None, str | None]) -> None:
    assert range_picker.preset_dates(preset, TODAY) == dates


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("2026-11-30", "2026-12-01"),
        ("2026-12-31", "2027-01-01"),
        ("", ""),
        ("soon", "soon"),
        ("9999-12-31", "9999-12-31"),
    ],
)
def test_the_form_includes_its_last_day(text: str, after: str) -> None:
    assert range_picker.day_after(text) == after


def test_the_picker_shows_both_days_included() -> None:
    picker = range_picker.range_picker(
        "/apps/a1",
        "UTC",
        None,
        range_picker.first_and_last_day("2026-11-01T00:00:00+01:00", "2026-11-08T00:00:00+01:00"),
        TODAY,
    )
    assert (picker.from_, picker.through, picker.custom) == ("2026-11-01", "2026-11-07", True)
    assert picker.label == "1–7 Nov 2026, UTC"
    assert not any(choice.current for choice in picker.choices)


def test_the_picker_takes_open_ends_from_the_series() -> None:
    starts = ("2026-08-01T09:15:00+00:00", "2026-08-02T00:00:00+00:00")
    picker = range_picker.range_picker(
        "/apps/a1", "UTC", "all", range_picker.first_and_last_day(None, None, starts), TODAY
    )
    assert picker.label == "1–2 Aug 2026, UTC"
    assert [choice.label for choice in picker.choices if choice.current] == ["All"]


def test_the_picker_of_nothing_at_all() -> None:
    picker = range_picker.range_picker("/apps/a1", "UTC", "all", (None, None), TODAY)
    assert (picker.label, picker.from_, picker.through) == ("All, UTC", "", "")


def test_another_range_keeps_partition_and_segment() -> None:
    picker = range_picker.range_picker("/apps/a1", "UTC", "7d", (TODAY, TODAY), TODAY, 3, "route is /a&b")
    assert picker.choices[0].href == "/apps/a1?range=today&partition=3&segment=route+is+%2Fa%26b"
    assert (picker.partition, picker.segment) == (3, "route is /a&b")
