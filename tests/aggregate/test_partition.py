"""The engine against the reference over random histories, however they are cut into batches."""

import random

import pytest

from datalab.aggregate.audience import audience
from datalab.aggregate.funnel import funnel
from datalab.aggregate.overview import overview
from datalab.aggregate.pages import pages
from datalab.aggregate.partition import PartitionAggregate
from datalab.model.events import Context, Opening
from datalab.model.ranges import Range
from tests.aggregate.histories import LOST, History, aggregate_of, cut, random_history, random_range
from tests.aggregate.reference import Reference

HISTORIES = 40
RANGES = 3
WAYS = [(unit, order) for unit in ("visitors", "sessions") for order in ("ordered", "any")]


def figures(aggregate: PartitionAggregate, range: Range, zone: str) -> list[object]:
    return [
        overview(aggregate, "a1", range, zone),
        pages(aggregate, "a1", range, zone),
        audience(aggregate, "a1", range, zone),
        *(
            funnel(aggregate, "a1", number, range, zone, unit, order)
            for number in (0, 1)[: len(aggregate.marks)]
            for unit, order in WAYS
        ),
    ]


def expected(reference: Reference, range: Range) -> list[object]:
    return [
        reference.overview("a1", range),
        reference.pages("a1", range),
        reference.audience("a1", range),
        *(
            reference.funnel("a1", number, range, unit, order)
            for number in (0, 1)[: len(reference.configuration.funnel)]
            for unit, order in WAYS
        ),
    ]


def ranges_of(chance: random.Random, history: History) -> list[Range]:
    return [Range(), *(random_range(chance, history) for _ in range(RANGES))]


@pytest.mark.parametrize("seed", range(10))
def test_figures_are_those_of_the_reference_for_any_cutting(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(HISTORIES):
        history = random_history(chance)
        cuttings = [cut(history, chance, sizes) for sizes in ([10**6], [1], [1, 2, 3, 9, 30])]
        aggregates = [aggregate_of(history.rules, batches) for batches in cuttings]
        reference = history.reference
        for each in ranges_of(chance, history):
            wanted = expected(reference, each)
            for aggregate in aggregates:
                assert figures(aggregate, each, history.zone) == wanted


@pytest.mark.parametrize("seed", range(5))
def test_figures_asked_for_between_batches_are_those_of_the_events_so_far(seed: int) -> None:
    chance = random.Random(100 + seed)
    for _ in range(10):
        history = random_history(chance)
        aggregate = PartitionAggregate(history.rules)
        for batch in cut(history, chance, [5, 11]):
            aggregate.take(batch)
            position = aggregate.position
            so_far = history._replace(
                openings=history.openings[: position.streams],
                described=history.described[: position.streams],
                happenings=history.happenings[: position.events],
            )
            each = random_range(chance, so_far)
            assert figures(aggregate, each, history.zone) == expected(so_far.reference, each)


@pytest.mark.parametrize("seed", range(5))
def test_lost_batches_lose_their_events_and_nothing_else(seed: int) -> None:
    """Streams whose openings were lost count as visitors of their own, of whom nothing is known."""
    chance = random.Random(200 + seed)
    for _ in range(20):
        history = random_history(chance)
        batches = cut(history, chance, [1, 2, 5])
        kept = [batch for batch in batches[:-1] if chance.random() < 0.7] + batches[-1:]
        aggregate = aggregate_of(history.rules, kept)
        present = {stream for batch in kept for stream in range(batch.start.streams, batch.end.streams)}
        events = [place for batch in kept for place in range(batch.start.events, batch.end.events)]
        rest = history._replace(
            openings=[
                opening if k in present else Opening(visitor=b"stand-in%8d" % k, started=0, context=Context())
                for k, opening in enumerate(history.openings)
            ],
            described=[described if k in present else LOST for k, described in enumerate(history.described)],
            happenings=[history.happenings[place] for place in events],
        )
        assert aggregate.lost_events == len(history.happenings) - len(events)
        assert aggregate.position == batches[-1].end
        for each in ranges_of(chance, history):
            assert figures(aggregate, each, history.zone) == expected(rest.reference, each)


def test_batches_that_come_twice_or_overlap_count_once() -> None:
    chance = random.Random(300)
    for _ in range(30):
        history = random_history(chance)
        batches = cut(history, chance, [4])
        twice = [again for batch in batches for again in (batch, batch)]
        whole = cut(history, chance, [10**6])
        aggregate = aggregate_of(history.rules, [*twice, *whole, *batches])
        assert aggregate.lost_events == 0
        assert figures(aggregate, Range(), history.zone) == expected(history.reference, Range())
