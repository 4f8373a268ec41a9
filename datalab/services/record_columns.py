"""Records as columns: what an import does with its file, in a child process of its own.

Each record is checked and hashed, and those that the partition holds already are left out.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from datalab.errors import Invalid
from datalab.model.events import Batch, Context, Events, Opening, Position
from datalab.model.records import Record, check, content_of, context_of, visitor_key
from datalab.model.trimming import MAX_REASON, readable
from datalab.services.record_keys import KeyReader, RecordKeys, record_key
from datalab.stores.embedded.batch_format import HEADER, decode_batch, encode_batch, read_header
from datalab.stores.embedded.journal import file_of
from datalab.stores.journal import PartitionKey
from datalab.workers.replay import batches
from datalab.workers.task import Task, Told

MAX_CHUNK = 50_000


class HeldRecords(Struct, frozen=True, tag=True):
    """Asked first: read what a partition held when the import began."""

    data: str
    """The data directory."""
    partition: PartitionKey
    end: Position


class Chunk(Struct, frozen=True, tag=True):
    """Asked again and again: the next records of the file."""

    records: msgspec.Raw
    """Msgpack of at most MAX_CHUNK."""
    now_ms: int


class Columns(Struct, frozen=True):
    """What is new among a chunk's records."""

    added: int
    repeated: int
    batch: bytes
    """As a journal holds it, counted from the beginning."""

    def decode(self) -> Batch:
        """Takes a few milliseconds."""
        return decode_batch(read_header(self.batch), self.batch[HEADER.size :])


class Held:
    """What the partition and the file are known to hold."""

    def __init__(self) -> None:
        self.present = RecordKeys()
        """What the partition held before the import."""
        self.brought = RecordKeys()
        """What the file held so far."""


class RecordColumns(Task[HeldRecords | Chunk, Columns]):
    """Keeps 16 bytes for each event and record."""

    asked = HeldRecords | Chunk
    answered = Columns

    def __init__(self) -> None:
        self._held = Held()

    def answer(self, asked: HeldRecords | Chunk, told: Told) -> Columns:
        if isinstance(asked, HeldRecords):
            reader, file = KeyReader(), file_of(Path(asked.data), asked.partition)
            for batch in batches(file, Position(), asked.end, told):
                reader.collect(batch, self._held.present)
            return Columns(0, 0, b"")
        records = read_chunk(asked.records)
        openings, events = columns(self._held, records, asked.now_ms)
        batch = Batch(start=Position(), openings=openings, events=events)
        return Columns(len(events), len(records) - len(events), encode_batch(batch))


def read_chunk(data: msgspec.Raw) -> list[Record]:
    """Raises Invalid."""
    try:
        records: list[Record] = decode_chunk(data)
        return records
    except msgspec.DecodeError as error:
        raise Invalid(f"records: {readable(Record, error)}"[:MAX_REASON]) from None


def columns(held: Held, records: list[Record], now_ms: int) -> tuple[list[Opening], Events]:
    """The openings and events of the records that the partition does not hold yet; raises Invalid.

    The n-th of equal records is new if the partition held fewer than n of them before the import.
    """
    plain = [(visitor_key(record.visitor), check(record, now_ms), *content_of(record)) for record in records]
    keys = [record_key(*entry) for entry in plain]
    before = held.brought.count(keys)
    present = held.present.count(keys)
    held.brought.add(keys)
    within: Counter[bytes] = Counter()
    chosen = []
    for index, key in enumerate(keys):
        if before[index] + within[key] >= present[index]:
            chosen.append(index)
        within[key] += 1
    streams: dict[tuple[bytes, Context], int] = {}
    openings: list[Opening] = []
    texts: dict[str, int] = {}
    stream, sequence, lengths = [], [], Counter[int]()
    for index in chosen:
        record, (visitor, time, *_) = records[index], plain[index]
        context = context_of(record)
        number = streams.setdefault((visitor, context), len(streams))
        if number == len(openings):
            openings.append(Opening(visitor=visitor, started=time, context=context, imported=True))
        lengths[number] += 1
        stream.append(number)
        sequence.append(lengths[number])
    return openings, Events(
        stream=np.array(stream, dtype=np.uint32),
        sequence=np.array(sequence, dtype=np.uint32),
        time=np.array([plain[index][1] for index in chosen], dtype=np.int64),
        kind=np.array([plain[index][2] for index in chosen], dtype=np.uint8),
        text=np.array([texts.setdefault(plain[index][4], len(texts)) for index in chosen], dtype=np.uint32),
        number=np.array([plain[index][3] for index in chosen], dtype=np.uint32),
        texts=list(texts),
    )


decode_chunk = msgspec.msgpack.Decoder(Annotated[list[Record], Meta(max_length=MAX_CHUNK)]).decode
