"""A public shop's click stream against plain Python: journeys and what lies around one route."""

from collections import Counter
from itertools import pairwise

import pytest

from datalab.aggregate.journey import journey
from datalab.aggregate.overview import overview
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.aggregate.surroundings import surroundings
from datalab.model.figures import Edge
from datalab.model.ranges import Range
from datalab.model.segments import Filter
from tests.aggregate.shop import SPRING, WHOLE, History, Visit, aggregate_of_clicks, ask, count_edges
from tests.clickstream import Click

ENDS = ("(entry)", "(exit)")


def table(edges: list[Edge]) -> list[tuple[str, str, int, int]]:
    return [(edge.from_, edge.to, edge.sessions, edge.times) for edge in edges]


@pytest.mark.parametrize("range", [WHOLE, SPRING])
def test_edges_by_session(aggregate: PartitionAggregate, visits: list[Visit], range: Range) -> None:
    """Journey edge: two page views in a row with different routes in one session, its first and its last page view;
    of whole sessions with an event in the range."""
    mine = [visit for visit in visits if visit.within(range)]
    found = journey(aggregate, ask(range))
    assert found.sessions == len(mine)
    assert table(found.edges) == count_edges([visit.routes for visit in mine])


def test_edges_of_sessions_that_bought(aggregate: PartitionAggregate, visits: list[Visit]) -> None:
    """The same of the sessions that viewed a route."""
    mine = [visit.routes for visit in visits if "/purchase" in visit.routes]
    assert table(journey(aggregate, ask(WHOLE, Filter("route", "is", "/purchase"))).edges) == count_edges(mine)


@pytest.mark.parametrize("top", [1, 4])
def test_all_but_the_most_viewed_routes_are_folded(
    aggregate: PartitionAggregate, visits: list[Visit], clicks: list[Click], top: int
) -> None:
    """The most viewed ones by page views; the others are named alike before immediate repeats are removed."""
    views = Counter(f"/{click.event}" for click in clicks)
    apart = sorted(views, key=lambda route: (-views[route], route))[:top]
    ways = []
    for visit in visits:
        named = [route if route in apart else "(other)" for route in visit.routes]
        ways.append(named[:1] + [route for before, route in pairwise(named) if before != route])
    assert table(journey(aggregate, ask(WHOLE), top=top).edges) == count_edges(ways)


@pytest.fixture(scope="module")
def unsplit(histories: dict[str, History]) -> PartitionAggregate:
    """One session a visitor: in their order, their clicks follow each other by a second."""
    mine = [
        click._replace(time=1_704_000_000_000 + 1000 * number)
        for history in histories.values()
        for number, click in enumerate(history)
    ]
    return aggregate_of_clicks(mine, Rules())


def test_edges_by_visitor(unsplit: PartitionAggregate, histories: dict[str, History]) -> None:
    """Journey edge, as if each visitor had one session: directly-follows pairs without those of a route and itself, of
    which there are 18 with 3,932 transitions; 320 edges and 26,574 transitions remain."""
    ways = []
    for history in histories.values():
        routes = [f"/{click.event}" for click in history]
        ways.append(routes[:1] + [route for before, route in pairwise(routes) if before != route])
    found = journey(unsplit, ask(WHOLE))
    assert found.sessions == 600
    assert table(found.edges) == count_edges(ways)
    inner = [edge for edge in found.edges if edge.from_ not in ENDS and edge.to not in ENDS]
    assert (len(inner), sum(edge.times for edge in inner)) == (338 - 18, 30_506 - 3_932)
    whole = overview(unsplit, ask(WHOLE))
    assert whole.page_views - whole.sessions == 30_506


def test_directly_follows_edges_by_visitor(histories: dict[str, History]) -> None:
    """Every pair of clicks in a row of one visitor, a route and itself too: 338 edges, 30,506 transitions.

    The journey leaves a route out that follows itself. So each visitor's clicks, a second apart, take one of two names
    for each route in turns: no name follows itself, and without the turns the edges are all there are.
    """
    mine = [
        Click(click.user, f"{click.event}/{number % 2}", 1_704_000_000_000 + 1000 * number)
        for history in histories.values()
        for number, click in enumerate(history)
    ]
    found: Counter[tuple[str, str]] = Counter()
    for edge in journey(aggregate_of_clicks(mine, Rules()), ask(WHOLE)).edges:
        if edge.from_ not in ENDS and edge.to not in ENDS:
            found[edge.from_[1:-2], edge.to[1:-2]] += edge.times
    assert found == Counter(
        (before.event, click.event) for history in histories.values() for before, click in pairwise(history)
    )
    assert (len(found), found.total()) == (338, 30_506)


@pytest.mark.parametrize("range", [WHOLE, SPRING])
@pytest.mark.parametrize("count", [3, 50, 10_000])
def test_paths(aggregate: PartitionAggregate, visits: list[Visit], range: Range, count: int) -> None:
    """Journey path: the session's routes in order, immediate repeats removed, cut at 10 steps; most sessions first,
    then by the routes' names."""
    walked = Counter(tuple(visit.routes[:10]) for visit in visits if visit.within(range))
    ordered = sorted(walked, key=lambda path: (-walked[path], path))[:count]
    found = journey(aggregate, ask(range), paths=count).paths
    assert [(tuple(path.routes), path.sessions) for path in found] == [(path, walked[path]) for path in ordered]


@pytest.mark.parametrize("route", ["/add_to_cart", "/purchase", "/nowhere"])
@pytest.mark.parametrize(("direction", "end"), [("after", "(exit)"), ("before", "(entry)")])
@pytest.mark.parametrize("top", [None, 2])
def test_what_lies_around_a_route(
    aggregate: PartitionAggregate, visits: list[Visit], route: str, direction: str, end: str, top: int | None
) -> None:
    """From each session's first view of the route, five further steps of its path away from it, or to its end; `top`
    folds all but the most frequent routes of each step."""
    walks = []
    for visit in visits:
        if route in visit.routes:
            first = visit.routes.index(route)
            way = visit.routes[first:] if direction == "after" else visit.routes[first::-1]
            walks.append([*way, end][:6])
    for step in range(1, 6):
        places = Counter(walk[step] for walk in walks if len(walk) > step and walk[step] != end)
        apart = sorted(places, key=lambda place: (-places[place], place))[:top]
        for walk in walks:
            if len(walk) > step and walk[step] not in (end, *apart):
                walk[step] = "(other)"
    links = Counter((step, *link) for walk in walks for step, link in enumerate(pairwise(walk), 1))
    found = surroundings(aggregate, ask(WHOLE), route, direction, top)
    assert found.sessions == len(walks)
    assert {(step.step, step.from_, step.to): step.sessions for step in found.steps} == links
    assert [(step.step, -step.sessions) for step in found.steps] == sorted(
        (step.step, -step.sessions) for step in found.steps
    )
