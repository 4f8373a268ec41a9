"""The appliance's document store: the port `Documents` on mongita collections, kept by the SQLite engine.

One thread of its own owns the file; every `run` is one transaction on it.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, cast

import msgspec
from mongita.errors import DuplicateKeyError

from datalab.errors import Missing, Taken, Unavailable
from datalab.model.accounts import ApiKey, JoinLink, Login, Organisation, User
from datalab.model.apps import App, PartitionRecord
from datalab.model.audit import AuditEntry, AuditLog
from datalab.model.notifications import Notification
from datalab.model.segments import SavedSegment
from datalab.stores.documents import Collections, D, R, encoded, selector
from datalab.stores.embedded.engine import DamagedDocument, SqliteClient, SqliteEngine, read_body
from datalab.stores.embedded.refusals import refusals

DATABASE = "datalab"
INDEXED = {
    "users": "organisation",
    "logins": "user",
    "apps": "organisation",
    "api_keys": "user",
    "join_links": "organisation",
    "partitions": "app",
    "notifications": "user",
    "segments": "app",
}
"""The field of each collection that is asked for most."""

log = logging.getLogger(__name__)


class EmbeddedCollection(Generic[D]):
    """One mongita collection as documents of one struct type."""

    def __init__(self, kind: type[D], collection: Any) -> None:
        self._kind = kind
        self._name = kind.__name__.lower()
        self._collection = collection
        self._defaults = {
            field.name: field.default for field in msgspec.structs.fields(cast(type[msgspec.Struct], kind))
        }

    def add(self, document: D) -> None:
        try:
            self._collection.insert_one(self._encode(document))
        except DuplicateKeyError:
            raise Taken(f"there is already a {self._name} {document.id!r}") from None

    def get(self, id: str) -> D | None:
        found = self._collection.find_one({"_id": id})
        return None if found is None else self.decode(found)

    def where(self, **fields: str | int | bool) -> list[D]:
        selected = selector(self._kind, fields)
        if "id" in fields:
            candidate = self.get(str(fields["id"]))
            return [candidate] if candidate is not None and selected(candidate) else []
        # A document written before a field existed lacks it and reads as the default, which mongita cannot know.
        narrowed = {name: wanted for name, wanted in fields.items() if wanted != self._defaults[name]}
        documents = [self.decode(found) for found in self._collection.find(narrowed)]
        return sorted(filter(selected, documents), key=lambda document: document.id)

    def replace(self, document: D) -> None:
        result = self._collection.replace_one({"_id": document.id}, self._encode(document))
        if result.matched_count == 0:
            raise Missing(f"there is no {self._name} {document.id!r}")

    def remove(self, id: str) -> bool:
        return bool(self._collection.delete_one({"_id": id}).deleted_count)

    def decode(self, found: dict[str, Any]) -> D:
        """A mongita document as its struct; raises DamagedDocument."""
        try:
            return msgspec.convert({"id": found["_id"], **found}, self._kind)
        except msgspec.ValidationError as error:
            raise DamagedDocument(f"{self._collection.full_name} {found['_id']!r}: {error}") from None

    def _encode(self, document: D) -> dict[str, Any]:
        encoded(document)
        fields: dict[str, Any] = msgspec.to_builtins(document)
        return {"_id": fields.pop("id"), **fields}


class EmbeddedCollections:
    """All collections of a mongita database."""

    def __init__(self, database: Any) -> None:
        self.organisations = EmbeddedCollection(Organisation, database["organisations"])
        self.users = EmbeddedCollection(User, database["users"])
        self.logins = EmbeddedCollection(Login, database["logins"])
        self.apps = EmbeddedCollection(App, database["apps"])
        self.api_keys = EmbeddedCollection(ApiKey, database["api_keys"])
        self.join_links = EmbeddedCollection(JoinLink, database["join_links"])
        self.partitions = EmbeddedCollection(PartitionRecord, database["partitions"])
        self.notifications = EmbeddedCollection(Notification, database["notifications"])
        self.segments = EmbeddedCollection(SavedSegment, database["segments"])
        self.audit_logs = EmbeddedCollection(AuditLog, database["audit_logs"])
        self.audit_entries = EmbeddedCollection(AuditEntry, database["audit_entries"])


class EmbeddedDocuments:
    """The documents in one file; made by `open`."""

    def __init__(self, engine: SqliteEngine, thread: ThreadPoolExecutor) -> None:
        self._engine = engine
        self._thread = thread
        self._closed = False
        self._collections = self._fresh_collections()

    @classmethod
    async def open(cls, path: Path) -> "EmbeddedDocuments":
        """Open the store in this file, or make a new one with mode 0600.

        Raises Unavailable where the file cannot be opened or written, or is of a newer or foreign format.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="documents")
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, cls._open, path, thread)
        except BaseException:
            thread.shutdown(wait=False)
            raise

    @classmethod
    def _open(cls, path: Path, thread: ThreadPoolExecutor) -> "EmbeddedDocuments":
        with refusals(path):
            engine = SqliteEngine(path)
            try:
                index(engine)
            except BaseException:
                engine.close()
                raise
        return cls(engine, thread)

    async def run(self, work: Callable[[Collections], R]) -> R:
        return await self._on_thread(lambda: self._transact(work))

    async def verify(self) -> list[str]:
        """Read every document and check the file; one line for each fault, none where all is well."""
        return await self._on_thread(lambda: [*self._engine.integrity(), *self._damaged()])

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.close)
            self._thread.shutdown()

    async def _on_thread(self, call: Callable[[], R]) -> R:
        if self._closed:
            raise Unavailable("the document store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _transact(self, work: Callable[[Collections], R]) -> R:
        try:
            with refusals("document store"), self._engine.transaction():
                return work(self._collections)
        except BaseException as error:
            self._collections = self._fresh_collections()
            if isinstance(error, DamagedDocument):
                raise Unavailable(f"damaged: {error}: run `datalab verify`, then restore a backup") from error
            if isinstance(error, StopIteration):
                # A future cannot carry it: whoever awaits would wait for ever.
                raise RuntimeError("StopIteration inside a document transaction") from error
            raise

    def _fresh_collections(self) -> EmbeddedCollections:
        """Mongita's objects remember which collections exist, which a transaction that was undone may have changed."""
        return EmbeddedCollections(SqliteClient(self._engine)[DATABASE])

    def _damaged(self) -> Iterator[str]:
        known: dict[str, EmbeddedCollection[Any]] = {
            f"{DATABASE}.{name}": collection for name, collection in vars(self._collections).items()
        }
        try:
            for location, id, body, checksum in self._engine.stored():
                try:
                    document = read_body(location, id, body, checksum)
                    if location in known:
                        known[location].decode(document)
                    else:
                        yield f"{location} {id!r}: this version knows no such collection"
                except DamagedDocument as error:
                    yield str(error)
        except sqlite3.DatabaseError as error:
            yield f"the documents cannot be read to their end: {error}"


def index(engine: SqliteEngine) -> None:
    """Create the indices a new store lacks. Damage is logged and left to those who ask for what is damaged."""
    database = SqliteClient(engine)[DATABASE]
    try:
        with engine.transaction():
            for name, field in INDEXED.items():
                known = [keys for entry in database[name].index_information() for keys in entry.values()]
                if {"key": [(field, 1)]} not in known:
                    database[name].create_index(field)
    except (sqlite3.DatabaseError, DamagedDocument) as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        log.error("documents not indexed: %s; run `datalab verify`", error)
