import json
from typing import Any

import msgspec
import pytest

from datalab.errors import Invalid
from datalab.model.records import (
    EARLIEST_MS,
    FUTURE_ALLOWANCE_MS,
    check,
    decode_record,
    format_time,
    read_time,
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
        {"referrer": "https://search.example/", "user_agent": "x", "language": "de", "session": "s"},
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
        {"kind": "move"},
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
        ("custom", "name"),
    ],
)
def test_fields_a_kind_needs(kind: str, field: str) -> None:
    everything = {"url": "/", "target": "t", "action": "hover-leave", "elapsed": 1, "name": "n"}
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
