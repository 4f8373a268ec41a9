"""The engine against the reference over random histories, however they are cut into batches."""

import random

import pytest
from hypothesis import given

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.model.configuration import Configuration, Funnel, Stage
from datalab.model.events import Batch, Context, Kind, Opening, Position
from datalab.model.figures import Answer
from datalab.model.ranges import Range
from datalab.model.segments import Segment
from tests.aggregate.cases import CASES, TIGHT, Case, compare, examples, limited
from tests.aggregate.choices import Rolled
from tests.aggregate.histories import LARGE, LATE, LOST, SITE, History, aggregate_of, cut, random_history
from tests.aggregate.questions import make_asked, make_filter, make_range, usual
from tests.aggregate.reference.happening import Happening

RANGES = 3


def figures(aggregate: PartitionAggregate, range: Range, zone: str) -> list[Answer]:
    """Every figure of everybody."""
    asked = usual(range, zone, len(aggregate.rules.configuration.funnel))
    return [answer for _, answer in asked.of_engine(aggregate)]


def ranges_of(chance: random.Random, history: History) -> list[Range]:
    return [Range(), *(make_range(Rolled(chance), history) for _ in range(RANGES))]


@examples(400)
@given(CASES)
def test_figures_are_those_of_the_reference_for_any_cutting(case: Case) -> None:
    batches = cut(case.history, case.chance, case.sizes)
    compare(aggregate_of(case.history.rules, batches), case.history, case.asked)


@examples(100)
@given(CASES)
def test_every_figure_of_everybody_is_that_of_the_reference(case: Case) -> None:
    asked = usual(case.asked[0].question.range, case.history.zone, len(case.history.rules.configuration.funnel))
    aggregate = aggregate_of(case.history.rules, cut(case.history, case.chance, case.sizes))
    compare(aggregate, case.history, [asked])


@examples(80)
@given(CASES)
def test_figures_asked_for_between_batches_are_those_of_the_events_so_far(case: Case) -> None:
    """The same questions each time: what was kept of the answers before must not outlive what it was made of."""
    aggregate = PartitionAggregate(case.history.rules)
    for batch in cut(case.history, case.chance, [5, 11]):
        aggregate.take(batch)
        compare(aggregate, case.history.until(aggregate.position), case.asked)
    compare(aggregate, case.history, case.asked)


@examples(80)
@given(CASES)
def test_lost_batches_lose_their_events_and_nothing_else(case: Case) -> None:
    """Streams whose openings were lost count as visitors of their own, of whom nothing is known."""
    history, chance = case.history, case.chance
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
    compare(aggregate, rest, case.asked)


@examples(40)
@given(CASES)
def test_batches_that_come_twice_or_overlap_count_once(case: Case) -> None:
    batches = cut(case.history, case.chance, [4])
    twice = [again for batch in batches for again in (batch, batch)]
    whole = cut(case.history, case.chance, [10**6])
    aggregate = aggregate_of(case.history.rules, [*twice, *whole, *batches])
    assert aggregate.lost_events == 0
    compare(aggregate, case.history, case.asked)


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_late_events_change_what_was_asked_for_before(first: int) -> None:
    """Everything again and again, while events come hours late: into sessions, between two of them, before midnight."""
    for seed in range(first, first + 10):
        chance = random.Random(seed)
        history = random_history(chance, LATE)
        reference, choices = history.reference, Rolled(chance)
        funnels, range_ = len(history.rules.configuration.funnel), make_range(choices, history)
        asked = [
            usual(Range(), history.zone, funnels),
            usual(range_, history.zone, funnels),
            usual(range_, history.zone, funnels, Segment((make_filter(choices, reference),))),
        ]
        with limited(chance.choice([{}, {}, TIGHT])):
            aggregate = PartitionAggregate(history.rules)
            for batch in cut(history, chance, [1, 2, 5]):
                aggregate.take(batch)
                if chance.random() < 0.4:
                    compare(aggregate, history.until(aggregate.position), asked)
            compare(aggregate, history, asked)


