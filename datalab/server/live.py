"""The dashboard's socket: says when figures changed, at most every half second."""

import asyncio

import msgspec
from aiohttp import WSCloseCode, web

from datalab.errors import TooMany, Unauthenticated
from datalab.model.figures import Live
from datalab.server.context import COOKIE, PERSON, SERVICES, SETTINGS, SOCKETS

PAUSE_SECONDS = 0.5
HEARTBEAT_SECONDS = 30
MAX_MESSAGE_BYTES = 1024
RECHECK_PAUSES = 60
"""How often it is checked that the person is still logged in."""
MAX_DASHBOARDS = 500


class LiveMessage(msgspec.Struct, frozen=True, tag_field="type", tag="live"):
    """`{"type": "live", "app": "1f3a...", "present": 3, "events": 1200}`."""

    app: str
    """The app's id."""
    present: int
    events: int


async def live(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/live?app=<id>`."""
    services, person = request.app[SERVICES], request[PERSON]
    if person is None:
        raise Unauthenticated("nobody is logged in; reload the page")
    app = await services.apps.find(person, request.query.get("app", ""))
    if len(request.app[SOCKETS]) >= request.app[SETTINGS].ingest.max_sockets + MAX_DASHBOARDS:
        raise TooMany("too many pages are connected; try again later", retry_after=30.0)
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, compress=False, max_msg_size=MAX_MESSAGE_BYTES)
    await socket.prepare(request)
    request.app[SOCKETS].add(socket)
    listening = asyncio.ensure_future(drain(socket))
    try:
        shown: Live | None = None
        pauses = 0
        while not listening.done():
            now = services.insights.now(services.apps.get(app.id))
            if now != shown:
                message = LiveMessage(app.id, now.present, now.events)
                await socket.send_str(msgspec.json.encode(message).decode())
                shown = now
            await asyncio.wait([listening], timeout=PAUSE_SECONDS)
            pauses += 1
            if pauses % RECHECK_PAUSES == 0 and not await services.accounts.person(request.cookies.get(COOKIE, "")):
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"logged out")
    except ConnectionError:
        pass
    finally:
        listening.cancel()
    return socket


async def drain(socket: web.WebSocketResponse) -> None:
    """Nothing is expected of the dashboard; reading answers its pings and notices its end."""
    async for _ in socket:
        pass
