"""An aggregate as bytes: a file that saves reading the whole journal at start.

    MAGIC, u32 format, 32 bytes SHA-256 of the rest, msgpack of Snapshot

Anything unexpected makes a snapshot worthless, never an error: the journal tells all that it tells.
"""

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from pyroaring import BitMap

from datalab.aggregate.bitmaps import Bitmaps
from datalab.aggregate.column import Column
from datalab.aggregate.partition import Marks, PartitionAggregate, Rows
from datalab.aggregate.rules import Rules
from datalab.aggregate.sessions import Sessions
from datalab.aggregate.visitors import VisitorIndex
from datalab.model.events import Position

MAGIC = b"datalab-snapshot"
FORMAT = 2
HEAD_BYTES = len(MAGIC) + 4 + 32


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a PartitionAggregate that are not derived from others."""

    fingerprint: str
    position: Position
    lost_events: int
    visitors: bytes
    values: dict[str, list[str]]
    bitmaps: dict[str, dict[int, bytes]]
    every_session: bytes
    columns: dict[str, bytes]
    missing: dict[int, list[tuple[int, int]]]
    folded: dict[str, list[str]]


def columns_of(aggregate: PartitionAggregate) -> dict[str, Column[Any]]:
    """Every column by a name of its own."""
    streams = aggregate.streams
    return {
        **{f"rows.{name}": getattr(aggregate.rows, name) for name, _ in Rows.COLUMNS},
        **{f"sessions.{name}": getattr(aggregate.sessions, name) for name, _ in Sessions.COLUMNS},
        **{f"marks.{k}.row": marks.row for k, marks in enumerate(aggregate.marks)},
        **{f"marks.{k}.mask": marks.mask for k, marks in enumerate(aggregate.marks)},
        **{f"contexts.{k}": column for k, column in enumerate(streams.contexts)},
        "streams.visitor": streams.visitor,
        "streams.context": streams.context,
        "streams.high": streams.high,
        "last_session": aggregate.last_session,
    }


def bitmaps_of(aggregate: PartitionAggregate) -> dict[str, Bitmaps]:
    """Every set of bitmaps by a name of its own."""
    return {
        **{f"dimension.{name}": dimension.sessions for name, dimension in aggregate.dimensions.items()},
        "entries": aggregate.entries,
        "exits": aggregate.exits,
        "slots": aggregate.slots,
    }


def take(aggregate: PartitionAggregate) -> bytes:
    """The whole file's bytes."""
    body = msgspec.msgpack.encode(
        Snapshot(
            fingerprint=aggregate.rules.fingerprint(),
            position=aggregate.position,
            lost_events=aggregate.lost_events,
            visitors=aggregate.visitors.ids(),
            values={name: dimension.values for name, dimension in aggregate.dimensions.items()},
            bitmaps={
                name: {code: bitmap.serialize() for code, bitmap in bitmaps.by_code.items()}
                for name, bitmaps in bitmaps_of(aggregate).items()
            },
            every_session=aggregate.all.serialize(),
            columns={name: column.values.tobytes() for name, column in columns_of(aggregate).items()},
            missing=aggregate.streams.missing,
            folded=aggregate.folded,
        )
    )
    return MAGIC + FORMAT.to_bytes(4, "little") + sha256(body).digest() + body


def restore(data: bytes, rules: Rules) -> PartitionAggregate | None:
    """The aggregate, None where the bytes are damaged, of another format or of other rules."""
    body = memoryview(data)[HEAD_BYTES:]
    if data[: HEAD_BYTES - 32] != MAGIC + FORMAT.to_bytes(4, "little"):
        return None
    if data[HEAD_BYTES - 32 : HEAD_BYTES] != sha256(body).digest():
        return None
    try:
        snapshot = msgspec.msgpack.decode(body, type=Snapshot)
    except msgspec.DecodeError:
        return None
    if snapshot.fingerprint != rules.fingerprint():
        return None
    return build(snapshot, rules)


def build(snapshot: Snapshot, rules: Rules) -> PartitionAggregate:
    """An aggregate from its parts."""
    aggregate = PartitionAggregate(rules)
    aggregate.position = snapshot.position
    aggregate.lost_events = snapshot.lost_events
    aggregate.visitors = VisitorIndex(snapshot.visitors)
    aggregate.all = BitMap.deserialize(snapshot.every_session)
    stored = {
        name: Bitmaps({code: BitMap.deserialize(data) for code, data in by_code.items()})
        for name, by_code in snapshot.bitmaps.items()
    }
    for name, dimension in aggregate.dimensions.items():
        dimension.restore(snapshot.values[name], stored[f"dimension.{name}"])
    aggregate.entries, aggregate.exits, aggregate.slots = stored["entries"], stored["exits"], stored["slots"]
    aggregate.marks = [Marks() for _ in rules.configuration.funnel]
    aggregate.folded = snapshot.folded
    aggregate.attach()
    for name, column in columns_of(aggregate).items():
        column.append(np.frombuffer(snapshot.columns[name], dtype=column.values.dtype))
    aggregate.streams.missing = snapshot.missing
    aggregate.streams.restored()
    return aggregate


def write(path: Path, data: bytes) -> None:
    """Replace the file, wholly or not at all; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read(path: Path, rules: Rules) -> PartitionAggregate | None:
    """The aggregate in a file, None where there is none that can be used."""
    try:
        return restore(path.read_bytes(), rules)
    except OSError:
        return None
