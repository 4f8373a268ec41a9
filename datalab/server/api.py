"""The JSON API of the figures; `/api/v1/apps/{app}/insights/...`."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from datalab.errors import Unauthenticated
from datalab.model.apps import App
from datalab.model.ranges import Range, read_range
from datalab.server.context import PERSON, SERVICES
from datalab.server.ingest import json
from datalab.services.services import Services

Answer = Callable[[Services, App, Range, web.Request], Awaitable[Any]]


async def overview(services: Services, app: App, range: Range, request: web.Request) -> Any:
    """Headline figures."""
    return await services.insights.overview(app, range)


async def pages(services: Services, app: App, range: Range, request: web.Request) -> Any:
    """Routes."""
    return await services.insights.pages(app, range)


async def audience(services: Services, app: App, range: Range, request: web.Request) -> Any:
    """Browsers, systems, devices, languages, referrers."""
    return await services.insights.audience(app, range)


async def funnel(services: Services, app: App, range: Range, request: web.Request) -> Any:
    """A funnel; `funnel`, `unit` and `order` choose."""
    query = request.query
    return await services.insights.funnel(
        app, range, query.get("funnel"), query.get("unit", "visitors"), query.get("order", "ordered")
    )


async def live(services: Services, app: App, range: Range, request: web.Request) -> Any:
    """What changes by the second."""
    return await services.insights.live(app)


INSIGHTS: dict[str, Answer] = {
    "overview": overview,
    "pages": pages,
    "audience": audience,
    "funnel": funnel,
    "live": live,
}


def insight(answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler of an insight."""

    async def handle(request: web.Request) -> web.Response:
        services, person = request.app[SERVICES], request[PERSON]
        if person is None:
            raise Unauthenticated("nobody is logged in; log in first")
        app = await services.apps.find(person, request.match_info["app"])
        chosen = read_range(request.query.get("from"), request.query.get("to"), app.time_zone, services.clock())
        return json(await answer(services, app, chosen, request))

    return handle
