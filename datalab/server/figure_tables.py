"""Figures as tables of texts, for the pages that have no picture of their own yet."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from datalab.model.figures import (
    CampaignField,
    Campaigns,
    ElementFigures,
    Elements,
    FunnelFigures,
    Journey,
    LiveCount,
    LiveFigures,
    Retention,
    StageFigures,
)
from datalab.server.notation import NOTHING, bucket, counted, duration, number, percent, share

EDGES = 60
PATHS = 30
VALUES = 30
"""So many rows are shown; the note says of how many."""
FIELD_TITLES = {
    "campaign": "Campaigns",
    "utm_source": "Sources",
    "utm_medium": "Media",
    "utm_campaign": "Campaign names",
    "utm_term": "Terms",
    "utm_content": "Contents",
}
EVENT_KINDS = {"urlchange": "Page view", "click": "Click", "hover": "Hover", "move": "Movement", "custom": "Event"}


class FigureRow(Struct, frozen=True):
    """What is counted, and the texts of its cells; the bar is `width` (0..100) wide."""

    label: str
    cells: list[str]
    width: float = 0.0
    key: str = ""
    """Tells rows of one label apart."""


class FigureTable(Struct, frozen=True):
    """A table with its title; without rows the note says what is missing."""

    key: str
    title: str
    note: str
    columns: list[str]
    """The first one is of the labels."""
    rows: list[FigureRow]


def width(part: int, whole: int) -> float:
    """Of a bar."""
    return round(100 * part / whole, 1) if whole else 0.0


def campaign_tables(campaigns: Campaigns) -> list[FigureTable]:
    """A table for each field that has values; one that says so where none has."""
    tables = [campaign_table(field, campaigns) for field in campaigns.fields if field.values]
    if tables:
        return tables
    note = "No visit in this range came by a configured campaign or with utm_* parameters in its address."
    return [FigureTable("campaign", "Campaigns", note, [], [])]


def campaign_table(field: CampaignField, campaigns: Campaigns) -> FigureTable:
    """One field: how far its visitors came in the headline funnel."""
    most = field.values[0].sessions
    return FigureTable(
        key=field.field,
        title=FIELD_TITLES.get(field.field, field.field),
        note=f"reached stages of {campaigns.funnel}" if campaigns.funnel else "",
        columns=["Value", "Sessions", "Visitors", *campaigns.stages, *(["Conversion"] if campaigns.stages else [])],
        rows=[
            FigureRow(
                value.value,
                [
                    number(value.sessions),
                    number(value.visitors),
                    *map(number, value.reached),
                    *([percent(value.conversion)] if campaigns.stages else []),
                ],
                width(value.sessions, most),
                value.value,
            )
            for value in field.values
        ],
    )


def element_tables(elements: Elements) -> list[FigureTable]:
    """All elements beside each other, then for each the clicks by the time spent pointing at it."""
    if not elements.elements:
        note = "No element of interest is configured: add some to see how people use them."
        return [FigureTable("elements", "Elements", note, [], [])]
    most = max(element.sessions for element in elements.elements)
    columns = [
        "Element", "Sessions", "Visitors", "Clicks", "Episodes", "Ended in a click", "Left", "Time to a click",
        "Time to leaving", "Correlation",
    ]  # fmt: skip
    rows = [
        FigureRow(each.name, element_cells(each), width(each.sessions, most), each.name) for each in elements.elements
    ]
    note = "An episode is the pointer on the element; times are medians; the correlation is of its length and a click."
    overall = FigureTable("elements", "Elements", note, columns, rows)
    return [overall, *(band_table(place, each) for place, each in enumerate(elements.elements) if each.episodes)]


def element_cells(element: ElementFigures) -> list[str]:
    """One element's row."""
    return [
        number(element.sessions),
        number(element.visitors),
        number(element.clicks),
        number(element.episodes),
        f"{number(element.clicked.count)} ({percent(element.clicked.share)})",
        f"{number(element.left.count)} ({percent(element.left.share)})",
        duration(element.clicked.seconds_median),
        duration(element.left.seconds_median),
        NOTHING if element.correlation is None else f"{element.correlation:+.2f}",
    ]


def band_table(place: int, element: ElementFigures) -> FigureTable:
    """How many pointed at an element for how long, and how many of them clicked."""
    most = max(band.episodes for band in element.bands)
    return FigureTable(
        key=f"element-{place}",
        title=element.name,
        note="by how long the pointer was on it",
        columns=["Time", "Episodes", "Clicked", "Share"],
        rows=[
            FigureRow(
                band_label(band.from_seconds, band.to_seconds),
                [number(band.episodes), number(band.clicked), percent(band.share)],
                width(band.episodes, most),
            )
            for band in element.bands
        ],
    )


def band_label(from_seconds: float, to_seconds: float | None) -> str:
    """`0.5–1 s`, `32 s and more`."""
    return f"{from_seconds:g} s and more" if to_seconds is None else f"{from_seconds:g}–{to_seconds:g} s"