@examples(100)
@given(CASES)
def test_what_is_remembered_makes_no_difference(case: Case) -> None:
    """With so little room that everything is forgotten, moved together and looked up anew all the time."""
    with limited(TIGHT):
        aggregate = PartitionAggregate(case.history.rules)
        for batch in cut(case.history, case.chance, [2, 5, 11]):
            aggregate.take(batch)
            if case.chance.random() < 0.3:
                compare(aggregate, case.history.until(aggregate.position), case.asked)
        compare(aggregate, case.history, case.asked)


@pytest.mark.parametrize("seed", range(8))
def test_more_of_everything_than_a_byte_can_count(seed: int) -> None:
    """Visitors, contexts, routes, and events of one session."""
    chance = random.Random(seed)
    history = random_history(chance, LARGE)
    aggregate = PartitionAggregate(history.rules)
    reference = history.reference
    asked = [make_asked(Rolled(chance), history, reference) for _ in range(6)]
    for batch in cut(history, chance, [10, 300]):
        aggregate.take(batch)
        if chance.random() < 0.1:
            compare(aggregate, history.until(aggregate.position), asked[:1])
    everything = usual(Range(), history.zone, len(history.rules.configuration.funnel))
    compare(aggregate, history, [*asked, everything])


MIDNIGHT, MINUTE = 1_764_547_200_000, 60_000
LATER = (2, 7200)
"""After which nothing is expected any more of the days before."""
SCENES = {
    "what was told of last ends first": ([[LATER, (0, 600), (0, 620)], [(1, 540)]], Range(to=MIDNIGHT + 610 * MINUTE)),
    "begins on the day before after all": ([[LATER, (0, 10), (1, 12)], [(0, -10)]], Range()),
    "two sessions become one over midnight": ([[LATER, (0, -20), (0, 15), (1, 16)], [(0, -1)]], Range()),
    "an event hours late before all others": ([[LATER, (0, 600), (1, 600), (1, 700)], [(0, 400)], [(0, 580)]], Range()),
}


@pytest.mark.parametrize("scene", SCENES)
def test_what_is_kept_of_a_day_holds_only_as_long_as_the_day(scene: str) -> None:
    """Page views of visitors (from 0) at minutes after midnight, in batches; the same questions behind each."""
    batches, range_ = SCENES[scene]
    configuration = Configuration(
        funnel=[Funnel(name="F", stage=[Stage(name="Any", glob="*"), Stage(name="0", url="/0")])]
    )
    deeds = [deed for batch in batches for deed in batch]
    history = History(
        [Opening(visitor=visitor.to_bytes(16, "little"), started=0) for visitor in (0, 1, 2)],
        [
            Happening(visitor, number, MIDNIGHT + minute * MINUTE, Kind.URLCHANGE, f"{SITE}/{number % 2}")
            for number, (visitor, minute) in enumerate(deeds, 1)
        ],
        [LOST] * 3,
        Rules(configuration=configuration),
    )
    whole = cut(history, random.Random(1), [10**6])[0]
    aggregate, end = PartitionAggregate(history.rules), 0
    for batch in batches:
        begin, end = end, end + len(batch)
        openings = whole.openings if begin == 0 else []
        start = Position(0 if begin == 0 else 3, begin)
        aggregate.take(Batch(start=start, openings=openings, events=whole.events.slice(begin, end)))
        compare(aggregate, history.until(aggregate.position), [usual(Range(), "UTC", 1), usual(range_, "UTC", 1)])


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_a_partition_without_events_has_every_figure(zone: str) -> None:
    history = History([], [], [], Rules(zone=zone))
    for range in (Range(), Range(0, 86_400_000), Range(from_=5)):
        compare(PartitionAggregate(history.rules), history, [usual(range, zone, 0)])
