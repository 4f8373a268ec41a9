"""The gate."""

import random

from datalab.ingest.gate import NOISE_MS, Gate, Stream
from datalab.model.sequences import MAX_GAPS, Seen
from datalab.model.wire import Event, MouseHover, UrlChange


def stream() -> Stream:
    return Stream(app="shop", partition=1, number=0, visitor="0" * 32, started=0, offset=0, seen=Seen())


def views(*numbers: int) -> list[Event]:
    return [UrlChange(number, 0, "/") for number in numbers]


def numbers(events: list[Event]) -> list[int]:
    return [event.sequence for event in events]


def test_events_in_order_pass_as_they_are() -> None:
    gate, one = Gate(), stream()
    events = views(1, 2, 3)
    assert gate.admit(one, events) is events
    assert gate.admit(one, []) == []
    assert (gate.accepted, gate.dropped.total(), one.seen.high) == (3, 0, 3)


def test_repeats_are_dropped_and_counted() -> None:
    gate, one = Gate(), stream()
    gate.admit(one, views(1, 2, 3))
    assert numbers(gate.admit(one, views(2, 3, 4, 4, 5))) == [4, 5]
    assert gate.dropped == {"repeated": 3}
    assert gate.accepted == 5


def test_an_event_that_stands_twice_in_a_message_passes_once() -> None:
    gate, one = Gate(), stream()
    assert numbers(gate.admit(one, views(1, 1, 2))) == [1, 2]
    assert numbers(gate.admit(one, views(3, 4, 3, 3, 5))) == [3, 4, 5]
    assert (gate.accepted, gate.dropped, one.seen.high) == (5, {"repeated": 3}, 5)


def test_each_number_passes_once_in_any_order() -> None:
    chance = random.Random(11)
    for _ in range(200):
        gate, one = Gate(), stream()
        sent = [chance.randrange(1, 40) for _ in range(120)]
        passed: list[int] = []
        while sent:
            cut = chance.randrange(1, 12)
            passed += numbers(gate.admit(one, views(*sent[:cut])))
            del sent[:cut]
        assert len(passed) == len(set(passed))
        assert gate.accepted == len(passed)
        assert gate.accepted + gate.dropped["repeated"] == 120


def test_gaps_are_bounded_and_what_lies_in_the_oldest_counts_as_seen() -> None:
    gate, one = Gate(), stream()
    gate.admit(one, views(*range(2, 4 * MAX_GAPS, 2)))
    assert len(one.seen.missing) == MAX_GAPS
    assert gate.admit(one, views(1)) == []
    assert numbers(gate.admit(one, views(4 * MAX_GAPS - 3))) == [4 * MAX_GAPS - 3]


def test_short_hovers_that_leave_are_noise() -> None:
    gate, one = Gate(), stream()
    kept = [
        MouseHover(1, 0, "#buy", "hover-leave", NOISE_MS),
        MouseHover(3, 0, "#buy", "hover-click", 0),
    ]
    noise = [MouseHover(2, 0, "#buy", "hover-leave", NOISE_MS - 1)]
    events: list[Event] = [kept[0], noise[0], kept[1]]
    assert gate.admit(one, events) == kept
    assert gate.dropped == {"noise": 1}
    assert one.seen.high == 3


def test_messages_that_got_nowhere_are_counted() -> None:
    gate = Gate()
    gate.refuse("malformed")
    gate.refuse("malformed", 2)
    assert gate.dropped == {"malformed": 3}
