"""One line of an imported or exported history: an event outside of any connection."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Literal, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from datalab.errors import Invalid
from datalab.model.events import SEPARATOR, Context, Kind
from datalab.model.wire import Elapsed, Pixels, PropertyValue, Text, Url, encode

EARLIEST_MS = 631_152_000_000
"""1990-01-01; an older time is taken for a wrong unit (seconds, say)."""
FUTURE_ALLOWANCE_MS = 86_400_000
LAST_MS = 4_102_444_800_000
"""2100-01-01; nothing is taken from there on, or from before 1970."""
HEX_VISITOR = re.compile(r"[0-9a-f]{32}")
CONTROL = re.compile(r"[\x00-\x1f]")
WIDE = 2**63
"""Integers from here on exist in JSON, but not in msgpack, by which records travel to a running server."""
PIXELS = 65536

MOUSECLICK, URLCHANGE, MOUSEHOVER, MOUSEMOVE, CUSTOM = (kind.value for kind in Kind)
KINDS = {"urlchange": URLCHANGE, "click": MOUSECLICK, "hover": MOUSEHOVER, "move": MOUSEMOVE, "custom": CUSTOM}
NEEDED = {
    "urlchange": ("url",),
    "click": ("target",),
    "hover": ("target", "action", "elapsed"),
    "move": ("x", "y"),
    "custom": ("name",),
}
KindName = Literal["urlchange", "click", "hover", "move", "custom"]
Action = Literal["hover-click", "hover-leave"]
Properties = Annotated[dict[Text, PropertyValue], Meta(max_length=32)]


class Record(Struct, kw_only=True, omit_defaults=True):
    """See INTERFACES, import and export record; which fields a kind needs is checked by `check`.

    An export writes every field that the event's figures depend on: reading it again gives the same event.
    """

    visitor: Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]*(?!\n)$")]
    """Any name; the 32 hex digits of an exported one stand for the visitor's id itself."""
    time: int | str
    """Milliseconds since the epoch, or RFC 3339."""
    kind: KindName
    url: Url | None = None
    target: Text | None = None
    matched: Annotated[list[Text], Meta(max_length=32)] = []
    """Of a click: the configured selectors that its target or a parent of it matched."""
    x: Pixels | None = None
    """CSS pixels: of a click within the element, of a move on the page."""
    y: Pixels | None = None
    action: Action | None = None
    elapsed: Elapsed | None = None
    name: Text | None = None
    properties: Properties | Annotated[str, Meta(max_length=131_072)] | None = None
    """An object, or the JSON of one."""
    referrer: Annotated[str, Meta(max_length=2048, pattern=r"^[^\x00-\x1f]*(?!\n)$")] = ""
    user_agent: Annotated[str, Meta(max_length=512, pattern=r"^[^\x00-\x1f]*(?!\n)$")] = ""
    language: Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f]*(?!\n)$")] = ""
    screen: Annotated[str, Meta(pattern=r"^([0-9]{1,5}x[0-9]{1,5})?(?!\n)$")] = ""
    """Width x height in CSS pixels, for instance `390x844`."""
    country: Annotated[str, Meta(pattern=r"^([A-Z]{2})?(?!\n)$")] = ""
    """Two letters of ISO 3166-1."""
    session: Annotated[str, Meta(max_length=256)] | None = None
    as_is: bool = False
    """The event is meant although its time or URL looks like a mistake; an export says so where the journal holds
    such an event (the appliance's clock was wrong, say)."""


def read_time(value: int | str) -> int:
    """Milliseconds since the epoch; raises Invalid. A text without an offset is read as UTC."""
    if isinstance(value, int):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Invalid(f"time {value[:40]!r} is neither RFC 3339 nor milliseconds since the epoch") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * 1000 + moment.microsecond // 1000


