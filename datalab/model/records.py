"""One line of an imported or exported history: an event outside of any connection."""

import re
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from datalab.errors import Invalid
from datalab.model.wire import Elapsed, PropertyValue, Text, Url

EARLIEST_MS = 631_152_000_000
"""1990-01-01; an older time is taken for a wrong unit (seconds, say)."""
FUTURE_ALLOWANCE_MS = 86_400_000
HEX_VISITOR = re.compile(r"[0-9a-f]{32}")


class Record(Struct, kw_only=True, omit_defaults=True):
    """See INTERFACES, import and export record; which fields a kind needs is checked by `check`."""

    visitor: Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]*(?!\n)$")]
    time: int | str
    """Milliseconds since the epoch, or RFC 3339."""
    kind: Literal["urlchange", "click", "hover", "custom"]
    url: Url | None = None
    target: Text | None = None
    action: Literal["hover-click", "hover-leave"] | None = None
    elapsed: Elapsed | None = None
    name: Text | None = None
    properties: Annotated[dict[Text, PropertyValue], Meta(max_length=32)] | None = None
    referrer: Annotated[str, Meta(max_length=2048, pattern=r"^[^\x00-\x1f]*(?!\n)$")] = ""
    user_agent: Annotated[str, Meta(max_length=512, pattern=r"^[^\x00-\x1f]*(?!\n)$")] = ""
    language: Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f]*(?!\n)$")] = ""
    session: Annotated[str, Meta(max_length=256)] | None = None


NEEDED = {
    "urlchange": ("url",),
    "click": ("target",),
    "hover": ("target", "action", "elapsed"),
    "custom": ("name",),
}


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


def check(record: Record, now_ms: int) -> int:
    """The record's time in milliseconds.

    Raises Invalid where a field its kind needs is missing or the time is out of bounds.
    """
    for field in NEEDED[record.kind]:
        if getattr(record, field) is None:
            raise Invalid(f"kind {record.kind} needs the field {field}")
    time = read_time(record.time)
    if not EARLIEST_MS <= time <= now_ms + FUTURE_ALLOWANCE_MS:
        raise Invalid(
            f"time {record.time} lies before 1990 or in the future; milliseconds since the epoch are expected"
        )
    if record.url is not None:
        try:
            urlsplit(record.url)
        except ValueError as error:
            raise Invalid(f"url {record.url[:80]!r}: {error}") from None
    return time


def visitor_key(visitor: str) -> bytes:
    """128 bits for a visitor's name in a record; an exported id (32 hex digits) is itself."""
    if HEX_VISITOR.fullmatch(visitor):
        return bytes.fromhex(visitor)
    return blake2b(visitor.encode(), digest_size=16, person=b"visitor").digest()


def format_time(time_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{time_ms % 1000:03d}Z"


decode_record = msgspec.json.Decoder(Record).decode
encode_record = msgspec.json.Encoder().encode
