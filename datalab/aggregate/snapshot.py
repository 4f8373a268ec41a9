"""An aggregate as bytes, whole or only what changed since the last time: what a start reads instead of the journal.

    frame:   MAGIC, u32 format, u64 length of the rest, 16 bytes BLAKE2b of the rest, then sections
    section: u32 length, msgpack of Head (the first one), ColumnPart or BitmapsPart

Anything unexpected makes a frame and what comes behind it worthless, never an error: the journal tells all that they
tell.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b

import msgspec

from datalab.aggregate.bitmaps import Bitmaps
from datalab.aggregate.column import Column
from datalab.aggregate.dimension import Dimension
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.model.events import Position

MAGIC = b"datalab-snapshot"
FORMAT = 4
LENGTH_BYTES = 8
DIGEST_BYTES = 16
HEAD_BYTES = len(MAGIC) + 4 + LENGTH_BYTES + DIGEST_BYTES


class Head(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What is neither a column nor a bitmap; lists go on where those of the frame before ended."""

    fingerprint: str
    start: Position
    """Where the frame before stands; the beginning in a whole one."""
    position: Position
    lost_events: int
    garbage: int
    visitors: bytes
    values: dict[str, list[str]]
    elements: list[tuple[int, ...]]
    missing: dict[int, list[tuple[int, int]]]
    folded: dict[str, list[str]]


class ColumnPart(msgspec.Struct, frozen=True, tag=True):
    """The blocks of a column that changed, by number."""

    name: str
    dtype: str
    length: int
    blocks: dict[int, bytes]


class BitmapsPart(msgspec.Struct, frozen=True, tag=True):
    """The bitmaps of a set that changed, by code."""

    name: str
    by_code: dict[int, bytes]


Section = Head | ColumnPart | BitmapsPart


class Savepoint(msgspec.Struct, frozen=True, kw_only=True):
    """How far an aggregate was when it was last saved."""

    position: Position = Position()
    visitors: int = 0
    values: dict[str, int] = {}
    elements: int = 0


BEGINNING = Savepoint()


def savepoint(aggregate: PartitionAggregate) -> Savepoint:
    """How far it is now."""
    return Savepoint(
        position=aggregate.position,
        visitors=len(aggregate.visitors),
        values={name: len(dimension.values) for name, dimension in dimensions_of(aggregate).items()},
        elements=len(aggregate.meanings.elements),
    )


def columns_of(aggregate: PartitionAggregate) -> dict[str, Column]:
    """Every column by a name of its own."""
    streams = aggregate.streams
    return {
        **{f"rows.{name}": column for name, column in aggregate.rows.columns().items()},
        **{f"sessions.{name}": column for name, column in aggregate.sessions.columns().items()},
        **{f"meanings.{name}": column for name, column in aggregate.meanings.columns().items()},
        **{f"contexts.{k}": column for k, column in enumerate(streams.contexts)},
        **{f"tags.{k}": column for k, column in enumerate(aggregate.tags.codes)},
        "streams.visitor": streams.visitor,
        "streams.context": streams.context,
        "streams.referrer": streams.referrer,
        "streams.high": streams.high,
        "last_session": aggregate.last_session,
    }


def dimensions_of(aggregate: PartitionAggregate) -> dict[str, Dimension]:
    """Every list of values by a name of its own."""
    return {**aggregate.dimensions, **{f"tags.{name}": each for name, each in aggregate.tags.fields.items()}}


