"""A partition's snapshot on disk: a whole frame, and behind it what changed since, time after time."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.aggregate.snapshot import (
    DIGEST_BYTES,
    HEAD_BYTES,
    LENGTH_BYTES,
    Restoration,
    Savepoint,
    savepoint,
    take,
)
from datalab.model.events import Position

REWRITE_SHARE = 0.5
"""Once what was added is so much of the whole frame, the next one is whole again."""


class SnapshotFile:
    """`read` it once, then `take` and `write` in turns. A write counts wholly or not at all, wherever it is cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._since: Savepoint | None = None
        """What the file holds; None where the next frame has to be a whole one."""
        self._whole = 0
        self._end = 0
        """Bytes of the first frame, and of all good ones."""

    @property
    def position(self) -> Position:
        """How far the file is."""
        return self._since.position if self._since is not None else Position()

    def read(self, rules: Rules) -> PartitionAggregate | None:
        """The aggregate in the file, None where there is none that can be used."""
        restoration = Restoration(rules)
        self._whole = self._end = 0
        try:
            with self.path.open("rb") as file:
                for frame in frames(file):
                    if not restoration.add(frame):
                        break
                    self._end += len(frame)
                    self._whole = self._whole or self._end
        except OSError:
            # What was read is good all the same.
            pass
        aggregate = restoration.end()
        self._since = savepoint(aggregate) if aggregate is not None else None
        return aggregate

    def forget(self) -> None:
        """The aggregate that is saved next is another one."""
        self._since = None

    def take(self, aggregate: PartitionAggregate) -> "Frame":
        """What there is to write; the aggregate may change as soon as this returns."""
        rewrite = self.position == Position() or self._end - self._whole > self._whole * REWRITE_SHARE
        since = None if rewrite else self._since
        # Until it is written nobody knows what the file holds.
        self._since = None
        return Frame(take(aggregate, since), since is None, savepoint(aggregate))

    def write(self, frame: "Frame") -> None:
        """Raises OSError; the next frame is a whole one then."""
        if frame.whole:
            self._replace(frame.pieces)
            self._whole = self._end
        else:
            self._append(frame.pieces)
        self._since = frame.savepoint

    def _replace(self, pieces: list[bytes]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".new")
        with temporary.open("wb") as file:
            self._end = written(file, pieces)
        temporary.replace(self.path)

    def _append(self, pieces: list[bytes]) -> None:
        with self.path.open("r+b") as file:
            # What a write that was cut off left behind the last good frame.
            file.truncate(self._end)
            file.seek(self._end)
            self._end += written(file, pieces)


class Frame:
    """A frame that waits to be written."""

    def __init__(self, pieces: list[bytes], whole: bool, savepoint: Savepoint) -> None:
        self.pieces = pieces
        self.whole = whole
        self.savepoint = savepoint


def written(file: BinaryIO, pieces: list[bytes]) -> int:
    """Write so many bytes, onto the disk."""
    file.writelines(pieces)
    file.flush()
    os.fsync(file.fileno())
    return sum(len(piece) for piece in pieces)


def frames(file: BinaryIO) -> Iterator[bytes]:
    """The frames of a file, up to one that is cut off."""
    size = os.fstat(file.fileno()).st_size
    while len(head := file.read(HEAD_BYTES)) == HEAD_BYTES:
        length = int.from_bytes(head[HEAD_BYTES - DIGEST_BYTES - LENGTH_BYTES :][:LENGTH_BYTES], "little")
        if length > size - file.tell():
            return
        yield head + file.read(length)
