"""Events on their way into sessions: what placing them needs to know, one array a field."""

from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datalab.model.events import SEPARATOR, Events, Kind


class Feed(NamedTuple):
    """An event for those who watch; newest last."""

    time: int
    kind: int
    meaning: int
    text: str
    """A page's URL, a target, a custom event's name."""


class Arrivals(Struct, frozen=True, kw_only=True):
    """All arrays are of one length."""

    visitor: NDArray[np.uint32]
    time: NDArray[np.int64]
    meaning: NDArray[np.uint32]
    number: NDArray[np.uint32]
    context: NDArray[Any]
    """Of the stream, as far as the event may become a session's first."""
    referrer: NDArray[np.uint32]
    """Code of the stream's referrer."""

    def ordered(self, order: NDArray[np.intp]) -> "Arrivals":
        """The same in another order."""
        return Arrivals(**{name: getattr(self, name)[order] for name in self.__struct_fields__})

    def joined(self, later: "Arrivals") -> "Arrivals":
        """These and then those."""
        return Arrivals(
            **{name: np.concatenate([getattr(self, name), getattr(later, name)]) for name in self.__struct_fields__}
        )

    def feed(self, events: Events, chosen: Any, count: int) -> list[Feed]:
        """The last `count` of them but for moves; `chosen` tells which of `events` they are."""
        kind, text = events.kind[chosen], events.text[chosen]
        at = np.flatnonzero(kind[-4 * count :] != Kind.MOUSEMOVE)[-count:] + max(0, len(kind) - 4 * count)
        return [
            Feed(int(self.time[k]), int(kind[k]), int(self.meaning[k]), events.texts[text[k]].split(SEPARATOR)[0])
            for k in at.tolist()
        ]
