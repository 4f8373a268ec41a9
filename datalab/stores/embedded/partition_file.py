"""One partition of the journal: an append-only file of checksummed batches. Blocking; used on threads.

SQLite's WAL was measured against this task: a flipped bit in it silently drops every commit behind it, and a flip in a
B-tree page can make the whole file unreadable. Here each batch stands for itself and is found again by its mark.
"""

import errno
import logging
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from datalab.errors import Locked, Unavailable
from datalab.model.events import Batch, Events, Opening, Position
from datalab.stores.embedded.batch_format import (
    HEADER,
    MAGIC,
    MARK,
    Damaged,
    Header,
    check_batch,
    decode_batch,
    encode_batch,
    read_header,
)
from datalab.stores.journal import Damage, PartitionKey

log = logging.getLogger(__name__)

CHECKED_TAIL_BYTES = 4 * 1024 * 1024
"""How much of a file's end is checked when it is opened; the rest is checked when it is read."""
LANDMARK_BYTES = 1024 * 1024
"""Distance between places in a file whose position is remembered."""
SEALED_MODE = 0o400
OPEN_MODE = 0o600

REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "the disk is read-only; remount it writable",
    errno.EACCES: "the data directory may not be written; check its owner",
    errno.EPERM: "the data directory may not be written; check its owner",
    errno.EIO: "the disk reports an error; check it",
}
RETRY_SECONDS = 5.0


def unavailable(error: OSError) -> Unavailable:
    """What a refused write means to people."""
    reason = REASONS.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
    return Unavailable(f"events cannot be stored: {reason}", retry_after=RETRY_SECONDS)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Found:
    """A batch or a damaged stretch met while walking a file."""

    __slots__ = ("body", "damage", "header", "offset", "size")

    def __init__(self, offset: int, size: int, header: Header | None, body: bytes, damage: str) -> None:
        self.offset = offset
        self.size = size
        self.header = header
        self.body = body
        self.damage = damage


