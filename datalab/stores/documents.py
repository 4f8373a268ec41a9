"""The port to the documents: users, organisations, logins, apps. Changes that belong together are one `run`."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from datalab.model.accounts import Login, Organisation, User
from datalab.model.apps import App


class Document(Protocol):
    """Anything with an identity of its own."""

    @property
    def id(self) -> str: ...


D = TypeVar("D", bound=Document)
R = TypeVar("R")


class Collection(Protocol[D]):
    """Documents of one type, by id. Only used inside `Documents.run`."""

    def add(self, document: D) -> None:
        """Raises Taken where a document of this id exists."""
        ...

    def get(self, id: str) -> D | None: ...

    def where(self, **fields: str | int | bool) -> list[D]:
        """Documents whose named fields equal these values, in the order of their ids."""
        ...

    def replace(self, document: D) -> None:
        """Raises Missing where no document of this id exists."""
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


class Documents(Protocol):
    """A document store."""

    async def run(self, work: Callable[[Collections], R]) -> R:
        """Do `work` as one transaction, off the event loop: all of its writes are on disk when this returns.

        Whatever `work` raises undoes all of them. Raises Unavailable where the disk refuses.
        """
        ...

    async def close(self) -> None: ...
