"""Figures as tables of plain values, for terminals and CSV: what each answer holds, list by list."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

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
    Share,
    Surroundings,
    Totals,
)


class Table(Struct, frozen=True):
    """One list; the first of an answer is what CSV prints where none is named."""

    name: str
    titles: list[str]
    rows: list[list[Any]]


def columns(name: str, fields: Sequence[str], entries: Sequence[Struct]) -> Table:
    """Fields of structs, as they are called in JSON."""
    return Table(
        name,
        [field.rstrip("_") for field in fields],
        [[getattr(entry, field) for field in fields] for entry in entries],
    )


def overview(found: Overview, compare: bool = False) -> list[Table]:
    """Headline figures, with `compare` beside those of the period before, and the line."""
    names = list(Totals.__struct_fields__)
    if compare:
        before = asdict(found.previous) if found.previous is not None else {}
        rows = [
            [name, getattr(found, name), before.get(name), change(getattr(found, name), before.get(name))]
            for name in names
        ]
        head = Table("totals", ["figure", "value", "previous", "change"], rows)
        periods: list[list[Any]] = [
            ["from", found.from_, found.previous_from, None], ["to", found.to, found.previous_to, None]
        ]  # fmt: skip
    else:
        head = Table("totals", ["figure", "value"], [[name, getattr(found, name)] for name in names])
        periods = [["from", found.from_], ["to", found.to]]
    head = Table(head.name, head.titles, [*periods, *head.rows])
    return [head, columns("series", ["start", "page_views", "visitors", "sessions"], found.series)]


def change(now: float | None, before: float | None) -> float | None:
    """How much more, as a share of what it was."""
    return now / before - 1 if now is not None and before else None


def pages(found: Pages) -> list[Table]:
    """Routes."""
    return [columns("pages", ["route", "views", "visitors", "entries", "exits", "seconds_mean"], found.pages)]


def audience(found: Audience) -> list[Table]:
    """A table a dimension."""
    lists = {name: value for name, value in asdict(found).items() if isinstance(value, list)}
    return [columns(name, Share.__struct_fields__, shares) for name, shares in lists.items()]


def campaigns(found: Campaigns) -> list[Table]:
    """A table a field; stages by name."""
    return [
        Table(
            field.field,
            ["value", "sessions", "visitors", *found.stages, "conversion"],
            [[each.value, each.sessions, each.visitors, *each.reached, each.conversion] for each in field.values],
        )
        for field in found.fields
    ]


def elements(found: Elements) -> list[Table]:
    """All elements, and the bands of each."""
    rows = [
        [
            each.name, each.sessions, each.visitors, each.clicks, each.episodes, each.clicked.count, each.clicked.share,
            each.clicked.seconds_mean, each.clicked.seconds_median, each.left.count, each.left.share,
            each.left.seconds_mean, each.left.seconds_median, each.correlation,
        ]
        for each in found.elements
    ]  # fmt: skip
    titles = [
        "element", "sessions", "visitors", "clicks", "episodes", "clicked", "clicked_share", "clicked_mean",
        "clicked_median", "left", "left_share", "left_mean", "left_median", "correlation",
    ]  # fmt: skip
    bands = [
        [each.name, band.from_seconds, band.to_seconds, band.episodes, band.clicked, band.share]
        for each in found.elements
        for band in each.bands
    ]
    return [
        Table("elements", titles, rows),
        Table("bands", ["element", "from_seconds", "to_seconds", "episodes", "clicked", "share"], bands),
    ]


def funnel(found: FunnelFigures) -> list[Table]:
    """Stages, where those who left went, and the split where one was asked for."""
    stages = columns(
        "stages",
        [
            "name", "reached", "step_conversion", "conversion", "dropped", "seconds_mean", "seconds_median",
            "seconds_p90", "dropped_seconds_mean", "dropped_seconds_median", "dropped_seconds_p90", "overall",
        ],
        found.stages,
    )  # fmt: skip
    stages = Table(stages.name, ["stage", *stages.titles[1:]], stages.rows)
    next_rows = [[stage.name, each.route, each.count] for stage in found.stages for each in stage.next]
    tables = [stages, Table("next", ["stage", "route", "count"], next_rows)]
    if found.split_by is not None:
        names = [stage.name for stage in found.stages]
        rows = [[each.value, each.visitors, *each.reached, each.conversion] for each in found.split]
        tables.append(Table("split", [found.split_by, found.unit, *names, "conversion"], rows))
    return tables


def journey(found: Journey) -> list[Table]:
    """Edges and paths."""
    paths = [[" > ".join(path.routes), path.sessions] for path in found.paths]
    return [
        columns("edges", ["from_", "to", "sessions", "times"], found.edges),
        Table("paths", ["path", "sessions"], paths),
    ]


def surroundings(found: Surroundings) -> list[Table]:
    """Steps away from the route."""
    return [columns("steps", ["step", "from_", "to", "sessions"], found.steps)]


def retention(found: Retention) -> list[Table]:
    """A row a cohort, a column a period."""
    longest = max((len(cohort.cells) for cohort in found.cohorts), default=0)
    rows = [
        [
            cohort.start,
            cohort.visitors,
            *(cell.visitors for cell in cohort.cells),
            *[None] * (longest - len(cohort.cells)),
        ]
        for cohort in found.cohorts
    ]
    return [Table("cohorts", [found.period, "visitors", *map(str, range(longest))], rows)]


def live(found: LiveFigures) -> list[Table]:
    """Who is where, and the last events."""
    return [
        Table("now", ["figure", "value"], [["present", found.present], ["events", found.events]]),
        columns("routes", ["name", "visitors"], found.routes),
        columns("stages", ["name", "visitors"], found.stages),
        columns("feed", ["time", "kind", "what"], found.feed),
    ]


TABLES: dict[type, Callable[..., list[Table]]] = {
    Overview: overview,
    Pages: pages,
    Audience: audience,
    Campaigns: campaigns,
    Elements: elements,
    FunnelFigures: funnel,
    Journey: journey,
    Surroundings: surroundings,
    Retention: retention,
    LiveFigures: live,
}
