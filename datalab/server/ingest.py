"""The snippet's side of the server: hello, the event socket, posted events."""

import asyncio
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from datalab.errors import Malformed, Refusal, TooMany, Unavailable
from datalab.ingest.hello import Visit
from datalab.model.wire import (
    MAX_MESSAGE_BYTES,
    Acknowledgement,
    Goodbye,
    Later,
    Rejected,
    ServerMessage,
    Stop,
    decode_client_message,
    decode_hello,
    decode_posted_events,
    encode,
)
from datalab.server.context import SERVICES, SETTINGS, SOCKETS
from datalab.server.middleware import problem
from datalab.services.services import Services

HEARTBEAT_SECONDS = 30
MAX_UNSENT_BYTES = 32 * 1024
"""Acknowledgements that a page does not read; beyond this its socket is closed. Less than the 64 KiB from which on a
transport makes its writers wait: acknowledging one page may not hold up the others."""
MAX_USER_AGENT = 512
ALLOWED_HEADERS = "content-type, x-datalab-token"
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a message may raise, the last for brackets within brackets."""


def cross_origin(request: web.Request, response: web.Response) -> web.Response:
    """Let the page that asked read the answer; what it may do is decided by token and origin, not by this."""
    origin = origin_of(request)
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Vary"] = "Origin"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


async def preflight(request: web.Request) -> web.Response:
    """`OPTIONS` of hello and events."""
    headers = {
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": "86400",
    }
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        headers["Access-Control-Allow-Private-Network"] = "true"
    return cross_origin(request, web.Response(status=204, headers=headers))


async def hello(request: web.Request) -> web.Response:
    """`POST /api/v1/hello`."""
    services = request.app[SERVICES]
    try:
        message = read(decode_hello, await body(request))
        welcome = await services.ingest.hello(
            request.headers.get("x-datalab-token", ""),
            origin_of(request),
            printable(request.headers.get("User-Agent", ""))[:MAX_USER_AGENT],
            message,
            services.countries.of(request.remote),
        )
    except Refusal as refusal:
        services.partitions.gate.refuse(refusal.code)
        return cross_origin(request, problem(refusal))
    return cross_origin(request, answer(welcome))


async def events(request: web.Request) -> web.Response:
    """`POST /api/v1/events`."""
    try:
        posted = read(decode_posted_events, await body(request))
        sequence = await request.app[SERVICES].ingest.post(origin_of(request), posted)
    except Refusal as refusal:
        request.app[SERVICES].partitions.gate.refuse(refusal.code)
        return cross_origin(request, problem(refusal))
    return cross_origin(request, answer(Acknowledgement(sequence)))


async def open_socket(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/open?ticket=...`."""
    services = request.app[SERVICES]
    try:
        sockets = request.app[SOCKETS]
        if len(sockets) - services.tabs.count() >= request.app[SETTINGS].ingest.max_sockets:
            raise TooMany("too many pages are connected; post the events instead", retry_after=30.0)
        visit = services.ingest.open(request.query.get("ticket", "")[:100], origin_of(request))
    except Refusal as refusal:
        services.partitions.gate.refuse(refusal.code)
        return cross_origin(request, problem(refusal))
    socket = web.WebSocketResponse(
        heartbeat=HEARTBEAT_SECONDS, compress=False, max_msg_size=MAX_MESSAGE_BYTES, decode_text=False
    )
    await socket.prepare(request)
    sockets.add(socket)
    connection = Connection(socket, request, visit)
    goodbye = False
    services.presence.enter(visit.app, visit.stream.visitor)
    try:
        goodbye = await connection.listen(services)
    finally:
        services.presence.leave(visit.app, visit.stream.visitor, services.clock(), goodbye=goodbye)
    return socket


class Connection:
    """One page's socket; hears from the intake what is on disk."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, visit: Visit) -> None:
        self._socket = socket
        self._request = request
        self._visit = visit

    async def listen(self, services: Services) -> bool:
        """Take messages until the socket closes; whether the page said goodbye."""
        visit, stream, intake = self._visit, self._visit.stream, self._visit.intake
        messages = 0
        async for frame in self._socket:
            if frame.type is WSMsgType.ERROR:
                # Too large, or no websocket frame: the socket is closed with the code that says which.
                services.partitions.gate.refuse("frame")
                return False
            messages += 1
            try:
                message = decode_client_message(frame.data)
                if isinstance(message, Goodbye):
                    return True
                if visit.refusal is not None:
                    raise visit.refusal
                if intake.full:
                    await intake.room()
                intake.take(stream, message.events, self)
            except UNREADABLE as error:
                services.partitions.gate.refuse("malformed")
                await self._send(Rejected(messages, "malformed", str(error)[:500]))
            except Unavailable as refusal:
                services.partitions.gate.refuse(refusal.code)
                await self.later(refusal)
            except Refusal as refusal:
                await self.stop(refusal)
                return False
        return False

    async def stored(self, sequence: int) -> None:
        """Acknowledge."""
        await self._send(Acknowledgement(sequence))

    async def later(self, refusal: Unavailable) -> None:
        """Ask the page to keep its events."""
        await self._send(Later(refusal.code, refusal.detail, refusal.retry_after or 5.0))

    async def stop(self, refusal: Refusal) -> None:
        """Tell the page to send nothing more."""
        await self._send(Stop(refusal.code, refusal.detail))
        await self._socket.close(code=WSCloseCode.POLICY_VIOLATION)

    async def _send(self, message: ServerMessage) -> None:
        transport = self._request.transport
        if self._socket.closed or transport is None:
            return
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            # A page that does not read may not make the others wait.
            transport.close()
            return
        try:
            await self._socket.send_str(encode(message).decode())
        except (ConnectionError, RuntimeError):
            return


async def body(request: web.Request) -> bytes:
    """The request's body. Raises Malformed where it is packed, too large or stops coming."""
    if (packed := request.headers.get("Content-Encoding", "identity")) != "identity":
        raise Malformed(f"the message is packed by {packed[:20]!a}; send it as it is")
    if (request.content_length or 0) > MAX_MESSAGE_BYTES:
        raise Malformed(f"the message is larger than {MAX_MESSAGE_BYTES} bytes; send fewer events at a time")
    try:
        data = await request.content.read(MAX_MESSAGE_BYTES + 1)
        while not request.content.at_eof() and len(data) <= MAX_MESSAGE_BYTES:
            data += await request.content.read(MAX_MESSAGE_BYTES + 1 - len(data))
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        raise Malformed(f"the message was cut off: {error}") from None
    if len(data) > MAX_MESSAGE_BYTES:
        raise Malformed(f"the message is larger than {MAX_MESSAGE_BYTES} bytes; send fewer events at a time")
    return data


def read(decode: Any, data: bytes) -> Any:
    """Decode; raises Malformed."""
    try:
        return decode(data)
    except UNREADABLE as error:
        raise Malformed(f"the message does not follow the protocol: {error}"[:500]) from None


def answer(message: Any) -> web.Response:
    """A struct as JSON, never cached."""
    return web.Response(
        body=msgspec.json.encode(message), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def origin_of(request: web.Request) -> str | None:
    """The page's origin; None also for one that no browser would send, since they all write ASCII."""
    origin = request.headers.get("Origin")
    return origin if origin is not None and origin.isascii() else None


def printable(text: str) -> str:
    """Without control characters and the half characters that stand for bytes which are no UTF-8."""
    return "".join(character for character in text if character >= " " and not "\ud800" <= character <= "\udfff")
