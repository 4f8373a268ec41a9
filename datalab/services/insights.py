"""The answers: figures of an app for a range."""

from collections.abc import Callable
from typing import Any, TypeVar

from datalab.aggregate import audience as audience_of
from datalab.aggregate import funnel as funnel_of
from datalab.aggregate import overview as overview_of
from datalab.aggregate import pages as pages_of
from datalab.aggregate.partition import PartitionAggregate
from datalab.clock import Clock
from datalab.errors import Invalid, Missing
from datalab.ingest.presence import Presence
from datalab.model.apps import App
from datalab.model.figures import Audience, FunnelFigures, Live, Overview, Pages
from datalab.model.ranges import Range
from datalab.services.partitions import Partitions, key_of
from datalab.workers.aggregation import Aggregation

R = TypeVar("R")
KEPT_ANSWERS = 256
UNITS = ("visitors", "sessions")
ORDERS = ("ordered", "any")


class Insights:
    """Answers are kept until the next event of their partition."""

    def __init__(self, partitions: Partitions, aggregation: Aggregation, presence: Presence, clock: Clock) -> None:
        self._partitions = partitions
        self._aggregation = aggregation
        self._presence = presence
        self._clock = clock
        self._answers: dict[tuple[Any, ...], tuple[int, Any]] = {}

    async def overview(self, app: App, range: Range) -> Overview:
        """Headline figures and series."""
        return await self._answer(
            app, ("overview", range), lambda figures: overview_of.overview(figures, app.full_name, range, app.time_zone)
        )

    async def pages(self, app: App, range: Range, limit: int | None = None) -> Pages:
        """Routes, most viewed first."""
        return await self._answer(
            app,
            ("pages", range, limit),
            lambda figures: pages_of.pages(figures, app.full_name, range, app.time_zone, limit),
        )

    async def folded_paths(self, app: App) -> dict[str, list[str]]:
        """For each route pattern some of the paths that were folded into it."""
        return await self._answer(app, ("folded",), lambda figures: {**figures.folded})

    async def audience(self, app: App, range: Range, limit: int | None = None) -> Audience:
        """Browsers, systems, devices, languages, referrers."""
        return await self._answer(
            app,
            ("audience", range, limit),
            lambda figures: audience_of.audience(figures, app.full_name, range, app.time_zone, limit),
        )

    async def funnel(
        self, app: App, range: Range, name: str | None = None, unit: str = "visitors", order: str = "ordered"
    ) -> FunnelFigures:
        """A funnel, by default the headline; raises Missing, Invalid."""
        if unit not in UNITS:
            raise Invalid(f"unit {unit[:40]!r} is not one of {', '.join(UNITS)}")
        if order not in ORDERS:
            raise Invalid(f"order {order[:40]!r} is not one of {', '.join(ORDERS)}")
        names = [funnel.name for funnel in app.configuration.funnel]
        if not names:
            raise Missing(f"{app.full_name} has no funnel; configure one")
        if name is not None and name not in names:
            raise Missing(f"{app.full_name} has no funnel {name[:80]!r}; there are {', '.join(names)}")
        number = names.index(name) if name is not None else 0
        return await self._answer(
            app,
            ("funnel", range, number, unit, order),
            lambda figures: funnel_of.funnel(figures, app.full_name, number, range, app.time_zone, unit, order),
        )

    async def live(self, app: App) -> Live:
        """What changes by the second."""
        return self.now(app)

    def now(self, app: App) -> Live:
        """The same, at once."""
        return Live(
            app=app.full_name,
            present=self._presence.count(app.id, self._clock()),
            events=self._aggregation.events(key_of(app)),
        )

    async def _answer(self, app: App, question: tuple[Any, ...], compute: Callable[[PartitionAggregate], R]) -> R:
        key = key_of(app)
        if not await self._partitions.readable(app):
            return compute(PartitionAggregate(self._partitions.rules(app)))
        name = (key, self._aggregation.generation(key), app.time_zone, *question)
        events = self._aggregation.events(key)
        kept = self._answers.get(name)
        if kept is not None and kept[0] == events:
            answer: R = kept[1]
            return answer

        def ask(figures: PartitionAggregate) -> tuple[int, R]:
            return figures.position.events, compute(figures)

        self._answers.pop(name, None)
        self._answers[name] = stamped = await self._aggregation.ask(key, ask)
        if len(self._answers) > KEPT_ANSWERS:
            del self._answers[next(iter(self._answers))]
        return stamped[1]
