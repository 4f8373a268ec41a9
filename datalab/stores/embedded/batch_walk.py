"""Walking a journal file: whole batches and the damaged stretches between them.

Read with pread, never mapped: a bad sector, or a file that is cut back by its writer meanwhile, is then an error that
can be told and walked around, where a mapping would end the process by a signal.
"""

import os
from collections.abc import Iterator

from datalab.stores.embedded.batch_format import (
    FORMAT,
    HEADER,
    MARK,
    Damaged,
    Header,
    Unknown,
    check_batch,
    read_header,
)

WINDOW_BYTES = 16 * 1024
"""What is read at once where less is asked for; the headers of small batches lie close together."""
SECTOR_BYTES = 4096
"""What is given up at least where the disk cannot read."""


class Unreadable(Damaged):
    """The disk does not give these bytes; it may later."""


class Found:
    """A batch or a damaged stretch met while walking a file."""

    __slots__ = ("body", "fault", "header", "offset", "size")

    def __init__(self, offset: int, size: int, header: Header | None, body: bytes, fault: Damaged | None) -> None:
        self.offset = offset
        self.size = size
        self.header = header
        """None for a damaged stretch."""
        self.body = body
        """Empty where the batch was not checked."""
        self.fault = fault

    @property
    def whole(self) -> bool:
        """Whether the bytes are what was once written, in a format known or not."""
        return self.header is not None or isinstance(self.fault, Unknown)


class Source:
    """The first `size` bytes of an open file."""

    def __init__(self, handle: int, size: int) -> None:
        self.size = size
        self.failed = False
        """Whether bytes were passed over that the disk did not give."""
        self._handle = handle
        self._window = b""
        self._window_offset = 0

    def read(self, offset: int, length: int) -> bytes:
        """Fewer bytes at the end. Raises Unreadable."""
        length = max(0, min(length, self.size - offset))
        at = offset - self._window_offset
        if at >= 0 and at + length <= len(self._window):
            return self._window[at : at + length]
        data = self._read(offset, length)
        if length < WINDOW_BYTES:
            self._window, self._window_offset = data, offset
        return data[:length]

    def _read(self, offset: int, needed: int) -> bytes:
        wanted = min(max(needed, WINDOW_BYTES), self.size - offset)
        parts: list[bytes] = []
        read = 0
        while read < wanted:
            try:
                part = os.pread(self._handle, wanted - read, offset + read)
            except OSError as error:
                if read < needed:
                    raise Unreadable(f"the disk does not give it: {error.strerror}") from error
                break
            if not part:
                break
            parts.append(part)
            read += len(part)
        return b"".join(parts)

    def begins(self, offset: int, mark: bytes = MARK) -> bool:
        """Whether a batch, or what has this mark, may begin here."""
        try:
            return self.read(offset, len(mark)) == mark
        except Unreadable:
            return False

    def marks(self, offset: int) -> Iterator[int]:
        """Where batches may begin, from an offset on."""
        while offset < self.size:
            data = self._readable(offset)
            if data is None:
                self.failed = True
                offset += SECTOR_BYTES - offset % SECTOR_BYTES
                continue
            at = data.find(MARK)
            while at != -1:
                yield offset + at
                at = data.find(MARK, at + 1)
            offset += max(1, len(data) - len(MARK) + 1)

    def _readable(self, offset: int) -> bytes | None:
        for length in (WINDOW_BYTES, SECTOR_BYTES - offset % SECTOR_BYTES):
            try:
                return self.read(offset, length)
            except Unreadable:
                continue
        return None


def walk(source: Source, offset: int, *, checked_from: int) -> Iterator[Found]:
    """Batches and damaged stretches from an offset on; checksums are checked of what reaches behind `checked_from`."""
    while offset < source.size:
        found = look(source, offset, checked_from=checked_from)
        if not found.whole:
            widen(source, found)
        yield found
        offset += found.size


def look(source: Source, offset: int, *, checked_from: int) -> Found:
    """The batch at an offset, or why there is none."""
    size = 0
    try:
        head = source.read(offset, HEADER.size)
        header = read_header(head)
        end = offset + HEADER.size + header.payload_bytes
        if end > source.size:
            raise Damaged("a batch's end is cut off")
        body = b""
        if end > checked_from or header.format != FORMAT or not source.begins(end):
            size = end - offset
            body = source.read(offset + HEADER.size, header.payload_bytes)
            check_batch(header, head, body)
    except Damaged as fault:
        return Found(offset, size, None, b"", fault)
    return Found(offset, end - offset, header, body, None)


def widen(source: Source, found: Found) -> None:
    """Let a damaged stretch reach up to the next whole batch or the end."""
    source.failed = isinstance(found.fault, Unreadable)
    end = source.size
    for at in source.marks(found.offset + 1):
        if look(source, at, checked_from=0).whole:
            end = at
            break
    found.size = end - found.offset
    if source.failed and not isinstance(found.fault, Unreadable):
        found.fault = Unreadable("the disk does not give a part of it")
