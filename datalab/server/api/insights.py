"""The figures of an app: of its open partition, or of an archived one as it was."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from datalab.model.apps import App
from datalab.model.figures import Audience, FunnelFigures, Live, Overview, Pages
from datalab.model.ranges import Range, read_range
from datalab.server.api.endpoint import Call, Endpoint

Moment = Annotated[str, Meta(max_length=40, description="a date like 2026-11-24 or a moment like 2026-11-24T08:00:00Z")]


class Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which range, half-open in the app's time zone, and of which partition."""

    from_: Moment | None = field(name="from", default=None)
    to: Moment | None = None
    partition: Annotated[int, Meta(ge=1, le=10**9)] | None = None


class AskedFunnel(Asked, frozen=True, kw_only=True):
    """Which funnel, by default the headline, counted how."""

    funnel: Annotated[str, Meta(max_length=80)] | None = None
    unit: Literal["visitors", "sessions"] = "visitors"
    order: Literal["ordered", "any"] = "ordered"


async def chosen(call: Call[None]) -> tuple[App, Range]:
    """The app, as it was where a sealed partition is asked for, and the range; raises Missing, Invalid."""
    app = await call.services.archive.as_it_was(call.app(), call.query.partition)
    return app, read_range(call.query.from_, call.query.to, app.time_zone, call.services.clock())


async def overview(call: Call[None]) -> Overview:
    """Headline figures and their line."""
    return await call.services.insights.overview(*await chosen(call))


async def pages(call: Call[None]) -> Pages:
    """Routes, most viewed first."""
    return await call.services.insights.pages(*await chosen(call))


async def audience(call: Call[None]) -> Audience:
    """Browsers, systems, devices, languages, referrers."""
    return await call.services.insights.audience(*await chosen(call))


async def funnel(call: Call[None]) -> FunnelFigures:
    """A funnel with its drop-off."""
    asked: Any = call.query
    return await call.services.insights.funnel(*await chosen(call), asked.funnel, asked.unit, asked.order)


async def live(call: Call[None]) -> Live:
    """What changes by the second."""
    return await call.services.insights.live((await chosen(call))[0])


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/apps/{app}/insights/overview", overview, Overview, query=Asked),
    Endpoint("GET", "/apps/{app}/insights/pages", pages, Pages, query=Asked),
    Endpoint("GET", "/apps/{app}/insights/audience", audience, Audience, query=Asked),
    Endpoint("GET", "/apps/{app}/insights/funnel", funnel, FunnelFigures, query=AskedFunnel),
    Endpoint("GET", "/apps/{app}/insights/live", live, Live, query=Asked),
]
