"""Replay: the figures of a partition that takes no more events, made from its journal and left as a snapshot."""

import logging
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.aggregate.snapshot_file import SnapshotFile
from datalab.model.events import Batch, Position, join
from datalab.stores.embedded.journal import file_of
from datalab.stores.embedded.partition_file import PartitionFile
from datalab.stores.journal import PartitionKey
from datalab.workers.task import Task, Told

log = logging.getLogger(__name__)

JOINED_EVENTS = 50_000


class AskedReplay(Struct, frozen=True):
    """Of which partition, under which rules, with which file for the snapshot."""

    data: str
    """The data directory."""
    partition: PartitionKey
    rules: Rules
    snapshot: str


class Replayed(Struct, frozen=True):
    """The figures are there."""

    events: int
    """That were replayed, 0 where the snapshot was right already."""
    saved: bool
    """False where the disk did not take the snapshot."""


class Replay(Task[AskedReplay, Replayed]):
    """What a snapshot tells already is not replayed."""

    asked = AskedReplay
    answered = Replayed

    def answer(self, asked: AskedReplay, told: Told) -> Replayed:
        journal, saved = file_of(Path(asked.data), asked.partition), SnapshotFile(Path(asked.snapshot))
        end = journal.end()
        aggregate = saved.read(asked.rules)
        if aggregate is None or aggregate.position.streams > end.streams or aggregate.position.events > end.events:
            saved.forget()
            aggregate = PartitionAggregate(asked.rules)
        start = aggregate.position
        for batch in batches(journal, start, end, told):
            aggregate.take(batch)
        if saved.path.exists() and aggregate.position == saved.position != Position():
            return Replayed(0, saved=True)
        replayed = end.events - start.events
        try:
            saved.write(saved.take(aggregate))
        except OSError as error:
            log.warning("partition %s: no snapshot: %s", asked.partition, error)
            return Replayed(replayed, saved=False)
        return Replayed(replayed, saved=True)


def batches(file: PartitionFile, start: Position, end: Position, told: Told) -> Iterator[Batch]:
    """A file's batches between two positions, small ones joined; what lies behind `end` is not even looked at."""
    collected: list[Batch] = []
    count = 0
    told(start.events, end.events)
    if start.streams >= end.streams and start.events >= end.events:
        return
    for batch in file.replay(start):
        # Damage between two batches is counted by whoever takes the second one.
        if collected and (batch.start != collected[-1].end or count + len(batch.events) > JOINED_EVENTS):
            yield join(collected)
            told(collected[-1].end.events, end.events)
            collected, count = [], 0
        collected.append(batch)
        count += len(batch.events)
        if batch.end.streams >= end.streams and batch.end.events >= end.events:
            break
    if collected:
        yield join(collected)
        told(end.events, end.events)
