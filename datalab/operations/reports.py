"""Figures of an app."""

from msgspec import Struct

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
from datalab.model.ranges import read_bucket, read_range
from datalab.operations.apps import FullName
from datalab.services.insights import TOP_PLACES, TOP_ROUTES, About
from datalab.services.services import Services


class Report(Struct, frozen=True, tag=True, kw_only=True):
    """Figures of an app."""

    app: FullName
    from_: str | None = None
    to: str | None = None
    segment: str = ""
    partition: int | None = None

    async def chosen(self, services: Services) -> tuple[App, About]:
        """The app, as it was where a sealed partition is asked for, and of what."""
        app = await services.archive.as_it_was(services.directory.named(self.app), self.partition)
        range = read_range(self.from_, self.to, app.time_zone, services.clock())
        return app, About(range, await services.segments.read(app, self.segment))


class ReportOverview(Report, frozen=True, tag=True, kw_only=True):
    """Headline figures."""

    bucket: str | None = None


async def report_overview(services: Services, asked: ReportOverview) -> Overview:
    return await services.insights.overview(*await asked.chosen(services), bucket=read_bucket(asked.bucket))


class ReportPages(Report, frozen=True, tag=True, kw_only=True):
    """Routes."""

    limit: int | None = None


async def report_pages(services: Services, asked: ReportPages) -> Pages:
    return await services.insights.pages(*await asked.chosen(services), limit=asked.limit)


class ReportAudience(Report, frozen=True, tag=True, kw_only=True):
    """Who came."""

    limit: int | None = None


async def report_audience(services: Services, asked: ReportAudience) -> Audience:
    return await services.insights.audience(*await asked.chosen(services), limit=asked.limit)


class ReportCampaigns(Report, frozen=True, tag=True, kw_only=True):
    """Campaigns."""

    touch: str = "session"
    limit: int | None = None


async def report_campaigns(services: Services, asked: ReportCampaigns) -> Campaigns:
    return await services.insights.campaigns(*await asked.chosen(services), touch=asked.touch, limit=asked.limit)


class ReportElements(Report, frozen=True, tag=True, kw_only=True):
    """Elements of interest."""


async def report_elements(services: Services, asked: ReportElements) -> Elements:
    return await services.insights.elements(*await asked.chosen(services))


class ReportFunnel(Report, frozen=True, tag=True, kw_only=True):
    """A funnel."""

    funnel: str | None = None
    unit: str = "visitors"
    order: str = "ordered"
    split: str | None = None
    limit: int = 10


async def report_funnel(services: Services, asked: ReportFunnel) -> FunnelFigures:
    return await services.insights.funnel(
        *await asked.chosen(services), asked.funnel, asked.unit, asked.order, split=asked.split, limit=asked.limit
    )


class ReportJourney(Report, frozen=True, tag=True, kw_only=True):
    """Journeys."""

    top: int = TOP_ROUTES
    paths: int = 50


async def report_journey(services: Services, asked: ReportJourney) -> Journey:
    return await services.insights.journey(*await asked.chosen(services), top=asked.top, paths=asked.paths)


class ReportSurroundings(Report, frozen=True, tag=True, kw_only=True):
    """What happened around a route."""

    route: str
    direction: str = "after"
    top: int = TOP_PLACES


async def report_surroundings(services: Services, asked: ReportSurroundings) -> Surroundings:
    return await services.insights.surroundings(*await asked.chosen(services), asked.route, asked.direction, asked.top)


class ReportRetention(Report, frozen=True, tag=True, kw_only=True):
    """Who came back."""

    period: str | None = None


async def report_retention(services: Services, asked: ReportRetention) -> Retention:
    return await services.insights.retention(*await asked.chosen(services), period=asked.period)


class ReportLive(Struct, frozen=True, tag=True, kw_only=True):
    """What happens now."""

    app: FullName


async def report_live(services: Services, asked: ReportLive) -> LiveFigures:
    return await services.insights.live(services.directory.named(asked.app))
