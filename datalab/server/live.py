"""The dashboard's socket: figures that changed (at most every half second), colleagues, notifications, changes."""

import asyncio

import msgspec
from aiohttp import WSCloseCode, web

from datalab.errors import Missing, Unauthenticated
from datalab.model.figures import Live
from datalab.model.permissions import Actor
from datalab.server.context import COOKIE, PERSON, SERVICES, SOCKETS
from datalab.services.services import Services
from datalab.services.tabs import Tab

PAUSE_SECONDS = 0.5
HEARTBEAT_SECONDS = 18
"""A tab that dies without a word is found out within one and a half of these: under the 30 s that presence may last."""
MAX_MESSAGE_BYTES = 1024
RECHECK_PAUSES = 10
"""How often it is checked that the person is still logged in."""


class LiveMessage(msgspec.Struct, frozen=True, tag_field="type", tag="live"):
    """`{"type": "live", "app": "1f3a...", "present": 3, "events": 1200}`."""

    app: str
    """The app's id."""
    present: int
    events: int


async def live(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/live?app=<id>`; without an app there are no figures, and everything else."""
    services, person = request.app[SERVICES], request[PERSON]
    if person is None:
        raise Unauthenticated("nobody is logged in; reload the page")
    app = request.query.get("app")
    if app is not None:
        services.directory.find(Actor(person), app)
    tab = services.tabs.enter(person, app)
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, compress=False, max_msg_size=MAX_MESSAGE_BYTES)
    try:
        await socket.prepare(request)
    except BaseException:
        services.tabs.leave(tab)
        raise
    request.app[SOCKETS].add(socket)
    listening = asyncio.ensure_future(drain(socket))
    telling = asyncio.ensure_future(tell(socket, tab))
    try:
        await follow(socket, services, tab, request.cookies.get(COOKIE, ""), listening)
    except ConnectionError:
        pass
    finally:
        services.tabs.leave(tab)
        listening.cancel()
        telling.cancel()
    return socket


async def follow(
    socket: web.WebSocketResponse, services: Services, tab: Tab, cookie: str, listening: asyncio.Future[None]
) -> None:
    """Send an app's figures as they change, as long as the person is logged in and may read the app."""
    shown: Live | None = None
    pauses = 0
    while not listening.done():
        if tab.app is not None:
            try:
                now = services.insights.now(services.directory.find(Actor(tab.user), tab.app))
            except Missing:
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"the app is gone")
                return
            if now != shown:
                await send(socket, LiveMessage(tab.app, now.present, now.events))
                shown = now
        await asyncio.wait([listening], timeout=PAUSE_SECONDS)
        pauses += 1
        if pauses % RECHECK_PAUSES == 0:
            person = await services.logins.person(cookie)
            if person is None:
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"logged out")
                return
            tab.user = person


async def tell(socket: web.WebSocketResponse, tab: Tab) -> None:
    """Hand on what the tab is told."""
    try:
        while True:
            await send(socket, await tab.messages.get())
    except ConnectionError:
        pass


async def send(socket: web.WebSocketResponse, message: msgspec.Struct) -> None:
    """One message as JSON."""
    await socket.send_str(msgspec.json.encode(message).decode())


async def drain(socket: web.WebSocketResponse) -> None:
    """Nothing is expected of the dashboard; reading answers its pings and notices its end."""
    async for _ in socket:
        pass
