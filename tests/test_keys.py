"""Keys in their files, and what they sign."""

import os
import random
from pathlib import Path

import pytest

from datalab.keys import Key, Keys


def test_keys_are_made_once_one_for_each_purpose_and_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made = Keys(folder)
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(contents) == ["sessions.key", "tokens.key"]
    assert len(set(contents.values())) == 2
    assert {len(content) for content in contents.values()} == {32}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    signed = made.tokens.sign(b"payload")
    assert Keys(folder).tokens.read(signed) == b"payload"
    assert made.sessions.read(signed) is None
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents


def test_two_appliances_do_not_share_keys(tmp_path: Path) -> None:
    assert Keys(tmp_path / "b").tokens.read(Keys(tmp_path / "a").tokens.sign(b"x")) is None


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    Keys(tmp_path)
    (tmp_path / "tokens.key").write_bytes(content)
    with pytest.raises(ValueError, match=r"tokens\.key is no key: it has \d+ bytes, not 32"):
        Keys(tmp_path)
    assert (tmp_path / "tokens.key").read_bytes() == content


def test_a_start_that_was_cut_off_leaves_no_half_key(tmp_path: Path) -> None:
    (tmp_path / "tokens.new").write_bytes(b"half")
    Keys(tmp_path)
    assert len((tmp_path / "tokens.key").read_bytes()) == 32


@pytest.mark.parametrize("payload", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_what_is_signed_is_read(payload: bytes) -> None:
    key = Key(os.urandom(32))
    text = key.sign(payload)
    assert key.read(text) == payload
    assert text.isascii()
    assert not set(text) & set("+/= \n\"'<>&")


def test_every_single_changed_character_is_noticed() -> None:
    key = Key(b"k" * 32)
    text = key.sign(b"app 1, generation 2")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    body, _, signature = text.partition(".")
    for index in range(len(body)):
        for character in alphabet:
            if character != text[index]:
                assert key.read(text[:index] + character + text[index + 1 :]) is None
    for index in range(len(body) + 1, len(text) - 1):
        assert key.read(text[:index] + ("A" if text[index] != "A" else "B") + text[index + 1 :]) is None
    assert signature


@pytest.mark.parametrize("text", ["", ".", "..", "a", "a.b", "é.b", "a b.c", "\udcff.x", "AAAA.AAAA", "A" * 10_000])
def test_garbage_is_not_recognised(text: str) -> None:
    assert Key(b"k" * 32).read(text) is None


def test_random_bytes_are_not_recognised() -> None:
    chance = random.Random(7)
    key = Key(b"k" * 32)
    text = key.sign(b"payload")
    for _ in range(500):
        cut = chance.randrange(len(text))
        assert key.read(text[:cut]) is None
        assert key.read("".join(chance.choice(text) for _ in text) + "x") is None
