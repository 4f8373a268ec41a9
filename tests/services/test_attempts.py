"""Limits of how often something may be tried."""

import pytest

from datalab.errors import TooMany
from datalab.services.attempts import MAX_WATCHED, Attempts


def test_the_limit_holds_for_the_time_and_no_longer() -> None:
    attempts = Attempts(3, 60_000, "wait")
    for now in (0, 1000, 2000):
        attempts.check(["ada"], now)
        attempts.count(["ada"], now)
    for now, seconds in [(2000, 58), (30_000, 30), (59_500, 1)]:
        with pytest.raises(TooMany, match="^wait$") as refused:
            attempts.check(["ada"], now)
        assert refused.value.retry_after == seconds
    attempts.check(["ada"], 60_000)
    attempts.count(["ada"], 60_000)
    with pytest.raises(TooMany) as refused:
        attempts.check(["ada"], 60_000)
    assert refused.value.retry_after == 1, "until the oldest of the last three is past"
    attempts.check(["ada"], 61_000)


def test_each_name_and_address_counts_by_itself() -> None:
    attempts = Attempts(2, 1000, "wait")
    attempts.count(["user ada", "address a"], 0)
    attempts.count(["user ben", "address a"], 0)
    attempts.check(["user ada", "address b"], 0)
    for watched in (["user ada", "address a"], ["user cem", "address a"]):
        with pytest.raises(TooMany):
            attempts.check(watched, 0)


def test_what_was_counted_beyond_the_limit_makes_the_wait_longer() -> None:
    attempts = Attempts(1, 1000, "wait")
    for now in (0, 10, 20):
        attempts.count(["ada"], now)
    with pytest.raises(TooMany):
        attempts.check(["ada"], 1019)
    attempts.check(["ada"], 1020)


def test_what_is_remembered_is_bounded() -> None:
    attempts = Attempts(1, 1000, "wait")
    for number in range(MAX_WATCHED):
        attempts.count([f"user {number}"], 0)
    attempts.count(["user 0"], 1)
    attempts.count(["another"], 1)
    assert len(attempts._tried) == MAX_WATCHED
    attempts.check(["user 1"], 1)
    for kept in ("user 0", "user 2", "another"):
        with pytest.raises(TooMany):
            attempts.check([kept], 1)
