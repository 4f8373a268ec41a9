"""A stand-in for the snippet and a person at the dashboard, both speaking to a real server."""

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from datalab.model import figures
from datalab.model.wire import (
    Acknowledgement,
    Custom,
    Event,
    EventsMessage,
    Goodbye,
    Later,
    MouseClick,
    Rejected,
    ServerMessage,
    Stop,
    UrlChange,
    Welcome,
    encode,
)
from datalab.server.middleware import Problem

T = TypeVar("T")
ORIGIN = "http://shop.example"
NAME = "shop.example/Shop"
PASSWORD = "correct horse battery"
PATIENCE_S = 20
opened: list[ClientWebSocketResponse] = []
"""Sockets of pages, for the fixture `http` to close."""
decode_server_message = msgspec.json.Decoder(Acknowledgement | Later | Rejected | Stop).decode


class Shop(NamedTuple):
    """A data directory with one app that has a token."""

    data: Path
    app: str
    token: str


class Answer(NamedTuple):
    """To a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self, kind: type[T]) -> T:
        return msgspec.json.decode(self.body, type=kind)

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and stable code."""
        problem = self.read(Problem)
        assert problem.status == self.status
        assert problem.detail
        return self.status, problem.code


def now() -> int:
    return time.time_ns() // 1_000_000


def view(sequence: int, path: str = "/", at: int | None = None) -> UrlChange:
    return UrlChange(sequence, now() if at is None else at, ORIGIN + path)


def click(sequence: int, selector: str) -> MouseClick:
    return MouseClick(sequence, now(), f"main>{selector}", [selector], 3, 4)


def signal(sequence: int, name: str = "signal", **properties: Any) -> Custom:
    return Custom(sequence, now(), name, properties)


class Page:
    """One page load of one visitor."""

    def __init__(self, http: ClientSession, url: str, token: str, origin: str | None = ORIGIN) -> None:
        self.http = http
        self.url = url
        self.token = token
        self.origin = origin
        self.welcome: Welcome
        self.socket: ClientWebSocketResponse

    @property
    def headers(self) -> dict[str, str]:
        return {"Origin": self.origin} if self.origin is not None else {}

    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        sent = {**self.headers, **(headers or {})}
        async with self.http.request(method, self.url + path, data=body, headers=sent) as response:
            return Answer(response.status, response.headers, await response.read())

    async def ask_hello(self, headers: Mapping[str, str] | None = None, **members: Any) -> Answer:
        body = {"session_start": now(), "page": ORIGIN + "/", **members}
        sent = {"x-datalab-token": self.token, "content-type": "application/json", **(headers or {})}
        return await self.request("POST", "/api/v1/hello", json.dumps(body).encode(), sent)

    async def hello(self, **members: Any) -> Welcome:
        answer = await self.ask_hello(**members)
        assert answer.status == 200, answer
        self.welcome = answer.read(Welcome)
        return self.welcome

    async def open(self) -> None:
        self.socket = await self.http.ws_connect(
            f"{self.url}/api/v1/open?ticket={self.welcome.ticket}", headers=self.headers, max_msg_size=0
        )
        opened.append(self.socket)

    async def enter(self, **members: Any) -> "Page":
        await self.hello(**members)
        await self.open()
        return self

    async def send(self, *events: Event) -> None:
        await self.socket.send_str(encode(EventsMessage(list(events))).decode())

    async def hear(self) -> ServerMessage:
        frame = await self.socket.receive(timeout=PATIENCE_S)
        assert frame.type is WSMsgType.TEXT, frame
        return decode_server_message(frame.data)

    async def acknowledged(self, sequence: int) -> None:
        """Wait for the acknowledgement; nothing else may come."""
        while (message := await self.hear()) != Acknowledgement(sequence):
            assert isinstance(message, Acknowledgement), message
            assert message.sequence < sequence, message

    async def closed(self) -> int | None:
        """The code the server closes the socket with."""
        frame = await self.socket.receive(timeout=PATIENCE_S)
        assert frame.type in (WSMsgType.CLOSE, WSMsgType.CLOSED), frame
        return self.socket.close_code

    async def goodbye(self) -> None:
        await self.socket.send_str(encode(Goodbye()).decode())
        await self.closed()

    async def post(self, *events: Event, session: str | None = None) -> Answer:
        body = {"session": session or self.welcome.session, "events": events}
        return await self.post_raw(msgspec.json.encode(body))

    async def post_raw(self, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.request("POST", "/api/v1/events", body, {"content-type": "text/plain", **(headers or {})})


class Dashboard:
    """Somebody logged in who looks at one app."""

    def __init__(self, http: ClientSession, url: str, app: str, cookie: str) -> None:
        self.http = http
        self.url = url
        self.app = app
        self.cookies = {"Cookie": f"datalab_login={cookie}"}

    async def get(self, path: str) -> Answer:
        async with self.http.get(self.url + path, headers=self.cookies) as response:
            return Answer(response.status, response.headers, await response.read())

    async def insight(self, name: str, kind: type[T]) -> T:
        answer = await self.get(f"/api/v1/apps/{self.app}/insights/{name}")
        assert answer.status == 200, answer
        return answer.read(kind)

    async def overview(self) -> figures.Overview:
        return await self.insight("overview", figures.Overview)

    async def pages(self) -> dict[str, int]:
        """Views by route."""
        return {page.route: page.views for page in (await self.insight("pages", figures.Pages)).pages}

    async def reached(self) -> list[int]:
        """How many visitors reached each stage of the funnel."""
        return [stage.reached for stage in (await self.insight("funnel", figures.FunnelFigures)).stages]

    async def live(self) -> figures.Live:
        return await self.insight("live", figures.Live)

    async def until(self, *, present: int | None = None, events: int | None = None) -> None:
        """Wait for a figure; fails where it goes past or never comes."""
        end = time.monotonic() + PATIENCE_S
        while True:
            found = await self.live()
            if present in (None, found.present) and events in (None, found.events):
                return
            assert events is None or found.events <= events, found
            assert time.monotonic() < end, found
            await asyncio.sleep(0.05)


async def log_in(http: ClientSession, url: str, app: str) -> Dashboard:
    form = {"username": "ada.lovelace", "password": PASSWORD, "next": "/"}
    async with http.post(f"{url}/login", data=form, allow_redirects=False) as response:
        assert response.status in (302, 303), await response.text()
        return Dashboard(http, url, app, response.cookies["datalab_login"].value)
