"""The figures of an app: of its open partition, or of an archived one as it was."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from datalab.model.apps import App
from datalab.model.figures import (
    Audience,
    Campaigns,
    Elements,
    FunnelFigures,
    Journey,
    LiveFigures,
    Overview,
    Pages,
    Retention,
    Surroundings,
)
from datalab.model.ranges import read_range
from datalab.model.segments import MAX_TEXT
from datalab.server.api.endpoint import Call, Endpoint
from datalab.services.insights import TOP_PLACES, TOP_ROUTES, About

Moment = Annotated[str, Meta(max_length=40, description="a date like 2026-11-24 or a moment like 2026-11-24T08:00:00Z")]
Limit = Annotated[int, Meta(ge=1, le=10_000)]
Top = Annotated[
    int,
    Meta(
        ge=0, le=10_000, description="0 to 10000: all but so many of the most frequent routes are folded into (other)"
    ),
]


class Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which range, half-open in the app's time zone, of which partition, and of whom."""

    from_: Moment | None = field(name="from", default=None)
    to: Moment | None = None
    partition: Annotated[int, Meta(ge=1, le=10**9)] | None = None
    segment: Annotated[
        str,
        Meta(
            max_length=MAX_TEXT,
            description=f"at most {MAX_TEXT} characters like `browser is Firefox and route contains /cart`, or @Name",
        ),
    ] = ""


class AskedLine(Asked, frozen=True, kw_only=True):
    """With which buckets, by default as the range's length asks for."""

    bucket: Literal["hour", "day", "week", "month"] | None = None


class AskedList(Asked, frozen=True, kw_only=True):
    """How many values of each list, by default all."""

    limit: Limit | None = None


class AskedCampaigns(AskedList, frozen=True, kw_only=True):
    """Which campaign a session is counted for."""

    touch: Literal["session", "last", "first"] = "session"


class AskedFunnel(Asked, frozen=True, kw_only=True):
    """Which funnel, by default the headline, counted how, and by which dimension's values it is told apart."""

    funnel: Annotated[str, Meta(max_length=80)] | None = None
    unit: Literal["visitors", "sessions"] = "visitors"
    order: Literal["ordered", "any"] = "ordered"
    split: Annotated[str, Meta(max_length=40)] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="1 to 1000 values of the split")] = 10


class AskedJourney(Asked, frozen=True, kw_only=True):
    """How much is folded, and how many paths are told."""

    top: Top = TOP_ROUTES
    paths: Annotated[int, Meta(ge=0, le=1000)] = 50


class AskedSurroundings(Asked, frozen=True, kw_only=True):
    """Around which route."""

    route: Annotated[str, Meta(min_length=1, max_length=2000)]
    direction: Literal["after", "before"] = "after"
    top: Top = TOP_PLACES


class AskedRetention(Asked, frozen=True, kw_only=True):
    """By which period, by default as the range's length asks for."""

    period: Literal["day", "week", "month"] | None = None


class AskedNow(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing: now is now."""


async def chosen(call: Call[None]) -> tuple[App, About]:
    """The app, as it was where a sealed partition is asked for, and of what; raises Missing, Invalid."""
    asked: Asked = call.query
    app = await call.services.archive.as_it_was(call.app(), asked.partition)
    range = read_range(asked.from_, asked.to, app.time_zone, call.services.clock())
    return app, About(range, await call.services.segments.read(app, asked.segment))


async def overview(call: Call[None]) -> Overview:
    """Headline figures, those of the period before, and their line."""
    return await call.services.insights.overview(*await chosen(call), bucket=call.query.bucket)


async def pages(call: Call[None]) -> Pages:
    """Routes, most viewed first."""
    return await call.services.insights.pages(*await chosen(call), limit=call.query.limit)


async def audience(call: Call[None]) -> Audience:
    """Browsers, systems, devices, languages, screens, countries, new and returning, referrers."""
    return await call.services.insights.audience(*await chosen(call), limit=call.query.limit)


async def campaigns(call: Call[None]) -> Campaigns:
    """By every field of the tags, and how far their visitors came in the headline funnel."""
    asked: Any = call.query
    return await call.services.insights.campaigns(*await chosen(call), touch=asked.touch, limit=asked.limit)


async def elements(call: Call[None]) -> Elements:
    """What was done on the elements of interest."""
    return await call.services.insights.elements(*await chosen(call))


async def funnel(call: Call[None]) -> FunnelFigures:
    """A funnel with its drop-off."""
    asked: Any = call.query
    return await call.services.insights.funnel(
        *await chosen(call), asked.funnel, asked.unit, asked.order, split=asked.split, limit=asked.limit
    )


async def journey(call: Call[None]) -> Journey:
    """From route to route, and along whole paths."""
    return await call.services.insights.journey(*await chosen(call), top=call.query.top, paths=call.query.paths)


async def surroundings(call: Call[None]) -> Surroundings:
    """What happened after, or before, a route, to five steps."""
    asked: Any = call.query
    return await call.services.insights.surroundings(*await chosen(call), asked.route, asked.direction, asked.top)


async def retention(call: Call[None]) -> Retention:
    """Who came back, by the time since the first session."""
    return await call.services.insights.retention(*await chosen(call), period=call.query.period)


async def live(call: Call[None]) -> LiveFigures:
    """What happens now: who is where, and the events of the last minutes."""
    return await call.services.insights.live(call.app())


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/apps/{app}/insights/overview", overview, Overview, query=AskedLine),
    Endpoint("GET", "/apps/{app}/insights/pages", pages, Pages, query=AskedList),
    Endpoint("GET", "/apps/{app}/insights/audience", audience, Audience, query=AskedList),
    Endpoint("GET", "/apps/{app}/insights/campaigns", campaigns, Campaigns, query=AskedCampaigns),
    Endpoint("GET", "/apps/{app}/insights/elements", elements, Elements, query=Asked),
    Endpoint("GET", "/apps/{app}/insights/funnel", funnel, FunnelFigures, query=AskedFunnel),
    Endpoint("GET", "/apps/{app}/insights/journey", journey, Journey, query=AskedJourney),
    Endpoint("GET", "/apps/{app}/insights/surroundings", surroundings, Surroundings, query=AskedSurroundings),
    Endpoint("GET", "/apps/{app}/insights/retention", retention, Retention, query=AskedRetention),
    Endpoint("GET", "/apps/{app}/insights/live", live, LiveFigures),
]
