"""The reference against figures worked out by hand, so that it is not only as wrong as the engine."""

from collections.abc import Sequence

import pytest

from datalab.aggregate.question import Question
from datalab.model.configuration import Campaign, Configuration, Element, Funnel, Stage
from datalab.model.events import Kind, Opening
from datalab.model.figures import (
    ActionFigures,
    CampaignValue,
    Cell,
    Cohort,
    FunnelSplit,
    NextRoute,
    PathFigures,
    Point,
    Share,
    Totals,
)
from datalab.model.ranges import Range
from datalab.model.segments import Filter, Operator, Segment
from tests.aggregate.reference.averages import median, p90
from tests.aggregate.reference.campaigns import campaigns
from tests.aggregate.reference.elements import elements
from tests.aggregate.reference.funnel import funnel
from tests.aggregate.reference.happening import Described, Happening, tags
from tests.aggregate.reference.journey import journey, surroundings
from tests.aggregate.reference.overview import audience, overview, pages
from tests.aggregate.reference.partition import MANY, SINGLE, Reference
from tests.aggregate.reference.retention import retention
from tests.aggregate.reference.wall import HOUR, cuts

MONDAY = 1_704_067_200_000
"""2024-01-01T00:00:00Z."""
MINUTE, DAY = 60_000, 24 * HOUR
EVERYTHING = Question(app="a1")
SHOP = Configuration(
    funnel=[
        Funnel(
            name="Purchase",
            stage=[
                Stage(name="Product", glob="/products/*"),
                Stage(name="Cart", url="/cart"),
                Stage(name="Buy", click="#buy"),
            ],
        )
    ],
    element=[Element(name="Buy button", selector="#buy"), Element(name="Menu", selector="nav")],
    campaign=[Campaign(name="Spring", parameter="ad", value="s24"), Campaign(name="Any", parameter="ad", value="s25")],
)
U = "(unknown)"
NOBODY_KNOWN = Described(U, U, U, U, U, U, U, "(direct)")
FIREFOX = Described("Firefox", "Firefox 128", "Linux", "desktop", "de", "wide", "CH", "search.example")
SAFARI = Described("Safari", "Safari 17", "iOS", "mobile", "fr", "small", "FR", "(direct)")


def view(stream: int, time: float, path: str) -> Happening:
    return happening(stream, time, Kind.URLCHANGE, f"https://shop.example{path}")


def click(stream: int, time: float, *parts: str) -> Happening:
    return happening(stream, time, Kind.MOUSECLICK, "\x1f".join(parts))


def hover(stream: int, time: float, target: str, action: str, milliseconds: int) -> Happening:
    return happening(stream, time, Kind.MOUSEHOVER, f"{target}\x1fhover-{action}", milliseconds)


def custom(stream: int, time: float, name: str) -> Happening:
    return happening(stream, time, Kind.CUSTOM, f"{name}\x1f{{}}")


def move(stream: int, time: float) -> Happening:
    return happening(stream, time, Kind.MOUSEMOVE, "")


def happening(stream: int, minutes: float, kind: Kind, text: str, number: int = 0) -> Happening:
    return Happening(stream, 1, MONDAY + round(minutes * MINUTE), kind, text, number)


def site(
    *happenings: Happening,
    visitors: Sequence[int] = range(10),
    described: Sequence[Described] = (),
    configuration: Configuration = SHOP,
    cap: int = 10_000,
) -> Reference:
    """Stream k is of visitor `visitors[k]`."""
    openings = [Opening(visitor=b"%16d" % visitor, started=0) for visitor in visitors]
    contexts = [*described, *[NOBODY_KNOWN] * (len(openings) - len(described))]
    return Reference(openings, list(happenings), contexts, configuration, cap)


def between(from_: float | None, to: float | None, zone: str = "UTC") -> Question:
    """A question about minutes after MONDAY."""

    def time(minutes: float | None) -> int | None:
        return None if minutes is None else MONDAY + round(minutes * MINUTE)

    return Question(app="a1", range=Range(time(from_), time(to)), zone=zone)


