"""One server for all tests of a module, where people are registered once and tests keep to apps of their own."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import ClientSession, ClientWebSocketResponse

from datalab.model.notifications import Notification
from datalab.services.audit import AuditPage
from tests.conftest import Server
from tests.server.api.place import ORGANISATION, AppMade, Client, Place
from tests.server.client import PATIENCE_S, Answer, Page

T = TypeVar("T")

ADMIN = "ada.l"
"""Of the organisation that people are of unless told otherwise."""


class Town:
    """A server, and the cookies of whoever was registered there."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}
        self.admins: dict[str, str] = {}
        """Of each organisation that was made through `Shared.person`."""
        self.made = 0


class Shared(Place):
    """A town, as one test sees it."""

    def __init__(self, town: Town, http: ClientSession) -> None:
        super().__init__(town.server, http)
        self.town = town

    def fresh(self, what: str = "name") -> str:
        """A name that no other test of the module uses."""
        self.town.made += 1
        return f"{what}{self.town.made}"

    def client(self, username: str) -> Client:
        return Client(self.http, self.server.url, username, self.town.cookies[username])

    async def person(self, username: str, organisation: str = ORGANISATION) -> Client:
        """A person of this test alone; the organisation's admin is there before."""
        admin = self.town.admins.get(organisation)
        if admin is None and organisation == ORGANISATION and username != ADMIN:
            await self.known(ADMIN)
            admin = ADMIN
        if admin is not None:
            self.admins[organisation] = self.client(admin)
        client = await super().person(username, organisation)
        self.town.admins.setdefault(organisation, username)
        self.town.cookies[username] = client.cookie
        return client

    async def known(self, username: str, organisation: str = ORGANISATION) -> Client:
        """A person whom other tests know too."""
        return self.client(username) if username in self.town.cookies else await self.person(username, organisation)

    async def app(self, owner: Client, *, private: bool = False, **more: Any) -> AppMade:
        """An app of a name of its own."""
        return await owner.app(self.fresh("Shop "), private=private, **more)


async def let_in(owner: Client, app: AppMade, *members: Client) -> None:
    """Invite colleagues, who all accept."""
    await owner.done("POST", f"/apps/{app.id}/invitations", {"usernames": [member.username for member in members]})
    for member in members:
        await member.done("POST", f"/apps/{app.id}/invitation/accept")


async def told(client: Client, app: AppMade | None = None, *, hidden: bool = False) -> list[Notification]:
    """A person's notifications, newest first; those about one app where it is given."""
    answer = await client.done("GET", "/me/notifications", query={"hidden": "true"} if hidden else None)
    found = answer.read(list[Notification])
    return [one for one in found if app is None or one.app == app.id]


async def audit(client: Client, path: str, **query: str) -> AuditPage:
    """A page of an audit log; `path` is that of the app, or `/organisation`."""
    return (await client.done("GET", f"{path}/audit", query=query)).read(AuditPage)


async def lock(owner: Client, app: AppMade) -> str:
    """Issue a token; its text."""
    answer = await owner.done("POST", f"/apps/{app.id}/token", {"confirm": app.full_name})
    text: str = msgspec.json.decode(answer.body)["token"]["text"]
    return text


async def unlock(owner: Client, app: AppMade) -> Answer:
    return await owner.done("POST", f"/apps/{app.id}/unlock", {"confirm": app.full_name})


def page(place: Place, token: str, origin: str | None = "http://shop.example") -> Page:
    """A page load of a visitor."""
    return Page(place.http, place.server.url, token, origin)


async def until(look: Callable[[], Awaitable[T]], expected: T, seconds: float = PATIENCE_S) -> None:
    """Wait for what is expected; fails where it never comes."""
    end = time.monotonic() + seconds
    while (found := await look()) != expected:
        assert time.monotonic() < end, found
        await asyncio.sleep(0.05)


def plain(answer: Answer) -> Any:
    """An answer's JSON."""
    return msgspec.json.decode(answer.body)


class Listener:
    """A tab of the dashboard, and what it was told."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket

    async def hear(self, kind: str, seconds: float = 20) -> Any:
        """The next message of a kind; others are passed over."""
        async with asyncio.timeout(seconds):
            while True:
                message = msgspec.json.decode(await self.socket.receive_str())
                if message["type"] == kind:
                    return message


async def tab(client: Client, query: str = "") -> Listener:
    """Open a tab."""
    headers = {**client.headers, "Origin": client.url}
    return Listener(await client.http.ws_connect(f"{client.url}/api/v1/live{query}", headers=headers))
