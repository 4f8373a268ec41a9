"""An array that grows at its end, and knows which of its blocks changed since they were last saved."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 8_192
"""Entries that are saved together."""
LONG = 500_000
WIDER = {1: np.uint16, 2: np.uint32}


class Column:
    """Amortised appending; `values` is a view that is valid until the next change.

    A column of uint8 or uint16 becomes wider when a value needs it: codes take the room they need and no more. Changes
    go through `put` and `fill`, never through `values`.
    """

    __slots__ = ("_changed", "_data", "_length")

    def __init__(self, dtype: Any, values: NDArray[Any] | None = None) -> None:
        self._data: NDArray[Any] = np.empty(0, dtype=dtype) if values is None else values.astype(dtype)
        self._length = len(self._data)
        self._changed: set[int] = set()

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> NDArray[Any]:
        """What was appended so far."""
        return self._data[: self._length]

    @property
    def dtype(self) -> np.dtype[Any]:
        """As wide as the values needed so far."""
        return self._data.dtype

    def append(self, values: NDArray[Any]) -> None:
        """Add values at the end."""
        start = self._length
        self._widen(values)
        self._reserve(start + len(values))
        self._data[start : self._length] = values

    def fill(self, count: int, value: int) -> None:
        """Add `count` times the same value."""
        start = self._length
        self._widen(np.array([value], dtype=np.int64))
        self._reserve(start + count)
        self._data[start : self._length] = value

    def put(self, at: NDArray[Any], values: NDArray[Any]) -> None:
        """Replace values."""
        if len(at):
            self._widen(values)
            self._data[at] = values
            self._changed.update(np.flatnonzero(np.bincount(at // BLOCK)).tolist())

    def changes(self) -> dict[int, bytes]:
        """The blocks that changed since the last call, by number."""
        changed, self._changed = self._changed, set()
        return {
            block: self._data[block * BLOCK : min((block + 1) * BLOCK, self._length)].tobytes()
            for block in sorted(changed)
        }

    def mark_all(self) -> None:
        """Take every block for changed."""
        self._changed = set(range(-(-self._length // BLOCK)))

    def load(self, dtype: str, length: int, blocks: dict[int, bytes]) -> None:
        """Take over saved blocks, over what is there; raises ValueError where they do not fit."""
        self._data = np.ascontiguousarray(self._data[: min(self._length, length)], dtype=dtype)
        self._length = len(self._data)
        self._reserve(length)
        for block, data in blocks.items():
            part = np.frombuffer(data, dtype=dtype)
            self._data[block * BLOCK : block * BLOCK + len(part)] = part
        self._changed.clear()

    def _widen(self, values: NDArray[Any]) -> None:
        size = self._data.dtype.itemsize
        if size not in WIDER or len(values) == 0 or values.dtype.itemsize <= size:
            return
        highest = int(values.max())
        while self._data.dtype.itemsize in WIDER and highest > np.iinfo(self._data.dtype).max:
            self._data = self._data.astype(WIDER[self._data.dtype.itemsize])
            self.mark_all()

    def _reserve(self, length: int) -> None:
        if length > len(self._data):
            # A little more each time, of long columns less: the memory budget matters more than a few copies.
            more = len(self._data) // (32 if len(self._data) > LONG else 8)
            grown = np.empty(max(length, len(self._data) + more, 1024), dtype=self._data.dtype)
            grown[: self._length] = self._data[: self._length]
            self._data = grown
        if length > self._length:
            self._changed.update(range(self._length // BLOCK, -(-length // BLOCK)))
        self._length = length
