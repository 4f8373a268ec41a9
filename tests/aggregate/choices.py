"""Where random histories get their choices from: hypothesis, which can make a failing one smaller, or plain chance."""

import random
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Choices(Protocol):
    """Failing histories are made smaller towards the first option, the lowest number and the shortest list."""

    def pick(self, options: Sequence[T]) -> T: ...

    def number(self, low: int, high: int) -> int: ...

    def some(self, make: Callable[["Choices"], T], least: int, most: int) -> list[T]: ...


class Chosen:
    """By hypothesis."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def pick(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))

    def number(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def some(self, make: Callable[[Choices], T], least: int, most: int) -> list[T]:
        return self._draw(st.lists(by_choices(make), min_size=least, max_size=most))


class Rolled:
    """By chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def pick(self, options: Sequence[T]) -> T:
        return self._chance.choice(options)

    def number(self, low: int, high: int) -> int:
        return self._chance.randint(low, high)

    def some(self, make: Callable[[Choices], T], least: int, most: int) -> list[T]:
        return [make(self) for _ in range(self._chance.randint(least, most))]


def by_choices(make: Callable[[Choices], T]) -> st.SearchStrategy[T]:
    """What `make` makes of hypothesis's choices."""

    @st.composite
    def made(draw: st.DrawFn) -> T:
        return make(Chosen(draw))

    return made()
