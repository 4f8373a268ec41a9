"""The pages of an app: each shows what the API answers, without JavaScript, under the segment of its address."""

from collections.abc import AsyncIterator, Callable
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession

from datalab.model.figures import Campaigns, FunnelFigures, Journey, LiveFigures, Overview, Retention
from datalab.server.notation import number, percent
from datalab.server.sections import SECTIONS
from tests.conftest import Server
from tests.server.client import Dashboard, Page, Shop, click, log_in, view

Start = Callable[..., Server]
VISITS = [
    ["/", "/catalog", "/products/1", "/catalog"],
    ["/catalog?utm_source=letter", "/products/2", "/paid"],
    ["/catalog"],
    ["/", "/about"],
]


class Tables(HTMLParser):
    """The rows of every table, by the id of the section around it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self._section = ""
        self._cell: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "section":
            self._section = named.get("id") or ""
        elif tag == "tr":
            self.rows.setdefault(self._section, []).append([])
        elif tag in {"td", "th"}:
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"} and self._cell is not None:
            self.rows[self._section][-1].append("".join(self._cell).strip())
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)


class Site(NamedTuple):
    """A server with the visits."""

    dashboard: Dashboard
    pages: list[Page]

    async def page(self, section: str = "", **query: str) -> tuple[int, str]:
        answer = await self.dashboard.get(
            f"/apps/{self.dashboard.app}{'/' + section if section else ''}?{urlencode(query)}"
        )
        return answer.status, answer.body.decode()

    async def tables(self, section: str, **query: str) -> dict[str, list[list[str]]]:
        status, text = await self.page(section, **query)
        assert status == 200
        return Tables(text).rows

    async def figures(self, name: str, kind: type[Any], **query: str) -> Any:
        return await self.dashboard.insight(f"{name}?{urlencode(query)}", kind)


@pytest.fixture
async def site(shop: Shop, start_server: Start, http: ClientSession) -> AsyncIterator[Site]:
    server = start_server()
    dashboard = await log_in(http, server.url, shop.app)
    made, events = [], 0
    for paths in VISITS:
        page = await Page(http, server.url, shop.token).enter()
        await page.send(*(view(place, path) for place, path in enumerate(paths, 1)), click(len(paths) + 1, "#add"))
        await page.acknowledged(len(paths) + 1)
        events += len(paths) + 1
        made.append(page)
    await dashboard.until(events=events)
    yield Site(dashboard, made)


async def test_funnels_and_their_split(site: Site) -> None:
    found: FunnelFigures = await site.figures("funnel", FunnelFigures, split="utm_source")
    tables = await site.tables("funnels", split="utm_source")
    assert tables["split-0"][0] == ["Value", "Visitors", "Catalog", "Add", "Paid", "Conversion"]
    assert tables["split-0"][1:] == [
        [each.value, number(each.visitors), *map(number, each.reached), percent(each.conversion)]
        for each in found.split
    ]
    assert [row[0] for row in tables["times-0"][1:]] == ["Catalog", "Add", "Paid"]
    in_any_order = await site.tables("funnels", order="any", unit="sessions")
    assert "times-0" not in in_any_order


async def test_journeys(site: Site) -> None:
    found: Journey = await site.figures("journey", Journey, top="30")
    tables = await site.tables("journeys")
    assert [(row[0], row[1], row[3]) for row in tables["edges"][1:]] == [
        (f"{edge.from_} → {edge.to}", str(edge.sessions), str(edge.times)) for edge in found.edges
    ]
    assert [(row[0], row[1]) for row in tables["paths"][1:]] == [
        (" → ".join(path.routes), str(path.sessions)) for path in found.paths
    ]


async def test_campaigns(site: Site) -> None:
    found: Campaigns = await site.figures("campaigns", Campaigns)
    by_field = {field.field: field.values for field in found.fields}
    tables = await site.tables("campaigns")
    assert (
        [row[0] for row in tables["utm_source"][1:]] == [value.value for value in by_field["utm_source"]] == ["letter"]
    )
    nobody = await site.page("campaigns", segment="entry is /")
    assert "No visit in this range came by a configured campaign" in nobody[1]


async def test_retention(site: Site) -> None:
    found: Retention = await site.figures("retention", Retention, period="day")
    tables = await site.tables("retention", period="day")
    assert [row[1] for row in tables["retention"][1:]] == [str(cohort.visitors) for cohort in found.cohorts] == ["4"]


async def test_elements_say_what_is_missing_where_none_is_configured(site: Site) -> None:
    assert "No element of interest is configured" in (await site.page("elements"))[1]


async def test_now(site: Site) -> None:
    found: LiveFigures = await site.figures("live", LiveFigures)
    tables = await site.tables("now")
    assert {row[0]: row[1] for row in tables["live-routes"][1:]} == {
        count.name: str(count.visitors) for count in found.routes
    }
    assert {row[0]: row[1] for row in tables["live-stages"][1:]} == {
        "Catalog": "0", "Add": "3", "Paid": "0", "(none)": "1"
    }  # fmt: skip
    assert [row[0] for row in tables["feed"][1:]] == [event.what for event in found.feed]


async def test_the_segment_of_the_address_holds_on_every_page(site: Site) -> None:
    segment = "route is /about"
    everybody: Overview = await site.figures("overview", Overview)
    some: Overview = await site.figures("overview", Overview, segment=segment)
    assert (everybody.visitors, some.visitors) == (4, 1)
    status, text = await site.page(segment=segment)
    assert status == 200
    assert Tables(text).rows["routes"][1:] == [
        ["/", "1", "1", "1", "0", "0 s"] if row[0] == "/" else row for row in Tables(text).rows["routes"][1:]
    ]
    assert {row[0] for row in Tables(text).rows["routes"][1:]} == {"/", "/about"}
    for section in SECTIONS:
        assert urlencode({"segment": segment}) in text
        assert (await site.page(section, segment=segment))[0] == 200
    assert {row[0] for row in (await site.tables("journeys", segment=segment))["paths"][1:]} == {"/ → /about"}


async def test_a_segment_that_cannot_be_read_is_told_beside_it_and_shows_nobodys_figures(site: Site) -> None:
    for section in ("", *(name for name in SECTIONS if name != "now")):
        status, text = await site.page(section, segment="browser ist Firefox")
        assert status == 422
        assert "segment, character 9" in text
        assert 'value="browser ist Firefox"' in text
        assert Tables(text).rows == {}
    status, text = await site.page(segment="@Nobody")
    assert status == 422
    status, text = await site.page(segment="browser is Nothing")
    assert status == 200
    assert "No visit in this range fits the segment" in text


@pytest.mark.parametrize(
    ("section", "query", "refusal"),
    [
        ("funnels", {"unit": "people"}, "unit &#39;people&#39; is not one of visitors, sessions"),
        ("funnels", {"split": "route"}, "split &#39;route&#39; is not one of browser"),
        ("campaigns", {"touch": "second"}, "touch &#39;second&#39; is not one of session, last, first"),
        ("retention", {"period": "year"}, "period &#39;year&#39; is not one of day, week, month"),
    ],
)
async def test_choices_that_are_none_are_refused(site: Site, section: str, query: dict[str, str], refusal: str) -> None:
    status, text = await site.page(section, **query)
    assert status == 422
    assert refusal in text


async def test_there_are_no_other_pages(site: Site) -> None:
    for section in ("nothing", "Funnels", "funnels/x", "%00"):
        assert (await site.page(section))[0] == 404
