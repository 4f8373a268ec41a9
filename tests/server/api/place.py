"""A real server and people at it, all through the JSON API."""

import io
import json
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any, Literal
from urllib.parse import urlencode

from aiohttp import ClientSession
from msgspec import Struct
from yarl import URL

from tests.conftest import Server
from tests.server.client import PASSWORD, Answer

ORGANISATION = "shop.example"
COOKIE = "datalab_login"
ENVIRONMENT = {"DATALAB_ACCOUNTS_REGISTRATIONS": "10000", "DATALAB_ACCOUNTS_LOGIN_ATTEMPTS": "1000"}
"""Of a server at which a test makes many people."""


class KeyMade(Struct):
    """What a test needs of a new API key."""

    id: str
    key: str


class AppMade(Struct):
    """What a test needs of an app."""

    id: str
    full_name: str


class TokenText(Struct):
    """An app's token."""

    text: str


class TokensMade(Struct):
    """The answer to issuing one."""

    token: TokenText


class Client:
    """Somebody who sends requests: nobody, a person by cookie, or a program by key."""

    def __init__(self, http: ClientSession, url: str, username: str = "", cookie: str = "", key: str = "") -> None:
        self.http = http
        self.url = url
        self.username = username
        self.cookie = cookie
        self.bearer = key

    @property
    def headers(self) -> dict[str, str]:
        """What proves who asks."""
        cookie = {"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}
        return cookie | ({"Authorization": f"Bearer {self.bearer}"} if self.bearer else {})

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`path` is one of the API's without its `/api/v1`, or a whole one; `body` is JSON, or bytes as they are."""
        whole = path if path.startswith("/api/") else f"/api/v1{path}"
        url = URL(self.url + whole + (f"?{urlencode(query)}" if query else ""), encoded=True)
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        data = io.BytesIO(raw) if raw is not None else None
        sent = {**({"Content-Type": "application/json"} if data is not None else {}), **self.headers, **(headers or {})}
        async with self.http.request(method, url, data=data, headers=sent, allow_redirects=False) as response:
            return Answer(response.status, response.headers, await response.read())

    async def done(self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Answer:
        """A request that has to succeed."""
        answer = await self.request(method, path, body, query)
        assert 200 <= answer.status < 300, (method, path, answer)
        return answer

    async def key(self, scope: Literal["read", "write"]) -> "Client":
        """A program with an API key of this person."""
        made = (await self.done("POST", "/me/keys", {"name": scope, "scope": scope})).read(KeyMade)
        return Client(self.http, self.url, self.username, key=made.key)

    async def app(self, name: str, *, private: bool = False, **more: Any) -> AppMade:
        """A new app of this person."""
        new = {"name": name, "urls": ["http://shop.example"], "tags": ["shop"], "private": private, **more}
        return (await self.done("POST", "/apps", new)).read(AppMade)

    async def token(self, app: AppMade) -> str:
        """A new token for an app of this person, which locks it."""
        answer = await self.done("POST", f"/apps/{app.id}/token", {"confirm": app.full_name})
        return answer.read(TokensMade).token.text


class Place:
    """Makes people at a server."""

    def __init__(self, server: Server, http: ClientSession) -> None:
        self.server = server
        self.http = http
        self.admins: dict[str, Client] = {}
        """The first person of each organisation."""

    @property
    def nobody(self) -> Client:
        """Without cookie and key."""
        return Client(self.http, self.server.url)

    async def person(self, username: str, organisation: str = ORGANISATION) -> Client:
        """Register, be approved by the organisation's first person where there is one, log in."""
        await self.register(username, organisation)
        if organisation in self.admins:
            await self.admins[organisation].done("POST", f"/organisation/people/{username}/approve")
        client = await self.log_in(username)
        self.admins.setdefault(organisation, client)
        return client

    async def register(self, username: str, organisation: str = ORGANISATION, **more: Any) -> Answer:
        """A registration that has to succeed."""
        who = {"username": username, "organisation": organisation, "password": PASSWORD}
        return await self.nobody.done("POST", "/register", {"first_name": "Ada", "last_name": "L", **who, **more})

    async def log_in(self, username: str, password: str = PASSWORD) -> Client:
        """Another browser of a person."""
        answer = await self.nobody.done("POST", "/login", {"username": username, "password": password})
        return Client(self.http, self.server.url, username, cookie_of(answer))


def cookie_of(answer: Answer) -> str:
    """The value of the log-in's cookie that an answer sets."""
    return SimpleCookie(answer.headers["Set-Cookie"])[COOKIE].value
