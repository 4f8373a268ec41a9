"""A real click stream through `datalab import` and `datalab report`, against plain Python over the same file."""

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from datalab.model.ranges import Range
from tests.aggregate.shop import (
    SPRING,
    WHOLE,
    ZONE,
    Visit,
    cohorts,
    count_edges,
    histories_of,
    people,
    reach_in_order,
    units_of,
    visits_of,
)
from tests.cli.history import APP, add_app, add_user, good, good_json
from tests.clickstream import Click, read_clickstream

STAGES = ["product_view", "add_to_cart", "shipping_details", "payment_details", "purchase"]


def configuration(stages: list[str]) -> str:
    """A funnel of page views."""
    parts = [f"[[funnel.stage]]\nname = '{stage}'\nurl = '/{stage}'\n" for stage in stages]
    return "[[funnel]]\nname = 'Purchase'\n" + "".join(parts)


def reached_in_order(clicks: list[Click]) -> list[int]:
    """Visitors that reached each stage after all earlier ones; ties stand in file order."""
    furthest: dict[str, int] = defaultdict(int)
    for click in sorted(clicks, key=lambda click: click.time):
        if furthest[click.user] < len(STAGES) and STAGES[furthest[click.user]] == click.event:
            furthest[click.user] += 1
    return [sum(1 for count in furthest.values() if count > stage) for stage in range(len(STAGES))]


def reached_at_all(clicks: list[Click]) -> list[int]:
    """Visitors with at least one event of each stage."""
    return [len({click.user for click in clicks if click.event == stage}) for stage in STAGES]


def write_records(clicks: list[Click], folder: Path) -> Path:
    """One line a click, to import."""
    lines = [
        json.dumps({"visitor": click.user, "time": click.time, "kind": "urlchange", "url": f"/{click.event}"})
        for click in clicks
    ]
    file = folder / "ecom.ndjson"
    file.write_text("\n".join(lines))
    return file


def test_the_funnel_of_a_real_click_stream(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    clicks = read_clickstream(pytestconfig)
    data = tmp_path / "data"
    add_app(data)
    file = write_records(clicks, tmp_path)
    (tmp_path / "funnel.toml").write_text(configuration(STAGES))
    (tmp_path / "other.toml").write_text(configuration(STAGES[::-1]))
    good("app", "config", APP, "--set", str(tmp_path / "other.toml"), data=data)
    assert good_json("import", APP, str(file), data=data) == {"added": 31_106, "repeated": 0, "bad_lines": 0}

    def reached(*options: str) -> list[int]:
        funnel = good_json("report", APP, "funnel", *options, data=data)
        assert (len(clicks), funnel["visitors"]) == (31_106, 600)
        return [stage["reached"] for stage in funnel["stages"]]

    assert reached("--order", "any") == reached_at_all(clicks)[::-1]
    # The figures are made anew from the journal.
    good("app", "config", APP, "--set", str(tmp_path / "funnel.toml"), data=data)
    for _ in range(2):
        assert reached() == reached_in_order(clicks) == [598, 517, 401, 281, 146]
        assert reached("--order", "any") == reached_at_all(clicks) == [598, 522, 441, 390, 328]
        assert good_json("import", APP, str(file), data=data) == {"added": 0, "repeated": 31_106, "bad_lines": 0}


@pytest.fixture(scope="module")
def visits(pytestconfig: pytest.Config) -> list[Visit]:
    """All sessions of the file."""
    return visits_of(histories_of(read_clickstream(pytestconfig)))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """A data directory that has the file."""
    folder = tmp_path_factory.mktemp("shop")
    data = folder / "data"
    add_user(data)
    site = ("--url", "https://shop.example", "--time-zone", ZONE)
    good("app", "create", APP, "--owner", "ada.l", *site, data=data)
    (folder / "funnel.toml").write_text(configuration(STAGES))
    good("app", "config", APP, "--set", str(folder / "funnel.toml"), data=data)
    good("import", APP, str(write_records(read_clickstream(pytestconfig), folder)), data=data)
    return data


RANGES = [
    pytest.param(WHOLE, (), id="everything"),
    pytest.param(SPRING, ("--from", "2024-02-10", "--to", "2024-04-20"), id="spring"),
]


@pytest.mark.parametrize(("range", "options"), RANGES)
def test_overview(shop: Path, visits: list[Visit], range: Range, options: tuple[str, ...]) -> None:
    """Sessions with an event in the range, their visitors, and the page views in it."""
    mine = [visit for visit in visits if visit.within(range)]
    found = good_json("report", APP, "overview", *options, data=shop)
    assert (found["sessions"], found["visitors"]) == (len(mine), people(mine))
    assert found["page_views"] == sum(len(visit.within(range)) for visit in mine)


@pytest.mark.parametrize(("range", "options"), RANGES)
def test_journey(shop: Path, visits: list[Visit], range: Range, options: tuple[str, ...]) -> None:
    """Journey edges and paths by session, as in tests/aggregate/test_clickstream_journeys.py."""
    ways = [visit.routes for visit in visits if visit.within(range)]
    walked = Counter(tuple(way[:10]) for way in ways)
    found = good_json("report", APP, "journey", "--paths", "20", *options, data=shop)
    assert found["sessions"] == len(ways)
    assert [(edge["from"], edge["to"], edge["sessions"], edge["times"]) for edge in found["edges"]] == count_edges(ways)
    assert [(tuple(path["routes"]), path["sessions"]) for path in found["paths"]] == sorted(
        walked.items(), key=lambda entry: (-entry[1], entry[0])
    )[:20]


@pytest.mark.parametrize(("range", "options"), RANGES)
@pytest.mark.parametrize("unit", ["visitors", "sessions"])
def test_funnel(shop: Path, visits: list[Visit], range: Range, options: tuple[str, ...], unit: str) -> None:
    """Units that viewed the stages in order in the range, as in tests/aggregate/test_clickstream_funnels.py."""
    units = units_of([visit for visit in visits if visit.within(range)], unit)
    ways = [len(reach_in_order([click for visit in each for click in visit.within(range)], None)) for each in units]
    found = good_json("report", APP, "funnel", "--unit", unit, *options, data=shop)
    assert found["visitors"] == len(units)
    assert [stage["reached"] for stage in found["stages"]] == [sum(way > k for way in ways) for k in (0, 1, 2, 3, 4)]


@pytest.mark.parametrize(("range", "options"), RANGES)
@pytest.mark.parametrize("period", ["week", "month"])
def test_retention(shop: Path, visits: list[Visit], range: Range, options: tuple[str, ...], period: str) -> None:
    """Cohorts by the first session, as in tests/aggregate/test_clickstream.py."""
    found = good_json("report", APP, "retention", "--period", period, *options, data=shop)
    assert [
        (each["start"], each["visitors"], [(cell["period"], cell["visitors"], cell["share"]) for cell in each["cells"]])
        for each in found["cohorts"]
    ] == cohorts(visits, range, period)


def test_a_segment(shop: Path, visits: list[Visit]) -> None:
    """Sessions that viewed a route and are not their visitor's first."""
    mine = [visit for visit in visits if "/cart" in visit.routes and not visit.is_first]
    found = good_json("report", APP, "journey", "--segment", "route is /cart and visit is returning", data=shop)
    assert [(edge["from"], edge["to"], edge["sessions"], edge["times"]) for edge in found["edges"]] == count_edges(
        [visit.routes for visit in mine]
    )
