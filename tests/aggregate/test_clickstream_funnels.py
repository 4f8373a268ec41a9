"""A public shop's click stream against plain Python: funnels by visitor and session, ordered and in any order."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import pytest

from datalab.aggregate.funnel import funnel
from datalab.aggregate.overview import overview
from datalab.aggregate.partition import PartitionAggregate
from datalab.model.figures import FunnelFigures
from datalab.model.ranges import Range
from datalab.model.segments import Filter
from tests.aggregate.shop import CUT, STAGES, WHOLE, History, Visit, ask, inside, reach_in_order, units_of

WINDOWS = [None, 3_600_000, 900_000]
"""Of the aggregate's funnels, ms."""


def p90(times: list[int]) -> float:
    """The smallest one that nine of ten do not exceed."""
    return sorted(times)[-(-9 * len(times) // 10) - 1] / 1000


def times_of(found: FunnelFigures, prefix: str) -> list[tuple[float | None, ...]]:
    names = [f"{prefix}_mean", f"{prefix}_median", f"{prefix}_p90"]
    return [tuple(getattr(stage, name) for name in names) for stage in found.stages[:-1]]


def summed_up(times: list[list[int]]) -> list[tuple[float | None, ...]]:
    """Mean, median and 90th percentile in seconds."""
    return [(sum(each) / (1000 * len(each)), median(each) / 1000, p90(each)) for each in times]


def reached_counts(found: FunnelFigures) -> list[int]:
    return [stage.reached for stage in found.stages]


def test_known_figures_by_visitor(aggregate: PartitionAggregate, histories: dict[str, History]) -> None:
    """Distinct visitors that viewed the stages in order, and at all, over the whole file."""
    ordered = [len(reach_in_order(history, None)) for history in histories.values()]
    in_order = [sum(count > k for count in ordered) for k in range(5)]
    at_all = [sum(any(click.event == stage for click in history) for history in histories.values()) for stage in STAGES]
    assert reached_counts(funnel(aggregate, ask(WHOLE), 0, "visitors", "ordered")) == in_order
    assert in_order == [598, 517, 401, 281, 146]
    assert reached_counts(funnel(aggregate, ask(WHOLE), 0, "visitors", "any")) == at_all == [598, 522, 441, 390, 328]
    assert overview(aggregate, ask(WHOLE)).conversion_rate == 146 / 600


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("unit", ["visitors", "sessions"])
@pytest.mark.parametrize("range", [WHOLE, CUT])
def test_ordered(aggregate: PartitionAggregate, visits: list[Visit], number: int, unit: str, range: Range) -> None:
    """Units that viewed the stages one after the other in the range, within the conversion window.

    Time in a stage: from reaching it to reaching the next one, of those who did not to the end of the session in which
    they reached it. Where they went: the page view after their last one of the stage in the range.
    """
    units = units_of([visit for visit in visits if visit.within(range)], unit)
    reached: list[int] = [0] * len(STAGES)
    on: list[list[int]] = [[] for _ in STAGES]
    left: list[list[int]] = [[] for _ in STAGES]
    went: list[Counter[str]] = [Counter() for _ in STAGES]
    for sessions in units:
        way = reach_in_order([click for visit in sessions for click in visit.within(range)], WINDOWS[number])
        for k, click in enumerate(way):
            reached[k] += 1
            if k + 1 < len(way):
                on[k].append(way[k + 1].time - click.time)
            elif k + 1 < len(STAGES):
                left[k].append(next(visit.end for visit in sessions if visit.end >= click.time) - click.time)
                went[k][next_route(sessions, STAGES[k], range)] += 1
    found = funnel(aggregate, ask(range), number, unit, "ordered")
    assert found.visitors == len(units)
    assert reached_counts(found) == reached
    assert all(reached)
    assert [stage.dropped for stage in found.stages] == [len(each) for each in left]
    assert [stage.conversion for stage in found.stages] == [count / reached[0] for count in reached]
    assert [stage.overall for stage in found.stages] == [count / len(units) for count in reached]
    assert [stage.step_conversion for stage in found.stages[1:]] == [reached[k] / reached[k - 1] for k in (1, 2, 3, 4)]
    assert [{each.route: each.count for each in stage.next} for stage in found.stages] == went
    assert times_of(found, "seconds") == summed_up(on[:-1])
    assert times_of(found, "dropped_seconds") == summed_up(left[:-1])


def next_route(sessions: list[Visit], stage: str, range: Range) -> str:
    """Viewed in its session after the last view of a stage in the range."""
    last = None
    for visit in sessions:
        for place, click in enumerate(visit.clicks):
            if click.event == stage and inside(click.time, range):
                last = visit.clicks[place + 1 : place + 2]
    assert last is not None
    return f"/{last[0].event}" if last else "(exit)"


@pytest.mark.parametrize("unit", ["visitors", "sessions"])
@pytest.mark.parametrize("range", [WHOLE, CUT])
def test_any_order(aggregate: PartitionAggregate, visits: list[Visit], unit: str, range: Range) -> None:
    """Units with a view of the stage in the range; those who dropped off a stage viewed it and not the next one."""
    units = units_of([visit for visit in visits if visit.within(range)], unit)
    seen = [{click.event for visit in sessions for click in visit.within(range)} for sessions in units]
    went = [
        Counter(
            next_route(sessions, stage, range)
            for sessions, events in zip(units, seen, strict=True)
            if stage in events and following not in events
        )
        for stage, following in pairwise(STAGES)
    ]
    found = funnel(aggregate, ask(range), 0, unit, "any")
    assert reached_counts(found) == [sum(stage in events for events in seen) for stage in STAGES]
    assert [{each.route: each.count for each in stage.next} for stage in found.stages[:-1]] == went
    assert [stage.dropped for stage in found.stages] == [*(counts.total() for counts in went), 0]


SPLITS: dict[str, Callable[[Visit], str]] = {
    "visit": lambda visit: "new" if visit.is_first else "returning",
    "entry": lambda visit: visit.routes[0],
    "exit": lambda visit: visit.routes[-1],
    "browser": lambda _: "(unknown)",
}


@pytest.mark.parametrize("unit", ["visitors", "sessions"])
@pytest.mark.parametrize("order", ["ordered", "any"])
@pytest.mark.parametrize("dimension", SPLITS)
def test_split(aggregate: PartitionAggregate, visits: list[Visit], unit: str, order: str, dimension: str) -> None:
    """The funnel of the sessions with each value of a dimension, of the values with most sessions."""
    by_value: dict[str, list[Visit]] = {}
    for visit in visits:
        if visit.within(CUT):
            by_value.setdefault(SPLITS[dimension](visit), []).append(visit)
    values = sorted(by_value, key=lambda value: (-len(by_value[value]), value))[:6]
    wanted = []
    for value in values:
        units = units_of(by_value[value], unit)
        clicks = [[click for visit in sessions for click in visit.within(CUT)] for sessions in units]
        if order == "ordered":
            ways = [len(reach_in_order(mine, None)) for mine in clicks]
            reached = [sum(length > k for length in ways) for k in range(len(STAGES))]
        else:
            reached = [sum(any(click.event == stage for click in mine) for mine in clicks) for stage in STAGES]
        wanted.append((value, len(units), reached, reached[-1] / len(units)))
    found = funnel(aggregate, ask(CUT), 0, unit, order, split=dimension, limit=6).split
    assert [(each.value, each.visitors, each.reached, each.conversion) for each in found] == wanted


def test_of_a_segment(aggregate: PartitionAggregate, visits: list[Visit]) -> None:
    """Only the selected sessions' events match, and only their visitors count."""
    mine = [visit for visit in visits if not visit.is_first and "/search" in visit.routes]
    units = units_of(mine, "visitors")
    ways = [len(reach_in_order([click for visit in sessions for click in visit.clicks], None)) for sessions in units]
    found = funnel(
        aggregate,
        ask(WHOLE, Filter("visit", "is", "returning"), Filter("route", "is", "/search")),
        0,
        "visitors",
        "ordered",
    )
    assert found.visitors == len(units)
    assert reached_counts(found) == [sum(length > k for length in ways) for k in range(len(STAGES))]
