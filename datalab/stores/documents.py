"""The port to the documents: people, organisations, apps and what belongs to them. Changes that belong together are one
`run`."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from datalab.errors import Invalid
from datalab.model.accounts import ApiKey, JoinLink, Login, Organisation, User
from datalab.model.apps import App, PartitionRecord
from datalab.model.audit import AuditEntry, AuditLog
from datalab.model.notifications import Notification
from datalab.model.segments import SavedSegment


class Document(Protocol):
    """Anything with an identity of its own."""

    @property
    def id(self) -> str: ...


D = TypeVar("D", bound=Document)
R = TypeVar("R")


class Collection(Protocol[D]):
    """Documents of one type, by id. Only used inside `Documents.run`."""

    def add(self, document: D) -> None:
        """Raises Taken where a document of this id exists, Invalid where it could not be read back."""
        ...

    def get(self, id: str) -> D | None: ...

    def where(self, **fields: str | int | bool) -> list[D]:
        """Documents whose named fields equal these values, in the order of their ids.

        True is not 1. Raises TypeError where the documents have no such field.
        """
        ...

    def replace(self, document: D) -> None:
        """Raises Missing where no document of this id exists, Invalid where it could not be read back."""
        ...

    def remove(self, id: str) -> bool:
        """Whether there was one."""
        ...


class Collections(Protocol):
    """All documents, as one unit of work sees them."""

    @property
    def organisations(self) -> Collection[Organisation]: ...

    @property
    def users(self) -> Collection[User]: ...

    @property
    def logins(self) -> Collection[Login]: ...

    @property
    def apps(self) -> Collection[App]: ...

    @property
    def api_keys(self) -> Collection[ApiKey]: ...

    @property
    def join_links(self) -> Collection[JoinLink]: ...

    @property
    def partitions(self) -> Collection[PartitionRecord]: ...

    @property
    def notifications(self) -> Collection[Notification]: ...

    @property
    def segments(self) -> Collection[SavedSegment]: ...

    @property
    def audit_logs(self) -> Collection[AuditLog]: ...

    @property
    def audit_entries(self) -> Collection[AuditEntry]: ...


class Documents(Protocol):
    """A document store."""

    async def run(self, work: Callable[[Collections], R]) -> R:
        """Do `work` as one transaction, off the event loop: all of its writes are on disk when this returns.

        Whatever `work` raises undoes all of them. Raises Unavailable where the disk refuses.
        One `run` ends before the next begins. Cancelling the caller does not stop work that has begun.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun; every later `run` raises Unavailable."""
        ...


def selector(kind: type[Any], fields: Mapping[str, str | int | bool]) -> Callable[[Any], bool]:
    """What `where` asks of a document of this struct type, the same for every implementation."""
    unknown = sorted(fields.keys() - set(kind.__struct_fields__))
    if unknown:
        raise TypeError(f"{kind.__name__} has no field {unknown[0]!r}")

    def selected(document: Any) -> bool:
        return all(
            isinstance(value := getattr(document, name), bool) == isinstance(wanted, bool) and value == wanted
            for name, wanted in fields.items()
        )

    return selected


def encoded(document: Document) -> bytes:
    """A document as MessagePack; raises Invalid where it has no id or could not be read back."""
    kind = type(document)
    if not document.id:
        raise Invalid(f"a {kind.__name__.lower()} needs an id")
    try:
        body = msgspec.msgpack.encode(document)
        msgspec.msgpack.decode(body, type=kind)
    except (msgspec.ValidationError, UnicodeEncodeError, OverflowError) as error:
        raise Invalid(f"{kind.__name__.lower()} {document.id!r}: {error}") from None
    return body
