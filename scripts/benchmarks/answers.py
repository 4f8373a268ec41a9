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

QUESTIONS = 70
"""Of each kind, with and without a segment: each range ten times."""
PATIENCE_SECONDS = 30.0
"""For the questions of one kind; it is left when they take longer."""
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
    """Between two questions some visits arrive, so that today's figures are never ready-made."""
    every: list[float] = []
    chance = random.Random(4)
    for case, drawn_from in (("everybody", None), ("three filters", values)):
        all_of_case: list[float] = []
        for name, kind in kinds().items():
            times = ask(name, kind, aggregate, traffic, drawn_from, chance)
            if times:
                yield timing(f"{name}, {case}", times, BUDGET_MS)
            all_of_case += times
        yield timing(f"all answers, {case}", all_of_case, BUDGET_MS)
        every += all_of_case
    yield timing("all answers", every, BUDGET_MS)


def ask(
    name: str,
    kind: Kind,
    aggregate: PartitionAggregate,
    traffic: Traffic,
    values: Values | None,
    chance: random.Random,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Milliseconds of each answer; the first rounds, which make what a running appliance has already, do not count."""
    times: list[float] = []
    end = clock() + PATIENCE_SECONDS
    for number, question in enumerate(asked(name, QUESTIONS + 7, values, traffic.end)):
        aggregate.take(traffic.live())
        begin = clock()
        kind(aggregate, question, Drawn(traffic.end, chance))
        if number >= 7:
            times.append(1000 * (clock() - begin))
        if clock() > end:
            break
    return times
