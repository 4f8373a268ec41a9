"""For each value of something, the bitmap of the sessions that have it."""

from array import array
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

Integers = NDArray[np.integer]
EMPTY = BitMap()


class Bitmaps:
    """Sessions by code; a code nobody has takes no room."""

    def __init__(self) -> None:
        self.by_code: dict[int, BitMap] = {}
        self._changed: set[int] = set()

    def __getitem__(self, code: int) -> BitMap:
        return self.by_code.get(code, EMPTY)

    def add(self, codes: Integers, sessions: Integers) -> None:
        """Session k has code k; repeats do no harm."""
        for code, chosen in grouped(codes, sessions):
            self.add_all(code, chosen)

    def add_all(self, code: int, sessions: Integers) -> None:
        """Sessions that all have one code."""
        if len(sessions):
            bitmap = self.by_code.get(code)
            if bitmap is None:
                self.by_code[code] = bitmap_of(sessions)
            else:
                bitmap |= bitmap_of(sessions)
            self._changed.add(code)

    def remove(self, codes: Integers, sessions: Integers) -> None:
        """Session k has code k no longer."""
        for code, chosen in grouped(codes, sessions):
            self.remove_all(code, chosen)

    def remove_all(self, code: int, sessions: Integers) -> None:
        """Sessions that have a code no longer."""
        bitmap = self.by_code.get(code)
        if bitmap is not None and len(sessions):
            bitmap -= bitmap_of(sessions)
            self._changed.add(code)

    def union(self, codes: Iterable[int]) -> BitMap:
        """Sessions with any of the codes."""
        chosen = [self.by_code[code] for code in codes if code in self.by_code]
        return BitMap.union(*chosen) if chosen else BitMap()

    def changes(self) -> dict[int, bytes]:
        """The bitmaps that changed since the last call."""
        changed, self._changed = self._changed, set()
        return {code: self.by_code[code].serialize() for code in sorted(changed)}

    def mark_all(self) -> None:
        """Take every bitmap for changed."""
        self._changed = set(self.by_code)

    def load(self, by_code: dict[int, bytes]) -> None:
        """Take over saved bitmaps, over what is there."""
        for code, data in by_code.items():
            self.by_code[code] = BitMap.deserialize(data)


def grouped(codes: Integers, sessions: Integers) -> Iterator[tuple[int, NDArray[np.uint32]]]:
    """Sessions grouped by code."""
    if len(codes) == 0:
        return
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    chosen = sessions[order].astype(np.uint32)
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    ends = np.append(starts[1:], len(chosen))
    for code, start, end in zip(ordered[starts].tolist(), starts.tolist(), ends.tolist(), strict=True):
        yield code, chosen[start:end]


def bitmap_of(sessions: Integers) -> BitMap:
    """An array's sessions as a bitmap; pyroaring takes `array` at three times the speed of other buffers."""
    return BitMap(array("I", sessions.astype(np.uint32, copy=False).tobytes()))


def members(bitmap: BitMap) -> NDArray[np.uint32]:
    """A bitmap's sessions as an array."""
    return np.frombuffer(bitmap.to_array(), dtype=np.uint32)
