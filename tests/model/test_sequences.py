import random

import pytest

from datalab.model.sequences import MAX_GAPS, Seen


@pytest.mark.parametrize("seed", range(30))
def test_numbers_are_admitted_as_a_set_would(seed: int) -> None:
    chance = random.Random(seed)
    seen, known = Seen(), set[int]()
    for _ in range(400):
        high = max(known, default=0)
        number = chance.choice([high + 1, high + chance.randint(1, 4), chance.randint(1, high + 1)])
        if len(seen.missing) >= MAX_GAPS - 1:
            number = high + 1
        assert seen.admit(number) is (number not in known)
        known.add(number)
    assert seen.high == max(known)
    missing = [number for first, last in seen.missing for number in range(first, last + 1)]
    assert missing == sorted(set(range(1, seen.high + 1)) - known)


def test_gaps_are_bounded_however_they_arise() -> None:
    rising, splitting = Seen(), Seen()
    for number in range(2, 4000, 2):
        rising.admit(number)
    splitting.admit(4000)
    for number in range(2, 4000, 2):
        splitting.admit(number)
        assert len(splitting.missing) <= MAX_GAPS
    assert len(rising.missing) == MAX_GAPS


def test_what_is_forgotten_counts_as_seen() -> None:
    """An event may be lost so, and none is counted twice."""
    seen = Seen()
    for number in range(2, 4000, 2):
        seen.admit(number)
    assert not seen.admit(1)
    assert seen.admit(3997)
    assert not seen.admit(3997)
    assert seen.admit(4000)


def test_zero_is_no_number() -> None:
    assert not Seen().admit(0)
