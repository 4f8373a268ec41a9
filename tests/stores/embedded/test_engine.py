"""Mongita on the SQLite engine, without the port above it."""

import os
import sqlite3
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from mongita.errors import DuplicateKeyError

from datalab.errors import Unavailable
from datalab.stores.embedded.engine import FORMAT, DamagedDocument, SqliteClient, SqliteEngine, read_body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "documents.sqlite"


@pytest.fixture
def engine(path: Path) -> Iterator[SqliteEngine]:
    made = SqliteEngine(path)
    yield made
    made.close()


def shop(engine: SqliteEngine) -> Any:
    return SqliteClient(engine)["shop"]


def ids(found: Any) -> list[str]:
    return sorted(str(each["_id"]) for each in found)


def pragma(path: Path, text: str) -> Any:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(f"PRAGMA {text}").fetchone()
    finally:
        connection.close()


def test_mongita_works_on_it(engine: SqliteEngine) -> None:
    cups = shop(engine)["cups"]
    made = cups.insert_one({"glaze": "celadon", "price": 12.5, "sizes": [1, 2], "maker": {"name": "Ø"}})
    assert isinstance(made.inserted_id, bson.ObjectId)
    cups.insert_many([{"_id": "b", "glaze": "tenmoku", "price": 20.0}, {"_id": "c", "glaze": "shino", "price": 30.0}])
    assert ids(cups.find({"price": {"$gt": 15.0}})) == ["b", "c"]
    assert cups.find_one({"maker.name": "Ø"})["sizes"] == [1, 2]
    cups.update_one({"_id": "b"}, {"$set": {"price": 21.0}, "$push": {"sizes": 3}})
    assert cups.find_one({"_id": "b"}) == {"_id": "b", "glaze": "tenmoku", "price": 21.0, "sizes": [3]}
    assert cups.replace_one({"_id": "c"}, {"glaze": "ash"}).matched_count == 1
    assert cups.replace_one({"_id": "d"}, {"glaze": "ash"}).matched_count == 0
    assert cups.delete_many({"glaze": "ash"}).deleted_count == 1
    assert cups.count_documents({}) == 2
    with pytest.raises(DuplicateKeyError):
        cups.insert_one({"_id": "b"})
    assert shop(engine).list_collection_names() == ["cups"]


def test_documents_and_indices_outlive_the_engine(path: Path, engine: SqliteEngine) -> None:
    cups = shop(engine)["cups"]
    cups.create_index("made")
    cups.insert_many([{"_id": f"c{number}", "made": 2**40 + number % 3, "tags": ["x"]} for number in range(9)])
    cups.delete_one({"_id": "c0"})
    engine.close()

    again = SqliteEngine(path)
    cups = shop(again)["cups"]
    assert cups.index_information() == [{"_id_": {"key": [("_id", 1)]}}, {"made_1": {"key": [("made", 1)]}}]
    assert ids(cups.find({"made": 2**40})) == ["c3", "c6"]
    cups.insert_one({"_id": "c9", "made": 2**40})
    assert ids(cups.find({"made": 2**40})) == ["c3", "c6", "c9"]
    assert type(cups.find_one({"_id": "c9"})["made"]) is int
    again.close()


def test_dropped_collections_are_gone(path: Path, engine: SqliteEngine) -> None:
    client = SqliteClient(engine)
    client["shop"]["cups"].insert_one({"_id": "a"})
    client["shop"]["pots"].insert_one({"_id": "a"})
    client["shop"].drop_collection("cups")
    assert client["shop"].list_collection_names() == ["pots"]
    assert client["shop"]["cups"].find_one({"_id": "a"}) is None
    client.drop_database("shop")
    assert client.list_database_names() == []
    assert list(engine.stored()) == []


def test_an_undone_transaction_leaves_nothing_in_memory_or_on_disk(path: Path, engine: SqliteEngine) -> None:
    cups = shop(engine)["cups"]
    cups.create_index("glaze")
    cups.insert_many([{"_id": "a", "glaze": "ash"}, {"_id": "b", "glaze": "shino"}])

    with pytest.raises(LookupError), engine.transaction():
        cups.insert_one({"_id": "c", "glaze": "ash"})
        cups.replace_one({"_id": "b"}, {"glaze": "ash"})
        cups.delete_one({"_id": "a"})
        cups.create_index("price")
        shop(engine)["pots"].insert_one({"_id": "p"})
        assert ids(cups.find({"glaze": "ash"})) == ["b", "c"]
        raise LookupError

    other = SqliteEngine(path)
    for database in (shop(engine), shop(other)):
        assert ids(database["cups"].find({"glaze": "ash"})) == ["a"]
        assert ids(database["cups"].find({"glaze": "shino"})) == ["b"]
        assert len(database["cups"].index_information()) == 2
        assert database.list_collection_names() == ["cups"]
    other.close()


