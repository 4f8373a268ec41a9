"""What arrived since the last commit, as columns that grow."""

from asyncio import Future
from itertools import islice
from struct import Struct

import numpy as np

from datalab.model.events import SEPARATOR, Events, Kind, Opening
from datalab.model.wire import Event, MouseClick, MouseHover, MouseMove, UrlChange, encode

PIXELS = 65536
ROW = np.dtype(
    [("stream", "<u4"), ("sequence", "<u4"), ("time", "<i8"), ("kind", "u1"), ("text", "<u4"), ("number", "<u4")]
)
pack = Struct("<IIqBII").pack
MOUSECLICK, URLCHANGE, MOUSEHOVER, MOUSEMOVE, CUSTOM = (kind.value for kind in Kind)


class Group:
    """The openings and events of one group commit, and who waits for them."""

    def __init__(self) -> None:
        self.openings: list[Opening] = []
        self.waiting: list[Future[int]] = []
        """One for each opening; resolved with its stream."""
        self._rows = bytearray()
        """ROW after ROW: no object of an event lives on, which keeps the processor's caches for what comes next."""
        self._texts: dict[str, int] = {}
        self.characters = 0
        """Of the texts."""

    def __len__(self) -> int:
        return len(self._rows) // ROW.itemsize

    @property
    def bytes(self) -> int:
        """Memory of the events, but for their texts."""
        return len(self._rows)

    def __bool__(self) -> bool:
        return bool(self._rows or self.openings)

    def add(self, stream: int, events: list[Event], offset_ms: int, earliest_ms: int, latest_ms: int) -> None:
        """Add events of a stream; times are corrected by the offset and clamped (SEMANTICS, event time)."""
        texts, rows = self._texts, self._rows
        known = len(texts)
        for event in events:
            if isinstance(event, UrlChange):
                kind, text, number = URLCHANGE, event.url, 0
            elif isinstance(event, MouseClick):
                text = SEPARATOR.join((event.target, *event.matched)) if event.matched else event.target
                kind, number = MOUSECLICK, event.x * PIXELS + event.y
            elif isinstance(event, MouseHover):
                text = event.target + SEPARATOR + event.action
                kind, number = MOUSEHOVER, event.elapsed
            elif isinstance(event, MouseMove):
                kind, text, number = MOUSEMOVE, "", event.x * PIXELS + event.y
            else:
                text = event.name + SEPARATOR + encode(event.properties).decode()
                kind, number = CUSTOM, 0
            time = event.time + offset_ms
            time = earliest_ms if time < earliest_ms else latest_ms if time > latest_ms else time
            rows += pack(stream, event.sequence, time, kind, texts.setdefault(text, len(texts)), number)
        if len(texts) > known:
            self.characters += sum(map(len, islice(reversed(texts), len(texts) - known)))

    def events(self) -> Events:
        """The columns."""
        rows = np.frombuffer(self._rows.copy(), dtype=ROW)
        return Events(**{name: rows[name].copy() for name in ROW.names or ()}, texts=list(self._texts))