def of(dimension: str, operator: Operator, value: str) -> Question:
    return Question(app="a1", segment=Segment((Filter(dimension, operator, value),)))


def test_averages() -> None:
    assert median([4000, 1000, 2001]) == 2.001
    assert median([1000, 2001]) == 1.5005
    assert median([]) is None
    assert p90([]) is None
    assert p90([7000]) == 7
    assert p90([k * 1000 for k in range(1, 11)]) == 9
    assert p90([k * 1000 for k in range(1, 12)]) == 10


def test_overview() -> None:
    """Visitor 0 goes to the cart and clicks; 1 bounces with a move and a noise of 99 ms; 2 points for 100 ms."""
    reference = site(
        view(0, 0, "/products/1"),
        view(0, 1, "/cart"),
        click(0, 1.5, "#buy"),
        view(1, 2, "/"),
        move(1, 3),
        hover(1, 29, "#buy", "leave", 99),
        view(2, 4, "/"),
        hover(2, 4, "#other", "leave", 100),
    )
    found = overview(reference, EVERYTHING, before=between(0, 2).range)
    assert (found.visitors, found.sessions, found.page_views, found.views_per_session) == (3, 3, 4, 4 / 3)
    assert found.bounce_rate == 1 / 3
    assert found.duration_mean == 50
    assert found.duration_median == 60
    assert found.conversion_rate == 1 / 3
    assert found.bucket == "hour"
    assert found.series == [Point(start="2024-01-01T00:00:00+00:00", page_views=4, visitors=3, sessions=3)]
    assert (found.previous_from, found.previous_to) == ("2024-01-01T00:00:00+00:00", "2024-01-01T00:02:00+00:00")
    assert found.previous == Totals(
        visitors=1,
        sessions=1,
        page_views=2,
        views_per_session=2,
        bounce_rate=0,
        duration_mean=90,
        duration_median=90,
        conversion_rate=1,
    )


def test_sessions_are_cut_at_gaps_and_counted_whole_where_they_touch_the_range() -> None:
    reference = site(view(0, 0, "/"), view(1, 10, "/cart"), view(0, 39.999, "/cart"), view(0, 70, "/"), visitors=[0, 0])
    assert [len(session.events) for session in reference.sessions] == [3, 1]
    found = overview(reference, between(5, 70))
    assert (found.sessions, found.page_views, found.views_per_session, found.duration_mean) == (1, 2, 2, 39.999 * 60)
    assert [(page.route, page.views, page.entries, page.exits) for page in pages(reference, between(5, 70)).pages] == [
        ("/cart", 2, 0, 1)
    ]


def test_a_series_counts_in_each_bucket_whoever_did_something_there() -> None:
    reference = site(view(0, 50, "/"), move(0, 70), view(1, 65, "/"), view(2, 60 * 26, "/"))
    found = overview(reference, between(30, 60 * 26.5), bucket="day")
    assert found.series == [
        Point(start="2024-01-01T00:30:00+00:00", page_views=2, visitors=2, sessions=2),
        Point(start="2024-01-02T00:00:00+00:00", page_views=1, visitors=1, sessions=1),
    ]
    hours = overview(reference, between(0, 130)).series
    assert [(point.page_views, point.sessions) for point in hours] == [(1, 1), (1, 2), (0, 0)]


