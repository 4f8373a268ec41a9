"""What figures are made of, so that those of one set of visitors can be added to, or taken from, those of another."""

from typing import Any, Self

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

OVERHEAD_BYTES = 100
"""What an array or a struct takes besides its numbers."""


class Sized(Struct, frozen=True):
    """Fields are whole numbers, arrays, further ones of these, or lists of them."""

    @property
    def size(self) -> int:
        """Bytes."""
        return OVERHEAD_BYTES + sum(size_of(getattr(self, name)) for name in self.__struct_fields__)


class Sum(Sized, frozen=True):
    """Fields are whole numbers, arrays with one row a code, further sums, or lists of them of one length."""

    def plus(self, other: Self, sign: int = 1) -> Self:
        """Both together, or with -1 what is left of this without the other."""
        return type(self)(
            **{name: combined(getattr(self, name), getattr(other, name), sign) for name in self.__struct_fields__}
        )

    def compact(self) -> Self:
        """The same in as little room as it takes."""
        return type(self)(**{name: compacted(getattr(self, name)) for name in self.__struct_fields__})


class Number(Sum, frozen=True):
    """One count."""

    count: int


class Counts(Sum, frozen=True):
    """A count, or several, for each code."""

    of: NDArray[np.int64]


class Table(Sum, frozen=True):
    """Counts of keys that are too many to have a row each; those without any are left out."""

    key: NDArray[np.int64]
    """Rising."""
    counts: NDArray[np.int64]
    """One row a key."""

    def plus(self, other: Self, sign: int = 1) -> Self:
        """See Sum."""
        if len(other.key) == 0:
            return self
        key, place = np.unique(np.concatenate([self.key, other.key]), return_inverse=True)
        counts = np.zeros((len(key), self.counts.shape[1]), dtype=np.int64)
        counts[place[: len(self.key)]] += self.counts
        counts[place[len(self.key) :]] += sign * other.counts
        kept = np.flatnonzero(counts.any(axis=1))
        return type(self)(key[kept], counts[kept])


def table(key: NDArray[np.int64]) -> Table:
    """How often each key is there."""
    distinct, count = np.unique(key, return_counts=True)
    return Table(distinct, count[:, None])


def combined(one: Any, other: Any, sign: int) -> Any:
    """A field of two sums."""
    if isinstance(one, Sum):
        return one.plus(other, sign)
    if isinstance(one, list):
        return [combined(mine, theirs, sign) for mine, theirs in zip(one, other, strict=True)]
    if isinstance(one, np.ndarray) and len(one) != len(other):
        # Codes that came since.
        rows = max(len(one), len(other))
        total = np.zeros((rows, *one.shape[1:]), dtype=np.int64)
        total[: len(one)] += one
        total[: len(other)] += sign * other
        return total
    return one + sign * other


def compacted(field: Any) -> Any:
    """A field in little room."""
    if isinstance(field, Sum):
        return field.compact()
    return [compacted(each) for each in field] if isinstance(field, list) else field


def size_of(field: Any) -> int:
    """Bytes of a field."""
    if isinstance(field, Sized):
        return field.size
    if isinstance(field, list):
        return OVERHEAD_BYTES + sum(map(size_of, field))
    return OVERHEAD_BYTES + field.nbytes if isinstance(field, np.ndarray) else 0


def tables(parts: list[Table], columns: int) -> Table:
    """All of them together; `columns` is how many counts a key has."""
    parts = [part for part in parts if len(part.key)]
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Table(np.empty(0, dtype=np.int64), np.empty((0, columns), dtype=np.int64))
    key, place = np.unique(np.concatenate([part.key for part in parts]), return_inverse=True)
    counts = np.concatenate([part.counts for part in parts])
    # Whole numbers stay exact in doubles up to 2^53.
    sums = [np.bincount(place, weights=counts[:, at]).astype(np.int64) for at in range(columns)]
    return Table(key, np.stack(sums, axis=1))


def by_code(part: Table, codes: int) -> NDArray[np.int64]:
    """One row a code."""
    found = np.zeros((codes, part.counts.shape[1]), dtype=np.int64)
    found[part.key] = part.counts
    return found
