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
        self._stream: list[int] = []
        self._sequence: list[int] = []
        self._time: list[int] = []
        self._kind: list[int] = []
        self._text: list[int] = []
        self._number: list[int] = []
        self._texts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._time)

    def __bool__(self) -> bool:
        return bool(self._time or self.openings)

    def add(self, stream: int, events: list[Event], offset_ms: int, earliest_ms: int, latest_ms: int) -> None:
        """Add events of a stream; times are corrected by the offset and clamped (SEMANTICS, event time)."""
        texts, sequences, times = self._texts, self._sequence.append, self._time.append
        kinds, text_indexes, numbers = self._kind.append, self._text.append, self._number.append
        for event in events:
            sequences(event.sequence)
            time = event.time + offset_ms
            times(earliest_ms if time < earliest_ms else latest_ms if time > latest_ms else time)
            if isinstance(event, UrlChange):
                code, text, number = URLCHANGE, event.url, 0
            elif isinstance(event, MouseClick):
                text = SEPARATOR.join((event.target, *event.matched)) if event.matched else event.target
                code, number = MOUSECLICK, event.x * PIXELS + event.y
            elif isinstance(event, MouseHover):
                text = event.target + SEPARATOR + event.action
                code, number = MOUSEHOVER, event.elapsed
            elif isinstance(event, MouseMove):
                code, text, number = MOUSEMOVE, "", event.x * PIXELS + event.y
            else:
                text = event.name + SEPARATOR + encode(event.properties).decode()
                code, number = CUSTOM, 0
            kinds(code)
            numbers(number)
            text_indexes(texts.setdefault(text, len(texts)))
        self._stream += [stream] * len(events)

    def events(self) -> Events:
        """The columns; takes about 0.3 us an event, so it is called off the event loop."""
        return Events(
            stream=np.array(self._stream, dtype=np.uint32),
            sequence=np.array(self._sequence, dtype=np.uint32),
            time=np.array(self._time, dtype=np.int64),
            kind=np.array(self._kind, dtype=np.uint8),
            text=np.array(self._text, dtype=np.uint32),
            number=np.array(self._number, dtype=np.uint32),
            texts=list(self._texts),
        )
