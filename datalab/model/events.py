"""What a visitor did: the kinds of events and the columns in which they travel from the gate to the aggregate."""

from enum import IntEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

SEPARATOR = "\x1f"
"""Parts of a text column entry are joined by the ASCII unit separator, which the wire structs refuse."""


NOISE_MS = 100
"""A hover that ends in leaving before it lasted so long is noise: the pointer only passed."""


class Kind(IntEnum):
    """Event kinds; the numbers are those of the original client and of the journal."""

    MOUSECLICK = 0
    URLCHANGE = 1
    MOUSEHOVER = 2
    MOUSEMOVE = 3
    CUSTOM = 4


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the page and browser in which a stream of events began."""

    user_agent: str = ""
    language: str = ""
    referrer: str = ""
    """The full referrer URL as the browser gave it, empty for none."""
    screen: str = ""
    """Width x height in CSS pixels, for instance `390x844`."""
    country: str = ""
    """Two letters of ISO 3166-1, of the address that said hello; empty where it is not known."""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """The first word of a stream: which visitor, in which context. The n-th opening of a partition is stream n."""

    visitor: bytes
    """128 bits."""
    started: int
    """Milliseconds since the epoch, by the server's clock (imported history: its first event's time)."""
    context: Context = Context()
    imported: bool = False


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one partition in the order of their arrival, one array a field, all of the same length.

    `text` indexes into `texts`: the URL of a URLCHANGE, target and matched selectors of a MOUSECLICK,
    target and action of a MOUSEHOVER, name and properties (JSON) of a CUSTOM event, joined by SEPARATOR.
    `number` is the milliseconds of a hover and x * 65536 + y (CSS pixels, 0..65535) of a click or move, else 0.
    """

    stream: NDArray[np.uint32]
    sequence: NDArray[np.uint32]
    time: NDArray[np.int64]
    kind: NDArray[np.uint8]
    text: NDArray[np.uint32]
    number: NDArray[np.uint32]
    texts: list[str]

    def __len__(self) -> int:
        return len(self.time)

    def slice(self, start: int, stop: int) -> "Events":
        """Events start..stop; `texts` stays whole, since indexes point into it."""
        return Events(
            stream=self.stream[start:stop],
            sequence=self.sequence[start:stop],
            time=self.time[start:stop],
            kind=self.kind[start:stop],
            text=self.text[start:stop],
            number=self.number[start:stop],
            texts=self.texts,
        )


class Position(msgspec.Struct, frozen=True, order=True):
    """How far a reader of a journal has come: the number of openings and of events before it."""

    streams: int = 0
    events: int = 0


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one group commit holds: the openings first, then the events; `start` is the position before it."""

    start: Position
    openings: list[Opening]
    events: Events

    @property
    def end(self) -> Position:
        """The position after the batch."""
        return Position(self.start.streams + len(self.openings), self.start.events + len(self.events))

    def after(self, since: Position) -> "Batch":
        """The part of the batch behind a position."""
        streams = max(0, since.streams - self.start.streams)
        events = max(0, since.events - self.start.events)
        if not streams and not events:
            return self
        return Batch(
            start=Position(self.start.streams + streams, self.start.events + events),
            openings=self.openings[streams:],
            events=self.events.slice(events, len(self.events)),
        )


def join(batches: list[Batch]) -> Batch:
    """Batches that follow each other as one."""
    if len(batches) == 1:
        return batches[0]
    parts = [batch.events for batch in batches]
    texts: list[str] = []
    text = []
    for part in parts:
        text.append(part.text + np.uint32(len(texts)))
        texts += part.texts
    return Batch(
        start=batches[0].start,
        openings=[opening for batch in batches for opening in batch.openings],
        events=Events(
            stream=np.concatenate([part.stream for part in parts]),
            sequence=np.concatenate([part.sequence for part in parts]),
            time=np.concatenate([part.time for part in parts]),
            kind=np.concatenate([part.kind for part in parts]),
            text=np.concatenate(text),
            number=np.concatenate([part.number for part in parts]),
            texts=texts,
        ),
    )
