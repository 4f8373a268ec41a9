"""`datalab report`: the same figures as the API and the pages, of everybody and of a segment, and what it refuses."""

import asyncio
import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest
from aiohttp import ClientSession

from datalab.cli.reports import KINDS
from datalab.demo.visits import visits
from tests.cli.history import APP, CONFIGURATION, add_app, good, good_json, ndjson, refused, run
from tests.conftest import Server

NOW = 1_764_000_000_000
"""2025-11-24T16:00:00Z."""
SEGMENTS = ["", "device is mobile and route contains /products", "stage is 1 of Purchase", "@Phones"]
ASKED: list[tuple[str, dict[str, str]]] = [
    ("overview", {}),
    ("overview", {"from": "2025-11-01", "to": "2025-11-24", "bucket": "week"}),
    ("pages", {"limit": "3"}),
    ("audience", {"limit": "2"}),
    ("campaigns", {"touch": "last", "limit": "4"}),
    ("elements", {}),
    ("funnel", {"unit": "sessions", "order": "any", "split": "device", "limit": "2"}),
    ("funnel", {"from": "2025-11-10"}),
    ("journey", {"top": "4", "paths": "7"}),
    ("surroundings", {"route": "/catalog", "direction": "before", "top": "3"}),
    ("retention", {"period": "month"}),
    ("retention", {"from": "2025-10-01"}),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with 200 visitors of the demo's shop."""
    folder = tmp_path_factory.mktemp("reports") / "data"
    add_app(folder)
    (folder.parent / "shop.toml").write_text(CONFIGURATION)
    good("app", "config", APP, "--set", str(folder.parent / "shop.toml"), data=folder)
    good("app", "segment", APP, "Phones", "--set", "device is mobile", data=folder)
    records = [msgspec.to_builtins(record) for record in visits(200, 60, now_ms=NOW)]
    assert good_json("import", APP, "-", data=folder, text=ndjson(records))["added"] == len(records)
    return folder


def options(asked: dict[str, str]) -> list[str]:
    return [part for name, value in asked.items() for part in (f"--{name}", value)]


async def test_the_api_answers_what_the_command_prints(data: Path, start_server: Callable[..., Server]) -> None:
    printed = {}
    for what, asked in ASKED:
        for segment in SEGMENTS:
            with_segment = {**asked, **({"segment": segment} if segment else {})}
            printed[what, urlencode(with_segment)] = await asyncio.to_thread(
                good_json, "report", APP, what, *options(with_segment), data=data
            )
    key = (await asyncio.to_thread(good, "token", "api", "ada.l", "--name", "test", data=data)).split()[-1]
    server = await asyncio.to_thread(start_server, data=data)
    headers = {"Authorization": f"Bearer {key}"}
    async with ClientSession(server.url, headers=headers) as http:
        async with http.get("/api/v1/apps") as response:
            app = (await response.json())[0]["id"]
        for (what, query), expected in printed.items():
            async with http.get(f"/api/v1/apps/{app}/insights/{what}?{query}") as response:
                answer = await response.json()
                assert response.status == 200, (what, query, answer)
                assert answer == expected, (what, query)
    everybody = printed["pages", urlencode({"limit": "3"})]
    phones = printed["pages", urlencode({"limit": "3", "segment": "@Phones"})]
    assert 0 < phones["page_views"] < everybody["page_views"]
    assert phones["segment"] == "device is mobile"


@pytest.mark.parametrize("what", [what for what in KINDS if what not in ("surroundings",)])
def test_every_kind_prints_tables(what: str, data: Path) -> None:
    printed = good("report", APP, what, data=data)
    assert len(printed.splitlines()) > 2
    named = re.findall(r"^(\w+)$", printed, re.MULTILINE)
    for name in named:
        rows = list(csv.reader(io.StringIO(good("report", APP, what, "--csv", "--table", name, data=data))))
        assert len({len(row) for row in rows}) == 1


def test_comparing_adds_the_period_before(data: Path) -> None:
    days = ["--from", "2025-11-01", "--to", "2025-11-15"]
    printed = good("report", APP, "overview", *days, "--compare", "--csv", data=data)
    found = good_json("report", APP, "overview", *days, data=data)
    by_name = {row[0]: row[1:] for row in csv.reader(io.StringIO(printed))}
    assert by_name["from"][:2] == ["2025-11-01T00:00:00+00:00", "2025-10-18T00:00:00+00:00"]
    assert by_name["sessions"][:2] == [str(found["sessions"]), str(found["previous"]["sessions"])]
    assert float(by_name["sessions"][2]) == found["sessions"] / found["previous"]["sessions"] - 1


def test_countries_say_where_they_are_known_from(data: Path) -> None:
    assert "Number Resource Organization" in good("report", APP, "audience", data=data)
    assert "Number Resource Organization" not in good("report", APP, "audience", "--table", "devices", data=data)
    assert "Number Resource Organization" in good_json("report", APP, "audience", data=data)["attribution"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["pages", "--touch", "last"], "pages has no --touch; campaigns has"),
        (["live", "--from", "2025-01-01"], "live has no --from"),
        (["journey", "--split", "device"], "journey has no --split; funnel has"),
        (["surroundings"], "surroundings needs --route"),
        (["funnel", "--compare"], "funnel has no --compare; overview has"),
        (["overview", "--json", "--csv"], "--json prints everything"),
        (["overview", "--table", "nothing"], "overview has no table 'nothing'; there are totals, series"),
        (["overview", "--bucket", "year"], "'year' is not one of"),
        (["pages", "--limit", "0"], "is not in the range"),
        (["everything"], "'everything' is not one of"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(arguments: list[str], line: str, data: Path) -> None:
    done = run("report", APP, *arguments, data=data)
    assert done.exit_code == 2
    assert line in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["funnel", "--funnel", "Nothing"], "has no funnel 'Nothing'; there are Purchase"),
        (["funnel", "--split", "route"], "split 'route' is not one of browser"),
        (["pages", "--segment", "browser ist Firefox"], "segment, character 9"),
        (["pages", "--segment", "@Nobody"], "Nobody"),
        (["overview", "--bucket", "hour"], "more than 4000 hours; choose a shorter one or a longer bucket"),
        (["pages", "--from", "soon"], "soon"),
        (["pages", "--partition", "9"], "no partition 9"),
    ],
)
def test_what_cannot_be_answered_is_refused(arguments: list[str], line: str, data: Path) -> None:
    if "hour" in arguments:
        arguments = [*arguments, "--from", "2020-01-01"]
    assert line in refused("report", APP, *arguments, data=data)
