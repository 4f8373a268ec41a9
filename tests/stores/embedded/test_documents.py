"""What the embedded document store does beyond its port: files, damage, full and read-only disks."""

import asyncio
import threading
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import bson
import pytest

from datalab.errors import Unavailable
from datalab.model.accounts import JoinLink, Login, Organisation, User
from datalab.model.apps import App, IssuedToken, PartitionRecord
from datalab.model.configuration import Configuration, Revisions
from datalab.stores.documents import Collections
from datalab.stores.embedded.documents import DATABASE, INDEXED, EmbeddedDocuments
from datalab.stores.embedded.engine import SqliteClient, SqliteEngine
from tests.small_disk import fill_up, remount


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "documents.sqlite"


@pytest.fixture
async def documents(path: Path) -> AsyncIterator[EmbeddedDocuments]:
    made = await EmbeddedDocuments.open(path)
    yield made
    await made.close()


def spoil(path: Path) -> None:
    """Overwrite the middle of a file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xa5" * 20_000)


def user(id: str, **more: Any) -> User:
    return User(**{"id": id, "username": id, "organisation": "acme", "password_hash": "h", "created": 1, **more})


async def on_file(documents: EmbeddedDocuments, statement: str, *values: object) -> None:
    """Execute SQL behind the store's back, on its own connection."""
    await documents._on_thread(lambda: documents._engine._connection.execute(statement, values).fetchall())


async def users(documents: EmbeddedDocuments) -> list[str]:
    """The ids by a scan, checked against those by the index."""
    scanned = await documents.run(lambda c: [each.id for each in c.users.where()])
    assert await documents.run(lambda c: [each.id for each in c.users.where(organisation="acme")]) == scanned
    return scanned


def register(collections: Collections) -> None:
    collections.organisations.add(Organisation(id="acme", created=1))
    collections.users.add(user("large", position="x" * 200_000))
    collections.logins.add(Login(id="l", user="large", created=1, expires=2))


async def test_what_was_written_is_there_after_reopening(path: Path) -> None:
    first = await EmbeddedDocuments.open(path)
    await first.run(register)
    await first.close()
    second = await EmbeddedDocuments.open(path)
    assert await users(second) == ["large"]
    assert await second.run(lambda c: c.logins.where(user="large")) == [
        Login(id="l", user="large", created=1, expires=2)
    ]
    assert await second.verify() == []
    await second.close()


async def test_all_work_is_done_on_one_thread_that_is_not_the_loops(documents: EmbeddedDocuments) -> None:
    threads = await asyncio.gather(*(documents.run(lambda c: threading.current_thread()) for _ in range(20)))
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()
    await documents.close()
    assert not threads[0].is_alive()


async def test_a_document_from_before_a_field_existed_reads_as_its_default(documents: EmbeddedDocuments) -> None:
    old = {"username": "old", "organisation": "acme", "password_hash": "h", "created": 1, "gone": "ignored"}

    def add(collections: Any) -> None:
        collections.users._collection.insert_one({"_id": "old", **old})

    await documents.run(add)
    await documents.run(lambda c: c.users.add(user("new", disabled=True)))
    assert await documents.run(lambda c: c.users.where(disabled=False)) == [user("old")]
    assert await documents.verify() == []


OLD = {
    "organisations": [{"_id": "acme", "created": 1}],
    "users": [
        {"_id": "old", "username": "Old", "organisation": "acme", "password_hash": "h", "created": 1, "admin": True},
        {"_id": "out", "username": "out", "organisation": "acme", "password_hash": "h", "created": 1, "disabled": True},
    ],
    "logins": [{"_id": "l" * 64, "user": "old", "created": 1, "expires": 2}],
    "apps": [
        {
            "_id": "a1",
            "organisation": "acme",
            "name": "Shop",
            "owner": "old",
            "origins": ["http://a.example"],
            "created": 1,
            "configuration": {"routes": ["/:any"]},
            "locked": True,
            "token": {"text": "t.t", "generation": 2, "issued": 1, "expires": None},
            "token_generation": 2,
            "partition": 1,
        }
    ],
}
"""Documents as they were before people could wait for approval and apps had members, records and revisions."""


@pytest.fixture
async def old(path: Path) -> AsyncIterator[EmbeddedDocuments]:
    """A store that was written then: four collections, three of them indexed."""
    engine = SqliteEngine(path)
    database = SqliteClient(engine)[DATABASE]
    with engine.transaction():
        for name in ("users", "logins", "apps"):
            database[name].create_index(INDEXED[name])
        for name, bodies in OLD.items():
            for body in bodies:
                database[name].insert_one(dict(body))
    assert sorted(database.list_collection_names()) == sorted(OLD)
    engine.close()
    opened = await EmbeddedDocuments.open(path)
    yield opened
    await opened.close()