def test_a_refused_write_cannot_be_swallowed(path: Path, engine: SqliteEngine) -> None:
    cups = shop(engine)["cups"]
    cups.create_index("glaze")
    (pages,) = pragma(path, "page_count")
    engine._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(sqlite3.OperationalError, match="full"), engine.transaction():
        cups.insert_one({"_id": "small", "glaze": "ash"})
        for text in ("x" * 100_000, "y"):
            try:
                cups.insert_one({"_id": text[:5], "glaze": "ash", "text": text})
            except sqlite3.OperationalError:
                continue
    assert ids(cups.find({"glaze": "ash"})) == ids(cups.find({})) == []

    with pytest.raises(sqlite3.OperationalError, match="full"):
        cups.insert_one({"_id": "alone", "glaze": "ash", "text": "x" * 100_000})
    assert ids(cups.find({"glaze": "ash"})) == ids(cups.find({})) == []

    engine._connection.execute("PRAGMA max_page_count = 1000000")
    cups.insert_one({"_id": "large", "glaze": "ash", "text": "x" * 100_000})
    assert ids(cups.find({"glaze": "ash"})) == ["large"]


def test_an_index_that_could_not_be_stored_is_not_used(engine: SqliteEngine) -> None:
    cups = shop(engine)["cups"]
    cups.insert_one({"_id": "a", "glaze": "ash"})
    engine._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        cups.create_index("glaze")
    assert cups.index_information() == [{"_id_": {"key": [("_id", 1)]}}]
    engine._connection.execute("PRAGMA query_only = OFF")
    cups.create_index("glaze")
    assert ids(cups.find({"glaze": "ash"})) == ["a"]


def test_a_write_waits_for_the_disk_and_not_for_the_collection(path: Path, engine: SqliteEngine) -> None:
    assert engine._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert pragma(path, "journal_mode") == ("wal",)
    cups = shop(engine)["cups"]
    cups.create_index("glaze")
    statements: list[str] = []
    cups.insert_many([{"_id": f"c{number}", "glaze": "ash"} for number in range(500)])
    engine._connection.set_trace_callback(statements.append)
    cups.insert_one({"_id": "one", "glaze": "shino"})
    cups.replace_one({"_id": "c7"}, {"glaze": "shino"})
    assert ids(cups.find({"glaze": "shino"})) == ["c7", "one"]
    engine._connection.set_trace_callback(None)
    assert len(statements) < 15
    assert sum(len(statement) for statement in statements) < 2000


def test_only_the_owner_may_read_the_files(path: Path) -> None:
    path.touch()
    path.chmod(0o644)
    before = os.umask(0)
    try:
        engine = SqliteEngine(path)
        shop(engine)["cups"].insert_one({"_id": "a"})
    finally:
        os.umask(before)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["documents.sqlite", "documents.sqlite-shm", "documents.sqlite-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    engine.close()


def test_a_newer_format_is_refused_and_left_alone(path: Path) -> None:
    SqliteEngine(path).close()
    assert pragma(path, "user_version") == (FORMAT,)
    pragma(path, f"user_version = {FORMAT + 1}")
    before = path.read_bytes()
    with pytest.raises(Unavailable, match=rf"documents.sqlite has format {FORMAT + 1}.*install a newer datalab"):
        SqliteEngine(path)
    assert path.read_bytes() == before


def test_a_foreign_database_is_refused_and_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="something else"):
        SqliteEngine(path)
    assert path.read_bytes() == before


def test_a_damaged_document_is_named(engine: SqliteEngine, caplog: pytest.LogCaptureFixture) -> None:
    cups = shop(engine)["cups"]
    cups.create_index("glaze")
    cups.insert_many([{"_id": "a", "glaze": "ash"}, {"_id": "b", "glaze": "ash"}])
    body = bson.encode({"_id": "a", "glaze": "ask"})
    engine._connection.execute("UPDATE documents SET body = ? WHERE id = 'a'", (body,))
    with pytest.raises(DamagedDocument, match=r"shop.cups 'a': the checksum does not match"):
        cups.find_one({"_id": "a"})
    assert cups.find_one({"_id": "b"})["glaze"] == "ash"

    engine._metadata.clear()
    assert ids(cups.find({"glaze": "ash"})) == ["b"]
    assert "left out of the index: shop.cups 'a'" in caplog.text


def test_every_kind_of_damage_is_told() -> None:
    body = bson.encode({"_id": "a", "glaze": "ash"})
    assert read_body("shop.cups", "a", body, zlib.crc32(body)) == {"_id": "a", "glaze": "ash"}
    for position in range(len(body) * 8):
        flipped = bytearray(body)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(DamagedDocument, match="checksum"):
            read_body("shop.cups", "a", bytes(flipped), zlib.crc32(body))
    with pytest.raises(DamagedDocument, match="not BSON"):
        read_body("shop.cups", "a", body[:-3], zlib.crc32(body[:-3]))
    with pytest.raises(DamagedDocument, match="holds the document 'a'"):
        read_body("shop.cups", "b", body, zlib.crc32(body))
