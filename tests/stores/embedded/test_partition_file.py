"""Attacks on a partition's file: torn, flipped, foreign and newer bytes; disks that are full, read-only or failing."""

import errno
import logging
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datalab.errors import Locked, Unavailable
from datalab.model.events import Position
from datalab.stores.embedded import partition_file
from datalab.stores.embedded.batch_format import HEADER, MAGIC, MARK
from datalab.stores.embedded.partition_file import PartitionFile
from datalab.stores.journal import PartitionKey
from tests.small_disk import fill_up, remount
from tests.stores.batches import START, Write, events, opening, plain, plains, random_content
from tests.stores.embedded.test_batch_format import in_format

SEED = 55_117
KEY = PartitionKey("app", 1)
WRITES: list[Write] = [([opening(n)], events(3, n)) for n in range(4)]
PLAIN = plains(START, WRITES)
NEXT: Write = ([opening(9)], events(2))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "app" / "1.journal"


@pytest.fixture
def ends(path: Path) -> list[int]:
    """Where MAGIC and each of WRITES end in the file."""
    return written(path, WRITES)


def written(path: Path, writes: list[Write]) -> list[int]:
    file = PartitionFile(KEY, path)
    file.open_for_append()
    ends = [file.size()]
    for write in writes:
        file.append(*write)
        ends.append(file.size())
    file.close()
    return ends


def replayed(file: PartitionFile, since: Position = START) -> list[Any]:
    return [plain(batch) for batch in file.replay(since)]


def check_opens_with(path: Path, count: int) -> None:
    """The file opens with the first `count` of WRITES, is whole then, and takes another batch."""
    file = PartitionFile(KEY, path)
    assert file.open_for_append() == Position(count, 3 * count)
    assert file.verify() == []
    assert replayed(file) == PLAIN[:count]
    assert file.append(*NEXT).start == Position(count, 3 * count)
    file.close()
    again = PartitionFile(KEY, path)
    assert again.open_for_append() == Position(count + 1, 3 * count + 2)
    assert replayed(again) == plains(START, [*WRITES[:count], NEXT])
    again.close()


def test_a_tail_cut_at_any_byte_is_cut_off(path: Path, ends: list[int], caplog: pytest.LogCaptureFixture) -> None:
    data = path.read_bytes()
    for length in range(ends[-2], ends[-1]):
        path.write_bytes(data[:length])
        caplog.clear()
        torn = length - ends[-2]
        damages = PartitionFile(KEY, path).verify()
        assert [(each.offset, each.bytes) for each in damages] == ([(ends[-2], torn)] if torn else [])
        check_opens_with(path, 3)
        told = f"journal app/1: cut off {torn} bytes of a torn or damaged tail at offset {ends[-2]}"
        assert (told in caplog.text) == (torn > 0)


def test_a_tail_with_a_flipped_bit_is_cut_off(path: Path, ends: list[int], caplog: pytest.LogCaptureFixture) -> None:
    data = path.read_bytes()
    for at in range(ends[-2], ends[-1]):
        path.write_bytes(flipped(data, at))
        caplog.clear()
        check_opens_with(path, 3)
        assert f"cut off {ends[-1] - ends[-2]} bytes" in caplog.text


def test_zeros_and_rubbish_behind_the_last_batch_are_cut_off(path: Path, ends: list[int]) -> None:
    data = path.read_bytes()
    for tail in (
        bytes(10_000),
        MARK * 100,
        random.Random(SEED).randbytes(50_000),
        b"\xd7BA",
        data[ends[0] : ends[1] - 1],
    ):
        path.write_bytes(data + tail)
        check_opens_with(path, 4)


def flipped(data: bytes, at: int) -> bytes:
    wrong = bytearray(data)
    wrong[at] ^= 1 << (at % 8)
    return bytes(wrong)


