"""All services on a data directory of their own, with a clock that the test moves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from argon2 import PasswordHasher

from datalab.appliance import opened
from datalab.model.accounts import Registration, User
from datalab.model.apps import App
from datalab.model.notifications import Notification
from datalab.model.permissions import Actor
from datalab.services.apps import new_id
from datalab.services.services import Services
from datalab.settings import Settings

PASSWORD = "correct horse battery"
ORIGIN = "https://shop.example"
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


class Hands:
    """A clock."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


class Stage(NamedTuple):
    """The services, and the clock they read."""

    services: Services
    hands: Hands

    async def person(self, username: str, organisation: str = "shop.example", password: str = PASSWORD) -> Actor:
        return Actor(await self.services.registrations.add(registration(username, organisation, password=password)))

    async def app(self, owner: Actor, name: str = "Shop", *, private: bool = False) -> App:
        user = known(owner)
        app = App(
            id=new_id(),
            organisation=user.organisation,
            name=name,
            owner=user.id,
            origins=[ORIGIN],
            created=0,
            private=private,
        )
        return await self.services.apps.add(owner, app)

    def now(self, app: App) -> App:
        """The app as it is now."""
        return self.services.directory.get(app.id)

    async def told(self, actor: Actor) -> list[Notification]:
        return await self.services.notifications.all(actor, hidden=True)


def registration(username: str, organisation: str = "shop.example", **more: str) -> Registration:
    filled = {"username": username, "organisation": organisation, "password": PASSWORD}
    return Registration(**{**filled, "first_name": "Ada", "last_name": "L", **more})


def known(actor: Actor) -> User:
    assert actor.user is not None
    return actor.user


@asynccontextmanager
async def staged(data: Path, settings: Settings | None = None, hands: Hands | None = None) -> AsyncIterator[Stage]:
    hands = hands or Hands()
    async with opened(data, settings or Settings(), hands) as services:
        # These tests make many log-ins, and none of them is about how long a hash takes.
        services.logins._passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        yield Stage(services, hands)
