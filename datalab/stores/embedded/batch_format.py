"""Bytes of a batch in a journal file.

A file is MAGIC and batches. A batch is a header and a payload:

    header   4s mark, H format, H reserved, I payload bytes, I start streams, Q start events, I openings, I events,
             I crc32
    payload  zlib of the msgpack form of Payload

Little endian; the CRC-32 covers the header with a CRC of zero and the compressed payload. Columns are stored in the
narrowest unsigned type that holds them, as distances either from their minimum or from their predecessor. Other formats
keep the header and what its checksum covers, or begin the file with another MAGIC: a reader can so tell what is newer
than itself from what is damaged.
"""

import struct
import zlib
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from datalab.model.events import Batch, Context, Events, Opening, Position

MAGIC = b"datalab-journal\n"
MARK = b"\xd7BAT"
FORMAT = 1
HEADER = struct.Struct("<4sHHIIQIII")
MAX_PAYLOAD_BYTES = 256 * 1024 * 1024
VISITOR_BYTES = 16
COMPRESSION = 1
"""zlib level: higher ones cost more time than the bytes they save are worth on a Pi."""

UNSIGNED: tuple[type[np.unsignedinteger[Any]], ...] = (np.uint8, np.uint16, np.uint32, np.uint64)
COLUMNS: tuple[tuple[str, type[np.integer[Any]]], ...] = (
    ("stream", np.uint32),
    ("sequence", np.uint32),
    ("time", np.int64),
    ("kind", np.uint8),
    ("text", np.uint32),
    ("number", np.uint32),
)


class Column(msgspec.Struct, frozen=True, array_like=True):
    """Distances from `base` (or, with `steps`, zigzag distances from the predecessor), `width` bytes each."""

    steps: bool
    base: int
    width: int
    data: bytes


class Payload(msgspec.Struct, frozen=True, array_like=True):
    """Openings and events of a batch, by column."""

    contexts: list[Context]
    visitors: bytes
    started: Column
    context: Column
    imported: bytes
    columns: list[Column]
    texts: list[str]


class Header(msgspec.Struct, frozen=True):
    """What is known of a batch without its payload."""

    format: int
    start: Position
    openings: int
    events: int
    payload_bytes: int
    crc: int

    @property
    def end(self) -> Position:
        """The position after the batch."""
        return Position(self.start.streams + self.openings, self.start.events + self.events)


class Damaged(Exception):
    """These bytes are no whole batch."""


class Unknown(Damaged):
    """A whole batch in a format that only another version reads."""


encode_payload = msgspec.msgpack.Encoder().encode
decode_payload = msgspec.msgpack.Decoder(Payload).decode


def pack(values: NDArray[np.integer[Any]]) -> Column:
    """The narrower of the two forms."""
    if len(values) == 0:
        return Column(False, 0, 1, b"")
    wide = values.astype(np.int64)
    base = int(wide.min())
    plain = (wide - base).view(np.uint64)
    steps = np.diff(wide, prepend=wide[:1])
    zigzag = ((steps << 1) ^ (steps >> 63)).view(np.uint64)
    width, step_width = width_of(int(plain.max())), width_of(int(zigzag.max()))
    if step_width < width:
        return Column(True, int(wide[0]), step_width, zigzag.astype(UNSIGNED[step_width.bit_length() - 1]).tobytes())
    return Column(False, base, width, plain.astype(UNSIGNED[width.bit_length() - 1]).tobytes())


def width_of(largest: int) -> int:
    """Bytes: 1, 2, 4 or 8."""
    return 1 if largest < 1 << 8 else 2 if largest < 1 << 16 else 4 if largest < 1 << 32 else 8


def unpack(column: Column, length: int) -> NDArray[np.int64]:
    """Raises Damaged where the column is not of this length."""
    if column.width not in (1, 2, 4, 8) or len(column.data) != length * column.width:
        raise Damaged(f"a column has {len(column.data)} bytes for {length} values")
    values = np.frombuffer(column.data, dtype=UNSIGNED[column.width.bit_length() - 1]).astype(np.uint64)
    if not column.steps:
        return values.view(np.int64) + column.base
    steps = (values >> np.uint64(1)).view(np.int64) ^ -(values & np.uint64(1)).view(np.int64)
    return np.cumsum(steps) + column.base


