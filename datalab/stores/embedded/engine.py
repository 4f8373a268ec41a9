"""A mongita engine that keeps BSON documents in one SQLite file, so that a kill or a power cut loses nothing.

Format 1: table `documents` (collection, id, body, CRC-32 of the body) and table `metadata` (location, body).
Of an index only the definition is on disk: its entries are made from the documents when it is first needed.
"""

import logging
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.int64 import Int64
from mongita.collection import _update_idx_doc_with_new_documents as update_index
from mongita.common import MetaStorageObject
from mongita.engines.engine_common import Engine
from mongita.mongita_client import MongitaClient

from datalab.errors import Unavailable

FORMAT = 1
SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE documents (
    collection TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;
CREATE TABLE metadata (location TEXT NOT NULL PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {FORMAT};
COMMIT;
"""
BUSY_MS = 5000
"""How long a write waits for another process that writes to the same file, milliseconds."""

log = logging.getLogger(__name__)


class PlainInteger(TypeDecoder):
    """Gives 64-bit integers back as `int`: mongita's indices tell `Int64` from `int` and would not find them."""

    bson_type = Int64

    def transform_bson(self, value: Int64) -> int:
        return int(value)


CODEC: Any = CodecOptions(type_registry=TypeRegistry([PlainInteger()]))


class DamagedDocument(Exception):
    """A stored document that is not what was written."""


def read_body(collection: str, id: str, body: bytes, checksum: int) -> dict[str, Any]:
    """Decode a stored document; raises DamagedDocument."""
    if zlib.crc32(body) != checksum:
        raise DamagedDocument(f"{collection} {id!r}: the checksum does not match")
    try:
        document: dict[str, Any] = bson.decode(body, CODEC)
    except bson.errors.InvalidBSON as error:
        raise DamagedDocument(f"{collection} {id!r}: not BSON: {error}") from None
    if str(document.get("_id")) != id:
        raise DamagedDocument(f"{collection} {id!r}: holds the document {document.get('_id')!r}")
    return document


def _connect(path: Path) -> sqlite3.Connection:
    # SQLite gives its -wal and -shm files the mode of the database file.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version > FORMAT:
            raise Unavailable(
                f"{path} has format {version}, this datalab reads format {FORMAT}: install a newer datalab"
            )
        if version == 0 and tables:
            raise Unavailable(f"{path} is a database of something else: move it away, or name another place")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cell_size_check = ON")
        if version == 0:
            connection.executescript(SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


class SqliteEngine(Engine):  # type: ignore[misc]
    """Documents and metadata by collection; belongs to the thread that made it.

    A write outside of `transaction` is on disk when it returns, one inside when the transaction ends. Raises
    sqlite3.Error where SQLite refuses, and Unavailable, on opening, for a file of a newer or foreign format.
    """

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._connection = _connect(path)
        self._metadata: dict[str, MetaStorageObject] = {}
        self._definitions: dict[str, bytes] = {}
        self._changed: set[str] | None = None
        """Locations written to by the open transaction; None while there is none."""
        self._failure: sqlite3.Error | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything written inside becomes durable together, or, where anything is raised, is undone together."""
        self._connection.execute("BEGIN")
        self._changed, self._failure = set(), None
        try:
            yield
            # After a refused write SQLite may have rolled back by itself, and whoever caught the error goes on.
            if self._failure is not None:
                raise self._failure
            self._connection.execute("COMMIT")
        except BaseException:
            for location in self._changed:
                self._forget(location)
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        finally:
            self._changed = None

    def put_doc(self, collection: str, doc: dict[str, Any], no_overwrite: bool = False) -> bool:
        body = bson.encode(doc)
        row = (collection, str(doc["_id"]), body, zlib.crc32(body))
        conflict = "DO NOTHING" if no_overwrite else "DO UPDATE SET body=excluded.body, checksum=excluded.checksum"
        statement = "INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT (collection, id) "
        return self._write(collection, statement + conflict, row) == 1

    def get_doc(self, collection: str, doc_id: object) -> dict[str, Any] | None:
        """Raises DamagedDocument."""
        row = self._connection.execute(
            "SELECT body, checksum FROM documents WHERE collection = ? AND id = ?", (collection, str(doc_id))
        ).fetchone()
        return None if row is None else read_body(collection, str(doc_id), *row)

    def doc_exists(self, collection: str, doc_id: object) -> bool:
        query = "SELECT 1 FROM documents WHERE collection = ? AND id = ?"
        return self._connection.execute(query, (collection, str(doc_id))).fetchone() is not None

    def list_ids(self, collection: str, limit: int | None = None) -> list[str]:
        query = "SELECT id FROM documents WHERE collection = ? ORDER BY id LIMIT ?"
        rows = self._connection.execute(query, (collection, -1 if limit is None else limit))
        return [id for (id,) in rows]

    def delete_doc(self, collection: str, doc_id: object) -> bool:
        statement = "DELETE FROM documents WHERE collection = ? AND id = ?"
        return self._write(collection, statement, (collection, str(doc_id))) == 1

    def delete_dir(self, collection: str) -> bool:
        documents = self._write(collection, "DELETE FROM documents WHERE collection = ?", (collection,))
        metadata = self._write(collection, "DELETE FROM metadata WHERE location = ?", (collection,))
        self._forget(collection)
        return documents + metadata > 0

    def create_path(self, collection: str) -> None:
        """Nothing to prepare."""

    def put_metadata(self, collection: str, doc: MetaStorageObject) -> bool:
        """Mongita calls this after every write; only a changed definition costs a write of its own."""
        without_entries = {name: {**index, "idx": []} for name, index in doc.get("indexes", {}).items()}
        definition = bson.encode({**doc, "indexes": without_entries})
        if definition != self._definitions.get(collection):
            statement = "INSERT OR REPLACE INTO metadata VALUES (?, ?)"
            self._write(collection, statement, (collection, definition))
            self._definitions[collection] = definition
        self._metadata[collection] = doc
        return True

    def get_metadata(self, collection: str) -> MetaStorageObject | None:
        if collection not in self._metadata:
            query = "SELECT body FROM metadata WHERE location = ?"
            row = self._connection.execute(query, (collection,)).fetchone()
            if row is None:
                return None
            metadata = MetaStorageObject.from_storage(row[0], from_bson=True)
            if metadata.get("indexes"):
                documents = list(self._undamaged(collection))
                for index in metadata["indexes"].values():
                    update_index(documents, index)
            self._metadata[collection], self._definitions[collection] = metadata, row[0]
        return self._metadata[collection]

    def stored(self) -> Iterator[tuple[str, str, bytes, int]]:
        """Every document as it is on disk, for `read_body`: collection, id, body, checksum."""
        query = "SELECT collection, id, body, checksum FROM documents ORDER BY collection, id"
        yield from self._connection.execute(query)

    def integrity(self) -> list[str]:
        """What SQLite finds wrong with the file; an empty list where it is sound."""
        try:
            lines = [str(line) for (line,) in self._connection.execute("PRAGMA integrity_check")]
        except sqlite3.DatabaseError as error:
            return [f"the file is damaged: {error}"]
        return [line for line in lines if line != "ok"]

    def close(self) -> None:
        self._metadata.clear()
        self._definitions.clear()
        self._connection.close()

    def _write(self, location: str, statement: str, values: tuple[str | bytes | int, ...]) -> int:
        if self._changed is None:
            try:
                return self._connection.execute(statement, values).rowcount
            except sqlite3.Error:
                self._forget(location)
                raise
        self._changed.add(location)
        if self._failure is not None:
            raise self._failure
        try:
            return self._connection.execute(statement, values).rowcount
        except sqlite3.Error as error:
            self._failure = error
            raise

    def _undamaged(self, collection: str) -> Iterator[dict[str, Any]]:
        query = "SELECT id, body, checksum FROM documents WHERE collection = ?"
        for id, body, checksum in self._connection.execute(query, (collection,)):
            try:
                yield read_body(collection, id, body, checksum)
            except DamagedDocument as error:
                log.error("left out of the index: %s; run `datalab verify`", error)

    def _forget(self, location: str) -> None:
        """Mongita changes index entries in place, before or after our write: they are made anew from the disk."""
        self._metadata.pop(location, None)
        self._definitions.pop(location, None)


class SqliteClient(MongitaClient):  # type: ignore[misc]
    """Mongita's client (`client["database"]["collection"]`) on a SqliteEngine."""

    def __init__(self, engine: SqliteEngine) -> None:
        self.engine = engine
        self.is_primary = True
        super().__init__()