async def test_a_store_of_an_earlier_version_reads_with_defaults(old: EmbeddedDocuments) -> None:
    assert await old.verify() == []
    known = user("old", username="Old", admin=True)
    assert await old.run(lambda c: c.users.get("old")) == known
    assert (known.pending, known.second_factor, known.active) == (False, None, True)
    assert await old.run(lambda c: c.logins.where(user="old")) == [
        Login(id="l" * 64, user="old", created=1, expires=2, browser="")
    ]
    assert await old.run(lambda c: c.apps.where(organisation="acme")) == [
        App(
            id="a1",
            organisation="acme",
            name="Shop",
            owner="old",
            origins=["http://a.example"],
            created=1,
            configuration=Configuration(routes=["/:any"]),
            revisions=Revisions(),
            members=[],
            locked=True,
            token=IssuedToken(text="t.t", generation=2, issued=1, expires=None, warned=False),
            retiring=None,
            token_generation=2,
            partition=1,
            last_partition=0,
        )
    ]
    for name in ("api_keys", "join_links", "partitions", "notifications", "segments", "audit_logs", "audit_entries"):
        assert await old.run(lambda c, name=name: getattr(c, name).where()) == []


async def test_a_store_of_an_earlier_version_is_searched_by_fields_it_did_not_have(old: EmbeddedDocuments) -> None:
    await old.run(lambda c: c.users.add(user("waits", pending=True)))

    async def found(**fields: Any) -> list[str]:
        return [each.id for each in await old.run(lambda c: c.users.where(**fields))]

    assert await found(organisation="acme", pending=False) == ["old", "out"]
    assert await found(organisation="acme", pending=True) == ["waits"]
    assert await found(pending=False, disabled=False) == ["old"]
    assert await old.run(lambda c: [each.id for each in c.apps.where(last_partition=0, private=False)]) == ["a1"]


async def test_a_store_of_an_earlier_version_goes_on_with_new_collections(old: EmbeddedDocuments, path: Path) -> None:
    record = PartitionRecord(id="a1/1", app="a1", number=1, opened=1)
    link = JoinLink(id="j", organisation="acme", created_by="Old", created=1, expires=2)

    def fail(collections: Collections) -> None:
        collections.partitions.add(record)
        collections.join_links.add(link)
        raise LookupError

    with pytest.raises(LookupError):
        await old.run(fail)
    await old.run(lambda c: [c.partitions.add(record), c.join_links.add(link), c.users.replace(user("old"))])
    await old.close()
    for _ in range(2):
        again = await EmbeddedDocuments.open(path)
        assert await again.run(lambda c: c.partitions.where(app="a1")) == [record]
        assert await again.run(lambda c: c.join_links.where(organisation="acme")) == [link]
        assert await again.run(lambda c: [each.id for each in c.users.where(organisation="acme")]) == ["old", "out"]
        assert await again.verify() == []
        await again.close()


async def test_mongita_knows_a_collection_whose_first_document_was_undone(documents: EmbeddedDocuments) -> None:
    def fail(collections: Collections) -> None:
        collections.organisations.add(Organisation(id="acme", created=1))
        raise LookupError

    with pytest.raises(LookupError):
        await documents.run(fail)
    await documents.run(lambda c: c.organisations.add(Organisation(id="acme", created=1)))
    names = await documents._on_thread(SqliteClient(documents._engine)[DATABASE].list_collection_names)
    assert sorted(names) == sorted([*INDEXED, "organisations"])


async def test_a_disk_that_is_full(documents: EmbeddedDocuments) -> None:
    """By SQLite's own page limit, so that it runs everywhere."""
    await documents.run(lambda c: c.users.add(user("before")))
    await on_file(documents, "PRAGMA max_page_count = 1")  # the least SQLite allows is what the file has
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"the disk is full.*free some space") as refused:
            await documents.run(register)
        assert refused.value.retry_after
    assert await users(documents) == ["before"]
    assert await documents.run(lambda c: c.organisations.where() + c.logins.where()) == []
    await on_file(documents, "PRAGMA max_page_count = 1000000")
    await documents.run(register)
    assert await users(documents) == ["before", "large"]
    assert await documents.verify() == []


async def test_a_disk_that_is_read_only(documents: EmbeddedDocuments) -> None:
    await documents.run(lambda c: c.users.add(user("before")))
    await on_file(documents, "PRAGMA query_only = ON")
    with pytest.raises(Unavailable, match=r"the disk is read-only.*make it writable"):
        await documents.run(register)
    with pytest.raises(Unavailable, match="read-only"):
        await documents.run(lambda c: c.users.remove("before"))
    assert await users(documents) == ["before"]
    await on_file(documents, "PRAGMA query_only = OFF")
    await documents.run(register)
    assert await users(documents) == ["before", "large"]


