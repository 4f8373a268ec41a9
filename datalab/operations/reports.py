"""Figures of an app."""

from msgspec import Struct

from datalab.model.apps import App
from datalab.model.figures import FunnelFigures, Overview, Pages
from datalab.model.ranges import Range, read_range
from datalab.operations.apps import FullName
from datalab.services.services import Services


class Report(Struct, frozen=True, tag=True):
    """Figures of an app."""

    app: FullName
    from_: str | None = None
    to: str | None = None
    funnel: str | None = None
    unit: str = "visitors"
    order: str = "ordered"
    partition: int | None = None

    async def chosen(self, services: Services) -> App:
        """The app, as it was where a sealed partition is asked for."""
        return await services.archive.as_it_was(services.directory.named(self.app), self.partition)

    def range(self, app: App, services: Services) -> Range:
        """In the app's time zone."""
        return read_range(self.from_, self.to, app.time_zone, services.clock())


class ReportOverview(Report, frozen=True, tag=True):
    """Headline figures."""


async def report_overview(services: Services, asked: ReportOverview) -> Overview:
    app = await asked.chosen(services)
    return await services.insights.overview(app, asked.range(app, services))


class ReportPages(Report, frozen=True, tag=True):
    """Routes."""


async def report_pages(services: Services, asked: ReportPages) -> Pages:
    app = await asked.chosen(services)
    return await services.insights.pages(app, asked.range(app, services))


class ReportFunnel(Report, frozen=True, tag=True):
    """A funnel."""


async def report_funnel(services: Services, asked: ReportFunnel) -> FunnelFigures:
    app = await asked.chosen(services)
    return await services.insights.funnel(app, asked.range(app, services), asked.funnel, asked.unit, asked.order)
