"""The demo's history: repeatable, ordered, never in the future, and believable."""

from collections import Counter, defaultdict
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from datalab.demo.audience import BROWSERS
from datalab.demo.content import GUIDE, SHOP, DemoApp
from datalab.demo.visits import DAY, MAX_DAYS, MAX_VISITORS, guide_visits, visits
from datalab.model.records import Record, check, decode_record, encode_record

NOW = 1_790_000_000_123
SESSION_TIMEOUT = 30 * 60 * 1000


@pytest.fixture(scope="module")
def shop() -> list[Record]:
    return list(visits(now_ms=NOW, seed=5))


def by_visitor(records: list[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record.visitor].append(record)
    return found


def time_of(record: Record) -> int:
    assert isinstance(record.time, int)
    return record.time


def route(record: Record) -> str:
    return urlsplit(record.url or "").path


def reach(records: list[Record]) -> list[int]:
    """The ordered Purchase funnel, written out by hand."""
    stages = [
        lambda record: route(record) == "/catalog",
        lambda record: route(record).startswith("/products/"),
        lambda record: record.kind == "click" and record.target == "#add-to-cart",
        lambda record: route(record) == "/checkout/shipping",
        lambda record: route(record) == "/checkout/payment",
        lambda record: route(record) == "/thanks",
    ]
    reached = Counter[int]()
    for events in by_visitor(records).values():
        stage = 0
        for event in events:
            if stage < len(stages) and stages[stage](event):
                reached[stage] += 1
                stage += 1
    return [reached[stage] for stage in range(len(stages))]


def test_same_seed_same_history() -> None:
    first = list(visits(200, 30, now_ms=NOW, seed=9))
    assert first == list(visits(200, 30, now_ms=NOW, seed=9))
    assert first != list(visits(200, 30, now_ms=NOW, seed=10))


@pytest.mark.parametrize("days", [1, 7, 90])
@pytest.mark.parametrize("make", [visits, guide_visits])
def test_times_are_ordered_and_within_the_range(make: object, days: int) -> None:
    assert callable(make)
    times = [time_of(record) for record in make(300, days, now_ms=NOW)]
    assert times == sorted(times)
    assert NOW - days * DAY <= times[0]
    assert times[-1] <= NOW


def test_visits_that_are_going_on_are_cut_off_at_now() -> None:
    # In so crowded a day people are on the site at any moment, so the history must reach up to now and end there.
    times = [time_of(record) for record in visits(8_000, 1, now_ms=NOW)]
    assert NOW - 60_000 < max(times) <= NOW


def test_every_visitor_asked_for_comes(shop: list[Record]) -> None:
    assert len(by_visitor(shop)) == 3_000


@pytest.mark.parametrize(("make", "app"), [(visits, SHOP), (guide_visits, GUIDE)])
def test_every_record_is_one_the_import_reads(make: object, app: DemoApp) -> None:
    assert callable(make)
    agents = {browser.user_agent for browser in BROWSERS}
    for record in make(300, 30, now_ms=NOW):
        assert check(decode_record(encode_record(record)), NOW) == record.time
        assert record.user_agent in agents
        if record.kind == "urlchange":
            assert (record.url or "").startswith(f"{app.origin}/")
    record = Record(visitor="", time=NOW, kind="click", target="#buy")
    with pytest.raises(msgspec.ValidationError):
        decode_record(encode_record(record))


def test_a_session_has_no_gap_that_would_split_it_and_two_do(shop: list[Record]) -> None:
    for events in by_visitor(shop).values():
        for before, after in pairwise(events):
            gap = time_of(after) - time_of(before)
            assert (gap < SESSION_TIMEOUT) == (before.session == after.session)


def test_a_visit_keeps_its_browser_and_starts_with_a_page_view(shop: list[Record]) -> None:
    sessions = defaultdict(list)
    for record in shop:
        sessions[record.session].append(record)
    assert all(events[0].kind == "urlchange" for events in sessions.values())
    for events in by_visitor(shop).values():
        assert len({(event.user_agent, event.country) for event in events}) == 1


def test_most_are_in_the_country_of_their_language_and_some_elsewhere(shop: list[Record]) -> None:
    people = [events[0] for events in by_visitor(shop).values()]
    at_home = sum(person.language.endswith(f"-{person.country}") for person in people)
    assert 0.8 < at_home / len(people) < 0.95
    countries = Counter(person.country for person in people)
    assert countries.most_common(1)[0][0] == "DE"
    assert countries["CH"] > 20
    assert 5 < countries[""] < 100


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_conversion_and_returning_visitors_are_those_of_a_real_shop(seed: int) -> None:
    records = list(visits(now_ms=NOW, seed=seed))
    reached = reach(records)
    assert reached == sorted(reached, reverse=True)
    assert 0.025 < reached[-1] / 3_000 < 0.05
    sessions = [len({event.session for event in events}) for events in by_visitor(records).values()]
    assert 0.33 < sum(count > 1 for count in sessions) / 3_000 < 0.47


def test_each_stage_and_element_of_the_configuration_is_met(shop: list[Record]) -> None:
    targets = Counter((record.target, record.action) for record in shop if record.kind == "hover")
    for element in SHOP.configuration.element:
        assert targets[element.selector, "hover-click"] > 20
        assert targets[element.selector, "hover-leave"] > 20
    seen = Counter(
        parse_qs(urlsplit(record.url).query).get(campaign.parameter, [""])[0] == campaign.value and campaign.name
        for record in shop
        if record.url
        for campaign in SHOP.configuration.campaign
    )
    assert all(seen[campaign.name] > 50 for campaign in SHOP.configuration.campaign)


def test_evenings_are_busier_than_nights(shop: list[Record]) -> None:
    hours = Counter(time_of(record) // 3_600_000 % 24 for record in shop)
    assert hours[20] > 5 * hours[3]


@pytest.mark.parametrize(("visitors", "days"), [(0, 90), (MAX_VISITORS + 1, 90), (10, 0), (10, MAX_DAYS + 1)])
def test_numbers_out_of_bounds_are_refused(visitors: int, days: int) -> None:
    with pytest.raises(ValueError, match="is expected"):
        visits(visitors, days, now_ms=NOW)
