"""API keys: a program acts as its person, with what the person may do at most."""

import secrets
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from datalab.clock import Clock
from datalab.errors import Missing, TooMany, Unauthenticated
from datalab.model.accounts import ApiKey
from datalab.model.permissions import Actor, demand_present
from datalab.model.trimming import ONE_LINE, Trimmed
from datalab.services.changes import Change, Changes
from datalab.services.passwords import digest
from datalab.stores.documents import Collections

PREFIX = "dlk_"
MAX_KEYS = 50
MINUTE_MS = 60_000
Scope = Literal["read", "write"]


class NewKey(Trimmed, frozen=True):
    """What makes a key."""

    name: Annotated[
        str, Meta(min_length=1, max_length=60, pattern=rf"^{ONE_LINE}+(?!\n)$", description="1 to 60 characters")
    ]
    scope: Scope = "read"


class KeyShown(Struct, frozen=True):
    """A key, without its secret."""

    id: str
    name: str
    scope: Scope
    created: int
    last_used: int | None


class KeyMade(Struct, frozen=True):
    """A new key; `key` is shown this once."""

    id: str
    name: str
    scope: Scope
    key: str


class ApiKeys:
    """Stored hashed; sent as `Authorization: Bearer dlk_...`."""

    def __init__(self, changes: Changes, clock: Clock) -> None:
        self._changes = changes
        self._clock = clock

    async def make(self, actor: Actor, new: NewKey, user: str | None = None) -> KeyMade:
        """A key of the person, or of the user whom the operator names. Raises Missing, TooMany."""
        key = PREFIX + secrets.token_urlsafe(32)
        owner = user.lower() if user is not None else demand_present(actor).id

        def work(change: Change) -> KeyMade:
            person = change.collections.users.get(owner)
            if person is None or not person.active:
                raise Missing(f"there is no active user {owner}")
            if len(change.collections.api_keys.where(user=owner)) >= MAX_KEYS:
                raise TooMany(f"there are {MAX_KEYS} keys already; delete one first")
            made = ApiKey(id=digest(key), user=owner, name=new.name, write=new.scope == "write", created=change.now)
            change.collections.api_keys.add(made)
            change.log(person.organisation, "account.key", f"{new.name!r} of {person.username}, scope {new.scope}")
            return KeyMade(made.id, made.name, new.scope, key)

        return await self._changes.run(actor, work)

    async def all(self, actor: Actor) -> list[KeyShown]:
        """The person's keys, newest first."""
        user = demand_present(actor)
        found = await self._changes.transact(lambda collections: collections.api_keys.where(user=user.id))
        return [
            KeyShown(key.id, key.name, "write" if key.write else "read", key.created, key.last_used)
            for key in sorted(found, key=lambda key: (-key.created, key.id))
        ]

    async def remove(self, actor: Actor, id: str) -> None:
        """Raises Missing."""
        user = demand_present(actor)

        def work(change: Change) -> None:
            key = change.collections.api_keys.get(id)
            if key is None or key.user != user.id:
                raise Missing("there is no such key")
            change.collections.api_keys.remove(id)
            change.log(user.organisation, "account.key", f"{key.name!r} of {user.username} deleted")

        await self._changes.run(actor, work)

    async def actor(self, key: str) -> Actor:
        """Who acts by a key; raises Unauthenticated."""
        minute = self._clock() // MINUTE_MS * MINUTE_MS

        def work(collections: Collections) -> Actor:
            found = collections.api_keys.get(digest(key))
            user = collections.users.get(found.user) if found is not None else None
            if found is None or user is None or not user.active:
                raise Unauthenticated("the API key is not valid; make one in your account")
            if found.last_used != minute:
                collections.api_keys.replace(replace(found, last_used=minute))
            return Actor(user, write=found.write, by_key=True)

        return await self._changes.transact(work)
