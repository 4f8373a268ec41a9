"""The pages of an app behind its first one: funnels, journeys, campaigns, elements, retention, now."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from datalab.aggregate.campaigns import TOUCHES
from datalab.aggregate.dimensions import SINGLE
from datalab.aggregate.retention import PERIODS
from datalab.errors import Invalid
from datalab.model.apps import App
from datalab.model.figures import FunnelFigures
from datalab.server import figure_tables, panels
from datalab.server.figure_tables import FigureTable
from datalab.services.insights import ORDERS, SHOWN, UNITS, About, Insights

TOP = 30
"""Routes that journeys tell apart."""
SPLIT_VALUES = 20
ANY = ""
"""What a choice is called that was not made."""


class Option(Struct, frozen=True):
    """One value of a choice."""

    value: str
    label: str
    chosen: bool


class Choice(Struct, frozen=True):
    """What can be chosen on a page, by the name of its parameter."""

    name: str
    label: str
    options: list[Option]


class FunnelSection(Struct, frozen=True):
    """A funnel with the times in its stages, and told apart where that was asked for."""

    card: panels.FunnelCard
    times: FigureTable | None
    split: FigureTable | None


class Section(Struct, frozen=True):
    """What a page shows."""

    choices: list[Choice]
    tables: list[FigureTable]
    funnels: list[FunnelSection] = []
    hidden: list[tuple[str, str]] = []
    """Parameters of the address that stay as they are when something is chosen."""


Make = Callable[[Insights, App, About, Mapping[str, str]], Awaitable[Section]]


def choice(query: Mapping[str, str], name: str, label: str, values: Mapping[str, str]) -> tuple[str, Choice]:
    """What was chosen, by default the first; raises Invalid."""
    value = query.get(name, next(iter(values)))
    if value not in values:
        known = ", ".join(each for each in values if each)
        raise Invalid(f"{name} {value[:SHOWN]!r} is not one of {known}")
    return value, Choice(name, label, [Option(each, text, each == value) for each, text in values.items()])


async def funnels(insights: Insights, app: App, about: About, query: Mapping[str, str]) -> Section:
    """Every configured funnel."""
    unit, units = choice(query, "unit", "Counted by", {each: each for each in UNITS})
    order, orders = choice(query, "order", "Stages", dict(zip(ORDERS, ("in order", "in any order"), strict=True)))
    split, splits = choice(query, "split", "Told apart by", {ANY: "nothing"} | {each: each for each in SINGLE})
    found = await asyncio.gather(
        *(
            insights.funnel(app, about, funnel.name, unit, order, split or None, SPLIT_VALUES)
            for funnel in app.configuration.funnel
        )
    )
    nothing = FigureTable("funnel", "Funnels", "No funnel is configured: say which stages lead to your goal.", [], [])
    return Section(
        [units, orders, splits],
        [] if found else [nothing],
        [funnel_section(place, figures) for place, figures in enumerate(found)],
    )


def funnel_section(place: int, figures: FunnelFigures) -> FunnelSection:
    """One funnel; times are of ordered ones only."""
    return FunnelSection(
        panels.funnel_card(figures),
        figure_tables.time_table(place, figures) if figures.order == "ordered" else None,
        figure_tables.split_table(place, figures) if figures.split_by is not None else None,
    )


async def journeys(insights: Insights, app: App, about: About, query: Mapping[str, str]) -> Section:
    """Steps between the most viewed routes, and paths."""
    return Section([], figure_tables.journey_tables(await insights.journey(app, about, TOP, figure_tables.PATHS)))


async def campaigns(insights: Insights, app: App, about: About, query: Mapping[str, str]) -> Section:
    """By every field."""
    labels = ("its own campaign", "the last one before it too", "the visitor's first one")
    touch, touches = choice(query, "touch", "A session counts for", dict(zip(TOUCHES, labels, strict=True)))
    found = await insights.campaigns(app, about, touch, limit=figure_tables.VALUES)
    return Section([touches], figure_tables.campaign_tables(found))


async def elements(insights: Insights, app: App, about: About, query: Mapping[str, str]) -> Section:
    """Every element of interest."""
    return Section([], figure_tables.element_tables(await insights.elements(app, about)))


async def retention(insights: Insights, app: App, about: About, query: Mapping[str, str]) -> Section:
    """Who came back."""
    names = {ANY: "what fits the range"} | {period: f"{period}s" for period in PERIODS}
    period, periods = choice(query, "period", "By", names)
    return Section([periods], [figure_tables.retention_table(await insights.retention(app, about, period or None))])


async def now(insights: Insights, app: App, about: About, query: Mapping[str, str]) -> Section:
    """Who is where; no range and no segment change it."""
    return Section([], figure_tables.live_tables(await insights.live(app)))


SECTIONS: dict[str, tuple[str, Make]] = {
    "funnels": ("Funnels", funnels),
    "journeys": ("Journeys", journeys),
    "campaigns": ("Campaigns", campaigns),
    "elements": ("Elements", elements),
    "retention": ("Retention", retention),
    "now": ("Now", now),
}
"""By the end of their addresses."""
PARAMETERS = ("unit", "order", "split", "touch", "period")
"""Of all sections' choices."""
