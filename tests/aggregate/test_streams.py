"""`Streams.note` against a plain set of numbers per stream."""

import random

import numpy as np
import pytest

from datalab.aggregate.dimension import Dimension
from datalab.aggregate.rules import Rules
from datalab.aggregate.streams import AUDIENCE, Streams
from datalab.aggregate.visitors import VisitorIndex
from datalab.model.agents import DIRECT
from datalab.model.events import Context, Opening
from datalab.model.sequences import MAX_GAPS


def opened(count: int, cap: int = 10_000, referrers: bool = False) -> Streams:
    streams = Streams(Rules(max_values=cap), {name: Dimension(cap) for name in AUDIENCE}, VisitorIndex())
    streams.open(
        [
            Opening(
                visitor=k.to_bytes(16, "big"),
                started=0,
                context=Context(referrer=f"https://site-{k}.example/" if referrers else ""),
            )
            for k in range(count)
        ]
    )
    return streams


def note(streams: Streams, pairs: list[tuple[int, int]]) -> None:
    streams.note(
        np.array([stream for stream, _ in pairs], dtype=np.uint32),
        np.array([number for _, number in pairs], dtype=np.uint32),
    )


@pytest.mark.parametrize("seed", range(20))
def test_what_was_noted_is_seen_and_nothing_else(seed: int) -> None:
    """In any order, in any batches, with repeats; never with more gaps than are remembered."""
    chance = random.Random(seed)
    streams, seen = opened(4), [set[int]() for _ in range(4)]
    for _ in range(12):
        pairs = []
        for stream in chance.sample(range(4), chance.randint(1, 4)):
            high = max(seen[stream], default=0)
            first = chance.choice([high + 1, high + 1, high + 3, max(1, high - 5), 1])
            numbers = list(range(first, first + chance.randint(1, 12)))
            pairs += [(stream, number) for number in numbers if chance.random() < 0.95]
            pairs += [(stream, number) for number in numbers if chance.random() < 0.1]
        chance.shuffle(pairs)
        if not pairs:
            continue
        note(streams, pairs)
        for stream, number in pairs:
            seen[stream].add(number)
        for stream, numbers_seen in enumerate(seen):
            high = max(numbers_seen, default=0)
            for number in range(1, high + 3):
                assert streams.seen(stream).admit(number) is (number not in numbers_seen)


def test_a_repeat_beside_a_gap_does_not_hide_the_gap() -> None:
    streams = opened(1)
    note(streams, [(0, 1), (0, 1), (0, 3)])
    assert streams.seen(0).high == 3
    assert streams.seen(0).missing == [(2, 2)]


def test_the_highest_number_of_the_protocol() -> None:
    streams = opened(2)
    note(streams, [(1, 2**32 - 2), (0, 1)])
    assert streams.seen(1).high == 2**32 - 2
    assert streams.seen(1).missing == [(1, 2**32 - 3)]
    assert streams.seen(0).high == 1


def test_gaps_are_bounded() -> None:
    streams = opened(1)
    note(streams, [(0, number) for number in range(2, 2002, 2)])
    assert len(streams.missing[0]) == MAX_GAPS


def test_gaps_that_are_filled_take_no_room() -> None:
    streams = opened(1)
    note(streams, [(0, 3)])
    note(streams, [(0, 2), (0, 1)])
    assert streams.missing == {}


def test_direct_stays_itself_where_referrers_fill_their_dimension() -> None:
    """Else sessions with a referrer beyond the cap would count as direct."""
    streams = opened(5, cap=2, referrers=True)
    referrers = streams._dimensions["referrer"]
    assert referrers.values == [DIRECT, "site-0.example", "(other)"]
    assert streams.direct == referrers.code(DIRECT) != referrers.code("site-4.example")


def test_lost_openings_are_visitors_of_their_own() -> None:
    streams = opened(1)
    streams.open_lost(2)
    assert len(streams) == 3
    assert len(set(streams.visitor.values.tolist())) == 3
