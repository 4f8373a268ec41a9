"""Visitor ids to dense integers, exactly, in about 25 bytes a visitor (a dict takes about 200)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

KEY = "S16"
"""Byte strings of one length compare as bytes; numpy's padding with zeros is harmless where all are 16 long."""
RECENT = 32_768
"""New visitors collected in a dict before they are merged into the sorted array."""


class VisitorIndex:
    """The n-th new visitor gets n; ids are 16 bytes."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, dtype=KEY)
        self._numbers = np.empty(0, dtype=np.uint32)
        self._recent: dict[bytes, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def numbers(self, ids: Sequence[bytes]) -> NDArray[np.uint32]:
        """The visitors' integers, new ones for those who were never seen."""
        if len(self._recent) >= RECENT:
            self._settle()
        keys = np.frombuffer(b"".join(ids), dtype=KEY)
        numbers, known = self._look_up(keys)
        for k in np.flatnonzero(~known).tolist():
            number = self._recent.setdefault(ids[k], self._count)
            if number == self._count:
                self._count += 1
            numbers[k] = number
        return numbers

    def find(self, visitor: bytes) -> int | None:
        """The visitor's integer, None where it was never seen."""
        if (recent := self._recent.get(visitor)) is not None:
            return recent
        numbers, known = self._look_up(np.frombuffer(visitor, dtype=KEY))
        return int(numbers[0]) if known[0] else None

    def ids(self, first: int = 0) -> bytes:
        """The ids of the visitors from `first` on, in the order of their integers."""
        chosen = np.flatnonzero(self._numbers >= first)
        ordered = np.empty(len(chosen), dtype=KEY)
        ordered[self._numbers[chosen] - np.uint32(first)] = self._sorted[chosen]
        recent = list(self._recent)[max(0, first - len(self._sorted)) :]
        return ordered.tobytes() + b"".join(recent)

    def extend(self, ids: bytes) -> None:
        """Number more visitors, none of whom was seen before."""
        self._settle()
        self._merge(np.frombuffer(ids, dtype=KEY))

    def _settle(self) -> None:
        recent, self._recent = self._recent, {}
        self._count -= len(recent)
        self._merge(np.frombuffer(b"".join(recent), dtype=KEY))

    def _look_up(self, keys: NDArray[np.bytes_]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        """Numbers of those in the sorted array, and who is there at all."""
        at = np.searchsorted(self._sorted, keys)
        at[at == len(self._sorted)] = 0
        if len(self._sorted) == 0:
            return np.zeros(len(keys), dtype=np.uint32), np.zeros(len(keys), dtype=bool)
        return self._numbers[at], self._sorted[at] == keys

    def _merge(self, ids: NDArray[np.bytes_]) -> None:
        numbers = np.arange(self._count, self._count + len(ids), dtype=np.uint32)
        order = np.argsort(ids, kind="stable")
        at = np.searchsorted(self._sorted, ids[order])
        self._sorted = np.insert(self._sorted, at, ids[order])
        self._numbers = np.insert(self._numbers, at, numbers[order])
        self._count += len(ids)
