"""Figures by the API: what they are of, how they follow events, and what is refused."""

from typing import Any

import pytest

from datalab.server.api.insights import ENDPOINTS
from tests.server.api.place import AppMade, Client, Place
from tests.server.api.shared import Shared, lock, page, plain, until
from tests.server.client import Page, click, signal, view

FUNNELS = [{"name": "Purchase", "stage": [{"name": "Catalog", "url": "/catalog"}, {"name": "Buy", "click": "#buy"}]}]
ELEMENTS = [{"name": "Buy button", "selector": "#buy"}]


async def configured(owner: Client, app: AppMade) -> None:
    for section, value in (("funnels", FUNNELS), ("elements", ELEMENTS), ("routes", {"routes": ["/products/:id"]})):
        await owner.done("PUT", f"/apps/{app.id}/configuration/{section}", {"revision": 0, "value": value})


async def insight(client: Client, app: AppMade, name: str, **query: str) -> Any:
    return plain(await client.done("GET", f"/apps/{app.id}/insights/{name}", query=query))


async def test_answers_follow_the_events(place: Place) -> None:
    owner = await place.person("ada.l")
    app = await owner.app("shop")
    await configured(owner, app)
    token = await lock(owner, app)
    for query in ({}, {"segment": "route is /catalog"}, {"segment": "route is /about"}):
        assert (await insight(owner, app, "overview", **query))["sessions"] == 0
    visitor = await page(place, token).enter()
    await visitor.send(view(1, "/catalog"), click(2, "#buy"))

    async def sessions() -> list[int]:
        segments = ("", "route is /catalog", "route is /about")
        return [(await insight(owner, app, "overview", segment=each))["sessions"] for each in segments]

    await until(sessions, [1, 1, 0])
    await visitor.send(view(3, "/about"))
    await until(sessions, [1, 1, 1])
    await owner.done("POST", f"/apps/{app.id}/segments", {"name": "Buyers", "text": 'clicked is "Buy button"'})
    saved = await insight(owner, app, "overview", segment="@Buyers")
    assert (saved["sessions"], saved["segment"]) == (1, "clicked is Buy button")
    assert saved["conversion_rate"] == 1.0


async def test_who_is_where_now(place: Place) -> None:
    owner = await place.person("ada.l")
    app = await owner.app("shop")
    await configured(owner, app)
    token = await lock(owner, app)
    found = await insight(owner, app, "live")
    assert {**found, "stages": None} == {
        "app": found["app"], "present": 0, "events": 0, "routes": [], "feed": [], "stages": None
    }  # fmt: skip
    assert [(each["name"], each["visitors"]) for each in found["stages"]] == [("Catalog", 0), ("Buy", 0), ("(none)", 0)]
    visitors: list[Page] = []
    for events in (
        [view(1, "/catalog"), click(2, "#buy"), view(3, "/products/7?a=1")],
        [view(1, "/catalog"), signal(2, "search", text="tea")],
        [],
    ):
        visitors.append(await page(place, token).enter())
        if events:
            await visitors[-1].send(*events)
            await visitors[-1].acknowledged(len(events))

    async def present() -> tuple[int, int]:
        found = await insight(owner, app, "live")
        return found["present"], found["events"]

    await until(present, (3, 5))
    found = await insight(owner, app, "live")
    assert {each["name"]: each["visitors"] for each in found["routes"]} == {
        "/products/:id": 1,
        "/catalog": 1,
        "(none)": 1,
    }
    assert [(each["name"], each["visitors"]) for each in found["stages"]] == [("Catalog", 1), ("Buy", 1), ("(none)", 1)]
    assert sorted((each["kind"], each["what"]) for each in found["feed"]) == [
        ("click", "Buy button"), ("custom", "search"), ("urlchange", "/catalog"), ("urlchange", "/catalog"),
        ("urlchange", "/products/:id"),
    ]  # fmt: skip
    assert [each["time"] for each in found["feed"]] == sorted((each["time"] for each in found["feed"]), reverse=True)
    await visitors[0].goodbye()
    await until(present, (2, 5))
    assert [each["name"] for each in (await insight(owner, app, "live"))["routes"]] == ["(none)", "/catalog"]


@pytest.mark.parametrize(
    ("name", "query", "detail"),
    [
        ("overview", {"bucket": "year"}, "Invalid enum value 'year'"),
        ("overview", {"limit": "3"}, "unknown field `limit`"),
        ("pages", {"limit": "0"}, "`int` >= 1"),
        ("pages", {"segment": "browser"}, "segment, character 8"),
        ("pages", {"segment": "x" * 5000}, "segment: at most 2000 characters"),
        ("audience", {"limit": "many"}, "limit: Expected `int | null`"),
        ("campaigns", {"touch": "second"}, "Invalid enum value 'second'"),
        ("funnel", {"split": "route"}, "split 'route' is not one of"),
        ("funnel", {"unit": "people"}, "Invalid enum value 'people'"),
        ("journey", {"top": "10001"}, "top: 0 to 10000"),
        ("journey", {"paths": "1001"}, "`int` <= 1000"),
        ("surroundings", {}, "missing required field `route`"),
        ("surroundings", {"route": "/", "direction": "up"}, "Invalid enum value 'up'"),
        ("retention", {"period": "hour"}, "Invalid enum value 'hour'"),
        ("live", {"from": "2026-01-01"}, "unknown field `from`"),
    ],
)
async def test_what_is_out_of_bounds_is_refused(shared: Shared, name: str, query: dict[str, str], detail: str) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    await configured(ben, app)
    answer = await ben.request("GET", f"/apps/{app.id}/insights/{name}", query=query)
    assert answer.status == 422
    assert detail in plain(answer)["detail"]


async def test_retention_with_too_many_cohorts_is_refused(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    token = await lock(ben, app)
    visitor = await page(shared, token).enter()
    await visitor.send(view(1))
    await visitor.acknowledged(1)
    query = {"period": "day", "from": "2020-01-01"}

    async def status() -> int:
        return (await ben.request("GET", f"/apps/{app.id}/insights/retention", query=query)).status

    await until(status, 422)


def test_every_figure_has_an_address() -> None:
    names = [endpoint.path.rpartition("/")[2] for endpoint in ENDPOINTS]
    assert names == [
        "overview", "pages", "audience", "campaigns", "elements", "funnel", "journey", "surroundings", "retention",
        "live",
    ]  # fmt: skip
