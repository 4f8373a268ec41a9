from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from datalab.model.figures import (
    Audience,
    FunnelFigures,
    NextRoute,
    Overview,
    Page,
    Pages,
    Point,
    Share,
    StageFigures,
    Totals,
)
from datalab.server import panels

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def overview(visitors: int = 0, series: list[Point] | None = None, **changed: float | None) -> Overview:
    figures: dict[str, float | None] = {
        "views_per_session": None,
        "bounce_rate": None,
        "duration_mean": None,
        "duration_median": None,
        "conversion_rate": None,
    }
    return Overview(
        app="a",
        from_=None,
        to=None,
        visitors=visitors,
        sessions=visitors,
        page_views=sum(point.page_views for point in series or []),
        bucket="day",
        series=series or [],
        **(figures | changed),  # type: ignore[arg-type]
    )


def stage(name: str, reached: int, before: int | None, first: int, dropped: int, **left: int) -> StageFigures:
    return StageFigures(
        name=name,
        reached=reached,
        step_conversion=reached / before if before else None,
        conversion=reached / first if first else None,
        overall=None,
        dropped=dropped,
        next=[NextRoute(route=route, count=count) for route, count in left.items()],
        seconds_mean=80.0,
        seconds_median=65.0,
        seconds_p90=90.0,
        dropped_seconds_mean=9.0,
        dropped_seconds_median=12.0,
        dropped_seconds_p90=15.0,
    )


def funnel(*stages: StageFigures, visitors: int = 598, unit: str = "visitors") -> FunnelFigures:
    return FunnelFigures(
        app="a",
        funnel="Purchase",
        unit=unit,
        order="ordered",
        from_=None,
        to=None,
        visitors=visitors,
        stages=list(stages),
    )


@pytest.mark.parametrize(
    ("part", "whole", "width"),
    [(0, 0, 0), (0, 10, 0), (5, 0, 0), (10, 10, 100), (1, 3, 33.3), (1, 1_000_000, 0.6), (12, 10, 100)],
)
def test_bars_stay_within_their_frame_and_something_is_seen(part: int, whole: int, width: float) -> None:
    assert panels.bar(part, whole) == width


def test_headline_of_nothing_shows_dashes_where_a_zero_would_be_a_lie() -> None:
    values = {figure.label: (figure.value, figure.note) for figure in panels.headline(overview(), None)}
    assert values["Visitors"] == ("0", "distinct people")
    assert values["Sessions"] == ("0", "")
    assert values["Page views"] == ("0", "")
    assert values["Bounce rate"][0] == "–"
    assert values["Median duration"][0] == "–"
    assert values["Conversion"] == ("–", "no funnel yet")


def test_headline_of_many() -> None:
    figures = overview(1_234_567, bounce_rate=0.0, duration_mean=231.4, conversion_rate=1.0, views_per_session=2.44)
    values = {figure.label: (figure.value, figure.note) for figure in panels.headline(figures, "Purchase")}
    assert values["Visitors"][0] == "1,234,567"
    assert values["Sessions"] == ("1,234,567", "1.0 per visitor")
    assert values["Page views"][1] == "2.4 per session"
    assert values["Bounce rate"][0] == "0%"
    assert values["Mean duration"][0] == "3 min 51 s"
    assert values["Conversion"] == ("100%", "Purchase")


def test_headline_beside_the_period_before() -> None:
    before = Totals(
        visitors=80,
        sessions=100,
        page_views=0,
        views_per_session=None,
        bounce_rate=0.5,
        duration_mean=None,
        duration_median=10.0,
        conversion_rate=0.1,
    )
    figures = replace(
        overview(100, bounce_rate=0.25, duration_median=10.002, conversion_rate=0.2),
        previous=before,
        previous_from="2026-11-01T00:00:00+00:00",
        previous_to="2026-11-08T00:00:00+00:00",
    )
    found = {figure.label: (figure.change, figure.before) for figure in panels.headline(figures, "Purchase")}
    assert found == {
        "Visitors": ("+25.0%", "80"),
        "Sessions": ("±0%", "100"),
        "Page views": ("", "0"),
        "Bounce rate": ("−50.0%", "50.0%"),
        "Mean duration": ("", "–"),
        "Median duration": ("±0%", "10 s"),
        "Conversion": ("+100.0%", "10.0%"),
    }
    assert panels.period_compared(figures) == "1–7 Nov 2026"
    assert panels.period_compared(overview(100)) == ""
    assert {figure.change for figure in panels.headline(overview(100), None)} == {""}