class PartitionFile:
    """A partition on disk; `open_for_append` before the first append."""

    def __init__(self, key: PartitionKey, path: Path) -> None:
        self.key = key
        self.path = path
        self.position = Position()
        self._handle: int | None = None
        self._length = 0
        self._landmarks: list[tuple[Position, int]] = []

    @property
    def sealed(self) -> bool:
        """Whether events are refused for good; kept in the file's mode, so that a seal is one durable step."""
        return self.path.stat().st_mode & 0o200 == 0

    def open_for_append(self) -> Position:
        """Create or open the file, cut off a torn tail, and find its end."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists()
            if not new and self.sealed:
                raise Locked(f"partition {self.key} is sealed")
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OPEN_MODE)
            if new or os.fstat(self._handle).st_size < len(MAGIC):
                self._begin()
            self._find_end()
        except OSError as error:
            self.close()
            raise unavailable(error) from error
        return self.position

    def _begin(self) -> None:
        assert self._handle is not None  # noqa: S101
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, MAGIC, 0)
        os.fsync(self._handle)
        sync_folder(self.path.parent)
        sync_folder(self.path.parent.parent)

    def _find_end(self) -> None:
        assert self._handle is not None  # noqa: S101
        size = os.fstat(self._handle).st_size
        self.position, self._length = Position(), len(MAGIC)
        for found in self._walk(len(MAGIC), checked_from=max(0, size - CHECKED_TAIL_BYTES)):
            if found.header is not None:
                self.position, self._length = found.header.end, found.offset + found.size
                self._remember(found.header.start, found.offset)
        if size > self._length:
            log.warning(
                "journal %s: cut off %d bytes of a torn or damaged tail at offset %d",
                self.key, size - self._length, self._length,
            )  # fmt: skip
            os.ftruncate(self._handle, self._length)
            os.fsync(self._handle)

    def append(self, openings: list[Opening], events: Events) -> Batch:
        """Write and sync one batch; on failure the file is cut back to what it was."""
        if self._handle is None:
            self.open_for_append()
        assert self._handle is not None  # noqa: S101
        batch = Batch(start=self.position, openings=openings, events=events)
        data = encode_batch(batch)
        try:
            self._write(data)
        except OSError as error:
            self._take_back()
            raise unavailable(error) from error
        self._remember(batch.start, self._length)
        self._length += len(data)
        self.position = batch.end
        return batch

    def _write(self, data: bytes) -> None:
        assert self._handle is not None  # noqa: S101
        at, rest = self._length, memoryview(data)
        while rest:
            written = os.pwrite(self._handle, rest, at)
            at, rest = at + written, rest[written:]
        os.fdatasync(self._handle)

    def _take_back(self) -> None:
        """After a failed write nothing may stand behind the last batch; the handle is made anew, since a failed sync
        may have marked pages clean that never reached the disk."""
        if self._handle is not None:
            try:
                os.ftruncate(self._handle, self._length)
            except OSError:
                log.warning("journal %s: a failed write could not be cut off yet", self.key)
        self.close()

    def _remember(self, start: Position, offset: int) -> None:
        if not self._landmarks or offset - self._landmarks[-1][1] >= LANDMARK_BYTES:
            self._landmarks.append((start, offset))

    def replay(self, since: Position) -> Iterator[Batch]:
        """Batches after `since`; the first is cut where `since` lies within it."""
        offset = max((at for start, at in self._landmarks if start <= since), default=len(MAGIC))
        for found in self._walk(offset, checked_from=0, until=self._length if self._handle is not None else None):
            if found.header is None:
                log.error("%s", self._damage(found))
                continue
            header = found.header
            if header.end.streams <= since.streams and header.end.events <= since.events:
                continue
            try:
                batch = decode_batch(header, found.body)
            except Damaged as damaged:
                log.error("journal %s: a batch at offset %d is skipped: %s", self.key, found.offset, damaged)
                continue
            yield batch.after(since)

    def verify(self) -> list[Damage]:
        """Every damaged stretch, a torn tail included."""
        damages = []
        if self.path.read_bytes()[: len(MAGIC)] != MAGIC:
            damages.append(Damage(self.key, 0, len(MAGIC), "the file does not begin as a journal does"))
        for found in self._walk(len(MAGIC), checked_from=0):
            if found.header is None:
                damages.append(self._damage(found))
                continue
            try:
                decode_batch(found.header, found.body)
            except Damaged as damaged:
                damages.append(Damage(self.key, found.offset, found.size, str(damaged)))
        return damages

    def seal(self) -> None:
        """Refuse events from now on."""
        self.close()
        try:
            self.path.chmod(SEALED_MODE)
            handle = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise unavailable(error) from error

    def close(self) -> None:
        """Let go of the file; the next append opens it again."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
            self._landmarks = []

    def _damage(self, found: Found) -> Damage:
        return Damage(self.key, found.offset, found.size, found.damage)

    def _walk(self, offset: int, *, checked_from: int, until: int | None = None) -> Iterator[Found]:
        """Batches and damaged stretches from an offset on; checksums are checked at and behind `checked_from`."""
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size if until is None else until
            if size <= offset:
                return
            with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
                while offset < size:
                    found = look(data, offset, size, check=offset + HEADER.size >= checked_from)
                    if found.header is None:
                        found = skip(data, found, size)
                    yield found
                    offset += found.size


def look(data: mmap.mmap, offset: int, size: int, *, check: bool) -> Found:
    """The batch at an offset, or why there is none."""
    head = data[offset : min(offset + HEADER.size, size)]
    try:
        header = read_header(head)
        end = offset + HEADER.size + header.payload_bytes
        if end > size:
            raise Damaged("a batch's end is cut off")
        body = data[offset + HEADER.size : end] if check else b""
        if check:
            check_batch(header, head, body)
        elif end < size and data[end : end + len(MARK)] != MARK:
            check_batch(header, head, data[offset + HEADER.size : end])
    except Damaged as damaged:
        return Found(offset, 0, None, b"", str(damaged))
    return Found(offset, end - offset, header, body, "")


def skip(data: mmap.mmap, found: Found, size: int) -> Found:
    """Widen a damaged stretch up to the next whole batch or the end."""
    at = found.offset
    while (at := data.find(MARK, at + 1, size)) != -1:
        if look(data, at, size, check=True).header is not None:
            break
    found.size = (at if at != -1 else size) - found.offset
    return found
