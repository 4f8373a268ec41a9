"""What is kept so that it need not be computed anew, within bounds."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from datalab.aggregate.sums import Sized

V = TypeVar("V")

KEPT_BYTES = 22_000_000
ENTRY_BYTES = 400
"""What an entry takes besides its arrays."""
BITMAP_BYTES = 10_000
"""What a set of sessions takes, more or less."""


class Kept:
    """Values by name; those asked for longest ago go first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def get(self, name: Hashable) -> Any:
        """The value, None where there is none."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        self._entries.move_to_end(name)
        return entry[0]

    def put(self, name: Hashable, value: Any, size: int) -> None:
        """Keep a value of so many bytes."""
        before = self._entries.pop(name, None)
        if before is not None:
            self._bytes -= before[1]
        self._entries[name] = (value, size + ENTRY_BYTES)
        self._bytes += size + ENTRY_BYTES
        while self._bytes > KEPT_BYTES and len(self._entries) > 1:
            _, (_, dropped) = self._entries.popitem(last=False)
            self._bytes -= dropped

    def held(self, name: Hashable, version: Hashable, make: Callable[[], V]) -> V:
        """The value of a name, made anew where it is of another version."""
        kept: tuple[Hashable, V] | None = self.get(name)
        if kept is not None and kept[0] == version:
            return kept[1]
        made = make()
        self.put(name, (version, made), made.size if isinstance(made, Sized) else BITMAP_BYTES)
        return made
