"""The bytes of a batch: what goes in comes out, and nothing else passes for a batch."""

import random
import struct
import zlib

import msgspec
import numpy as np
import pytest

from datalab.model.events import Batch, Context, Position
from datalab.stores.embedded import batch_format
from datalab.stores.embedded.batch_format import (
    HEADER,
    Column,
    Damaged,
    Payload,
    Unknown,
    check_batch,
    decode_batch,
    encode_batch,
    pack,
    read_header,
    unpack,
)
from tests.stores.batches import events, opening, plain, random_write

SEED = 8_121
INT64 = np.iinfo(np.int64)


def decode(data: bytes) -> Batch:
    header = read_header(data)
    body = data[HEADER.size :]
    check_batch(header, data[: HEADER.size], body)
    return decode_batch(header, body)


def batch(**more: object) -> Batch:
    return Batch(**{"start": Position(3, 9), "openings": [opening(1)], "events": events(4), **more})


def test_random_batches_come_back() -> None:
    chance = random.Random(SEED)
    for number in range(300):
        openings, each = random_write(chance)
        start = Position(chance.randrange(2**31), chance.randrange(2**60))
        made = Batch(start=start, openings=openings, events=each)
        data = encode_batch(made)
        assert plain(decode(data)) == plain(made), f"batch {number} of seed {SEED}"
        assert read_header(data).end == made.end


@pytest.mark.parametrize(
    "values",
    [
        [],
        [0],
        [INT64.min, INT64.max],
        [INT64.max, INT64.min, 0, -1, 1],
        [INT64.min],
        [2**32 - 2] * 5,
        [10, 9, 8, 300, -300],
        list(range(1000)),
    ],
    ids=lambda values: str(values[:3]),
)
def test_columns_come_back(values: list[int]) -> None:
    assert unpack(pack(np.array(values, dtype=np.int64)), len(values)).tolist() == values


def test_columns_are_stored_narrowly() -> None:
    assert (pack(np.arange(10**6, 10**6 + 1000)).steps, pack(np.arange(10**6, 10**6 + 1000)).width) == (True, 1)
    assert (pack(np.array([5, 260])).width, pack(np.array([5, 261])).width) == (1, 2)


@pytest.mark.parametrize("column", [Column(False, 0, 3, b"abc"), Column(False, 0, 2, b"abc"), Column(True, 0, 0, b"")])
def test_a_column_of_another_length_is_damaged(column: Column) -> None:
    with pytest.raises(Damaged, match="a column has"):
        unpack(column, 1)


def test_every_flipped_bit_and_every_cut_is_noticed() -> None:
    data = encode_batch(batch())
    for at in range(len(data)):
        for bit in range(8):
            wrong = bytearray(data)
            wrong[at] ^= 1 << bit
            with pytest.raises(Damaged) as fault:
                decode(bytes(wrong))
            assert not isinstance(fault.value, Unknown)
        with pytest.raises(Damaged, match="cut off"):
            decode(data[:at])


def test_another_format_is_told_from_damage() -> None:
    with pytest.raises(Unknown, match=r"batch format 2 .* newer datalab"):
        decode(in_format(2, encode_batch(batch())))


def in_format(number: int, data: bytes) -> bytes:
    """The batch as another version would mark it."""
    head = data[:4] + struct.pack("<H", number) + data[6 : HEADER.size - 4]
    return head + struct.pack("<I", zlib.crc32(data[HEADER.size :], zlib.crc32(head + bytes(4)))) + data[HEADER.size :]


class ContextWithoutCountry(msgspec.Struct, frozen=True, kw_only=True):
    """As journals had it that were written before countries were known."""

    user_agent: str = ""
    language: str = ""
    referrer: str = ""
    screen: str = ""


class PayloadWithoutCountry(Payload, frozen=True, array_like=True):
    """The same."""

    contexts: list[ContextWithoutCountry]


SEEN = {"user_agent": "Firefox/128", "language": "de-CH", "referrer": "https://search.example/", "screen": "390x844"}


def test_a_batch_without_countries_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    old = batch(openings=[opening(1, context=ContextWithoutCountry(**SEEN))])
    monkeypatch.setattr(batch_format, "Payload", PayloadWithoutCountry)
    data = encode_batch(old)
    monkeypatch.undo()
    assert b"country" not in zlib.decompress(data[HEADER.size :])
    assert [opening.context for opening in decode(data).openings] == [Context(**SEEN, country="")]


def test_a_batch_with_countries_is_read_by_an_earlier_version() -> None:
    data = encode_batch(batch(openings=[opening(1, context=Context(**SEEN, country="CH"))]))
    assert [opening.context.country for opening in decode(data).openings] == ["CH"]
    payload = msgspec.msgpack.decode(zlib.decompress(data[HEADER.size :]), type=PayloadWithoutCountry)
    assert payload.contexts == [ContextWithoutCountry(**SEEN)]
    assert read_header(data).format == 1


@pytest.mark.parametrize("payload", [b"", b"\x90", b"\xc1", msgspec.msgpack.encode([[], b"", 1, 2, b"", [], []])])
def test_a_payload_that_is_none_is_damaged(payload: bytes) -> None:
    header = read_header(encode_batch(batch()))
    for body in (payload, zlib.compress(payload)):
        with pytest.raises(Damaged):
            decode_batch(header, body)


def test_what_could_not_be_read_again_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    short = msgspec.structs.replace(opening(1), visitor=b"short")
    with pytest.raises(ValueError, match="16 bytes"):
        encode_batch(batch(openings=[short]))
    ragged = msgspec.structs.replace(events(4), number=np.zeros(3, np.uint32))
    with pytest.raises(ValueError, match="differ in length"):
        encode_batch(batch(events=ragged))
    monkeypatch.setattr(batch_format, "MAX_PAYLOAD_BYTES", 10)
    with pytest.raises(ValueError, match="exceeds the journal's 10"):
        encode_batch(batch())
