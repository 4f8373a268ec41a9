"""Visitor ids to dense integers, exactly, in about 25 bytes a visitor (a dict takes about 200)."""

import numpy as np
from numpy.typing import NDArray

KEY = "S16"
"""Byte strings of one length compare as bytes; numpy's padding with zeros is harmless where all are 16 long."""
RECENT = 32_768
"""New visitors collected in a dict before they are merged into the sorted array."""


class VisitorIndex:
    """The n-th new visitor gets n; ids are 16 bytes."""

    def __init__(self, ids: bytes = b"") -> None:
        self._sorted = np.empty(0, dtype=KEY)
        self._numbers = np.empty(0, dtype=np.uint32)
        self._recent: dict[bytes, int] = {}
        self._count = 0
        if ids:
            self._merge(np.frombuffer(ids, dtype=KEY))

    def __len__(self) -> int:
        return self._count

    def number(self, visitor: bytes) -> int:
        """The visitor's integer, a new one where it was never seen."""
        found = self.find(visitor)
        if found is None:
            found = self._recent[visitor] = self._count
            self._count += 1
            if len(self._recent) >= RECENT:
                recent, self._recent = self._recent, {}
                self._count -= len(recent)
                self._merge(np.frombuffer(b"".join(recent), dtype=KEY))
        return found

    def find(self, visitor: bytes) -> int | None:
        """The visitor's integer, None where it was never seen."""
        if (recent := self._recent.get(visitor)) is not None:
            return recent
        key = np.frombuffer(visitor, dtype=KEY)
        at = int(np.searchsorted(self._sorted, key[0]))
        if at < len(self._sorted) and self._sorted[at] == key[0]:
            return int(self._numbers[at])
        return None

    def ids(self) -> bytes:
        """All ids in the order of their integers."""
        ordered = np.empty(len(self._sorted), dtype=KEY)
        ordered[self._numbers] = self._sorted
        return ordered.tobytes() + b"".join(self._recent)

    def _merge(self, ids: NDArray[np.bytes_]) -> None:
        numbers = np.arange(self._count, self._count + len(ids), dtype=np.uint32)
        keys = np.concatenate([self._sorted, ids])
        everything = np.concatenate([self._numbers, numbers])
        order = np.argsort(keys, kind="stable")
        self._sorted, self._numbers = keys[order], everything[order]
        self._count += len(ids)
