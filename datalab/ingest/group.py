"""What arrived since the last commit, as columns that grow."""

from asyncio import Future

import numpy as np

from datalab.model.events import SEPARATOR, Events, Kind, Opening
from datalab.model.wire import Event, MouseClick, MouseHover, MouseMove, UrlChange, encode

PIXELS = 65536
MOUSECLICK, URLCHANGE, MOUSEHOVER, MOUSEMOVE, CUSTOM = (kind.value for kind in Kind)


class Group:
    """The openings and events of one group commit, and who waits for them."""

    def __init__(self) -> None:
        self.openings: list[Opening] = []
        self.waiting: list[Future[int]] = []
        """One for each opening; resolved with its stream."""
        self._rows: list[tuple[int, int, int, int, int, int]] = []
        """Stream, sequence, time, kind, text, number."""
        self._texts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __bool__(self) -> bool:
        return bool(self._rows or self.openings)

    def add(self, stream: int, events: list[Event], offset_ms: int, earliest_ms: int, latest_ms: int) -> None:
        """Add events of a stream; times are corrected by the offset and clamped (SEMANTICS, event time)."""
        texts, add = self._texts, self._rows.append
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
            add((stream, event.sequence, time, kind, texts.setdefault(text, len(texts)), number))

    def events(self) -> Events:
        """The columns; takes about 0.3 us an event, so it is called off the event loop."""
        columns = np.array(self._rows, dtype=np.int64).reshape(-1, 6).T
        return Events(
            stream=columns[0].astype(np.uint32),
            sequence=columns[1].astype(np.uint32),
            time=columns[2].copy(),
            kind=columns[3].astype(np.uint8),
            text=columns[4].astype(np.uint32),
            number=columns[5].astype(np.uint32),
            texts=list(self._texts),
        )
