"""One partition of the journal: an append-only file of checksummed batches. Blocking; used on threads.

SQLite's WAL was measured against this task: a flipped bit in it silently drops every commit behind it, and a flip in a
B-tree page can make the whole file unreadable. Here each batch stands for itself and is found again by its mark.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from datalab.errors import Locked, Missing, Unavailable
from datalab.model.events import Batch, Events, Opening, Position
from datalab.stores.embedded.batch_format import MAGIC, Damaged, Unknown, decode_batch, encode_batch
from datalab.stores.embedded.batch_walk import Found, Source, Unreadable, look, walk
from datalab.stores.embedded.refusals import RETRY_AFTER, refusals
from datalab.stores.journal import Damage, PartitionKey

log = logging.getLogger(__name__)

CHECKED_TAIL_BYTES = 4 * 1024 * 1024
"""How much of a file's end is checked when it is opened; the rest is checked when it is read."""
LANDMARK_BYTES = 1024 * 1024
"""Distance between places in a file whose position is remembered."""
SEALED_MODE = 0o400
OPEN_MODE = 0o600


def sync(path: Path) -> None:
    """Make a file's content and mode, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class PartitionFile:
    """A partition on disk; `open_for_append` before the first append. Safe to use from several threads."""

    def __init__(self, key: PartitionKey, path: Path) -> None:
        self.key = key
        self.path = path
        self.position = Position()
        self._lock = RLock()
        self._handle: int | None = None
        self._length: int | None = None
        """Bytes that are acknowledged, once known: what may stand behind them is a write that failed."""
        self._landmarks: list[tuple[Position, int]] = []

    @property
    def sealed(self) -> bool:
        """Whether events are refused for good; kept in the file's mode, so that a seal is one durable step."""
        return self.path.stat().st_mode & 0o200 == 0

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"journal {self.key}"

    def open_for_append(self) -> Position:
        """Create or open the file, cut off a torn tail, and find its end."""
        with self._lock:
            if self._handle is None:
                with refusals(self.name):
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                self._open(os.O_CREAT)
            return self.position

    def _open(self, flags: int) -> None:
        try:
            with refusals(self.name):
                self._refuse_what_is_no_file()
                if self.path.exists() and self.sealed:
                    raise Locked(f"partition {self.key} is sealed")
                self._handle = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | flags, OPEN_MODE)
                if self._length is not None:
                    os.ftruncate(self._handle, self._length)
                elif os.fstat(self._handle).st_size <= len(MAGIC):
                    self._begin(self._handle)
                self._find_end(self._handle)
                # Also what was there before: whoever wrote it may have been killed before it synced.
                os.fsync(self._handle)
                for folder in list(self.path.parents)[:3]:
                    sync(folder)
        except BaseException:
            self._let_go()
            raise

    def _begin(self, handle: int) -> None:
        os.ftruncate(handle, 0)
        write(handle, MAGIC, 0)

    def _find_end(self, handle: int) -> None:
        size = os.fstat(handle).st_size
        position, length = Position(), len(MAGIC)
        source = Source(handle, size)
        tail: Damaged | None = None
        self._landmarks = []
        for found in walk(source, length, checked_from=max(0, size - CHECKED_TAIL_BYTES)):
            tail = found.fault
            if isinstance(tail, Unknown):
                raise Unavailable(f"{self.name}: {tail}", retry_after=RETRY_AFTER)
            if found.header is not None:
                position, length = found.header.end, found.offset + found.size
                if self._landmark_due(found.offset) and look(source, found.offset, checked_from=0).whole:
                    self._landmarks.append((found.header.start, found.offset))
        if isinstance(tail, Unreadable):
            raise Unavailable(f"{self.name}: its end cannot be read ({tail}): check the disk", retry_after=RETRY_AFTER)
        if length == len(MAGIC) and os.pread(handle, len(MAGIC), 0) != MAGIC:
            raise Unavailable(
                f"{self.name}: {self.path} is no journal: move it away or restore a backup", retry_after=RETRY_AFTER
            )
        if size > length:
            log.warning(
                "%s: cut off %d bytes of a torn or damaged tail at offset %d (%s)",
                self.name, size - length, length, tail,
            )  # fmt: skip
            os.ftruncate(handle, length)
        self.position, self._length = position, length

    def append(self, openings: list[Opening], events: Events) -> Batch:
        """Write and sync one batch; on failure the file is cut back to what it was."""
        with self._lock:
            if self._handle is None:
                if not self.path.exists():
                    raise Missing(f"there is no partition {self.key}")
                self._open(0)
            assert self._handle is not None and self._length is not None  # noqa: S101
            batch = Batch(start=self.position, openings=openings, events=events)
            data = encode_batch(batch)
            try:
                with refusals(self.name):
                    write(self._handle, data, self._length)
                    os.fdatasync(self._handle)
            except BaseException:
                self._take_back(self._handle, self._length)
                raise
            if self._landmark_due(self._length):
                self._landmarks.append((batch.start, self._length))
            self._length += len(data)
            self.position = batch.end
            return batch

    def _take_back(self, handle: int, length: int) -> None:
        """After a failed write nothing may stand behind the last batch; the handle is made anew, since a failed sync
        may have marked pages clean that never reached the disk."""
        try:
            os.ftruncate(handle, length)
        except OSError:
            log.warning("%s: a failed write could not be cut off yet", self.name)
        self._let_go()

    def _landmark_due(self, offset: int) -> bool:
        return not self._landmarks or offset - self._landmarks[-1][1] >= LANDMARK_BYTES

    def replay(self, since: Position) -> Iterator[Batch]:
        """Batches after `since`; the first is cut where `since` lies within it."""
        offset = max((at for start, at in self._landmarks if start <= since), default=len(MAGIC))
        with self._source(self._length) as source:
            for found in walk(source, offset, checked_from=0):
                if isinstance(found.fault, Unknown):
                    raise Unavailable(f"{self.name}: {found.fault}", retry_after=RETRY_AFTER)
                if found.header is None:
                    log.error("%s", self._damage(found, found.fault))
                    continue
                end = found.header.end
                if end.streams <= since.streams and end.events <= since.events:
                    continue
                try:
                    batch = decode_batch(found.header, found.body)
                except Damaged as fault:
                    log.error("%s", self._damage(found, fault))
                    continue
                yield batch.after(since)

    def end(self) -> Position:
        """The position behind the last batch, from the headers: of what is not needed nothing is read."""
        position = Position()
        with self._source(self._length) as source:
            for found in walk(source, len(MAGIC), checked_from=source.size):
                if found.header is not None:
                    position = found.header.end
        return position

    def verify(self) -> list[Damage]:
        """Every damaged stretch, a torn tail included, and a file that cannot be read at all."""
        damages = []
        try:
            with self._source(None) as source:
                if not source.begins(0, MAGIC):
                    damages.append(Damage(self.key, 0, len(MAGIC), "the file does not begin as a journal does"))
                for found in walk(source, len(MAGIC), checked_from=0):
                    try:
                        if found.header is None:
                            raise found.fault or Damaged("no batch")
                        decode_batch(found.header, found.body)
                    except Damaged as fault:
                        damages.append(self._damage(found, fault))
        except Unavailable as refusal:
            damages.append(Damage(self.key, 0, 0, refusal.detail))
        return damages

    def size(self) -> int:
        """Bytes on disk."""
        with refusals(self.name):
            return self.path.stat().st_size

    def seal(self) -> None:
        """Refuse events from now on."""
        with self._lock, refusals(self.name):
            self._let_go()
            self.path.chmod(SEALED_MODE)
            sync(self.path)

    def close(self) -> None:
        """Let go of the file; the next append opens it again."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _refuse_what_is_no_file(self) -> None:
        if self.path.exists() and not self.path.is_file():
            raise Unavailable(f"{self.name}: {self.path} is no file: move it away", retry_after=RETRY_AFTER)

    def _damage(self, found: Found, fault: Damaged | None) -> Damage:
        return Damage(self.key, found.offset, found.size, str(fault))

    @contextmanager
    def _source(self, length: int | None) -> Iterator[Source]:
        """The file to read, as far as `length` where that is given."""
        with refusals(self.name):
            self._refuse_what_is_no_file()
            handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield Source(handle, os.fstat(handle).st_size if length is None else length)
        finally:
            os.close(handle)


def write(handle: int, data: bytes, at: int) -> None:
    """All of it."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(handle, rest, at)
        at, rest = at + written, rest[written:]
