import json
from typing import Any

import msgspec
import pytest

from datalab.errors import Invalid
from datalab.model.events import Context, Kind
from datalab.model.records import (
    EARLIEST_MS,
    FUTURE_ALLOWANCE_MS,
    LAST_MS,
    Record,
    check,
    content_of,
    context_of,
    decode_record,
    encode_record,
    format_time,
    plain_context,
    read_time,
    record_of,
    visitor_key,
)

NOW = 1_764_000_000_000
GOOD = {"visitor": "v", "time": NOW, "kind": "urlchange", "url": "https://shop.example/"}


def read(**changes: Any) -> int:
    return check(decode_record(json.dumps({**GOOD, **changes})), NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kind": "click", "target": "#buy"},
        {"kind": "hover", "target": "#buy", "action": "hover-leave", "elapsed": 0},
        {"kind": "custom", "name": "signup", "properties": {"plan": "pro", "price": 1.5, "trial": True, "code": None}},
        {"time": EARLIEST_MS},
        {"time": NOW + FUTURE_ALLOWANCE_MS},
        {"kind": "custom", "name": "signup", "properties": '{"plan": "pro"}'},
        {"kind": "click", "target": "#buy", "matched": ["#buy", ""], "x": 0, "y": 65535},
        {"kind": "move", "x": 0, "y": 65535},
        {"referrer": "https://search.example/", "user_agent": "x", "language": "de", "session": "s"},
        {"screen": "390x844"},
        {"country": "CH"},
        {"country": ""},
        {"unknown": "is left out"},
    ],
)
def test_good_records(changes: dict[str, Any]) -> None:
    assert read(**changes) == changes.get("time", NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"visitor": ""},
        {"visitor": "v" * 257},
        {"visitor": "a\x1fb"},
        {"visitor": "a\n"},
        {"visitor": 7},
        {"time": 1.5},
        {"time": None},
        {"time": True},
        {"kind": "scroll"},
        {"url": ""},
        {"url": "x" * 2049},
        {"url": "https://shop.example/\x1f"},
        {"kind": "click", "target": "x" * 513},
        {"kind": "click", "target": "a\x1fb"},
        {"kind": "hover", "target": "a", "action": "hover-away", "elapsed": 1},
        {"kind": "hover", "target": "a", "action": "hover-leave", "elapsed": -1},
        {"kind": "hover", "target": "a", "action": "hover-leave", "elapsed": 86_400_001},
        {"kind": "custom", "name": "n" * 513},
        {"kind": "custom", "name": "n", "properties": {str(k): k for k in range(33)}},
        {"kind": "custom", "name": "n", "properties": {"a": [1]}},
        {"kind": "custom", "name": "n", "properties": {"a\x00": 1}},
        {"kind": "click", "target": "a", "matched": ["b"] * 33},
        {"kind": "click", "target": "a", "matched": ["b\x1fc"]},
        {"kind": "click", "target": "a", "x": -1},
        {"kind": "move", "x": 0, "y": 65536},
        {"screen": "390 x 844"},
        {"screen": "390x844\n"},
        {"country": "ch"},
        {"country": "CHE"},
        {"country": "C"},
        {"country": "C1"},
        {"country": "CH\n"},
        {"country": "ÄÖ"},
        {"country": None},
        {"as_is": "yes"},
        {"referrer": "x" * 2049},
        {"referrer": "a\n"},
        {"user_agent": "x" * 513},
        {"user_agent": "a\x00"},
        {"language": "x" * 65},
        {"session": "x" * 257},
    ],
)
def test_fields_out_of_bounds_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(**changes)


@pytest.mark.parametrize("field", ["visitor", "time", "kind"])
def test_fields_every_record_needs(field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        decode_record(json.dumps({name: value for name, value in GOOD.items() if name != field}))


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("urlchange", "url"),
        ("click", "target"),
        ("hover", "target"),
        ("hover", "action"),
        ("hover", "elapsed"),
        ("move", "x"),
        ("move", "y"),
        ("custom", "name"),
    ],
)
def test_fields_a_kind_needs(kind: str, field: str) -> None:
    everything = {"url": "/", "target": "t", "action": "hover-leave", "elapsed": 1, "name": "n", "x": 1, "y": 1}
    with pytest.raises(Invalid, match=f"kind {kind} needs the field {field}"):
        read(**{**everything, "kind": kind, field: None})


@pytest.mark.parametrize(
    "time", [EARLIEST_MS - 1, NOW + FUTURE_ALLOWANCE_MS + 1, NOW // 1000, -NOW, 2**63, "1989-12-31"]
)
def test_times_out_of_bounds_are_refused(time: int | str) -> None:
    with pytest.raises(Invalid, match="before 1990 or in the future"):
        read(time=time)


@pytest.mark.parametrize("time", ["", "yesterday", str(NOW), "2026-02-30T00:00:00Z", "2025-11-24T25:00:00Z"])
def test_malformed_times_are_refused(time: str) -> None:
    with pytest.raises(Invalid, match="neither RFC 3339 nor milliseconds"):
        read(time=time)


def test_a_url_that_cannot_be_taken_apart_is_refused() -> None:
    with pytest.raises(Invalid, match="url 'http://\\[broken'"):
        read(url="http://[broken")


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2025-11-24T16:00:00Z", NOW),
        ("2025-11-24T17:00:00+01:00", NOW),
        ("2025-11-24T16:00:00", NOW),
        ("2025-11-24T16:00:00.001999Z", NOW + 1),
        ("1990-01-01", EARLIEST_MS),
    ],
)
def test_read_time(text: str, time: int) -> None:
    assert read_time(text) == time


