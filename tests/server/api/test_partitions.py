"""Archived partitions: sealed by an unlock, read as they were, exported, deleted, through a crash too."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession

from tests.conftest import Server
from tests.server.api.place import ENVIRONMENT, AppMade, Client, Place
from tests.server.api.shared import lock, page, plain, unlock, until
from tests.server.client import ORIGIN, Page, click, signal, view

Start = Callable[..., Server]
INSIGHTS = ("overview", "pages", "audience", "funnel")
FIRST = [{"name": "First", "stage": [{"name": "Catalog", "url": "/catalog"}, {"name": "Buy", "click": "#buy"}]}]
SECOND = [{"name": "Second", "stage": [{"name": "Start", "url": "/"}]}]
ENDS: list[dict[str, Any]] = [
    {"kind": "click", "target": "main>#buy"},
    {"kind": "custom", "name": "done", "properties": {"plan": "pro"}},
]
"""What each visitor does last, as it is exported."""
PATHS = (("/", "/catalog", "/catalog"), ("/catalog",), ("/", "/about"))
"""Of each visitor."""


class History(NamedTuple):
    """An app after its first unlock, and what was seen before."""

    place: Place
    owner: Client
    member: Client
    app: AppMade
    figures: dict[str, Any]
    visitors: list[Page]
    token: str


async def configure(client: Client, app: AppMade, funnels: list[Any], revision: int) -> None:
    body = {"revision": revision, "value": funnels}
    await client.done("PUT", f"/apps/{app.id}/configuration/funnels", body)


async def figures(client: Client, app: AppMade, partition: int | None = None) -> dict[str, Any]:
    query = {"partition": str(partition)} if partition else None
    return {name: plain(await client.done("GET", f"/apps/{app.id}/insights/{name}", query=query)) for name in INSIGHTS}


async def partitions(client: Client, app: AppMade) -> list[dict[str, Any]]:
    return list(plain(await client.done("GET", f"/apps/{app.id}/partitions")))


async def routes(client: Client, app: AppMade, partition: int | None = None) -> list[tuple[str, int]]:
    query = {"partition": str(partition)} if partition else None
    answered = plain(await client.done("GET", f"/apps/{app.id}/insights/pages", query=query))
    return [(one["route"], one["views"]) for one in answered["pages"]]


async def until_views(client: Client, app: AppMade, views: int) -> None:
    async def found() -> int:
        return sum(count for _, count in await routes(client, app))

    await until(found, views)


async def visits(place: Place, token: str) -> list[Page]:
    """Each visitor views pages, clicks, and signals."""
    made = []
    for paths in PATHS:
        visitor = await page(place, token).enter()
        events = [view(number, path) for number, path in enumerate(paths, 1)]
        last = len(events)
        await visitor.send(*events, click(last + 1, "#buy"), signal(last + 2, "done", plan="pro"))
        await visitor.acknowledged(last + 2)
        made.append(visitor)
    return made


async def begun(place: Place) -> History:
    """An app with a history, unlocked and configured otherwise."""
    owner, member = await place.person("ada.l"), await place.person("ben.m")
    app = await owner.app("Shop", urls=[ORIGIN], time_zone="Asia/Tokyo")
    await configure(owner, app, FIRST, 0)
    token = await lock(owner, app)
    visitors = await visits(place, token)
    await until_views(owner, app, 6)
    seen = await figures(owner, app)
    await unlock(owner, app)
    return History(place, owner, member, app, seen, visitors, token)


@pytest.fixture
async def history(place: Place) -> History:
    return await begun(place)


async def restarted(history: History, start_server: Start, http: ClientSession) -> History:
    """After the plug was pulled."""
    history.place.server.kill()
    server = await asyncio.to_thread(start_server, environment=ENVIRONMENT)
    owner, member = [
        Client(http, server.url, client.username, client.cookie) for client in (history.owner, history.member)
    ]
    return history._replace(place=Place(server, http), owner=owner, member=member)


async def test_an_archived_partition_is_read_as_it_was(
    history: History, start_server: Start, http: ClientSession
) -> None:
    place, owner, member, app, seen, visitors, token = history
    assert seen["overview"]["page_views"] == 6
    assert [stage["reached"] for stage in seen["funnel"]["stages"]] == [2, 2]
    assert seen["overview"]["conversion_rate"] == 2 / 3
    assert await figures(owner, app, 1) == seen
    assert await figures(member, app, 1) == seen, "members read it too"
    (archived,) = await partitions(member, app)
    assert archived["number"] == 1
    assert archived["opened"] <= archived["sealed"]
    assert archived["bytes"] > 0
    assert archived["configuration"]["funnel"] == FIRST
    assert (archived["urls"], archived["time_zone"]) == ([ORIGIN], "Asia/Tokyo")
    assert plain(await member.done("GET", f"/apps/{app.id}/partitions/1")) == archived

    empty = await figures(owner, app)
    assert (empty["overview"]["sessions"], empty["pages"]["pages"]) == (0, [])
    await configure(owner, app, SECOND, 1)
    await owner.done("PATCH", f"/apps/{app.id}", {"urls": ["http://new.example", ORIGIN], "time_zone": "UTC"})
    assert await figures(owner, app, 1) == seen, "with the configuration and the time zone it ran under"
    assert await partitions(owner, app) == [archived]

    second = await lock(owner, app)
    opened, still = await partitions(owner, app)
    assert still == archived
    assert (opened["number"], opened["sealed"]) == (2, None)
    assert opened["configuration"]["funnel"] == SECOND
    assert (opened["urls"], opened["time_zone"]) == (["http://new.example", ORIGIN], "UTC")
    assert (await figures(owner, app))["overview"]["sessions"] == 0
    assert not (await figures(owner, app, 2))["pages"]["pages"]

    for visitor in visitors:
        assert (await visitor.post(view(9))).refusal == (403, "token-refused")
        visitor.token = second
        assert (await visitor.ask_hello(session=visitor.welcome.session)).refusal == (403, "session-refused")
    assert (await page(place, token).ask_hello()).refusal == (403, "token-refused")
    again = await page(place, second).enter(visitor=visitors[0].welcome.visitor)
    await again.send(view(1, "/new"))
    await again.acknowledged(1)
    await until_views(owner, app, 1)
    present = await figures(owner, app)
    assert await figures(owner, app, 2) == present
    assert present["pages"]["pages"][0]["route"] == "/new"
    assert present["funnel"]["funnel"] == "Second"
    assert await figures(owner, app, 1) == seen

    after = await restarted(history, start_server, http)
    assert await figures(after.owner, app, 1) == seen
    assert await figures(after.member, app) == present
    assert (await partitions(after.owner, app))[1] == archived
    assert (await page(after.place, token).ask_hello()).refusal == (403, "token-refused")
    assert (await page(after.place, second).ask_hello()).status == 200
    late = visitors[0]
    late.url = after.place.server.url
    assert (await late.post(view(9))).refusal == (403, "token-refused")


async def test_what_is_exported_is_what_was_sent(history: History, start_server: Start, http: ClientSession) -> None:
    owner, member, app = history.owner, history.member, history.app
    path = f"/apps/{app.id}/partitions/1/export"
    answer = await member.done("GET", path)
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    assert "attachment" in answer.headers["Content-Disposition"]
    records = [json.loads(line) for line in answer.body.splitlines()]
    expected: list[dict[str, Any]] = [
        {"visitor": visitor.welcome.visitor, **event}
        for visitor, paths in zip(history.visitors, PATHS, strict=True)
        for event in [*({"kind": "urlchange", "url": ORIGIN + path} for path in paths), *ENDS]
    ]
    told = [{key: record.get(key) for key in wanted} for record, wanted in zip(records, expected, strict=True)]
    assert told == expected
    await lock(owner, app)
    assert (await owner.done("GET", f"/apps/{app.id}/partitions/2/export")).body == b""
    after = await restarted(history, start_server, http)
    assert (await after.owner.done("GET", path)).body == answer.body
    for number in ("3", "0", "-1", "x", "1.0", "%D9%A3", "9" * 30):
        assert (await after.owner.request("GET", f"/apps/{app.id}/partitions/{number}/export")).status == 404
    eve = await after.place.person("eve.o", "other.example")
    for below in ("", "/1", "/1/export"):
        assert (await eve.request("GET", f"/apps/{app.id}/partitions{below}")).refusal == (404, "missing")


async def test_an_archived_partition_is_deleted_by_its_owner(
    history: History, start_server: Start, http: ClientSession
) -> None:
    owner, member, app = history.owner, history.member, history.app
    await lock(owner, app)
    confirm = {"confirm": app.full_name}

    def files() -> set[str]:
        found = history.place.server.data.rglob(f"*{app.id}*/**/*")
        return {path.name for path in found if path.is_file() and path.suffix not in ("-wal", "-shm")}

    before = files()
    first = f"/apps/{app.id}/partitions/1"
    for typed in ("", "1", app.full_name.upper()):
        assert (await owner.request("DELETE", first, query={"confirm": typed})).refusal == (422, "invalid")
    assert (await owner.request("DELETE", first)).refusal == (422, "invalid")
    assert (await member.request("DELETE", first, query=confirm)).refusal == (403, "forbidden")
    open_one = await owner.request("DELETE", f"/apps/{app.id}/partitions/2", query=confirm)
    assert open_one.refusal == (409, "locked")
    assert await figures(owner, app, 1) == history.figures
    await owner.done("DELETE", first, query=confirm)
    assert files() < before

    async def gone(client: Client) -> None:
        assert [one["number"] for one in await partitions(client, app)] == [2]
        for path in (first, f"{first}/export", f"/apps/{app.id}/insights/overview?partition=1"):
            assert (await client.request("GET", path)).refusal == (404, "missing")
        assert (await client.request("DELETE", first, query=confirm)).refusal == (404, "missing")

    await gone(owner)
    after = await restarted(history, start_server, http)
    await gone(after.owner)
    await unlock(after.owner, app)
    await after.owner.done("DELETE", f"/apps/{app.id}/partitions/2", query=confirm)
    await lock(after.owner, app)
    assert [one["number"] for one in await partitions(after.owner, app)] == [3], "numbers are not used twice"


async def test_many_archives_are_read_one_after_the_other(place: Place) -> None:
    owner = await place.person("ada.l")
    app = await owner.app("Shop", urls=[ORIGIN])
    seen = []
    for number in range(1, 6):
        token = await lock(owner, app)
        visitor = await page(place, token).enter()
        await visitor.send(*(view(sequence, f"/p{number}") for sequence in range(1, number + 1)))
        await visitor.acknowledged(number)
        await until_views(owner, app, number)
        seen.append((await routes(owner, app))[0])
        await unlock(owner, app)
    for _ in range(2):
        for number in (1, 5, 2, 4, 3):
            assert await routes(owner, app, number) == [seen[number - 1]]
    answers = await asyncio.gather(*(routes(owner, app, number) for number in range(1, 6)))
    assert [answer[0] for answer in answers] == seen
    assert [one["number"] for one in await partitions(owner, app)] == [5, 4, 3, 2, 1]
    unknown = await owner.request("GET", f"/apps/{app.id}/insights/pages", query={"partition": "6"})
    assert unknown.refusal == (404, "missing")
    for bad in ("0", "-1", "x", "1.5", str(10**10)):
        refused = await owner.request("GET", f"/apps/{app.id}/insights/pages", query={"partition": bad})
        assert refused.refusal == (422, "invalid")
