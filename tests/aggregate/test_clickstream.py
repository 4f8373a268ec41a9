"""A public shop's click stream against plain Python: headline figures, series, pages, segments and retention."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, datetime
from itertools import pairwise
from statistics import median
from zoneinfo import ZoneInfo

import pytest

from datalab.aggregate.audience import audience
from datalab.aggregate.campaigns import campaigns
from datalab.aggregate.overview import overview
from datalab.aggregate.pages import pages
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.retention import retention
from datalab.model.figures import Share
from datalab.model.ranges import Range
from datalab.model.segments import Filter
from tests.aggregate.shop import (
    CUT,
    DAY,
    SESSION_TIMEOUT,
    SPRING,
    WHOLE,
    ZONE,
    Visit,
    ask,
    between,
    bucket,
    buckets_between,
    cohorts,
    inside,
    midnight,
    people,
    shown,
)
from tests.clickstream import Click

HOURS = [f"{hour:02}" for hour in range(24)]
RANGES = [WHOLE, SPRING, CUT, Range(from_=SPRING.to), Range(to=SPRING.from_)]


def chosen(visits: list[Visit], range: Range) -> list[Visit]:
    """Sessions with an event in the range."""
    return [visit for visit in visits if visit.within(range)]


def test_the_file_is_the_one_the_figures_are_known_for(clicks: list[Click], visits: list[Visit]) -> None:
    assert len(clicks) == 31_106
    assert len({click.user for click in clicks}) == people(visits) == 600
    assert len({click.event for click in clicks}) == 19


def test_a_session_is_a_visitors_events_without_a_gap_of_30_minutes(
    aggregate: PartitionAggregate, histories: dict[str, list[Click]], visits: list[Visit]
) -> None:
    """Session: all events of one visitor with no gap of 30 minutes or more."""
    gaps = sum(
        click.time - before.time >= SESSION_TIMEOUT for mine in histories.values() for before, click in pairwise(mine)
    )
    assert overview(aggregate, ask(WHOLE)).sessions == len(visits) == 600 + gaps


@pytest.mark.parametrize("range", RANGES)
def test_headline_figures(aggregate: PartitionAggregate, visits: list[Visit], range: Range) -> None:
    """A session counts with an event in the range, a page view with its own time; a session's length is its last event
    minus its first, a bounce has exactly one page view (there are no other events), both of whole sessions."""
    found, mine = overview(aggregate, ask(range)), chosen(visits, range)
    lengths = [visit.end - visit.begin for visit in mine]
    views = sum(len(visit.within(range)) for visit in mine)
    assert len(mine) > 100
    assert found.visitors == people(mine)
    assert found.sessions == len(mine)
    assert found.page_views == views
    assert found.views_per_session == views / len(mine)
    assert found.bounce_rate == sum(len(visit.clicks) == 1 for visit in mine) / len(mine)
    assert found.duration_mean == sum(lengths) / (1000 * len(mine))
    assert found.duration_median == median(lengths) / 1000


def test_the_period_before_has_the_same_figures(aggregate: PartitionAggregate) -> None:
    """What stands beside a range's figures are those of the other range, asked for alone."""
    beside = overview(aggregate, ask(SPRING), before=CUT).previous
    alone = overview(aggregate, ask(CUT))
    assert beside is not None
    for name in beside.__struct_fields__:
        assert getattr(beside, name) == getattr(alone, name)


@pytest.mark.parametrize("unit", ["day", "week", "month"])
@pytest.mark.parametrize("range", [SPRING, CUT])
def test_the_line_by_days_weeks_and_months(
    aggregate: PartitionAggregate, visits: list[Visit], range: Range, unit: str
) -> None:
    """A bucket counts page views by their own time, and the sessions and visitors with an event in it; the first one
    begins with the range."""
    views: Counter[date] = Counter()
    active: defaultdict[date, list[Visit]] = defaultdict(list)
    for visit in visits:
        there = [bucket(click.time, unit) for click in visit.within(range)]
        views.update(there)
        for day in set(there):
            active[day].append(visit)
    assert range.from_ is not None
    assert range.to is not None
    days = buckets_between(bucket(range.from_, unit), bucket(range.to - 1, unit), unit)
    assert [
        (point.start, point.page_views, point.sessions, point.visitors)
        for point in overview(aggregate, ask(range), bucket=unit).series
    ] == [(shown(max(midnight(day), range.from_)), views[day], len(active[day]), people(active[day])) for day in days]


def test_the_line_by_hours_of_the_day_on_which_clocks_go_forward(
    aggregate: PartitionAggregate, clicks: list[Click]
) -> None:
    """A day of 23 hours, told by the clock on the wall."""
    range = between("2024-03-31", "2024-04-01")
    on_the_wall = Counter(
        datetime.fromtimestamp(click.time / 1000, ZoneInfo(ZONE)).strftime("%H")
        for click in clicks
        if inside(click.time, range)
    )
    found = overview(aggregate, ask(range)).series
    assert [point.start[11:13] for point in found] == HOURS[:2] + HOURS[3:]
    assert {point.start[11:13]: point.page_views for point in found if point.page_views} == on_the_wall
    assert sum(on_the_wall.values()) > 50


