"""The answers: figures of an app for a range and a segment."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct

from datalab.aggregate import audience as audience_of
from datalab.aggregate import campaigns as campaigns_of
from datalab.aggregate import elements as elements_of
from datalab.aggregate import funnel as funnel_of
from datalab.aggregate import journey as journey_of
from datalab.aggregate import live as live_of
from datalab.aggregate import overview as overview_of
from datalab.aggregate import pages as pages_of
from datalab.aggregate import retention as retention_of
from datalab.aggregate import surroundings as surroundings_of
from datalab.aggregate.dimensions import SINGLE
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.clock import Clock
from datalab.errors import Invalid, Missing
from datalab.ingest.presence import Presence
from datalab.model.apps import App
from datalab.model.figures import (
    Audience,
    Campaigns,
    Elements,
    FunnelFigures,
    Journey,
    Live,
    LiveFigures,
    Overview,
    Pages,
    Retention,
    Surroundings,
)
from datalab.model.ranges import Range, period_before
from datalab.model.segments import EVERYBODY, Segment
from datalab.services.partitions import Partitions, key_of
from datalab.workers.aggregation import Aggregation

R = TypeVar("R")
KEPT_ANSWERS = 64
UNITS = ("visitors", "sessions")
ORDERS = ("ordered", "any")
TOP_ROUTES = 50
"""That journeys tell apart where nothing else is asked for."""
TOP_PLACES = 10
"""The same for each step around a route."""
SHOWN = 40
"""Characters of a wrong choice that a refusal repeats."""


class About(Struct, frozen=True):
    """When, and whose visits."""

    range: Range = Range()
    segment: Segment = EVERYBODY


EVERYTHING = About()


class Insights:
    """Answers are kept until the next event of their partition."""

    def __init__(
        self, partitions: Partitions, aggregation: Aggregation, presence: Presence, attribution: str, clock: Clock
    ) -> None:
        self._partitions = partitions
        self._aggregation = aggregation
        self._presence = presence
        self._attribution = attribution
        self._clock = clock
        self._answers: dict[tuple[Any, ...], tuple[int, Any]] = {}

    async def overview(self, app: App, about: About = EVERYTHING, bucket: str | None = None) -> Overview:
        """Headline figures, those of the period before, and the line. Raises Invalid for too many buckets."""
        before = period_before(about.range, app.time_zone, self._clock())
        return await self._figures(app, about, overview_of.overview, before=before, bucket=bucket)

    async def pages(self, app: App, about: About = EVERYTHING, limit: int | None = None) -> Pages:
        """Routes, most viewed first."""
        return await self._figures(app, about, pages_of.pages, limit=limit)

    async def audience(self, app: App, about: About = EVERYTHING, limit: int | None = None) -> Audience:
        """Browsers, systems, devices, languages, screens, countries, new and returning, referrers."""
        return await self._figures(app, about, audience_of.audience, limit=limit, attribution=self._attribution)

    async def campaigns(
        self, app: App, about: About = EVERYTHING, touch: str = "session", limit: int | None = None
    ) -> Campaigns:
        """By every field, with how far their visitors came. Raises Invalid."""
        demand(touch, "touch", campaigns_of.TOUCHES)
        return await self._figures(app, about, campaigns_of.campaigns, touch=touch, limit=limit)

    async def elements(self, app: App, about: About = EVERYTHING) -> Elements:
        """What was done on the elements of interest."""
        return await self._figures(app, about, elements_of.elements)

    async def funnel(
        self,
        app: App,
        about: About = EVERYTHING,
        name: str | None = None,
        unit: str = "visitors",
        order: str = "ordered",
        split: str | None = None,
        limit: int = 10,
    ) -> FunnelFigures:
        """A funnel, by default the headline; raises Missing, Invalid."""
        demand(unit, "unit", UNITS)
        demand(order, "order", ORDERS)
        if split is not None:
            demand(split, "split", SINGLE)
        names = [funnel.name for funnel in app.configuration.funnel]
        if not names:
            raise Missing(f"{app.full_name} has no funnel; configure one")
        if name is not None and name not in names:
            raise Missing(f"{app.full_name} has no funnel {name[:80]!r}; there are {', '.join(names)}")
        number = names.index(name) if name is not None else 0
        return await self._figures(
            app, about, funnel_of.funnel, number=number, unit=unit, order=order, split=split, limit=limit
        )

    async def journey(
        self, app: App, about: About = EVERYTHING, top: int | None = TOP_ROUTES, paths: int = 50
    ) -> Journey:
        """From route to route, and along whole paths."""
        return await self._figures(app, about, journey_of.journey, top=top, paths=paths)

    async def surroundings(
        self,
        app: App,
        about: About = EVERYTHING,
        route: str = "/",
        direction: str = "after",
        top: int | None = TOP_PLACES,
    ) -> Surroundings:
        """What happened after or before a route. Raises Invalid."""
        demand(direction, "direction", surroundings_of.DIRECTIONS)
        return await self._figures(app, about, surroundings_of.surroundings, route=route, direction=direction, top=top)

    async def retention(self, app: App, about: About = EVERYTHING, period: str | None = None) -> Retention:
        """Who came back. Raises Invalid."""
        if period is not None:
            demand(period, "period", retention_of.PERIODS)
        return await self._figures(app, about, retention_of.retention, period=period)

    async def folded_paths(self, app: App) -> dict[str, list[str]]:
        """For each route pattern some of the paths that were folded into it."""
        return await self._answer(app, ("folded",), lambda figures: {**figures.meanings.folded})

    async def live(self, app: App) -> LiveFigures:
        """What happens now: who is where, and the last events."""
        present = self._presence.visitors(app.id, self._clock())
        now = self._clock()
        return await self._compute(
            app, lambda figures: live_of.live(figures, app.full_name, app.time_zone, present, now)
        )

    def now(self, app: App) -> Live:
        """The two figures of it that are known without asking the aggregate."""
        return Live(
            app=app.full_name,
            present=self._presence.count(app.id, self._clock()),
            events=self._aggregation.events(key_of(app)),
        )

    async def _figures(self, app: App, about: About, make: Callable[..., R], **chosen: Any) -> R:
        question = Question(app=app.full_name, range=about.range, zone=app.time_zone, segment=about.segment)
        name = (make.__module__, question, *chosen.items())
        return await self._answer(app, name, partial(make, question=question, **chosen))

    async def _answer(self, app: App, name: tuple[Any, ...], compute: Callable[[PartitionAggregate], R]) -> R:
        key = key_of(app)
        if not await self._partitions.readable(app):
            return compute(PartitionAggregate(self._partitions.rules(app)))
        name = (key, self._aggregation.generation(key), *name)
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

    async def _compute(self, app: App, compute: Callable[[PartitionAggregate], R]) -> R:
        if not await self._partitions.readable(app):
            return compute(PartitionAggregate(self._partitions.rules(app)))
        return await self._aggregation.ask(key_of(app), compute)


def demand(text: str, name: str, choices: Sequence[str]) -> None:
    """Raises Invalid for what is none of the choices."""
    if text not in choices:
        raise Invalid(f"{name} {text[:SHOWN]!r} is not one of {', '.join(choices)}")
