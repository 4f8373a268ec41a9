"""Amounts of which means, medians and percentiles are wanted: all of them, in order, so that every one is exact."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.sums import Sum

STRIDE = 256
FEW = 40_000
"""Up to so many are put together and ordered."""
HIGHEST = 2**63 - 1


class Spread(Sum, frozen=True):
    """What is in `more` but not in `less`, each an array of whole numbers in rising order."""

    more: list[NDArray[np.integer]]
    less: list[NDArray[np.integer]]
    total: int
    """Their sum."""
    squares: int
    """The sum of their squares."""

    def plus(self, other: Self, sign: int = 1) -> Self:
        """See Sum."""
        more, less = (other.more, other.less) if sign > 0 else (other.less, other.more)
        return type(self)(
            self.more + more,
            self.less + less,
            self.total + sign * other.total,
            self.squares + sign * other.squares,
        )

    def compact(self) -> Self:
        """See Sum."""
        more, less = merged(self.more), merged(self.less)
        if len(less):
            place, there = places_of(less, more)
            more, less = np.delete(more, place[there]), less[~there]
        return type(self)([more] if len(more) else [], [less] if len(less) else [], self.total, self.squares)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(map(len, self.more)) - sum(map(len, self.less))

    @property
    def mean_seconds(self) -> float | None:
        """The mean of milliseconds, in seconds."""
        return self.total / (self.count * 1000) if self.count else None

    @property
    def median_seconds(self) -> float | None:
        """The median of milliseconds, in seconds; of an even number, the mean of the two in the middle."""
        if not self.count:
            return None
        middle = self.ranked(self.count // 2)
        other = middle if self.count % 2 else self.ranked(self.count // 2 - 1)
        return (middle + other) / 2000

    @property
    def p90_seconds(self) -> float | None:
        """The smallest number that at least 90 % of them do not exceed (nearest rank), in seconds."""
        return self.ranked(-(-self.count * 9 // 10) - 1) / 1000 if self.count else None

    def below(self, limits: list[int]) -> list[int]:
        """How many are smaller than each limit."""
        found = np.zeros(len(limits), dtype=np.int64)
        for each in self.more:
            found += np.searchsorted(each, limits, side="left")
        for each in self.less:
            found -= np.searchsorted(each, limits, side="left")
        return [int(count) for count in found]

    def ranked(self, rank: int) -> int:
        """The number that stands at `rank` (from 0) when all are put in order."""
        arrays = [each for each in self.more if len(each)]
        if not any(map(len, self.less)):
            return int(arrays[0][rank]) if len(arrays) == 1 else ranked(arrays, rank)
        # Among those of the longest array it can lie only so far away as the others are many.
        at = max(range(len(arrays)), key=lambda place: len(arrays[place]))
        longest = arrays.pop(at)
        others, gone = merged(arrays), merged(self.less)
        low = int(longest[rank - len(others)]) if 0 <= rank - len(others) < len(longest) else 0
        high = int(longest[rank + len(gone)]) if rank + len(gone) < len(longest) else HIGHEST
        near = [between(each, low, high) for each in (longest, others, gone)]
        below = sum(int(np.searchsorted(each, low, side="left")) for each in (longest, others))
        below -= int(np.searchsorted(gone, low, side="left"))
        return int(without(merged(near[:2]), near[2])[rank - below])


NOTHING = Spread([], [], 0, 0)


def spread(values: NDArray[np.integer]) -> Spread:
    """Of numbers, none of them negative."""
    if len(values) == 0:
        return NOTHING
    return Spread([ordered(values)], [], int(values.sum(dtype=np.int64)), squares(values))


def ordered(values: NDArray[np.integer]) -> NDArray[np.integer]:
    """In rising order; in four bytes each where that is enough."""
    found = np.sort(values)
    if found.dtype.itemsize > 4 and (len(found) == 0 or int(found[-1]) <= 0xFFFFFFFF):
        return found.astype(np.uint32)
    return found


def merged(arrays: list[NDArray[np.integer]]) -> NDArray[np.integer]:
    """All numbers in rising order."""
    if len(arrays) == 1:
        return arrays[0]
    return ordered(np.concatenate(arrays)) if arrays else np.empty(0, dtype=np.uint32)


def places_of(some: NDArray[np.integer], values: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each of some numbers stands among others, both in rising order, and whether it is there: the n-th of equal
    ones is the n-th there."""
    rank = np.arange(len(some)) - np.searchsorted(some, some, side="left")
    place = np.searchsorted(values, some, side="left") + rank
    there = place < len(values)
    there[there] = values[place[there]] == some[there]
    return place, there


def without(values: NDArray[np.integer], gone: NDArray[np.integer]) -> NDArray[np.integer]:
    """The numbers that are left, in rising order as both are; those that are gone are all there."""
    return np.delete(values, places_of(gone, values)[0]) if len(gone) else values


def between(values: NDArray[np.integer], low: int, high: int) -> NDArray[np.integer]:
    """Those in [low, high]."""
    return values[np.searchsorted(values, low, side="left") : np.searchsorted(values, high, side="right")]


def squares(values: NDArray[np.integer]) -> int:
    """The sum of their squares, exact: those of numbers below 2^32 do not fit into 64 bits when added up, but those of
    their halves do."""
    wide = values.astype(np.int64)
    high, low = wide >> 16, wide & 0xFFFF
    return (int((high * high).sum()) << 32) + (int((high * low).sum()) << 17) + int((low * low).sum())


def ranked(arrays: list[NDArray[np.integer]], rank: int) -> int:
    """The same of several arrays: every STRIDE-th number of each brackets it; then only what lies between the brackets
    is put in order."""
    if sum(map(len, arrays)) > FEW:
        sample = np.sort(np.concatenate([array[::STRIDE] for array in arrays]))
        low = sample[max(0, rank // STRIDE - len(arrays) - 1)]
        high = sample[min(len(sample) - 1, rank // STRIDE + len(arrays) + 1)]
        begin = [int(np.searchsorted(array, low, side="left")) for array in arrays]
        end = [int(np.searchsorted(array, high, side="right")) for array in arrays]
        below = sum(begin)
        if below <= rank < sum(end):
            arrays = [array[a:b] for array, a, b in zip(arrays, begin, end, strict=True)]
            rank -= below
    together = np.concatenate(arrays)
    return int(np.partition(together, rank)[rank])
