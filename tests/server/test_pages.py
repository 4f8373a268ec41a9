"""What the pages accept from an address or a form; the pages themselves are driven by the browser tests."""

import pytest
from aiohttp import web

from datalab.errors import Invalid, Unavailable, Underway
from datalab.server import pages

CLOCK = 1_795_521_600.0
"""2026-11-24T12:00:00Z."""
DAY = 86_400_000
MIDNIGHT = 1_795_478_400_000


def test_fields_are_text_within_their_bound() -> None:
    assert pages.field({"username": "ada"}, "username", 3) == "ada"
    assert pages.field({}, "username", 3) == ""
    with pytest.raises(Invalid, match="username is longer than 3 characters"):
        pages.field({"username": "adal"}, "username", 3)
    with pytest.raises(Invalid, match="username is a file"):
        pages.field({"username": b"ada"}, "username", 3)


def test_without_a_choice_the_range_is_the_last_28_days() -> None:
    preset, chosen = pages.chosen_range({}, "UTC", CLOCK)
    assert (preset, chosen.from_, chosen.to) == ("28d", MIDNIGHT - 27 * DAY, MIDNIGHT + DAY)


def test_today_is_a_day_of_the_apps_time_zone() -> None:
    _, chosen = pages.chosen_range({"range": "today"}, "Pacific/Auckland", CLOCK)
    assert (chosen.from_, chosen.to) == (MIDNIGHT + 11 * DAY // 24, MIDNIGHT + 35 * DAY // 24)


def test_two_dates_go_before_a_preset() -> None:
    query = {"from": "2026-11-01", "to": "2026-11-02", "range": "7d"}
    preset, chosen = pages.chosen_range(query, "UTC", CLOCK)
    assert (preset, chosen.from_, chosen.to) == (None, MIDNIGHT - 23 * DAY, MIDNIGHT - 22 * DAY)


@pytest.mark.parametrize(
    "query",
    [
        {"range": "forever"},
        {"range": ""},
        {"from": "yesterday"},
        {"from": "2026-11-02", "to": "2026-11-02"},
        {"from": "2" * 41},
        {"to": "2" * 100_000},
    ],
)
def test_other_ranges_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        pages.chosen_range(query, "UTC", CLOCK)


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ({"from": "2026-11-01", "through": "2026-11-07"}, "/apps/a1?from=2026-11-01&to=2026-11-08"),
        ({"from": "", "through": "2026-11-07"}, "/apps/a1?to=2026-11-08"),
        ({"from": "", "through": ""}, "/apps/a1?range=all"),
        ({"through": "", "segment": "a & b", "partition": "2"}, "/apps/a1?range=all&partition=2&segment=a+%26+b"),
        ({"from": "a&b", "through": "x" * 100}, "/apps/a1?from=a%26b&to=" + "x" * 40),
    ],
)
def test_the_range_form_leads_to_an_address_with_an_exclusive_end(query: dict[str, str], address: str) -> None:
    assert pages.canonical(query, "/apps/a1") == address


def test_a_page_whose_figures_are_being_made_looks_again_by_itself() -> None:
    refused = pages.with_retry(web.Response(), Underway("figures are being made: 7 %", retry_after=1.5))
    assert (refused.headers["Refresh"], refused.headers["Retry-After"]) == ("2", "2")
    assert "Refresh" not in pages.with_retry(web.Response(), Unavailable("the disk is full", retry_after=5)).headers
