"""The socket file in the data directory: the command line's way to a running server, for the data's owner only."""

from aiohttp import web

from datalab.errors import Refusal, TooLarge
from datalab.operations.table import perform
from datalab.server.middleware import problem
from datalab.services.services import Services

MAX_BODY_BYTES = 64 * 1024 * 1024


def control_application(services: Services) -> web.Application:
    """`POST /operations/{name}`, msgpack both ways; refusals as problem details."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return web.Response(body=await perform(services, request.match_info["name"], await request.read()))
        except Refusal as refusal:
            return problem(refusal)
        except web.HTTPRequestEntityTooLarge:
            return problem(TooLarge(f"more than {MAX_BODY_BYTES} bytes at a time"))

    application = web.Application(client_max_size=MAX_BODY_BYTES)
    application.add_routes([web.post("/operations/{name}", handle)])
    return application
