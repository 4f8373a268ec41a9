"""PROTOCOL.md speaks of the wire as it is: its examples decode, and none is missing."""

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from datalab import errors
from datalab.model import wire

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "snippet/PROTOCOL.md").read_text()
EXAMPLES = re.findall(r"^```json (\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)

TALKED_ABOUT = (
    errors.TokenRefused,
    errors.WrongOrigin,
    errors.TicketRefused,
    errors.SessionRefused,
    errors.Malformed,
    errors.Invalid,
    errors.TooMany,
    errors.Unavailable,
)


class Problem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: str
    title: str
    status: int
    detail: str
    code: str
    retry_after: float | None = None


def struct(name: str) -> Any:
    return Problem if name == "Problem" else getattr(wire, name)


def members(message: object) -> object:
    """Names of the members that JSON gives, at all depths."""
    if isinstance(message, dict):
        return {name: members(value) for name, value in message.items()}
    return [members(value) for value in message] if isinstance(message, list) else None


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_is_of_the_struct_it_names(name: str, example: str) -> None:
    decoded = msgspec.json.decode(example, type=struct(name))
    given, known = members(msgspec.json.decode(example)), members(msgspec.to_builtins(decoded))
    if isinstance(given, dict):
        assert isinstance(known, dict)
        assert given.keys() <= known.keys(), "the example has a member that the wire does not know"
    else:
        assert given == known


def test_no_fence_is_left_unread() -> None:
    assert len(EXAMPLES) == TEXT.count("```json")


def test_every_message_has_an_example() -> None:
    named = {name for name, _ in EXAMPLES}
    structs = {
        value.__name__
        for value in vars(wire).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value is not msgspec.Struct
    }
    assert structs == named - {"Problem"}
    unions = get_args(wire.Event) + get_args(wire.ClientMessage) + get_args(wire.ServerMessage)
    assert {message.__name__ for message in unions} <= named


def test_every_refusal_has_a_row_and_an_example_with_its_status() -> None:
    problems = [msgspec.json.decode(text, type=Problem) for name, text in EXAMPLES if name == "Problem"]
    expected = {refusal.code: refusal.status for refusal in TALKED_ABOUT}
    assert {problem.code: problem.status for problem in problems} == expected
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", TEXT, re.MULTILINE))
    assert {code: int(status) for code, status in rows.items()} == expected
    assert {problem.code for problem in problems if problem.retry_after} == {"too-many", "unavailable"}


def test_the_limits_are_those_of_the_wire() -> None:
    assert f"| {wire.MAX_MESSAGE_BYTES:,} bytes |" in TEXT
    assert f"| {wire.MAX_EVENTS_IN_MESSAGE:,} (the snippet" in TEXT
    assert f"Version {wire.VERSION}." in TEXT


def typescript_constant(name: str) -> int:
    found = re.search(rf"export const {name} = ([\d_* ]+);", (ROOT / "snippet/src/wire.ts").read_text())
    assert found is not None, name
    product = 1
    for factor in found[1].split("*"):
        product *= int(factor.replace("_", ""))
    return product


@pytest.mark.parametrize(
    ("constant", "struct", "path", "keyword"),
    [
        ("URL_LENGTH", "UrlChange", (3,), "maxLength"),
        ("TEXT_LENGTH", "MouseClick", (3,), "maxLength"),
        ("SELECTORS_IN_CLICK", "MouseClick", (4,), "maxItems"),
        ("PIXELS_MAX", "MouseClick", (5,), "maximum"),
        ("ELAPSED_MAX", "MouseHover", (5,), "maximum"),
        ("PROPERTIES_IN_CUSTOM", "Custom", (4,), "maxProperties"),
    ],
)
def test_the_snippet_keeps_to_the_bounds_of_the_wire(
    constant: str, struct: str, path: tuple[int], keyword: str
) -> None:
    [schema] = msgspec.json.schema(getattr(wire, struct))["$defs"].values()
    assert schema["prefixItems"][path[0]][keyword] == typescript_constant(constant)


def test_the_snippets_messages_leave_room_under_the_servers_limit() -> None:
    assert typescript_constant("MESSAGE_EVENTS") <= wire.MAX_EVENTS_IN_MESSAGE
    # The session of a posted body may take 256 characters, six bytes each where JSON escapes them.
    assert typescript_constant("MESSAGE_BYTES") + 256 * 6 + 64 <= wire.MAX_MESSAGE_BYTES
    assert typescript_constant("VERSION") == wire.VERSION


def test_the_script_is_within_its_budget(script: Path) -> None:
    """Under 3 KB as it travels."""
    assert Path(f"{script}.br").stat().st_size < 3000
