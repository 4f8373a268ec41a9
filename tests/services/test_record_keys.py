"""The multiset of what a partition holds, against the standard library's."""

import random
from collections import Counter

from datalab.services.record_keys import RecordKeys, record_key


def test_counts_are_those_of_a_counter() -> None:
    chance = random.Random(20261124)
    pool = [chance.randbytes(16) for _ in range(300)] + [bytes(16), b"\xff" * 16, b"tail" + bytes(12)]
    keys, expected = RecordKeys(), Counter[bytes]()
    for _ in range(200):
        chunk = chance.choices(pool, k=chance.choice([0, 1, 1, 2, 7, 50, 400]))
        keys.add(chunk)
        expected.update(chunk)
        asked = chance.choices(pool, k=20) + [chance.randbytes(16)]
        assert keys.count(asked).tolist() == [expected[key] for key in asked]
    assert len(keys._arrays) < 20, "small arrays are merged"


def test_nothing_is_in_an_empty_one() -> None:
    assert RecordKeys().count([b"a" * 16, b"b" * 16]).tolist() == [0, 0]
    assert RecordKeys().count([]).tolist() == []


def test_every_part_of_an_event_makes_another_key() -> None:
    first = (b"v" * 16, 1, 2, 3, "text")
    others = [(b"w" * 16, 1, 2, 3, "text"), (b"v" * 16, 2, 2, 3, "text"), (b"v" * 16, 1, 3, 3, "text")]
    others += [(b"v" * 16, 1, 2, 4, "text"), (b"v" * 16, 1, 2, 3, "other"), (b"v" * 16, 1, 2, 3, "täxt")]
    assert len({record_key(*event) for event in [first, *others]}) == len(others) + 1
    assert record_key(*first) == record_key(*first)
