"""The gate: what is checked of every message's events before they are stored, step by step, each drop counted."""

from collections import Counter
from collections.abc import Callable

from msgspec import Struct

from datalab.model.events import NOISE_MS
from datalab.model.sequences import Seen
from datalab.model.wire import Event, MouseHover


class Stream(Struct, kw_only=True, eq=False, weakref=True):
    """The events of one page load on their way in."""

    app: str
    partition: int
    number: int
    visitor: str
    """32 hex digits."""
    started: int
    """By the server's clock, ms."""
    offset: int
    """Server's clock minus client's, measured at hello, ms."""
    seen: Seen


Step = Callable[[Stream, list[Event]], list[Event]]


def not_repeated(stream: Stream, events: list[Event]) -> list[Event]:
    """Drop what was seen before, by sequence number."""
    seen = stream.seen
    first = next_one = seen.high + 1
    for event in events:
        if event.sequence != next_one:
            seen.high = next_one - 1
            place = next_one - first
            return events[:place] + [event for event in events[place:] if seen.admit(event.sequence)]
        next_one += 1
    seen.high = next_one - 1
    return events


def not_noise(stream: Stream, events: list[Event]) -> list[Event]:
    """Drop hovers under 100 ms that end in a leave (SEMANTICS, element action)."""
    for event in events:
        if isinstance(event, MouseHover):
            return [event for event in events if not is_noise(event)]
    return events


def is_noise(event: Event) -> bool:
    """A pointer that only passed."""
    return isinstance(event, MouseHover) and event.action == "hover-leave" and event.elapsed < NOISE_MS


STEPS: list[tuple[str, Step]] = [("repeated", not_repeated), ("noise", not_noise)]


class Gate:
    """Runs the steps and counts what each of them dropped."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.accepted = 0

    def admit(self, stream: Stream, events: list[Event]) -> list[Event]:
        """The events that are to be stored."""
        for reason, step in STEPS:
            left = step(stream, events)
            if left is not events:
                self.dropped[reason] += len(events) - len(left)
                events = left
        self.accepted += len(events)
        return events

    def refuse(self, reason: str, count: int = 1) -> None:
        """Count messages that did not get as far as the steps."""
        self.dropped[reason] += count