def test_buckets_of_berlin() -> None:
    """Sunday, 27 October 2024 has 25 hours."""
    friday = 1_729_807_200_000  # 2024-10-25T00:00:00+02:00
    assert [(end - begin) // HOUR for begin, end in cuts(friday, friday + 5 * DAY, "Europe/Berlin", "day")] == [
        24,
        24,
        25,
        24,
        23,
    ]
    assert [begin - friday for begin, _ in cuts(friday, friday + 9 * DAY, "Europe/Berlin", "week")] == [
        0,
        3 * DAY + HOUR,
    ]
    assert [begin - friday for begin, _ in cuts(friday, friday + 40 * DAY, "Europe/Berlin", "month")] == [
        0,
        7 * DAY + HOUR,
        37 * DAY + HOUR,
    ]
    assert len(cuts(friday + 2 * DAY, friday + 3 * DAY + HOUR, "Europe/Berlin", "hour")) == 25
    assert [begin for begin, _ in cuts(friday + 1, friday + HOUR // 2, "Asia/Kathmandu", "hour")] == [
        friday + 1,
        friday + HOUR // 4,
    ]


def test_pages_tell_the_time_on_a_route_up_to_the_end_of_the_session() -> None:
    reference = site(view(0, 0, "/"), view(0, 1, "/cart"), view(0, 3, "/"), move(0, 3.5), view(1, 0, "/"))
    found = pages(reference, EVERYTHING, limit=1)
    assert found.page_views == 4
    (page,) = found.pages
    assert (page.route, page.views, page.visitors, page.entries, page.exits) == ("/", 3, 2, 2, 2)
    assert page.seconds_mean == 30


def test_audience() -> None:
    reference = site(
        view(0, 0, "/"),
        view(1, 1, "/"),
        view(0, 60, "/"),
        view(2, 0, "/"),
        visitors=[0, 0, 1],
        described=[SAFARI, FIREFOX, FIREFOX],
    )
    found = audience(reference, EVERYTHING)
    assert found.browsers == [
        Share(value="Safari", visitors=1, sessions=2),
        Share(value="Firefox", visitors=1, sessions=1),
    ]
    assert found.countries == [Share(value="FR", visitors=1, sessions=2), Share(value="CH", visitors=1, sessions=1)]
    assert found.visits == [
        Share(value="new", visitors=2, sessions=2),
        Share(value="returning", visitors=1, sessions=1),
    ]
    assert found.referrers == [
        Share(value="search.example", visitors=2, sessions=2),
        Share(value="(direct)", visitors=1, sessions=1),
    ]
    assert audience(reference, EVERYTHING, limit=1).versions == [Share(value="Safari 17", visitors=1, sessions=2)]


def test_values_beyond_the_cap_are_other() -> None:
    """The first in the journal stay apart, whenever they happened; stages see what is behind `(other)`."""
    reference = site(
        view(0, 5, "/cart"),
        view(0, 0, "/products/1"),
        custom(0, 6, "b"),
        custom(0, 3, "a"),
        view(1, 0, "/?utm_source=y"),
        view(1, 1, "/?utm_source=x&utm_term=z"),
        described=[SAFARI, FIREFOX],
        cap=1,
    )
    first, second = reference.sessions
    assert (first.one["entry"], first.one["exit"], first.one["browser"]) == ("(other)", "/cart", "Safari")
    assert first.many["event"] == {"b", "(other)"}
    assert first.many["stage"] == {"1 of Purchase", "2 of Purchase"}
    assert (second.one["browser"], second.one["referrer"]) == ("(other)", "(other)")
    assert (second.one["utm_source"], second.one["utm_term"]) == ("y", "(none)")
    assert first.one["referrer"] == "(direct)"


def test_tags() -> None:
    def of_query(query: str) -> dict[str, str]:
        return tags(f"https://shop.example/{query}", SHOP)

    assert of_query("") == of_query("?utm_source=") == of_query("#?utm_source=a") == of_query("?utm_other=1") == {}
    assert of_query("?utm_source=a+b%20c&utm_source=d") == {"utm_source": "a b c"}
    assert of_query("?utm_source=&utm_source=d#utm_term=1") == {"utm_source": "d"}
    assert of_query("?ad=s24") == {"campaign": "Spring"}
    assert of_query("?ad=s99&utm_term=" + "x" * 300) == {"utm_term": "x" * 200}


def test_campaigns_by_touch() -> None:
    """Visitor 0: plain, tagged, plain, referred, plain; visitor 1: plain, tagged."""
    reference = site(
        view(0, 0, "/"),
        view(0, 100, "/products/1?utm_source=mail&ad=s24"),
        view(0, 200, "/cart"),
        view(1, 300, "/"),
        view(0, 400, "/"),
        view(2, 0, "/"),
        view(2, 100, "/products/1?utm_source=ad"),
        visitors=[0, 0, 1],
        described=[NOBODY_KNOWN, FIREFOX, NOBODY_KNOWN],
    )

    def sources(touch: str, question: Question = EVERYTHING) -> list[CampaignValue]:
        fields = {each.field: each.values for each in campaigns(reference, question, touch).fields}
        assert len(fields) == 6
        assert fields["utm_term"] == []
        assert [value.value for value in fields["campaign"]] == [
            "Spring" for value in fields["utm_source"] if value.value == "mail"
        ]
        return fields["utm_source"]

    def value(name: str, sessions: int, *reached: int) -> CampaignValue:
        return CampaignValue(value=name, sessions=sessions, visitors=1, reached=list(reached), conversion=0.0)

    assert sources("session") == [value("ad", 1, 1, 0, 0), value("mail", 1, 1, 0, 0)]
    assert sources("last") == [value("mail", 2, 1, 1, 0), value("ad", 1, 1, 0, 0)]
    assert sources("first") == [value("mail", 5, 1, 1, 0), value("ad", 2, 1, 0, 0)]
    assert sources("last", between(150, None)) == [value("mail", 1, 0, 0, 0)]
    assert campaigns(reference, EVERYTHING).stages == ["Product", "Cart", "Buy"]
    assert campaigns(reference, EVERYTHING).funnel == "Purchase"


def test_campaigns_without_a_funnel() -> None:
    reference = site(view(0, 0, "/?utm_medium=b"), configuration=Configuration())
    found = campaigns(reference, EVERYTHING)
    assert (found.funnel, found.stages) == (None, [])
    assert [each.values for each in found.fields if each.values] == [
        [CampaignValue(value="b", sessions=1, visitors=1, reached=[], conversion=None)]
    ]


def test_elements() -> None:
    reference = site(
        hover(0, 0, "#buy", "leave", 99),
        hover(0, 1, "#buy", "leave", 100),
        hover(0, 2, "Buy button", "click", 300),
        hover(1, 3, "#buy", "click", 50),
        hover(1, 4, "a", "click", 500),
        hover(1, 5, "#buy", "leave", 32_000),
        click(2, 6, "a", "#buy"),
        click(2, 7, "Buy button"),
        click(2, 8, "a"),
    )
    button, menu = elements(reference, EVERYTHING).elements
    assert (button.name, button.episodes, button.clicks, button.sessions, button.visitors) == ("Buy button", 4, 2, 3, 3)
    assert button.clicked == ActionFigures(count=2, share=0.5, seconds_mean=0.175, seconds_median=0.175)
    assert button.left == ActionFigures(count=2, share=0.5, seconds_mean=16.05, seconds_median=16.05)
    assert [(band.from_seconds, band.to_seconds) for band in button.bands][::4] == [(0, 0.25), (2, 4), (32, None)]
    assert [(band.episodes, band.clicked, band.share) for band in button.bands] == [
        (2, 1, 0.5),
        (1, 1, 1.0),
        *[(0, 0, None)] * 6,
        (1, 0, 0.0),
    ]
    assert button.correlation == pytest.approx(-15_875 / 760_851_875**0.5)
    assert (menu.episodes, menu.clicked.share, menu.correlation) == (0, None, None)
    (button, _) = elements(reference, between(1, 3)).elements
    assert (button.episodes, button.correlation, button.sessions) == (2, 1.0, 1)


def test_clicked_elements_of_a_session() -> None:
    reference = site(
        click(0, 0, "a", "nav"),
        hover(0, 1, "#buy", "click", 5),
        hover(1, 0, "#buy", "leave", 500),
        click(2, 0, "Menu"),
        click(2, 1, "a#buy"),
    )
    assert [session.many["clicked"] for session in reference.sessions] == [{"Buy button", "Menu"}, set(), {"Menu"}]


def two_shoppers() -> Reference:
    """0 gets through in one session, 1 needs two and looks at the menu in between, 2 only sees a product."""
    return site(
        view(0, 0, "/products/1"),
        view(0, 2, "/cart"),
        click(0, 5, "a", "#buy"),
        view(1, 0, "/products/2"),
        view(1, 1, "/menu"),
        view(1, 100, "/cart"),
        move(1, 104),
        view(2, 0, "/cart"),
        view(2, 3, "/products/3"),
        move(2, 4),
        described=[FIREFOX, SAFARI, SAFARI],
    )


def test_funnel_by_visitors() -> None:
    found = funnel(two_shoppers(), EVERYTHING, 0, "visitors", "ordered", split="browser")
    assert (found.funnel, found.visitors) == ("Purchase", 3)
    product, cart, buy = found.stages
    assert [stage.reached for stage in found.stages] == [3, 2, 1]
    assert (product.step_conversion, product.conversion, product.overall, product.dropped) == (None, 1.0, 1.0, 1)
    assert product.next == [NextRoute(route="(exit)", count=1)]
    assert (product.seconds_mean, product.seconds_median, product.seconds_p90) == (3060, 3060, 6000)
    assert (product.dropped_seconds_mean, product.dropped_seconds_p90) == (60, 60)
    assert (cart.step_conversion, cart.conversion, cart.seconds_p90, cart.dropped_seconds_p90) == (
        2 / 3,
        2 / 3,
        180,
        240,
    )
    assert (buy.dropped, buy.next, buy.seconds_mean, buy.dropped_seconds_p90) == (0, [], None, None)
    assert found.split == [
        FunnelSplit(value="Safari", visitors=2, reached=[2, 1, 0], conversion=0.0),
        FunnelSplit(value="Firefox", visitors=1, reached=[1, 1, 1], conversion=1.0),
    ]


def test_funnel_by_sessions() -> None:
    found = funnel(two_shoppers(), EVERYTHING, 0, "sessions", "ordered", split="visit", limit=1)
    assert found.visitors == 4
    assert [stage.reached for stage in found.stages] == [3, 1, 1]
    assert found.stages[0].next == [NextRoute(route="(exit)", count=1), NextRoute(route="/menu", count=1)]
    assert found.stages[0].overall == 0.75
    assert found.split == [FunnelSplit(value="new", visitors=3, reached=[3, 1, 1], conversion=1 / 3)]


def test_funnel_in_any_order_and_in_a_range() -> None:
    found = funnel(two_shoppers(), EVERYTHING, 0, "visitors", "any")
    assert [stage.reached for stage in found.stages] == [3, 3, 1]
    assert [stage.dropped for stage in found.stages] == [0, 2, 0]
    assert found.stages[1].next == [NextRoute(route="(exit)", count=1), NextRoute(route="/products/3", count=1)]
    assert found.stages[1].seconds_mean is None
    found = funnel(two_shoppers(), between(1, 5), 0, "visitors", "ordered")
    assert found.visitors == 3
    assert [stage.reached for stage in found.stages] == [1, 0, 0]


def test_a_window_begins_with_whichever_beginning_leads_on() -> None:
    configuration = Configuration(funnel=[Funnel(name="F", window="10m", stage=SHOP.funnel[0].stage[:2])])
    reference = site(
        view(0, 0, "/products/1"),
        view(0, 5, "/products/2"),
        view(0, 15, "/cart"),
        view(1, 0, "/products/1"),
        view(1, 10.001, "/cart"),
        configuration=configuration,
    )
    found = funnel(reference, EVERYTHING, 0, "visitors", "ordered")
    assert [stage.reached for stage in found.stages] == [2, 1]
    assert found.stages[0].seconds_mean == 900


def test_journey() -> None:
    reference = site(
        view(0, 0, "/"),
        view(0, 1, "/"),
        view(0, 2, "/cart"),
        view(0, 3, "/"),
        view(0, 4, "/cart"),
        view(1, 0, "/menu"),
        view(1, 1, "/faq"),
        move(2, 0),
    )
    found = journey(reference, EVERYTHING)
    assert found.sessions == 2
    assert [(edge.from_, edge.to, edge.sessions, edge.times) for edge in found.edges] == [
        ("(entry)", "/", 1, 1),
        ("(entry)", "/menu", 1, 1),
        ("/", "/cart", 1, 2),
        ("/cart", "(exit)", 1, 1),
        ("/cart", "/", 1, 1),
        ("/faq", "(exit)", 1, 1),
        ("/menu", "/faq", 1, 1),
    ]
    assert found.paths == [
        PathFigures(routes=["/", "/cart", "/", "/cart"], sessions=1),
        PathFigures(routes=["/menu", "/faq"], sessions=1),
    ]
    folded = journey(reference, EVERYTHING, top=1, paths=1)
    assert [(edge.from_, edge.to, edge.sessions, edge.times) for edge in folded.edges] == [
        ("(other)", "(exit)", 2, 2),
        ("(entry)", "(other)", 1, 1),
        ("(entry)", "/", 1, 1),
        ("(other)", "/", 1, 1),
        ("/", "(other)", 1, 2),
    ]
    assert folded.paths == found.paths[:1]


def test_paths_end_after_ten_steps() -> None:
    reference = site(*(view(0, minute, f"/{minute % 3}") for minute in range(13)))
    assert journey(reference, EVERYTHING).paths[0].routes == [f"/{minute % 3}" for minute in range(10)]


def test_surroundings() -> None:
    paths = ["/a /x /b /c /d /e /f /g", "/x /x /b", "/x /h /x", "/a"]
    reference = site(
        *(view(stream, minute, path) for stream, way in enumerate(paths) for minute, path in enumerate(way.split()))
    )
    found = surroundings(reference, EVERYTHING, "/x", "after")
    assert found.sessions == 3
    assert [(step.step, step.from_, step.to, step.sessions) for step in found.steps] == [
        (1, "/x", "/b", 2),
        (1, "/x", "/h", 1),
        (2, "/b", "(exit)", 1),
        (2, "/b", "/c", 1),
        (2, "/h", "/x", 1),
        (3, "/c", "/d", 1),
        (3, "/x", "(exit)", 1),
        (4, "/d", "/e", 1),
        (5, "/e", "/f", 1),
    ]
    folded = surroundings(reference, EVERYTHING, "/x", "after", top=1)
    assert [(step.step, step.from_, step.to, step.sessions) for step in folded.steps][:5] == [
        (1, "/x", "/b", 2),
        (1, "/x", "(other)", 1),
        (2, "(other)", "(other)", 1),
        (2, "/b", "(exit)", 1),
        (2, "/b", "/c", 1),
    ]
    before = surroundings(reference, EVERYTHING, "/x", "before")
    assert [(step.step, step.from_, step.to, step.sessions) for step in before.steps] == [
        (1, "/x", "(entry)", 2),
        (1, "/x", "/a", 1),
        (2, "/a", "(entry)", 1),
    ]
    assert surroundings(reference, EVERYTHING, "/nowhere", "after").steps == []


def test_retention() -> None:
    """Visitor 0 on days 0, 2 and 8; 1 on day 1 and 2; 2 on day 8."""
    day = 24 * 60
    reference = site(
        *(view(visitor, at * day, "/") for visitor, days in enumerate([[0, 2, 8], [1, 2], [8]]) for at in days)
    )
    found = retention(reference, EVERYTHING, "week")
    assert found.cohorts == [
        Cohort(
            start="2024-01-01T00:00:00+00:00",
            visitors=2,
            cells=[Cell(period=0, visitors=2, share=1.0), Cell(period=1, visitors=1, share=0.5)],
        ),
        Cohort(start="2024-01-08T00:00:00+00:00", visitors=1, cells=[Cell(period=0, visitors=1, share=1.0)]),
    ]
    found = retention(reference, between(day, 4 * day))
    assert found.period == "day"
    assert [(cohort.start[:10], [cell.visitors for cell in cohort.cells]) for cohort in found.cohorts] == [
        ("2024-01-02", [1, 1, 0])
    ]
    assert [len(cohort.cells) for cohort in retention(reference, EVERYTHING, "day").cohorts] == [9, 8, 1]
    assert retention(reference, between(20 * day, None)).cohorts == []
    assert retention(reference, between(0, 32 * day)).period == "week"
    assert retention(reference, between(0, 183 * day)).period == "month"


@pytest.mark.parametrize(
    ("dimension", "operator", "value", "selected"),
    [
        ("browser", "is", "Firefox", [0]),
        ("browser", "is", "firefox", []),
        ("browser", "is not", "Firefox", [1, 2]),
        ("browser", "is not", "Nobody's", [0, 1, 2]),
        ("browser", "contains", "FIRE", [0]),
        ("browser", "glob", "f*x", [0]),
        ("browser", "glob", "ire", []),
        ("version", "is", "Safari 17", [1, 2]),
        ("system", "is", "iOS", [1, 2]),
        ("device", "is", "desktop", [0]),
        ("language", "glob", "?E", [0]),
        ("screen", "is", "small", [1, 2]),
        ("country", "is", "FR", [1, 2]),
        ("referrer", "is", "(direct)", [1, 2]),
        ("referrer", "contains", "search", [0]),
        ("visit", "is", "returning", [2]),
        ("entry", "is", "/products/1", [0]),
        ("entry", "is", "(none)", [2]),
        ("exit", "is", "/cart", [0]),
        ("utm_source", "is", "mail", [1]),
        ("utm_source", "is not", "mail", [0, 2]),
        ("utm_source", "is", "(none)", [0, 2]),
        ("campaign", "is", "Spring", [1]),
        ("route", "is", "/cart", [0]),
        ("route", "is not", "/cart", [1, 2]),
        ("route", "contains", "", [0, 1]),
        ("clicked", "is", "Buy button", [0]),
        ("clicked", "is not", "Buy button", [1, 2]),
        ("event", "glob", "SIGN??", [2]),
        ("stage", "is", "2 of Purchase", [0]),
        ("stage", "is", "3 of Purchase", [0]),
        ("stage", "is not", "1 of Purchase", [1, 2]),
    ],
)
def test_segments(dimension: str, operator: Operator, value: str, selected: list[int]) -> None:
    reference = site(
        view(0, 0, "/products/1"),
        view(0, 1, "/cart"),
        click(0, 2, "#buy"),
        view(1, 0, "/?utm_source=mail&ad=s24"),
        custom(1, 100, "signup"),
        described=[FIREFOX, SAFARI],
    )
    chosen = reference.selected(of(dimension, operator, value))
    assert [reference.sessions.index(session) for session in chosen] == selected


def test_all_filters_hold() -> None:
    reference = site(view(0, 0, "/"), view(1, 0, "/cart"), described=[FIREFOX, FIREFOX])
    filters = (Filter("browser", "is", "Firefox"), Filter("route", "is", "/cart"))
    question = Question(app="a1", segment=Segment(filters))
    assert [session.routes for session in reference.selected(question)] == [["/cart"]]
    assert overview(reference, question).series[0].visitors == 1


def test_every_session_has_every_dimension() -> None:
    reference = site(move(0, 0))
    (session,) = reference.sessions
    assert set(session.one) == set(SINGLE)
    assert set(session.many) == set(MANY)