async def test_a_real_disk_that_fills_up(small_disk: Path) -> None:
    documents = await EmbeddedDocuments.open(small_disk / "documents.sqlite")
    written: list[str] = []

    async def fill(size: int) -> None:
        for number in range(1000):
            id = f"{size:06}-{number:04}"
            await documents.run(
                lambda c, id=id: [
                    c.users.add(user(id, position="x" * size)),
                    c.organisations.add(Organisation(id=id, created=1)),
                ]
            )
            written.append(id)

    for size in (50_000, 5_000, 10):
        with pytest.raises(Unavailable, match=r"full"):
            await fill(size)
        assert await users(documents) == sorted(written)
        assert await documents.run(lambda c: [each.id for each in c.organisations.where()]) == sorted(written)
    print(f"{len(written)} documents before 1 MB was full")
    assert written

    remount(small_disk, "size=8m")
    await documents.run(register)
    assert await users(documents) == sorted([*written, "large"])
    assert await documents.verify() == []
    await documents.close()

    again = await EmbeddedDocuments.open(small_disk / "documents.sqlite")
    assert await users(again) == sorted([*written, "large"])
    await again.close()


async def test_opening_on_a_full_and_on_a_read_only_disk(small_disk: Path) -> None:
    filler = fill_up(small_disk)
    with pytest.raises(Unavailable, match="full"):
        await EmbeddedDocuments.open(small_disk / "documents.sqlite")
    filler.unlink()
    documents = await EmbeddedDocuments.open(small_disk / "documents.sqlite")
    await documents.run(lambda c: c.users.add(user("before")))
    await documents.close()

    remount(small_disk, "ro")
    with pytest.raises(Unavailable, match="the disk is read-only"):
        await EmbeddedDocuments.open(small_disk / "documents.sqlite")
    remount(small_disk, "rw")
    documents = await EmbeddedDocuments.open(small_disk / "documents.sqlite")
    assert await users(documents) == ["before"]
    await documents.close()


@pytest.mark.parametrize("place", ["missing/documents.sqlite", "."], ids=["no folder", "a folder"])
async def test_a_place_that_cannot_be_opened_is_named(tmp_path: Path, place: str) -> None:
    with pytest.raises(Unavailable, match=r"the file cannot be opened"):
        await EmbeddedDocuments.open(tmp_path / place)


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database, but somebody's notes" * 100)
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="not a database"):
        asyncio.run(EmbeddedDocuments.open(path))
    assert path.read_bytes() == before


async def test_another_writer_is_told_about(documents: EmbeddedDocuments, path: Path) -> None:
    other = await EmbeddedDocuments.open(path)
    await on_file(other, "PRAGMA busy_timeout = 1")
    await on_file(documents, "BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="another process writes"):
        await other.run(register)
    await on_file(documents, "ROLLBACK")
    await other.run(register)
    await other.close()


async def test_verify_names_every_document_that_does_not_read(documents: EmbeddedDocuments) -> None:
    await documents.run(lambda c: [c.users.add(user(id)) for id in ("annabel", "bertram", "clarence")])
    assert await documents.verify() == []

    wrong = bson.encode({"_id": "bertram", "username": 7})
    await on_file(documents, "UPDATE documents SET checksum = checksum + 1 WHERE id = 'annabel'")
    await on_file(
        documents, "UPDATE documents SET body = ?, checksum = ? WHERE id = 'bertram'", wrong, zlib.crc32(wrong)
    )
    copy = "INSERT INTO documents SELECT 'datalab.spaceships', id, body, checksum FROM documents WHERE id = 'clarence'"
    await on_file(documents, copy)
    faults = await documents.verify()
    assert [fault.split(":")[0] for fault in faults] == [
        "datalab.spaceships 'clarence'",
        "datalab.users 'annabel'",
        "datalab.users 'bertram'",
    ]
    assert "checksum" in faults[1]
    assert "Expected `str`, got `int`" in faults[2]

    for id in ("annabel", "bertram"):
        with pytest.raises(Unavailable, match=f"damaged: datalab.users '{id}'.*run `datalab verify`"):
            await documents.run(lambda c, id=id: c.users.get(id))
    assert await documents.run(lambda c: c.users.get("clarence")) == user("clarence")


async def test_a_file_with_rubbish_in_the_middle_opens_and_is_told_about(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    documents = await EmbeddedDocuments.open(path)
    await documents.run(lambda c: [c.users.add(user(f"u{n}", position="x" * 2000)) for n in range(100)])
    await documents.run(lambda c: c.organisations.add(Organisation(id="acme", created=1)))
    await documents.close()
    spoil(path)
    documents = await EmbeddedDocuments.open(path)
    faults = await documents.verify()
    print("\n".join(faults)[:300])
    assert faults
    assert "documents not indexed" in caplog.text
    for fields in ({}, {"organisation": "acme"}):
        with pytest.raises(Unavailable, match="damaged"):
            await documents.run(lambda c, fields=fields: c.users.where(**fields))
    assert await documents.run(lambda c: c.organisations.get("acme")) == Organisation(id="acme", created=1)
    await documents.close()
