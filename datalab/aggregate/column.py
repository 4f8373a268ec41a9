"""An array that grows at its end."""

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


class Column(Generic[T]):
    """Amortised appending; `values` is a view that is valid until the next append."""

    __slots__ = ("_data", "_length")

    def __init__(self, dtype: type[T], values: NDArray[Any] | None = None) -> None:
        self._data: NDArray[T] = np.empty(0, dtype=dtype) if values is None else values.astype(dtype)
        self._length = len(self._data)

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> NDArray[T]:
        """What was appended so far."""
        return self._data[: self._length]

    def append(self, values: NDArray[Any]) -> None:
        """Add values at the end."""
        start = self._length
        self._reserve(start + len(values))
        self._data[start : self._length] = values

    def fill(self, count: int, value: int) -> None:
        """Add `count` times the same value."""
        start = self._length
        self._reserve(start + count)
        self._data[start : self._length] = value

    def _reserve(self, length: int) -> None:
        if length > len(self._data):
            # A quarter more each time: the memory budget matters more than a few copies.
            grown = np.empty(max(length, len(self._data) + len(self._data) // 4, 1024), dtype=self._data.dtype)
            grown[: self._length] = self._data[: self._length]
            self._data = grown
        self._length = length
