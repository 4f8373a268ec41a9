"""The figures of one app as a page shows them: texts, widths and shapes; the templates only lay them out."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from datalab.model.figures import Audience, FunnelFigures, Overview, Page, Pages, Point, Share, StageFigures
from datalab.server.notation import bucket, change, counted, days, decimal, duration, noun, number, percent, share

ROUTES = 20
"""Routes in the table."""
VALUES = 8
"""Values in each card of the audience."""
HEADLINE: dict[str, tuple[str, Callable[..., str]]] = {
    "visitors": ("Visitors", number),
    "sessions": ("Sessions", number),
    "page_views": ("Page views", number),
    "bounce_rate": ("Bounce rate", percent),
    "duration_mean": ("Mean duration", duration),
    "duration_median": ("Median duration", duration),
    "conversion_rate": ("Conversion", percent),
}
"""How each headline figure is called and written."""
LINE_WIDTH, LINE_HEIGHT = 720, 200
"""Of the line drawn without JavaScript, in its own units."""


class HeadlineFigure(Struct, frozen=True):
    """One number at the top of the page, with what it is called and a word on it."""

    label: str
    value: str
    note: str
    change: str = ""
    """Against the period before, empty where there is none."""
    before: str = ""
    """What it was then."""


class SeriesRow(Struct, frozen=True):
    """One bucket; the texts are for people, the rest is what the chart reads."""

    start: str
    label: str
    page_views: int
    visitors: int
    page_views_text: str
    visitors_text: str


class Series(Struct, frozen=True):
    """Page views and visitors over time; the two paths are SVG point lists in LINE_WIDTH x LINE_HEIGHT."""

    title: str
    bucket: str
    time_zone: str
    summary: str
    page_views: str
    visitors: str
    page_views_path: str
    visitors_path: str
    highest: str
    first: str
    last: str
    rows: list[SeriesRow]


class BarRow(Struct, frozen=True):
    """A value with its count, its share and a bar; `width` is 0..100."""

    label: str
    count: str
    share: str
    width: float


class BarCard(Struct, frozen=True):
    """The values of one dimension."""

    key: str
    title: str
    unit: str
    rows: list[BarRow]


class RouteRow(Struct, frozen=True):
    """One route of the table; `width` 0..100 compares its views with those of the first."""

    route: str
    views: str
    visitors: str
    entries: str
    exits: str
    time: str
    width: float


class RouteTable(Struct, frozen=True):
    """The most viewed routes."""

    note: str
    rows: list[RouteRow]


class StageCard(Struct, frozen=True):
    """One stage; the bar is `height` (0..100) high and flows to `next_height`, which is None at the end."""

    number: int
    name: str
    reached: str
    unit: str
    step: str
    step_of: str
    overall: str
    time: str
    height: float
    next_height: float | None
    left: str
    left_share: str
    left_time: str
    destinations: list[BarRow]
    elsewhere: str
    """What the list of destinations leaves out, empty for nothing."""


class FunnelCard(Struct, frozen=True):
    """A funnel with its outcome in a sentence."""

    name: str
    outcome: str
    conversion: str
    stages: list[StageCard]


def bar(part: float, whole: float) -> float:
    """Width of a bar in 0..100; what is not nothing can be seen."""
    if part <= 0 or whole <= 0:
        return 0.0
    return max(0.6, min(100.0, round(100 * part / whole, 1)))


def headline(overview: Overview, funnel: str | None) -> list[HeadlineFigure]:
    """The seven figures; `funnel` is the name of the one that conversion is measured by."""
    notes = {
        "visitors": "distinct people",
        "sessions": ratio(share(overview.sessions, overview.visitors), "per visitor"),
        "page_views": ratio(overview.views_per_session, "per session"),
        "bounce_rate": "one page, no action",
        "duration_mean": "of a session",
        "duration_median": "half stay longer",
        "conversion_rate": funnel or "no funnel yet",
    }
    return [headline_figure(overview, name, note) for name, note in notes.items()]


def headline_figure(overview: Overview, name: str, note: str) -> HeadlineFigure:
    """One of them beside that of the period before."""
    label, write = HEADLINE[name]
    now = getattr(overview, name)
    if overview.previous is None:
        return HeadlineFigure(label, write(now), note)
    before = getattr(overview.previous, name)
    return HeadlineFigure(label, write(now), note, change(now, before), write(before))


def period_compared(overview: Overview) -> str:
    """The days that a range is compared with: `27 Oct – 23 Nov 2026`; empty where there are none."""
    if overview.previous is None or overview.previous_from is None or overview.previous_to is None:
        return ""
    first, end = (datetime.fromisoformat(moment) for moment in (overview.previous_from, overview.previous_to))
    return days(first.date(), (end - timedelta(milliseconds=1)).date())


def ratio(value: float | None, of: str) -> str:
    """`1.3 per visitor`, empty where there is none."""
    return "" if value is None else f"{decimal(value)} {of}"


def series(overview: Overview, time_zone: str, now: datetime) -> Series:
    """The line of the range; buckets that have not begun are left out. `now` is aware."""
    points = [point for point in overview.series if datetime.fromisoformat(point.start) <= now]
    highest = max((point.page_views for point in points), default=0)
    rows = [
        SeriesRow(
            point.start,
            bucket(point.start, overview.bucket),
            point.page_views,
            point.visitors,
            number(point.page_views),
            number(point.visitors),
        )
        for point in points
    ]
    views = counted(overview.page_views, "page view", "page views")
    people = counted(overview.visitors, "visitor", "visitors")
    return Series(
        title=f"Page views and visitors by {overview.bucket}",
        bucket=overview.bucket,
        time_zone=time_zone,
        summary=f"{views} by {people}",
        page_views=number(overview.page_views),
        visitors=number(overview.visitors),
        page_views_path=path([point.page_views for point in points], highest),
        visitors_path=path([point.visitors for point in points], highest),
        highest=number(highest),
        first=rows[0].label if rows else "",
        last=rows[-1].label if rows else "",
        rows=rows,
    )


def path(values: Sequence[int], highest: int, width: int = LINE_WIDTH, height: int = LINE_HEIGHT) -> str:
    """Points of an SVG polyline from zero at the bottom to `highest` at the top; a single value is a level line."""
    if not values:
        return ""
    level = [round(height - height * value / max(highest, 1), 1) for value in values]
    if len(level) == 1:
        return f"0,{level[0]} {width},{level[0]}"
    step = width / (len(level) - 1)
    return " ".join(f"{round(index * step, 1)},{y}" for index, y in enumerate(level))


def sparkline(points: Sequence[Point]) -> str:
    """Visitors as a small polyline of 100 x 24."""
    counts = [point.visitors for point in points]
    return path(counts, max(counts, default=0), 100, 24)


def route_table(pages: Pages) -> RouteTable:
    """The table of routes; its note says how much of all page views it shows."""
    most = max((page.views for page in pages.pages), default=0)
    shown = sum(page.views for page in pages.pages)
    part = percent(share(shown, pages.page_views))
    routes = counted(len(pages.pages), "route", "routes")
    return RouteTable(f"{routes}, {part} of all page views", [route_row(page, most) for page in pages.pages])


def route_row(page: Page, most: int) -> RouteRow:
    """One row; `most` is the highest number of views in the table."""
    return RouteRow(
        page.route,
        number(page.views),
        number(page.visitors),
        number(page.entries),
        number(page.exits),
        duration(page.seconds_mean),
        bar(page.views, most),
    )


def audience_cards(audience: Audience, visitors: int) -> list[BarCard]:
    """Who came and from where; shares are of all `visitors`, so that a list cut short shows that it is."""
    dimensions = [
        ("referrers", "Referrers", audience.referrers),
        ("countries", "Countries", audience.countries),
        ("browsers", "Browsers", audience.browsers),
        ("versions", "Browser versions", audience.versions),
        ("systems", "Systems", audience.systems),
        ("devices", "Devices", audience.devices),
        ("screens", "Screens", audience.screens),
        ("languages", "Languages", audience.languages),
        ("visits", "New and returning", audience.visits),
    ]
    return [BarCard(key, title, "visitors", share_rows(values, visitors)) for key, title, values in dimensions]


def share_rows(values: Sequence[Share], visitors: int) -> list[BarRow]:
    """The values of a dimension as bars."""
    return [
        BarRow(
            value.value,
            number(value.visitors),
            percent(share(value.visitors, visitors)),
            bar(value.visitors, visitors),
        )
        for value in values
    ]


def funnel_card(figures: FunnelFigures) -> FunnelCard:
    """The funnel as a row of stages."""
    stages = figures.stages
    most = max((stage.reached for stage in stages), default=0)
    reached = stages[-1].reached if stages else 0
    units = noun(figures.visitors, figures.unit.removesuffix("s"), figures.unit)
    return FunnelCard(
        name=figures.funnel,
        outcome=f"{number(reached)} of {number(figures.visitors)} {units} reached the end",
        conversion=percent(share(reached, figures.visitors)),
        stages=[stage_card(figures, index, most) for index in range(len(stages))],
    )


def stage_card(figures: FunnelFigures, index: int, most: int) -> StageCard:
    """One stage; `most` is the highest number any stage was reached by."""
    stage = figures.stages[index]
    last = index == len(figures.stages) - 1
    unit = figures.unit.removesuffix("s")
    if index == 0:
        step, step_of = percent(share(stage.reached, figures.visitors)), f"of all {figures.unit}"
    else:
        step, step_of = percent(stage.step_conversion), f"of stage {index}"
    return StageCard(
        number=index + 1,
        name=stage.name,
        reached=number(stage.reached),
        unit=noun(stage.reached, unit, figures.unit),
        step=step,
        step_of=step_of,
        overall=percent(stage.conversion),
        time="" if last or stage.seconds_median is None else duration(stage.seconds_median),
        height=bar(stage.reached, most),
        next_height=None if last else bar(figures.stages[index + 1].reached, most),
        left="" if last else number(stage.dropped),
        left_share="" if last else percent(share(stage.dropped, stage.reached)),
        left_time="" if stage.dropped_seconds_median is None else duration(stage.dropped_seconds_median),
        destinations=[] if last else destinations(stage),
        elsewhere="" if last else elsewhere(stage),
    )


def destinations(stage: StageFigures) -> list[BarRow]:
    """Where those who left went next."""
    return [
        BarRow(
            goal.route, number(goal.count), percent(share(goal.count, stage.dropped)), bar(goal.count, stage.dropped)
        )
        for goal in stage.next
    ]


def elsewhere(stage: StageFigures) -> str:
    """Those who left for routes that the list does not name, empty for none."""
    rest = stage.dropped - sum(goal.count for goal in stage.next)
    return f"{number(rest)} elsewhere" if rest > 0 else ""
