"""Reading a file of history line by line."""

import codecs
import csv
import gzip
import os
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from datalab.errors import Invalid, Refusal
from datalab.model.records import Record, check, decode_record, portable

MAX_LINE_BYTES = 128 * 1024
"""An exported line: an event, which filled a message of 64 KiB at the most, with everything known of its browser."""
STDIN = "-"
INTEGER = re.compile(r"-?[0-9]{1,18}")
NUMBERS = ("time", "elapsed", "x", "y")
IN_JSON = ("matched", "properties", "as_is")
TOO_LONG = re.compile(r"Expected `str` of length <= ([0-9]+) - at `\$\.([a-z_]+)`")


class BadLine(msgspec.Struct, frozen=True):
    """A line that is left out."""

    number: int
    reason: str


class Source(msgspec.Struct, frozen=True):
    """A file that is read: its plain bytes, and how far reading has come."""

    plain: IO[bytes]
    raw: IO[bytes] | None
    """What lies on the disk, None for standard input, whose length nobody knows."""

    @property
    def size(self) -> int | None:
        """Bytes on the disk."""
        return os.fstat(self.raw.fileno()).st_size if self.raw is not None else None

    @property
    def done(self) -> int:
        """Bytes of them read so far."""
        return self.raw.tell() if self.raw is not None else 0


@contextmanager
def opened(path: str) -> Iterator[Source]:
    """The file, unpacked where its name ends in .gz; `-` is standard input. Raises Refusal."""
    if path == STDIN:
        yield Source(sys.stdin.buffer, None)
        return
    try:
        with Path(path).open("rb") as raw:
            yield Source(cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if path.endswith(".gz") else raw, raw)
    except (OSError, EOFError, zlib.error) as error:
        raise Refusal(f"{path} cannot be read: {error}") from None


def lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines without a byte order mark, each cut where it is longer than a record may be."""
    first = True
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
        yield line.removeprefix(codecs.BOM_UTF8) if first else line
        first = False


def read_records(file: IO[bytes], form: str, now_ms: int) -> Iterator[Record | BadLine]:
    """Every record in file order; what is none says why."""
    yield from read_csv(file, now_ms) if form == "csv" else read_ndjson(file, now_ms)


def read_ndjson(file: IO[bytes], now_ms: int) -> Iterator[Record | BadLine]:
    """One JSON object a line; empty lines are passed over."""
    for number, line in enumerate(lines(file), 1):
        if not line.strip():
            continue
        try:
            if len(line) > MAX_LINE_BYTES:
                raise Invalid(f"the line is longer than {MAX_LINE_BYTES} bytes")
            record = decode_record(line)
            check(record, now_ms)
        except (msgspec.DecodeError, UnicodeDecodeError, Refusal) as error:
            yield BadLine(number, readable(error))
        else:
            yield record


def read_csv(file: IO[bytes], now_ms: int) -> Iterator[Record | BadLine]:
    """A head line that names the fields; `properties` and `matched` hold JSON. Numbers are of lines, not of records."""
    text = (line.decode("utf-8", errors="surrogateescape") for line in lines(file))
    reader = csv.DictReader(text)
    unknown = [name for name in reader.fieldnames or [] if name not in Record.__struct_fields__]
    if unknown or not reader.fieldnames:
        raise Refusal(
            f"the first line has to name the fields; {', '.join(map(repr, unknown)) or 'an empty file'} is none of "
            f"{', '.join(Record.__struct_fields__)}"
        )
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadLine(reader.line_num, str(error))
            continue
        try:
            record = from_row(row)
            check(record, now_ms)
        except (msgspec.DecodeError, Refusal) as error:
            yield BadLine(reader.line_num, readable(error))
        else:
            yield record


def from_row(row: dict[str | Any, Any]) -> Record:
    """Raises msgspec.DecodeError, Invalid."""
    if None in row or None in row.values():
        raise Invalid("the line has more or fewer fields than the first one names")
    if not all(is_text(value) for value in row.values()):
        raise Invalid("the line is not UTF-8")
    plain: dict[str, Any] = {name: value for name, value in row.items() if value != ""}
    for name in NUMBERS:
        if INTEGER.fullmatch(plain.get(name, "")):
            plain[name] = int(plain[name])
    for name in IN_JSON:
        if name in plain:
            plain[name] = msgspec.json.decode(plain[name])
    return portable(msgspec.convert(plain, Record))


def readable(error: Exception) -> str:
    """Why a line is left out, in words."""
    return TOO_LONG.sub(r"\2 is longer than \1 characters", str(error))


def is_text(value: str) -> bool:
    """Whether all of it was UTF-8 in the file."""
    return value.isascii() or not any("\udc80" <= character <= "\udcff" for character in value)