@pytest.mark.parametrize("time", [0, NOW, NOW + 1, NOW + 999, EARLIEST_MS])
def test_times_come_back_as_they_went(time: int) -> None:
    assert read_time(format_time(time)) == time


def test_visitor_key() -> None:
    exported = "0123456789abcdef" * 2
    assert visitor_key(exported) == bytes.fromhex(exported)
    assert visitor_key(exported.upper()) != bytes.fromhex(exported)
    assert (
        len({visitor_key(name) for name in ("", "a", "A", "日本語", exported, exported.upper(), exported + "0")}) == 7
    )
    assert all(len(visitor_key(name)) == 16 for name in ("", "a", exported))


SEEN = Context(
    user_agent="Firefox/128",
    language="de-CH",
    referrer="https://search.example/?q=1",
    screen="390x844",
    country="CH",
)
EVENTS: list[tuple[int, int, str]] = [
    (Kind.URLCHANGE, 0, "https://shop.example/café?a=1#b"),
    (Kind.MOUSECLICK, 0, "main>a"),
    (Kind.MOUSECLICK, 3 * 65536 + 4, "main>button#buy\x1f#buy\x1f.teaser"),
    (Kind.MOUSECLICK, 2**32 - 1, "\x1f\x1f"),
    (Kind.MOUSEHOVER, 740, "#buy\x1fhover-leave"),
    (Kind.MOUSEHOVER, 0, "\x1fhover-click"),
    (Kind.MOUSEMOVE, 310 * 65536 + 220, ""),
    (Kind.MOUSEMOVE, 0, ""),
    (Kind.CUSTOM, 0, "signup\x1f{}"),
    (Kind.CUSTOM, 0, '\x1f{"":"\\u001f\\n","b":-0.0,"c":1e22,"d":1.0,"e":null,"f":true}'),
    (Kind.CUSTOM, 0, 'wide\x1f{"a":100000000000000000000,"b":-9223372036854775809,"c":18446744073709551615}'),
]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("context", [Context(), SEEN])
def test_the_record_of_an_event_gives_the_same_event(event: tuple[int, int, str], context: Context) -> None:
    record = record_of(b"v" * 16, context, NOW + 7, *event, NOW)
    again = decode_record(encode_record(record))
    # On its way to a running server.
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(again), type=Record)
    assert check(again, NOW) == NOW + 7
    assert not again.as_is
    assert (visitor_key(again.visitor), context_of(again), content_of(again)) == (b"v" * 16, context, event)


def test_a_record_says_no_more_than_there_is() -> None:
    record = record_of(b"\0" * 16, Context(), NOW, Kind.MOUSECLICK, 0, "main>a", NOW)
    assert json.loads(encode_record(record)) == {
        "visitor": "0" * 32,
        "time": "2025-11-24T16:00:00.000Z",
        "kind": "click",
        "target": "main>a",
    }


@pytest.mark.parametrize(
    ("time", "url"),
    [
        (0, "/"),
        (EARLIEST_MS - 1, "/"),
        (NOW + FUTURE_ALLOWANCE_MS + 1, "/"),
        (LAST_MS - 1, "/"),
        (NOW, "http://[broken"),
    ],
)
def test_what_looks_like_a_mistake_is_taken_as_it_is_where_it_is_meant(time: int, url: str) -> None:
    record = record_of(b"v" * 16, Context(), time, Kind.URLCHANGE, 0, url, NOW)
    assert record.as_is
    assert check(decode_record(encode_record(record)), NOW) == time
    record.as_is = False
    with pytest.raises(Invalid):
        check(record, NOW)


@pytest.mark.parametrize("time", [-1, LAST_MS, 2**70, "1969-12-31", "2100-01-01"])
def test_times_that_no_clock_can_show_are_refused_all_the_same(time: int | str) -> None:
    with pytest.raises(Invalid, match="outside of the years 1970 to 2099"):
        read(time=time, as_is=True)


@pytest.mark.parametrize(
    "properties", ["", "{", "[]", '{"a": [1]}', '{"a": 1e999}', json.dumps({str(k): k for k in range(33)})]
)
def test_properties_that_are_no_json_of_an_object_are_refused(properties: str) -> None:
    with pytest.raises(Invalid, match="properties"):
        read(kind="custom", name="n", properties=properties)


def test_control_characters_are_left_out_of_a_context() -> None:
    odd = Context(user_agent="a\x00b", language="d\ne", referrer="https://a.example/\x1f", screen="1x1", country="CH")
    plain = Context(user_agent="ab", language="de", referrer="https://a.example/", screen="1x1", country="CH")
    assert plain_context(odd) == plain
