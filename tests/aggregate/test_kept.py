import numpy as np
import pytest

from datalab.aggregate import kept as module
from datalab.aggregate.kept import Kept
from datalab.aggregate.sums import Counts


def counts(rows: int) -> Counts:
    return Counts(np.zeros(rows, dtype=np.int64))


def test_what_is_held_is_made_once_a_version() -> None:
    kept, made = Kept(), list[int]()
    for version in (1, 1, 2, 2, 1):
        kept.held("a", version, lambda version=version: made.append(version))  # type: ignore[misc]
    assert made == [1, 2, 1]


def test_those_asked_for_longest_ago_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 10_000)
    kept = Kept()
    for name in "abc":
        kept.held(name, 1, lambda: counts(300))
    assert kept.get("a") is not None
    kept.held("d", 1, lambda: counts(300))
    assert [name for name in "abcd" if kept.get(name) is not None] == ["a", "c", "d"]


def test_one_that_is_too_large_for_the_bound_is_kept_alone_until_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 1_000)
    kept = Kept()
    kept.put("large", 1, 5_000)
    assert kept.get("large") == 1
    kept.put("small", 2, 10)
    assert (kept.get("large"), kept.get("small")) == (None, 2)


def test_a_value_put_anew_does_not_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 5_000)
    kept = Kept()
    kept.put("a", 1, 1_000)
    for number in range(50):
        kept.put("b", number, 1_000)
    assert (kept.get("a"), kept.get("b")) == (1, 49)