def format_time(time_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return f"{format_seconds(time_ms // 1000)}.{time_ms % 1000:03d}Z"


@lru_cache(maxsize=4096)
def format_seconds(time: int) -> str:
    """The part before the fraction."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def check(record: Record, now_ms: int) -> int:
    """The record's time in milliseconds.

    Raises Invalid where a field its kind needs is missing, the time is out of bounds or something looks like a mistake.
    """
    for field in NEEDED[record.kind]:
        if getattr(record, field) is None:
            raise Invalid(f"kind {record.kind} needs the field {field}")
    time = read_time(record.time)
    if record.as_is:
        if not 0 <= time < LAST_MS:
            raise Invalid(f"time {record.time} lies outside of the years 1970 to 2099")
    elif (reason := doubt(record, time, now_ms)) is not None:
        raise Invalid(reason)
    if isinstance(record.properties, str):
        read_properties(record.properties)
    return time


def doubt(record: Record, time: int, now_ms: int) -> str | None:
    """Why the record looks like a mistake, None where it does not."""
    if not EARLIEST_MS <= time <= now_ms + FUTURE_ALLOWANCE_MS:
        return f"time {record.time} lies before 1990 or in the future; milliseconds since the epoch are expected"
    return url_fault(record.url) if record.url is not None else None


@lru_cache(maxsize=4096)
def url_fault(url: str) -> str | None:
    """Why a URL cannot be taken apart."""
    try:
        urlsplit(url)
    except ValueError as error:
        return f"url {url[:80]!r}: {error}"
    return None


def visitor_key(visitor: str) -> bytes:
    """128 bits for a visitor's name in a record; an exported id (32 hex digits) is itself."""
    if HEX_VISITOR.fullmatch(visitor):
        return bytes.fromhex(visitor)
    return blake2b(visitor.encode(), digest_size=16, person=b"visitor").digest()


def lost_visitor(stream: int) -> bytes:
    """Who stands in for the visitor of a stream whose opening lies in a damaged stretch of the journal."""
    return b"lost" + stream.to_bytes(12, "big")


def context_of(record: Record) -> Context:
    """What the record says of the browser."""
    return Context(
        user_agent=record.user_agent,
        language=record.language,
        referrer=record.referrer,
        screen=record.screen,
        country=record.country,
    )


def content_of(record: Record) -> tuple[int, int, str]:
    """Kind, number and text of a checked record's event (see `datalab.model.events.Events`)."""
    kind = KINDS[record.kind]
    if kind == URLCHANGE:
        return kind, 0, record.url or ""
    if kind == MOUSECLICK:
        return kind, pixels_of(record), SEPARATOR.join((record.target or "", *record.matched))
    if kind == MOUSEHOVER:
        return kind, record.elapsed or 0, f"{record.target}{SEPARATOR}{record.action}"
    if kind == MOUSEMOVE:
        return kind, pixels_of(record), ""
    properties = read_properties(record.properties) if isinstance(record.properties, str) else record.properties
    return kind, 0, f"{record.name}{SEPARATOR}{encode(properties or {}).decode()}"


def pixels_of(record: Record) -> int:
    """Both coordinates in one number."""
    return (record.x or 0) * PIXELS + (record.y or 0)


def record_of(visitor: bytes, context: Context, time: int, kind: int, number: int, text: str, now_ms: int) -> Record:
    """The record of an event in a plain context; `content_of` and `context_of` give the same event again."""
    record = Record(
        visitor=visitor.hex(),
        time=format_time(time),
        kind=NAMES[kind],
        referrer=context.referrer,
        user_agent=context.user_agent,
        language=context.language,
        screen=context.screen,
        country=context.country,
    )
    if kind == URLCHANGE:
        record.url = text
    elif kind == MOUSEHOVER:
        record.target, _, action = text.partition(SEPARATOR)
        record.action, record.elapsed = cast(Action, action), number
    elif kind == CUSTOM:
        record.name, _, properties = text.partition(SEPARATOR)
        record.properties = decode_properties(properties) or None
    else:
        if kind == MOUSECLICK:
            record.target, *record.matched = text.split(SEPARATOR)
        if number or kind == MOUSEMOVE:
            record.x, record.y = divmod(number, PIXELS)
    record.as_is = doubt(record, time, now_ms) is not None
    return record


def plain_context(context: Context) -> Context:
    """Without control characters, which no browser sends and no record may have."""
    return Context(
        user_agent=CONTROL.sub("", context.user_agent),
        language=CONTROL.sub("", context.language),
        referrer=CONTROL.sub("", context.referrer),
        screen=context.screen,
        country=context.country,
    )


def read_properties(text: str) -> dict[str, PropertyValue]:
    """Raises Invalid."""
    try:
        return decode_properties(text)
    except msgspec.DecodeError as error:
        raise Invalid(f"properties {text[:80]!r}: {error}") from None


def decode_record(line: bytes | str) -> Record:
    """Raises msgspec.DecodeError."""
    return portable(decode(line))


def portable(record: Record) -> Record:
    """The same record, fit to travel in msgpack."""
    if isinstance(record.properties, dict) and any(is_wide(value) for value in record.properties.values()):
        record.properties = encode(record.properties).decode()
    return record


def is_wide(value: PropertyValue) -> bool:
    """Whether this is an integer of more than 64 bits; JavaScript writes 1e20 as one."""
    return isinstance(value, int) and not -WIDE <= value < WIDE


NAMES = {kind: cast(KindName, name) for name, kind in KINDS.items()}
decode = msgspec.json.Decoder(Record).decode
decode_properties = msgspec.json.Decoder(Properties).decode
encode_record = msgspec.json.Encoder().encode