@pytest.mark.parametrize("tail", [partition_file.CHECKED_TAIL_BYTES, 0, 100], ids=["checked", "unchecked", "in part"])
def test_a_flipped_bit_in_the_middle_is_reported_and_skipped(
    path: Path, ends: list[int], tail: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where opening, on a large file, would have read the batch's header only."""
    monkeypatch.setattr(partition_file, "CHECKED_TAIL_BYTES", tail)
    monkeypatch.setattr(partition_file, "LANDMARK_BYTES", 1)
    data = path.read_bytes()
    others = [PLAIN[0], PLAIN[2], PLAIN[3]]
    for at in range(ends[1], ends[2]):
        path.write_bytes(flipped(data, at))
        file = PartitionFile(KEY, path)
        assert file.open_for_append() == Position(4, 12), f"byte {at}"
        (damage,) = file.verify()
        assert (damage.offset, damage.bytes) == (ends[1], ends[2] - ends[1])
        assert f"{damage.bytes} bytes at offset {damage.offset} are damaged" in str(damage)
        caplog.clear()
        assert replayed(file) == others
        assert "replay skips them" in caplog.text
        for since, expected in (
            (Position(1, 3), others[1:]),
            (Position(2, 6), others[1:]),
            (Position(3, 9), others[2:]),
        ):
            assert replayed(file, since) == expected, f"byte {at}, since {since}"
        file.append(*NEXT)
        assert replayed(file)[:-1] == others
        file.close()


def test_a_wrong_position_in_an_unchecked_header_misleads_no_replay(
    path: Path, ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition_file, "CHECKED_TAIL_BYTES", 0)
    monkeypatch.setattr(partition_file, "LANDMARK_BYTES", 1)
    data = bytearray(path.read_bytes())
    data[ends[2] + 12 : ends[2] + 24] = bytes(12)
    path.write_bytes(data)
    file = PartitionFile(KEY, path)
    assert file.open_for_append() == Position(4, 12)
    assert replayed(file, Position(1, 3)) == [PLAIN[1], PLAIN[3]]
    file.close()


def test_a_last_batch_that_is_larger_than_the_checked_tail_is_checked(
    path: Path, ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition_file, "CHECKED_TAIL_BYTES", 10)
    path.write_bytes(flipped(path.read_bytes(), ends[-1] - 40))
    check_opens_with(path, 3)


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**32 - 1])
def test_a_wrong_length_in_a_header(path: Path, ends: list[int], length: int) -> None:
    data = bytearray(path.read_bytes())
    data[ends[1] + 8 : ends[1] + 12] = struct.pack("<I", length)
    path.write_bytes(data)
    file = PartitionFile(KEY, path)
    assert file.open_for_append() == Position(4, 12)
    assert [(each.offset, each.bytes) for each in file.verify()] == [(ends[1], ends[2] - ends[1])]
    assert replayed(file) == [PLAIN[0], PLAIN[2], PLAIN[3]]
    file.close()


def test_damage_over_several_batches_and_a_lost_piece(path: Path, ends: list[int]) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: ends[1] + 5] + bytes(ends[2] - ends[1]) + data[ends[2] + 5 :])
    file = PartitionFile(KEY, path)
    assert file.open_for_append() == Position(4, 12)
    assert [(each.offset, each.bytes) for each in file.verify()] == [(ends[1], ends[3] - ends[1])]
    assert replayed(file) == [PLAIN[0], PLAIN[3]]
    file.close()
    path.write_bytes(data[: ends[1]] + data[ends[2] - 7 :])
    file = PartitionFile(KEY, path)
    assert file.open_for_append() == Position(4, 12)
    assert [(each.offset, each.bytes) for each in file.verify()] == [(ends[1], 7)]
    assert replayed(file) == [PLAIN[0], PLAIN[2], PLAIN[3]]
    file.close()


def test_a_damaged_file_header_is_reported_only(path: Path, ends: list[int]) -> None:
    data = path.read_bytes()
    for at in range(len(MAGIC)):
        path.write_bytes(flipped(data, at))
        file = PartitionFile(KEY, path)
        assert file.open_for_append() == Position(4, 12)
        assert [(each.offset, each.bytes) for each in file.verify()] == [(0, len(MAGIC))]
        assert replayed(file) == PLAIN
        file.close()


@pytest.mark.parametrize("content", [b"", b"data", MAGIC[:-1], MAGIC, bytes(16)], ids=repr)
def test_a_file_that_never_held_a_batch_begins_anew(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert replayed(PartitionFile(KEY, path)) == []
    check_opens_with(path, 0)


@pytest.mark.parametrize(
    "content",
    [b"somebody's notes\n" * 100, bytes(5000), random.Random(SEED).randbytes(100_000), b"datalab-journal2" + bytes(99)],
    ids=["notes", "zeros", "random", "a later magic"],
)
def test_a_file_of_something_else_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    file = PartitionFile(KEY, path)
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"1.journal is no journal: move it away"):
            file.open_for_append()
        assert path.read_bytes() == content
    assert [each.offset for each in file.verify()] == [0, len(MAGIC)]
    assert replayed(file) == []


