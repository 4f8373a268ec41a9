"""A small appliance for the snippet to talk to: it records what it gets, by the real structs, and obeys the test."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from datalab.model import wire

VISITOR = "0123456789abcdef0123456789abcdef"
PATIENCE_S = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Appliance:
    """Answers like the appliance does; what it stored is what it acknowledged."""

    def __init__(self, script: Path) -> None:
        self.script = script
        self.port = free_port()
        self.hash_routing = False
        self.watch = wire.Watch(clicks=[], hovers=[])
        self.acknowledging = True
        """Whether events are stored and that is said."""
        self.storing_silently = False
        """Whether events are stored and nothing is said, as if the answer got lost."""
        self.hello_refusals: list[dict[str, Any]] = []
        """Problem details, answered once each."""
        self.post_refusals: list[dict[str, Any]] = []
        self.replies: list[wire.ServerMessage] = []
        """Sent once each instead of an acknowledgement."""
        self.hellos: list[wire.Hello] = []
        self.tokens: list[str | None] = []
        self.messages: list[wire.EventsMessage] = []
        self.message_sizes: list[int] = []
        self.posts: list[wire.PostedEvents] = []
        self.goodbyes = 0
        self.sockets: set[web.WebSocketResponse] = set()
        self.stored: dict[str, dict[int, wire.Event]] = {}
        self._runner: web.AppRunner | None = None
        self._changed = asyncio.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/datalab.js", self._script)
        app.router.add_route("OPTIONS", "/api/v1/hello", self._preflight)
        app.router.add_post("/api/v1/hello", self._hello)
        app.router.add_get("/api/v1/open", self._open)
        app.router.add_post("/api/v1/events", self._events)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        await self.drop_sockets()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def drop_sockets(self) -> None:
        for open_socket in list(self.sockets):
            await open_socket.close(code=WSCloseCode.GOING_AWAY)

    async def send(self, message: wire.ServerMessage) -> None:
        for open_socket in list(self.sockets):
            await open_socket.send_str(wire.encode(message).decode())

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait for a change after which something holds; fails loudly if that never comes."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def events(self, kind: type[Any] | None = None) -> list[Any]:
        """Stored events of all sessions in the order of sessions and sequence numbers."""
        everything = [events[sequence] for events in self.stored.values() for sequence in sorted(events)]
        return [event for event in everything if kind is None or isinstance(event, kind)]

    def urls(self) -> list[str]:
        """Path and fragment of the page views."""
        return [event.url.split("/", 3)[3] for event in self.events(wire.UrlChange)]

    def _note_change(self) -> None:
        self._changed.set()

    async def _script(self, request: web.Request) -> web.Response:
        return web.Response(body=self.script.read_bytes(), content_type="text/javascript")

    async def _preflight(self, request: web.Request) -> web.Response:
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Origin": request.headers["Origin"],
                "Access-Control-Allow-Methods": "POST",
                "Access-Control-Allow-Headers": "content-type, x-datalab-token",
            },
        )

    def _json(self, request: web.Request, body: object, status: int = 200) -> web.Response:
        return web.Response(
            body=wire.encode(body),
            status=status,
            content_type="application/json",
            headers={"Access-Control-Allow-Origin": request.headers.get("Origin", "*")},
        )

    async def _hello(self, request: web.Request) -> web.Response:
        hello = wire.decode_hello(await request.read())
        self.hellos.append(hello)
        self.tokens.append(request.headers.get("x-datalab-token"))
        self._note_change()
        if self.hello_refusals:
            problem = self.hello_refusals.pop(0)
            return self._json(request, problem, problem["status"])
        session = hello.session or f"session-{len(self.stored) + 1}"
        stored = self.stored.setdefault(session, {})
        return self._json(
            request,
            wire.Welcome(
                ticket=f"ticket-of-{session}",
                visitor=hello.visitor or VISITOR,
                session=session,
                sequence=max(stored, default=0),
                server_time=hello.session_start,
                hash_routing=self.hash_routing,
                watch=self.watch,
            ),
        )

    async def _open(self, request: web.Request) -> web.StreamResponse:
        session = request.query["ticket"].removeprefix("ticket-of-")
        opened = web.WebSocketResponse(compress=False)
        await opened.prepare(request)
        self.sockets.add(opened)
        self._note_change()
        try:
            async for frame in opened:
                assert frame.type is WSMsgType.TEXT
                message = wire.decode_client_message(frame.data)
                if isinstance(message, wire.Goodbye):
                    self.goodbyes += 1
                else:
                    self.messages.append(message)
                    self.message_sizes.append(len(frame.data.encode()))
                    if self.replies:
                        await opened.send_str(wire.encode(self.replies.pop(0)).decode())
                    elif self.storing_silently:
                        self._store(session, message.events)
                    elif self.acknowledging:
                        await opened.send_str(wire.encode(self._store(session, message.events)).decode())
                self._note_change()
        finally:
            self.sockets.discard(opened)
            self._note_change()
        return opened

    async def _events(self, request: web.Request) -> web.Response:
        assert request.content_type == "text/plain"
        body = await request.read()
        assert len(body) <= wire.MAX_MESSAGE_BYTES
        posted = wire.decode_posted_events(body)
        self.posts.append(posted)
        self._note_change()
        if self.post_refusals:
            problem = self.post_refusals.pop(0)
            return self._json(request, problem, problem["status"])
        return self._json(request, self._store(posted.session, posted.events))

    def _store(self, session: str, events: list[wire.Event]) -> wire.Acknowledgement:
        stored = self.stored.setdefault(session, {})
        sequences = [event.sequence for event in events]
        assert sequences == sorted(set(sequences)), "sequence numbers do not rise"
        for event in events:
            assert stored.get(event.sequence, event) == event, "a repeat differs from what it repeats"
            stored[event.sequence] = event
        return wire.Acknowledgement(sequence=max(stored, default=0))


def problem(code: str, status: int, **members: object) -> dict[str, Any]:
    """RFC 9457 problem details."""
    return {"type": "about:blank", "title": code, "status": status, "code": code, "detail": code, **members}


def plain(events: list[Any]) -> list[Any]:
    """Events as the lists they travel as."""
    return [msgspec.to_builtins(event) for event in events]