def test_series_leaves_out_what_has_not_begun() -> None:
    points = [
        Point(start="2026-11-23T00:00:00+00:00", page_views=8, visitors=2, sessions=2),
        Point(start="2026-11-24T00:00:00+00:00", page_views=4, visitors=1, sessions=1),
        Point(start="2026-11-25T00:00:00+00:00", page_views=0, visitors=0, sessions=0),
    ]
    line = panels.series(overview(3, points), "UTC", NOW)
    assert [row.page_views for row in line.rows] == [8, 4]
    assert line.last == "Tue 24 Nov 2026"
    assert line.highest == "8"
    assert line.page_views_path == "0.0,0.0 720.0,100.0"
    assert line.visitors_path == "0.0,150.0 720.0,175.0"
    assert line.summary == "12 page views by 3 visitors"


def test_paths_of_none_one_and_only_zeros() -> None:
    assert panels.path([], 0) == ""
    assert panels.path([5], 10) == "0,100.0 720,100.0"
    assert panels.path([0, 0], 0) == "0.0,200.0 720.0,200.0"
    assert panels.sparkline([]) == ""


def test_route_table_says_how_much_it_shows() -> None:
    pages = [
        Page(route="/", views=60, visitors=5, entries=4, exits=3, seconds_mean=None),
        Page(route="/a", views=15, visitors=1, entries=0, exits=0, seconds_mean=0.2),
    ]
    table = panels.route_table(Pages(app="a", from_=None, to=None, page_views=100, pages=pages))
    assert table.note == "2 routes, 75.0% of all page views"
    assert [(row.width, row.time) for row in table.rows] == [(100.0, "–"), (25.0, "<1 s")]


def test_route_table_of_nothing() -> None:
    table = panels.route_table(Pages(app="a", from_=None, to=None, page_views=0, pages=[]))
    assert (table.note, table.rows) == ("0 routes, – of all page views", [])


def test_audience_shares_are_of_all_visitors() -> None:
    share = [Share(value="Firefox", visitors=1, sessions=9)]
    nobody: dict[str, list[Share]] = {
        name: []
        for name in ("versions", "systems", "devices", "languages", "screens", "countries", "visits", "referrers")
    }
    audience = Audience(app="a", from_=None, to=None, browsers=share, **nobody)  # type: ignore[arg-type]
    cards = {card.key: card for card in panels.audience_cards(audience, 4)}
    assert list(cards) == [
        "referrers", "countries", "browsers", "versions", "systems", "devices", "screens", "languages", "visits",
    ]  # fmt: skip
    assert cards["browsers"].rows == [panels.BarRow("Firefox", "1", "25.0%", 25.0)]
    assert cards["systems"].rows == []


def test_funnel_card_values() -> None:
    card = panels.funnel_card(
        funnel(
            stage("View", 299, None, 299, 99, exit=60, search=30),
            stage("Cart", 200, 299, 299, 199, exit=199),
            stage("Bought", 1, 200, 299, 0),
        )
    )
    assert (card.conversion, card.outcome) == ("0.2%", "1 of 598 visitors reached the end")
    first, second, last = card.stages
    assert (first.step, first.step_of, first.overall) == ("50.0%", "of all visitors", "100%")
    assert (first.left, first.left_share, first.elsewhere) == ("99", "33.1%", "9 elsewhere")
    assert [row.width for row in first.destinations] == [60.6, 30.3]
    assert (first.height, first.next_height) == (100.0, 66.9)
    assert (second.step, second.step_of, second.overall) == ("66.9%", "of stage 1", "66.9%")
    assert (second.time, second.left_time, second.elsewhere) == ("1 min 05 s", "12 s", "")
    assert (last.reached, last.unit, last.next_height) == ("1", "visitor", None)
    assert (last.left, last.time, last.destinations) == ("", "", [])


def test_funnel_in_any_order_is_drawn_to_its_highest_stage() -> None:
    card = panels.funnel_card(funnel(stage("A", 10, None, 10, 0), stage("B", 40, 10, 10, 0), visitors=50))
    assert [stage.height for stage in card.stages] == [25.0, 100.0]


def test_funnel_nobody_entered() -> None:
    card = panels.funnel_card(funnel(stage("A", 0, None, 0, 0), stage("B", 0, 0, 0, 0), visitors=0, unit="sessions"))
    assert (card.conversion, card.outcome) == ("–", "0 of 0 sessions reached the end")
    assert (card.stages[0].step, card.stages[0].height, card.stages[0].left_share) == ("–", 0.0, "–")
