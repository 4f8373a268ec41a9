"""Spreads against plain lists, added up and taken apart at random."""

import math
import random
import statistics

import numpy as np
import pytest

from datalab.aggregate import spread as module
from datalab.aggregate.spread import NOTHING, Spread, spread


def of(values: list[int]) -> Spread:
    return spread(np.array(values, dtype=np.int64))


def check(found: Spread, values: list[int]) -> None:
    values = sorted(values)
    assert (found.count, found.total, found.squares) == (len(values), sum(values), sum(v * v for v in values))
    limits = [0, 1, 5, 100, 10**9]
    assert found.below(limits) == [sum(value < limit for value in values) for limit in limits]
    if not values:
        assert (found.mean_seconds, found.median_seconds, found.p90_seconds) == (None, None, None)
        return
    assert found.mean_seconds == sum(values) / (len(values) * 1000)
    assert found.median_seconds == statistics.median(values) / 1000
    assert found.p90_seconds == values[math.ceil(0.9 * len(values)) - 1] / 1000
    assert [found.ranked(rank) for rank in range(len(values))] == values


@pytest.mark.parametrize("highest", [0, 3, 1000, 2**31, 2**40])
@pytest.mark.parametrize("seed", range(20))
def test_what_is_added_and_taken_away_is_as_if_it_had_been_so_from_the_beginning(highest: int, seed: int) -> None:
    chance = random.Random(seed * 1000 + highest)
    found, values = NOTHING, list[int]()
    for _ in range(chance.randrange(1, 12)):
        if values and chance.random() < 0.4:
            gone = chance.sample(values, chance.randrange(1, len(values) + 1))
            for value in gone:
                values.remove(value)
            found = found.plus(of(gone), -1)
        else:
            more = [chance.randrange(highest + 1) for _ in range(chance.randrange(60))]
            values += more
            found = found.plus(of(more))
        if chance.random() < 0.2:
            found = found.compact()
            assert len(found.more) <= 1 and not found.less
        check(found, values)


def test_many_parts_are_ranked_without_putting_them_all_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", 100)
    chance = random.Random(5)
    parts = [[chance.randrange(50 * (k + 1)) for _ in range(chance.randrange(700))] for k in range(9)]
    found = NOTHING
    for part in parts:
        found = found.plus(of(part))
    check(found, [value for part in parts for value in part])


def test_squares_of_the_highest_numbers_are_exact() -> None:
    values = [2**32 - 1] * 1000 + [2**32 - 7]
    assert of(values).squares == sum(value * value for value in values)
