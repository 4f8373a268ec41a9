"""The web application: routes, middlewares, templates."""

import aiohttp_jinja2
import jinja2
from aiohttp import WSCloseCode, web

from datalab.resources import locate
from datalab.server.assets import Assets
from datalab.server.context import SERVICES, SETTINGS, SOCKETS, Sockets
from datalab.server.middleware import person, refusals, same_site, secure_headers
from datalab.server.routes import routes
from datalab.services.services import Services
from datalab.settings import Settings

MAX_BODY_BYTES = 1024 * 1024


def web_application(services: Services, settings: Settings) -> web.Application:
    """Raises ResourceMissing where templates or assets are not there."""
    application = web.Application(middlewares=[refusals, same_site, person], client_max_size=MAX_BODY_BYTES)
    assets = Assets.load(locate("web/dist"), locate("snippet/dist"))
    application[SERVICES] = services
    application[SETTINGS] = settings
    application[SOCKETS] = Sockets()
    application.add_routes(routes(assets))
    application.on_response_prepare.append(secure_headers)
    application.on_shutdown.append(close_sockets)
    environment = aiohttp_jinja2.setup(
        application,
        loader=jinja2.FileSystemLoader(locate("web/templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset_url"] = assets.url
    return application


async def close_sockets(application: web.Application) -> None:
    """All at once: pages come back to a started server, and the stop takes milliseconds."""
    sockets = application[SOCKETS]
    for socket in list(sockets):
        await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the appliance stops")