@pytest.mark.parametrize("range", RANGES)
def test_pages(aggregate: PartitionAggregate, visits: list[Visit], range: Range) -> None:
    """Views and visitors by page views in the range, entries and exits of whole sessions; time on route is until the
    session's next page view, none for its last (there are no other events)."""
    mine = chosen(visits, range)
    views: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    visitors: defaultdict[str, set[str]] = defaultdict(set)
    for visit in mine:
        for click, following in pairwise([*visit.clicks, visit.clicks[-1]]):
            if inside(click.time, range):
                views[click.event] += 1
                spent[click.event] += following.time - click.time
                visitors[click.event].add(click.user)
    entries = Counter(visit.clicks[0].event for visit in mine)
    exits = Counter(visit.clicks[-1].event for visit in mine)
    found = pages(aggregate, ask(range))
    assert found.page_views == sum(views.values())
    assert [
        (page.route, page.views, page.visitors, page.entries, page.exits, page.seconds_mean) for page in found.pages
    ] == [
        (
            f"/{event}",
            views[event],
            len(visitors[event]),
            entries[event],
            exits[event],
            spent[event] / (views[event] * 1000),
        )
        for event in sorted(views, key=lambda event: (-views[event], event))
    ]
    assert [page.route for page in pages(aggregate, ask(range), limit=3).pages] == [
        page.route for page in found.pages[:3]
    ]


def test_audience(aggregate: PartitionAggregate, visits: list[Visit]) -> None:
    """New: a visitor's first session; nothing is known of the browsers, and nobody came from elsewhere."""
    found = audience(aggregate, ask(WHOLE))
    later = [visit for visit in visits if not visit.is_first]
    assert found.visits == [
        Share(value="returning", sessions=len(later), visitors=people(later)),
        Share(value="new", sessions=600, visitors=600),
    ]
    assert found.browsers == [Share(value="(unknown)", sessions=len(visits), visitors=600)]
    assert found.referrers == [Share(value="(direct)", sessions=len(visits), visitors=600)]


@pytest.mark.parametrize("touch", ["session", "last", "first"])
def test_campaigns(aggregate: PartitionAggregate, touch: str) -> None:
    """No page view of the file is tagged."""
    assert [field.values for field in campaigns(aggregate, ask(WHOLE), touch).fields] == [[]] * 6


def viewed(visit: Visit, event: str) -> bool:
    return any(click.event == event for click in visit.clicks)


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ([Filter("route", "is", "/purchase")], lambda visit: viewed(visit, "purchase")),
        ([Filter("route", "is not", "/product_view")], lambda visit: not viewed(visit, "product_view")),
        (
            [Filter("route", "glob", "/payment_*"), Filter("visit", "is", "returning")],
            lambda visit: (viewed(visit, "payment_details") or viewed(visit, "payment_error")) and not visit.is_first,
        ),
        (
            [Filter("entry", "is", "/home"), Filter("exit", "is not", "/catalog"), Filter("route", "contains", "CART")],
            lambda visit: (
                visit.routes[0] == "/home"
                and visit.routes[-1] != "/catalog"
                and (viewed(visit, "cart") or viewed(visit, "add_to_cart"))
            ),
        ),
        (
            [Filter("stage", "is", "2 of Purchase")],
            lambda visit: any(
                before == "product_view" and "add_to_cart" in [click.event for click in visit.clicks[place + 1 :]]
                for place, before in enumerate(click.event for click in visit.clicks)
            ),
        ),
        ([Filter("browser", "is", "Firefox")], lambda _: False),
    ],
)
@pytest.mark.parametrize("range", [WHOLE, CUT])
def test_segments(
    aggregate: PartitionAggregate,
    visits: list[Visit],
    range: Range,
    filters: list[Filter],
    fits: Callable[[Visit], bool],
) -> None:
    """A segment selects sessions by all of their events, also those outside of the range; visitors are the distinct
    ones of the selected sessions."""
    mine = [visit for visit in chosen(visits, range) if fits(visit)]
    found = overview(aggregate, ask(range, *filters))
    assert (found.sessions, found.visitors) == (len(mine), people(mine))
    assert found.page_views == sum(len(visit.within(range)) for visit in mine)
    assert sum(page.exits for page in pages(aggregate, ask(range, *filters)).pages) <= len(mine)


@pytest.mark.parametrize(
    ("range", "unit"),
    [
        (WHOLE, "week"),
        (WHOLE, "month"),
        (SPRING, "day"),
        (SPRING, "week"),
        (CUT, "month"),
        (Range(to=SPRING.to), "day"),
    ],
)
def test_retention(aggregate: PartitionAggregate, visits: list[Visit], range: Range, unit: str) -> None:
    """Cohorts by the day, week or month of the first session; a cell counts those who came so many later."""
    wanted = cohorts(visits, range, unit)
    found = retention(aggregate, ask(range), unit)
    assert found.period == unit
    assert len(wanted) >= 3
    assert [
        (each.start, each.visitors, [(cell.period, cell.visitors, cell.share) for cell in each.cells])
        for each in found.cohorts
    ] == wanted


@pytest.mark.parametrize(("days", "unit"), [(31, "day"), (32, "week"), (26 * 7, "week"), (26 * 7 + 1, "month")])
def test_the_usual_period_of_retention(aggregate: PartitionAggregate, days: int, unit: str) -> None:
    """Days up to 31 days, weeks up to 26 weeks, months beyond."""
    begin = midnight(date(2024, 1, 8))
    assert retention(aggregate, ask(Range(begin, begin + days * DAY))).period == unit
