"""The engine within one process: replay, and how long each kind of answer takes."""

import random
import time
from collections.abc import Callable, Iterable, Iterator

from questions import HOST, Drawn, Kind, Values, asked, kinds
from result import Result
from shop import ZONE, configuration
from traffic import Traffic

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.model.events import Batch

QUESTIONS = 35
"""Of each kind, with and without a segment: each range five times, each time with another segment."""
BUDGET_MS = 10.0


def replay(batches: Iterable[Batch]) -> tuple[PartitionAggregate, Result]:
    """From the file to the figures."""
    aggregate = PartitionAggregate(
        Rules(configuration=configuration(), own_hosts=frozenset([HOST]), zone=ZONE)  # type: ignore[call-arg,unused-ignore]
    )
    begin = time.perf_counter()
    for batch in batches:
        aggregate.take(batch)
    rate = aggregate.position.events / (time.perf_counter() - begin)
    return aggregate, Result("replay of the shop's history", rate, "events/s", "at least 500,000", rate >= 500_000)


def quantile(times: list[float], share: float) -> float:
    """Nearest rank."""
    return sorted(times)[max(0, -int(-share * len(times) // 1) - 1)]


def timing(name: str, times: list[float], budget: float) -> Result:
    """p99 with its budget, p50 beside it; `times` in ms."""
    p50, p99 = quantile(times, 0.5), quantile(times, 0.99)
    return Result(f"{name}, p99", p99, f"ms, p50 {p50:.2f}", f"under {budget:.0f} ms", p99 < budget)


def measure(aggregate: PartitionAggregate, traffic: Traffic, values: Values) -> Iterator[Result]:
    """Each question twice: by somebody who opens a page, and when the page is brought up to date. Between any two some
    visits arrive, so that no answer is ready-made."""
    again_of_all: list[float] = []
    chance = random.Random(4)
    for case, drawn_from in (("everybody", None), ("three filters", values)):
        first_of_case: list[float] = []
        again_of_case: list[float] = []
        for name, kind in kinds().items():
            first, again = ask(name, kind, aggregate, traffic, drawn_from, chance)
            yield timing(f"{name}, {case}", again, BUDGET_MS)
            first_of_case += first
            again_of_case += again
        yield timing(f"all answers, {case}", again_of_case, BUDGET_MS)
        yield timing(f"all answers, {case}, asked for the first time", first_of_case, BUDGET_MS)
        again_of_all += again_of_case
    yield timing("all answers", again_of_all, BUDGET_MS)


def ask(
    name: str,
    kind: Kind,
    aggregate: PartitionAggregate,
    traffic: Traffic,
    values: Values | None,
    chance: random.Random,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[list[float], list[float]]:
    """Milliseconds of each answer, the first time and again."""
    first: list[float] = []
    again: list[float] = []
    questions = list(asked(name, QUESTIONS, values, traffic.end))
    drawn = [random.Random(chance.random()) for _ in questions]
    # Seven at a time, one of each range: what a page or two ask for.
    for at in range(0, len(questions), 7):
        for times in (first, again, again):
            for place in range(at, at + 7):
                aggregate.take(traffic.live())
                seed = drawn[place].getstate()
                begin = clock()
                kind(aggregate, questions[place], Drawn(traffic.end, drawn[place]))
                times.append(1000 * (clock() - begin))
                drawn[place].setstate(seed)
    return first, again
