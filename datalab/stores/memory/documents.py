"""The port `Documents` in memory, for tests. Documents are kept encoded, so that none is shared with a caller."""

from collections.abc import Callable
from typing import Any, Generic

import msgspec

from datalab.errors import Missing, Taken, Unavailable
from datalab.model.accounts import ApiKey, JoinLink, Login, Organisation, User
from datalab.model.apps import App, PartitionRecord
from datalab.model.audit import AuditEntry, AuditLog
from datalab.model.notifications import Notification
from datalab.model.segments import SavedSegment
from datalab.stores.documents import Collections, D, R, encoded, selector


class MemoryCollection(Generic[D]):
    """Documents of one struct type by id."""

    def __init__(self, kind: type[D]) -> None:
        self.bodies: dict[str, bytes] = {}
        self._kind = kind
        self._name = kind.__name__.lower()

    def add(self, document: D) -> None:
        body = encoded(document)
        if document.id in self.bodies:
            raise Taken(f"there is already a {self._name} {document.id!r}")
        self.bodies[document.id] = body

    def get(self, id: str) -> D | None:
        body = self.bodies.get(id)
        return None if body is None else msgspec.msgpack.decode(body, type=self._kind)

    def where(self, **fields: str | int | bool) -> list[D]:
        selected = selector(self._kind, fields)
        documents = [msgspec.msgpack.decode(self.bodies[id], type=self._kind) for id in sorted(self.bodies)]
        return [document for document in documents if selected(document)]

    def replace(self, document: D) -> None:
        body = encoded(document)
        if document.id not in self.bodies:
            raise Missing(f"there is no {self._name} {document.id!r}")
        self.bodies[document.id] = body

    def remove(self, id: str) -> bool:
        return self.bodies.pop(id, None) is not None


class MemoryCollections:
    """All collections."""

    def __init__(self) -> None:
        self.organisations = MemoryCollection(Organisation)
        self.users = MemoryCollection(User)
        self.logins = MemoryCollection(Login)
        self.apps = MemoryCollection(App)
        self.api_keys = MemoryCollection(ApiKey)
        self.join_links = MemoryCollection(JoinLink)
        self.partitions = MemoryCollection(PartitionRecord)
        self.notifications = MemoryCollection(Notification)
        self.segments = MemoryCollection(SavedSegment)
        self.audit_logs = MemoryCollection(AuditLog)
        self.audit_entries = MemoryCollection(AuditEntry)


class MemoryDocuments:
    """Documents that end with the process. `run` works on the event loop, so one ends before the next begins."""

    def __init__(self) -> None:
        self._collections = MemoryCollections()
        self._closed = False

    async def run(self, work: Callable[[Collections], R]) -> R:
        if self._closed:
            raise Unavailable("the document store is closed")
        collections: list[MemoryCollection[Any]] = list(vars(self._collections).values())
        before = [dict(collection.bodies) for collection in collections]
        try:
            return work(self._collections)
        except BaseException:
            for collection, bodies in zip(collections, before, strict=True):
                collection.bodies = bodies
            raise

    async def close(self) -> None:
        self._closed = True