def take(aggregate: PartitionAggregate, since: Savepoint | None = None) -> list[bytes]:
    """A frame in pieces: what changed since the aggregate was taken the last time, at `since`; by default all of it."""
    if since is None:
        since = BEGINNING
        changing: Iterable[Column | Bitmaps] = (*columns_of(aggregate).values(), *aggregate.sets.values())
        for each in changing:
            each.mark_all()
    head = Head(
        fingerprint=aggregate.rules.fingerprint(),
        start=since.position,
        position=aggregate.position,
        lost_events=aggregate.lost_events,
        garbage=aggregate.rows.garbage,
        visitors=aggregate.visitors.ids(since.visitors),
        values={
            name: dimension.values[since.values.get(name, 0) :] for name, dimension in dimensions_of(aggregate).items()
        },
        elements=aggregate.meanings.elements[since.elements :],
        missing=aggregate.streams.missing,
        folded=aggregate.meanings.folded,
    )
    encoder = msgspec.msgpack.Encoder()
    pieces: list[bytes] = []
    digest = blake2b(digest_size=DIGEST_BYTES)

    def add(section: Section) -> None:
        data = encoder.encode(section)
        for piece in (len(data).to_bytes(4, "little"), data):
            pieces.append(piece)
            digest.update(piece)

    add(head)
    for name, column in columns_of(aggregate).items():
        # A column that became shorter has no block that changed.
        add(ColumnPart(name, column.dtype.str, len(column), column.changes()))
    for name, bitmaps in aggregate.sets.items():
        add(BitmapsPart(name, bitmaps.changes()))
    length = sum(len(piece) for piece in pieces)
    start = MAGIC + FORMAT.to_bytes(4, "little") + length.to_bytes(LENGTH_BYTES, "little") + digest.digest()
    return [start, *pieces]


class Restoration:
    """An aggregate from frames, one after the other."""

    def __init__(self, rules: Rules) -> None:
        self._aggregate = PartitionAggregate(rules)
        self._fingerprint = rules.fingerprint()
        self._frames = 0

    def add(self, frame: bytes) -> bool:
        """Apply the next frame; False, and nothing is changed, where it is damaged or does not belong here."""
        length = int.from_bytes(frame[HEAD_BYTES - DIGEST_BYTES - LENGTH_BYTES :][:LENGTH_BYTES], "little")
        body = memoryview(frame)[HEAD_BYTES:]
        if frame[: len(MAGIC) + 4] != MAGIC + FORMAT.to_bytes(4, "little") or len(body) != length:
            return False
        if frame[HEAD_BYTES - DIGEST_BYTES : HEAD_BYTES] != blake2b(body, digest_size=DIGEST_BYTES).digest():
            return False
        sections = read_sections(body)
        head = next(sections, None)
        if not isinstance(head, Head) or head.fingerprint != self._fingerprint:
            return False
        if head.start != self._aggregate.position or (head.start == Position()) != (self._frames == 0):
            return False
        self._apply(head, sections)
        self._frames += 1
        return True

    def end(self) -> PartitionAggregate | None:
        """The aggregate, None where there was no frame."""
        if not self._frames:
            return None
        self._aggregate.restored()
        return self._aggregate

    def _apply(self, head: Head, sections: Iterator[Section]) -> None:
        aggregate = self._aggregate
        aggregate.position = head.position
        aggregate.lost_events = head.lost_events
        aggregate.rows.garbage = head.garbage
        aggregate.visitors.extend(head.visitors)
        for name, dimension in dimensions_of(aggregate).items():
            # What every aggregate begins with is in the first frame too.
            dimension.restore((dimension.values if self._frames else []) + head.values[name])
        aggregate.meanings.elements += head.elements
        aggregate.streams.missing = head.missing
        aggregate.meanings.folded = head.folded
        columns = columns_of(aggregate)
        for section in sections:
            if isinstance(section, ColumnPart):
                columns[section.name].load(section.dtype, section.length, section.blocks)
            elif isinstance(section, BitmapsPart):
                aggregate.sets[section.name].load(section.by_code)


def read_sections(body: memoryview) -> Iterator[Section]:
    """The sections of a frame whose digest was right."""
    decoder = msgspec.msgpack.Decoder(Section)
    at = 0
    while at < len(body):
        length = int.from_bytes(body[at : at + 4], "little")
        yield decoder.decode(body[at + 4 : at + 4 + length])
        at += 4 + length


def restore(frames: Iterable[bytes], rules: Rules) -> PartitionAggregate | None:
    """The aggregate, as far as the frames are good; None where the first is not."""
    restoration = Restoration(rules)
    for frame in frames:
        if not restoration.add(frame):
            break
    return restoration.end()