@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize("tail", [partition_file.CHECKED_TAIL_BYTES, 0], ids=["checked", "unchecked"])
def test_a_newer_format_is_refused_and_left_alone(
    path: Path, ends: list[int], place: int, tail: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition_file, "CHECKED_TAIL_BYTES", tail)
    data = path.read_bytes()
    newer = in_format(2, data[ends[place] : ends[place + 1]])
    content = data[: ends[place]] + newer + data[ends[place + 1] :]
    path.write_bytes(content)
    file = PartitionFile(KEY, path)
    with pytest.raises(Unavailable, match=r"format 2 is not known .* install a newer datalab"):
        file.open_for_append()
    assert path.read_bytes() == content
    (damage,) = file.verify()
    assert (damage.offset, damage.bytes) == (ends[place], len(newer))
    with pytest.raises(Unavailable, match="newer datalab"):
        replayed(file)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_something_else_in_place_of_the_file_is_refused(path: Path, make: Callable[[Path], None]) -> None:
    path.parent.mkdir(parents=True)
    make(path)
    file = PartitionFile(KEY, path)
    with pytest.raises(Unavailable, match=r"journal app/1: .*1\.journal is no file: move it away"):
        file.open_for_append()
    (damage,) = file.verify()
    assert "is no file" in str(damage)
    with pytest.raises(Unavailable, match="no file"):
        replayed(file)


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path, path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"")
    with pytest.raises(Unavailable, match="journal app/1"):
        PartitionFile(KEY, path).open_for_append()


def test_replayed_columns_may_be_changed(path: Path, ends: list[int]) -> None:
    for batch in PartitionFile(KEY, path).replay(START):
        batch.events.stream[:] += np.uint32(7)
    assert replayed(PartitionFile(KEY, path)) == PLAIN


def test_a_seal_is_the_files_mode(path: Path, ends: list[int]) -> None:
    file = PartitionFile(KEY, path)
    file.open_for_append()
    file.seal()
    assert path.stat().st_mode & 0o777 == 0o400
    for each in (file, PartitionFile(KEY, path)):
        with pytest.raises(Locked):
            each.append(*NEXT)
        with pytest.raises(Locked):
            each.open_for_append()
        assert replayed(each) == PLAIN
    assert path.stat().st_size == ends[-1]


def test_random_damage_never_raises_and_never_loses_other_batches(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_file, "CHECKED_TAIL_BYTES", 3000)
    monkeypatch.setattr(partition_file, "LANDMARK_BYTES", 500)
    chance = random.Random(SEED)
    writes = [random_content(chance) for _ in range(60)]
    ends = written(path, writes)
    expected = plains(START, writes)
    data = path.read_bytes()
    for number in range(150):
        wrong = bytearray(data)
        at, length = chance.randrange(len(MAGIC), len(data)), chance.choice([1, 1, 5, 300, 5000])
        wrong[at : at + length] = chance.randbytes(min(length, len(data) - at))
        hit = {k for k in range(60) if wrong[ends[k] : ends[k + 1]] != data[ends[k] : ends[k + 1]]}
        path.write_bytes(wrong)
        file = PartitionFile(KEY, path)
        assert len(file.verify()) == (1 if hit else 0)
        file.open_for_append()
        whole = [expected[k] for k in range(60) if k not in hit]
        assert replayed(file) == whole, f"round {number} of seed {SEED}"
        if whole:
            since = chance.choice(whole)[0]
            left = [each for each in whole if each[0] >= since]
            assert replayed(file, since) == left, f"round {number} of seed {SEED}, since {since}"
        file.close()


def failing(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, fail)


