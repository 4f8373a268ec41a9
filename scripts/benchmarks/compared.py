"""The engine's answers beside those of databases: whether they agree, and how much longer the databases take."""

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple

from facts import Facts
from questions import APP, Values, ranges
from result import Result
from rivals import PATIENCE_SECONDS, Duck, Filters, Rows, Sqlite, ask, sql
from shop import ZONE

from datalab.aggregate.partition import PartitionAggregate

ROUNDS = 7


class Comparison(NamedTuple):
    """A question of the engine, and its answer as the databases give it."""

    ask: Callable[[PartitionAggregate, Any], Any]
    rows: Callable[[Any, list[str]], Rows]


def comparisons() -> dict[str, Comparison]:
    """By the names of the statements."""
    from datalab.aggregate import audience, funnel, overview, pages, retention

    return {
        "totals": Comparison(
            overview.overview,
            lambda a, _: [(a.visitors, a.sessions, a.page_views, round((a.bounce_rate or 0) * a.sessions))],
        ),
        "browsers": Comparison(
            audience.audience, lambda a, _: [(one.value, one.visitors, one.sessions) for one in a.browsers]
        ),
        "pages": Comparison(
            pages.pages, lambda a, _: [(one.route, one.views, one.visitors) for one in a.pages if one.views]
        ),
        "entries": Comparison(pages.pages, lambda a, _: [(one.route, one.entries) for one in a.pages if one.entries]),
        "funnel": Comparison(
            lambda aggregate, question: funnel.funnel(aggregate, question, 0, "visitors", "ordered"),
            lambda a, _: [tuple(stage.reached for stage in a.stages)],
        ),
        "retention": Comparison(
            lambda aggregate, question: retention.retention(aggregate, question, "week"), cohort_rows
        ),
    }


def cohort_rows(answer: Any, mondays: list[str]) -> Rows:
    """Cohorts by the number of their week; the first may begin within it."""
    rows = []
    for cohort in answer.cohorts:
        week = max(number for number, monday in enumerate(mondays) if monday <= cohort.start[:10])
        rows += [(week, cell.period, cell.visitors) for cell in cohort.cells if cell.visitors]
    return rows


def measure(
    aggregate: PartitionAggregate,
    facts: Facts,
    rivals: list[Sqlite | Duck],
    values: Values,
    end: int,
    say: Callable[[str], None],
) -> Iterator[Result]:
    """The same questions in turn; for the engine each has a segment and a range it was not asked before."""
    compared = different = 0
    for comparison in comparisons().values():
        # A running appliance has figures of past days ready.
        engine(aggregate, comparison, facts, ranges(end)["everything"], None)
    for case in ("everybody", "three filters"):
        for name, comparison in comparisons().items():
            ours: list[float] = []
            theirs: dict[str, list[float]] = {rival.name: [] for rival in rivals}
            for range in list(ranges(end).values())[:ROUNDS]:
                filters = values.filters() if case != "everybody" else None
                seconds, rows = engine(aggregate, comparison, facts, range, filters)
                ours.append(seconds)
                for rival in rivals:
                    if PATIENCE_SECONDS in theirs[rival.name]:
                        continue
                    answer = ask(rival, sql(name, range, filters))
                    theirs[rival.name].append(answer.seconds)
                    if answer.rows is None:
                        continue
                    compared += 1
                    if sorted(answer.rows) != rows:
                        different += 1
                        say(f"DIFFERENT: {name}, {case}, {range}, {filters}: {difference(answer.rows, rows, rival)}")
            for rival in rivals:
                if PATIENCE_SECONDS in theirs[rival.name]:
                    say(f"{rival.name}, {name}, {case}: skipped, over {PATIENCE_SECONDS:.0f} s")
                    continue
                took = median(theirs[rival.name])
                shares = f"times ours ({1000 * took:.1f} to {1000 * median(ours):.1f} ms)"
                yield Result(f"{name}, {case}, {rival.name}", took / median(ours), shares, "")
    agreed = compared - different
    yield Result("answers of databases equal to ours", agreed, f"of {compared}", "all", agreed == compared)


def engine(
    aggregate: PartitionAggregate, comparison: Comparison, facts: Facts, range: Any, filters: Filters | None
) -> tuple[float, Rows]:
    """Seconds, and the answer's rows."""
    from datalab.aggregate.question import Question
    from datalab.model.segments import Filter, Segment

    segment = Segment()
    if filters:
        segment = Segment(
            (
                Filter("device", "is", filters.device),
                Filter("browser", "is", filters.browser),
                Filter("route", "contains", filters.route),
            )
        )
    question = Question(app=APP, range=range, zone=ZONE, segment=segment)
    begin = time.perf_counter()
    answer = comparison.ask(aggregate, question)
    seconds = time.perf_counter() - begin
    return seconds, sorted(comparison.rows(answer, facts.mondays))


def difference(theirs: Rows, ours: Rows, rival: Sqlite | Duck) -> str:
    """The first few rows that only one has."""
    return f"{rival.name} {sorted(set(theirs) - set(ours))[:3]}, ours {sorted(set(ours) - set(theirs))[:3]}"
