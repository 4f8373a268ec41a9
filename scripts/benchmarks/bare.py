"""The baseline: a websocket handler that only decodes what the appliance decodes, and says how much it was."""

import asyncio
import sys

import msgspec
import uvloop
from aiohttp import web

from datalab.model.wire import Goodbye, decode_client_message


async def count(request: web.Request) -> web.WebSocketResponse:
    """Decode every frame; answer a goodbye with the number of events."""
    socket = web.WebSocketResponse(compress=False, max_msg_size=65536, decode_text=False)
    await socket.prepare(request)
    events = 0
    async for frame in socket:
        message = decode_client_message(frame.data)
        if isinstance(message, Goodbye):
            await socket.send_str(msgspec.json.encode({"type": "ack", "sequence": events}).decode())
        else:
            events += len(message.events)
    return socket


async def main() -> None:
    """Answer on any free port, until killed."""
    application = web.Application()
    application.router.add_get("/", count)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
