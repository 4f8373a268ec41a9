"""A random history with questions to it, and the comparison of engine and reference."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import NamedTuple
from unittest import mock

from hypothesis import HealthCheck, currently_in_test_context, note, settings

from datalab.aggregate import (
    changes,
    column,
    dimensions,
    elements,
    funnel,
    journey,
    kept,
    meanings,
    pages,
    partition,
    paths,
    returning,
    selection,
    spread,
    streams,
    visitors,
)
from datalab.aggregate.partition import PartitionAggregate
from tests.aggregate.choices import Choices, by_choices
from tests.aggregate.histories import History, make_history
from tests.aggregate.questions import Asked, make_asked

Limits = dict[tuple[ModuleType, str], int]
AS_OF_MANY: Limits = {
    (selection, "FEW_SESSIONS"): 0,
    (selection, "MANY_SESSIONS"): 0,
    (returning, "STEP_EVENTS"): 1,
    (returning, "QUIET_SECONDS"): 0,
    (pages, "AT_ONCE"): 0,
    (dimensions, "AT_ONCE"): 0,
    (funnel, "FEW"): 0,
    (journey, "AT_ONCE"): 2,
    (elements, "AT_ONCE"): 2,
    (paths, "KEPT_PATHS"): 2,
    (spread, "FEW"): 0,
    (spread, "STRIDE"): 2,
}
"""From how many sessions, visitors or numbers on the engine goes to work in another way: always."""
TIGHT: Limits = {
    (changes, "LOOK_BACK_HOURS"): 2,
    (changes, "REMEMBERED"): 3,
    (changes, "MANY_VISITORS"): 1,
    (column, "BLOCK"): 4,
    (kept, "KEPT_BYTES"): 4000,
    (meanings, "KNOWN_TEXTS"): 2,
    (partition, "GARBAGE_ROWS"): 1,
    (paths, "RANKED"): 1,
    (streams, "KNOWN_CONTEXTS"): 1,
    (visitors, "RECENT"): 2,
}
"""How much the engine remembers, collects or leaves lying about: hardly anything."""
SIZES = [[10**6], [1], [5, 11], [1, 2, 3, 9, 30]]


def examples(count: int) -> settings:
    """The same ones every time, so that a run tells of the change and not of luck."""
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


class Case(NamedTuple):
    """A history, how it comes, and what is asked of it."""

    history: History
    sizes: list[int]
    seed: int
    """Of what is left to chance in the cutting."""
    asked: list[Asked]

    @property
    def chance(self) -> random.Random:
        return random.Random(self.seed)


def make_case(choices: Choices) -> Case:
    history = make_history(choices)
    reference = history.reference
    return Case(
        history=history,
        sizes=choices.pick(SIZES),
        seed=choices.number(0, 1000),
        asked=choices.some(lambda choices: make_asked(choices, history, reference), 1, 3),
    )


CASES = by_choices(make_case)


@contextmanager
def limited(limits: Limits) -> Iterator[None]:
    """The engine with other limits; they change what it does and never what it answers."""
    with ExitStack() as patched:
        for (module, name), limit in limits.items():
            assert isinstance(getattr(module, name), int)
            patched.enter_context(mock.patch.object(module, name, limit))
        yield


def compare(aggregate: PartitionAggregate, history: History, asked: list[Asked]) -> None:
    """One figure after the other, so that a difference is shown as small as it is; of few sessions at once, and as of
    very many: day by day, with what is kept of each day."""
    if currently_in_test_context():
        note(f"{history}")
    reference = history.reference
    for each in asked:
        wanted = each.of_reference(reference)
        for limits in ({}, AS_OF_MANY):
            with limited(limits):
                found = each.of_engine(aggregate)
            for (ask, answer), (_, expected) in zip(found, wanted, strict=True):
                assert answer == expected, f"{ask} of {each.question}\nengine:    {answer}\nreference: {expected}"