def encode_batch(batch: Batch) -> bytes:
    """Header and payload. Raises ValueError for what could not be read again."""
    events = batch.events
    if any(len(opening.visitor) != VISITOR_BYTES for opening in batch.openings):
        raise ValueError(f"a visitor has not {VISITOR_BYTES} bytes")
    if any(len(getattr(events, name)) != len(events) for name, _ in COLUMNS):
        raise ValueError("the columns of the events differ in length")
    known: dict[Context, int] = {}
    contexts = [known.setdefault(opening.context, len(known)) for opening in batch.openings]
    payload = Payload(
        contexts=list(known),
        visitors=b"".join(opening.visitor for opening in batch.openings),
        started=pack(np.array([opening.started for opening in batch.openings], dtype=np.int64)),
        context=pack(np.array(contexts, dtype=np.int64)),
        imported=bytes(opening.imported for opening in batch.openings),
        columns=[pack(getattr(events, name)) for name, _ in COLUMNS],
        texts=events.texts,
    )
    body = zlib.compress(encode_payload(payload), COMPRESSION)
    if len(body) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a batch of {len(body)} bytes exceeds the journal's {MAX_PAYLOAD_BYTES}")
    bare = pack_header(batch, len(body), 0)
    return pack_header(batch, len(body), zlib.crc32(body, zlib.crc32(bare))) + body


def pack_header(batch: Batch, payload_bytes: int, crc: int) -> bytes:
    """The header's bytes."""
    start = batch.start
    return HEADER.pack(
        MARK, FORMAT, 0, payload_bytes, start.streams, start.events, len(batch.openings), len(batch.events), crc
    )


def read_header(data: bytes) -> Header:
    """Raises Damaged where the bytes are no header."""
    if len(data) < HEADER.size:
        raise Damaged("a batch's header is cut off")
    mark, version, _, payload_bytes, streams, events, openings, count, crc = HEADER.unpack(data[: HEADER.size])
    if mark != MARK:
        raise Damaged("no batch begins here")
    if payload_bytes > MAX_PAYLOAD_BYTES:
        raise Damaged(f"a payload of {payload_bytes} bytes is impossible")
    return Header(version, Position(streams, events), openings, count, payload_bytes, crc)


def check_batch(header: Header, head: bytes, body: bytes) -> None:
    """Raises Damaged where the checksum is wrong or bytes are missing, Unknown for a whole batch of another format."""
    if len(body) < header.payload_bytes:
        raise Damaged("a batch's end is cut off")
    bare = head[: HEADER.size - 4] + b"\0\0\0\0"
    if zlib.crc32(body, zlib.crc32(bare)) != header.crc:
        raise Damaged("the checksum is wrong")
    if header.format != FORMAT:
        raise Unknown(f"batch format {header.format} is not known to this version, install a newer datalab")


def decode_batch(header: Header, body: bytes) -> Batch:
    """The batch of a checked payload; raises Damaged where it is none."""
    try:
        payload = decode_payload(zlib.decompress(body))
    except (zlib.error, msgspec.DecodeError) as error:
        raise Damaged(str(error)) from None
    count = header.openings
    if (
        len(payload.visitors) != VISITOR_BYTES * count
        or len(payload.imported) != count
        or len(payload.columns) != len(COLUMNS)
    ):
        raise Damaged("the openings are incomplete")
    contexts = unpack(payload.context, count)
    if count and not 0 <= contexts.min() <= contexts.max() < len(payload.contexts):
        raise Damaged("an opening has no context")
    openings = [
        Opening(
            visitor=payload.visitors[VISITOR_BYTES * k : VISITOR_BYTES * (k + 1)],
            started=int(started),
            context=payload.contexts[context],
            imported=imported == 1,
        )
        for k, (started, context, imported) in enumerate(
            zip(unpack(payload.started, count), contexts, payload.imported, strict=True)
        )
    ]
    columns = {
        name: unpack(column, header.events).astype(dtype)
        for (name, dtype), column in zip(COLUMNS, payload.columns, strict=True)
    }
    return Batch(start=header.start, openings=openings, events=Events(**columns, texts=payload.texts))