def journey_tables(journey: Journey) -> list[FigureTable]:
    """From where to where, and whole paths."""
    if not journey.edges:
        return [FigureTable("edges", "Steps", "Nobody viewed a page in this range.", [], [])]
    most, longest = journey.edges[0].sessions, journey.paths[0].sessions if journey.paths else 0
    return [
        FigureTable(
            key="edges",
            title="Steps",
            note=shown(min(EDGES, len(journey.edges)), len(journey.edges), "step", "steps"),
            columns=["From, to", "Sessions", "Share", "Times"],
            rows=[
                FigureRow(
                    f"{edge.from_} → {edge.to}",
                    [number(edge.sessions), percent(share(edge.sessions, journey.sessions)), number(edge.times)],
                    width(edge.sessions, most),
                )
                for edge in journey.edges[:EDGES]
            ],
        ),
        FigureTable(
            key="paths",
            title="Paths",
            note=f"the most frequent ones of {counted(journey.sessions, 'session', 'sessions')} with page views",
            columns=["Path", "Sessions", "Share"],
            rows=[
                FigureRow(
                    " → ".join(path.routes),
                    [number(path.sessions), percent(share(path.sessions, journey.sessions))],
                    width(path.sessions, longest),
                )
                for path in journey.paths[:PATHS]
            ],
        ),
    ]


def retention_table(retention: Retention) -> FigureTable:
    """Cohorts by period; each cell is the share of the cohort that came again so many periods later."""
    unit = retention.period
    if not retention.cohorts:
        return FigureTable("retention", "Retention", "No visitor's first session began in this range.", [], [])
    longest = max(len(cohort.cells) for cohort in retention.cohorts)
    most = max(cohort.visitors for cohort in retention.cohorts)
    return FigureTable(
        key="retention",
        title=f"Retention by {unit}",
        note=f"visitors by the {unit} of their first session, and how many of them came again so many {unit}s later",
        columns=[unit.capitalize(), "Visitors", *map(str, range(longest))],
        rows=[
            FigureRow(
                bucket(cohort.start, unit),
                [
                    number(cohort.visitors),
                    *(percent(cell.share) for cell in cohort.cells),
                    *[""] * (longest - len(cohort.cells)),
                ],
                width(cohort.visitors, most),
                cohort.start,
            )
            for cohort in retention.cohorts
        ],
    )


def time_table(place: int, funnel: FunnelFigures) -> FigureTable:
    """How long visitors were in each stage of a funnel."""
    return FigureTable(
        key=f"times-{place}",
        title="Time in each stage",
        note="mean, median and the time that 90 % did not exceed",
        columns=["Stage", "Went on", "Mean", "Median", "90 %", "Left", "Mean", "Median", "90 %"],
        rows=[FigureRow(stage.name, time_cells(stage), key=str(number)) for number, stage in enumerate(funnel.stages)],
    )


def time_cells(stage: StageFigures) -> list[str]:
    """One stage's row."""
    return [
        number(stage.reached - stage.dropped),
        duration(stage.seconds_mean),
        duration(stage.seconds_median),
        duration(stage.seconds_p90),
        number(stage.dropped),
        duration(stage.dropped_seconds_mean),
        duration(stage.dropped_seconds_median),
        duration(stage.dropped_seconds_p90),
    ]


def split_table(place: int, funnel: FunnelFigures) -> FigureTable:
    """A funnel by the values of a dimension."""
    most = max((value.visitors for value in funnel.split), default=0)
    return FigureTable(
        key=f"split-{place}",
        title=f"{funnel.funnel} by {funnel.split_by}",
        note="" if funnel.split else "Nobody was counted in this range.",
        columns=["Value", funnel.unit.capitalize(), *(stage.name for stage in funnel.stages), "Conversion"],
        rows=[
            FigureRow(
                value.value,
                [number(value.visitors), *map(number, value.reached), percent(value.conversion)],
                width(value.visitors, most),
                value.value,
            )
            for value in funnel.split
        ],
    )


def live_tables(live: LiveFigures) -> list[FigureTable]:
    """Who is there now and where, and what just happened."""
    return [
        count_table("live-routes", "Now, by route", "Route", live.routes),
        count_table("live-stages", "Now, by stage", "Stage", live.stages),
        FigureTable(
            key="feed",
            title="Just now",
            note="" if live.feed else "Nothing happened in the last minutes.",
            columns=["What", "Kind", "Time"],
            rows=[
                FigureRow(event.what, [EVENT_KINDS.get(event.kind, event.kind), clock_time(event.time)])
                for event in live.feed
            ],
        ),
    ]


def count_table(key: str, title: str, column: str, counts: Sequence[LiveCount]) -> FigureTable:
    """Visitors who are there."""
    most = max((count.visitors for count in counts), default=0)
    return FigureTable(
        key=key,
        title=title,
        note="" if counts else "Nobody is on the site.",
        columns=[column, "Visitors"],
        rows=[
            FigureRow(count.name, [number(count.visitors)], width(count.visitors, most), count.name) for count in counts
        ],
    )


def clock_time(moment: str) -> str:
    """`14:05:33`."""
    return f"{datetime.fromisoformat(moment):%H:%M:%S}"


def shown(some: int, all_: int, one: str, many: str) -> str:
    """`the first 60 of 338 steps`, `12 steps`."""
    return counted(all_, one, many) if some == all_ else f"the first {number(some)} of {counted(all_, one, many)}"