@pytest.mark.parametrize(
    ("name", "number", "told"),
    [
        ("pwrite", errno.ENOSPC, "the disk is full.*free some space"),
        ("pwrite", errno.EDQUOT, "the disk is full"),
        ("pwrite", errno.EROFS, "the disk is read-only.*make it writable"),
        ("pwrite", errno.EIO, "the disk fails"),
        ("pwrite", errno.EFBIG, "File too large"),
        ("fdatasync", errno.EIO, "the disk fails"),
        ("fdatasync", errno.ENOSPC, "the disk is full"),
    ],
)
@pytest.mark.parametrize("cut", ["cut", "uncut"])
def test_a_failed_append_leaves_the_partition_as_it_was(
    path: Path, ends: list[int], name: str, number: int, told: str, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the failed write cannot be cut off at once: it is not replayed, then or later."""
    file = PartitionFile(KEY, path)
    file.open_for_append()
    with monkeypatch.context() as patch:
        failing(patch, name, number)
        if cut == "uncut":
            failing(patch, "ftruncate", errno.EIO)
        for _ in range(3):
            with pytest.raises(Unavailable, match=rf"journal app/1: .*{told if _ == 0 else ''}") as refused:
                file.append(*NEXT)
            assert refused.value.retry_after == 5.0
            assert replayed(file) == PLAIN
    assert file.append(*NEXT).start == Position(4, 12)
    assert replayed(file) == plains(START, [*WRITES, NEXT])
    assert file.verify() == []
    file.close()
    again = PartitionFile(KEY, path)
    assert again.open_for_append() == Position(5, 14)
    again.close()


def test_short_writes_are_finished_or_taken_back(path: Path, ends: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    write, room = os.pwrite, [10**6]

    def short(handle: int, data: bytes, at: int) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "full")
        done = write(handle, data[: min(7, room[0])], at)
        room[0] -= done
        return done

    monkeypatch.setattr(os, "pwrite", short)
    file = PartitionFile(KEY, path)
    file.open_for_append()
    file.append(*NEXT)
    size = file.size()
    for left in (1, HEADER.size, HEADER.size + 30):
        room[0] = left
        with pytest.raises(Unavailable, match="full"):
            file.append(*NEXT)
        assert file.size() == size
    room[0] = 10**6
    file.append(*NEXT)
    assert replayed(file) == plains(START, [*WRITES, NEXT, NEXT])
    file.close()


def test_a_failing_disk_at_the_first_opening(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = PartitionFile(KEY, path)
    for name in ("open", "pwrite", "fsync", "ftruncate"):
        with monkeypatch.context() as patch:
            failing(patch, name, errno.ENOSPC)
            with pytest.raises(Unavailable, match="the disk is full"):
                file.open_for_append()
    assert file.open_for_append() == START
    file.append(*NEXT)
    assert replayed(file) == plains(START, [NEXT])
    file.close()


def with_bad_sectors(monkeypatch: pytest.MonkeyPatch, start: int, stop: int) -> None:
    read = os.pread

    def bad(handle: int, length: int, at: int) -> bytes:
        if start <= at < stop:
            raise OSError(errno.EIO, "Input/output error")
        return read(handle, min(length, start - at) if at < start else length, at)

    monkeypatch.setattr(os, "pread", bad)


def test_a_bad_sector_in_the_middle_is_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(SEED)
    writes = [random_content(chance) for _ in range(200)]
    ends = written(path, writes)
    assert ends[-1] > 60_000
    monkeypatch.setattr(partition_file, "CHECKED_TAIL_BYTES", 1000)
    with_bad_sectors(monkeypatch, 20_480, 28_672)
    hit = [k for k in range(200) if ends[k] < 28_672 and ends[k + 1] > 20_480]
    file = PartitionFile(KEY, path)
    file.open_for_append()
    assert replayed(file) == [each for k, each in enumerate(plains(START, writes)) if k not in hit]
    (damage,) = file.verify()
    assert "the disk does not give" in damage.reason
    assert (damage.offset, damage.offset + damage.bytes) == (ends[hit[0]], ends[hit[-1] + 1])
    file.close()


def test_a_tail_that_cannot_be_read_is_not_cut_off(
    path: Path, ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()
    for start in (ends[3], ends[3] + 10, ends[4] - 1):
        with monkeypatch.context() as patch:
            with_bad_sectors(patch, start, 10**9)
            with pytest.raises(Unavailable, match="its end cannot be read"):
                PartitionFile(KEY, path).open_for_append()
        assert path.read_bytes() == before
    check_opens_with(path, 4)


def test_a_full_and_then_read_only_disk_needs_no_reopening(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    chance = random.Random(SEED)
    file = PartitionFile(KEY, small_disk / "journal" / "app" / "1.journal")
    file.open_for_append()
    file.append(*NEXT)
    writes = [NEXT]
    filler = fill_up(small_disk)
    large: Write = ([opening(n, visitor=chance.randbytes(16)) for n in range(2000)], events(0))
    with pytest.raises(Unavailable, match=r"journal app/1: the disk is full.*free some space") as refused:
        for _ in range(1000):
            file.append(*large)
            writes.append(large)
    assert refused.value.retry_after == 5.0
    assert replayed(file) == plains(START, writes)
    assert file.verify() == []

    remount(small_disk, "ro")
    with pytest.raises(Unavailable, match=r"journal app/1: the disk is read-only.*make it writable"):
        file.append(*NEXT)
    with pytest.raises(Unavailable, match="read-only"):
        file.seal()
    with pytest.raises(Unavailable, match="read-only"):
        PartitionFile(PartitionKey("app", 2), small_disk / "journal" / "app" / "2.journal").open_for_append()
    assert replayed(file) == plains(START, writes)

    remount(small_disk, "rw")
    filler.unlink()
    writes.append(large)
    assert file.append(*large).end == Position(sum(len(each[0]) for each in writes), 2)
    assert replayed(file) == plains(START, writes)
    assert file.verify() == []
    assert caplog.text == ""
    file.close()


def test_the_end_is_known_from_the_headers(path: Path, ends: list[int]) -> None:
    whole = path.read_bytes()
    file = PartitionFile(KEY, path)
    assert file.end() == Position(4, 12)
    path.write_bytes(whole + b"torn")
    assert file.end() == Position(4, 12)
    # A damaged batch is counted by those behind it.
    at = ends[1] + HEADER.size + 3
    path.write_bytes(whole[:at] + b"\0\0" + whole[at + 2 :])
    assert file.end() == Position(4, 12)
    path.write_bytes(whole[: ends[2]])
    assert file.end() == Position(2, 6)
    path.write_bytes(MAGIC)
    assert file.end() == START
