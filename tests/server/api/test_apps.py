"""Apps: what they are called, where their pages are, who sees them, and how they are edited and deleted."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.server.api.place import AppMade, Client
from tests.server.api.shared import Shared, let_in, lock, page, plain, tab, told, until
from tests.server.client import view


def new(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "urls": ["https://shop.example"], "tags": ["shop"], **more}


async def one(client: Client, app: AppMade) -> dict[str, Any]:
    found: dict[str, Any] = plain(await client.done("GET", f"/apps/{app.id}"))
    return found


async def names(client: Client) -> set[str]:
    return {app["name"] for app in plain(await client.done("GET", "/apps"))}


async def test_whoever_makes_an_app_owns_it(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    name = shared.fresh("Shop ")
    body = new(f" {name}\t", description=" All we sell ", private=False, time_zone="Europe/Berlin", tags=[" a ", "b"])
    answer = await ben.done("POST", "/apps", body)
    made = plain(answer)
    assert answer.status == 201
    assert {field: made[field] for field in ("name", "full_name", "organisation", "owner", "owned")} == {
        "name": name,
        "full_name": f"shop.example/{name}",
        "organisation": "shop.example",
        "owner": "ben.m",
        "owned": True,
    }
    assert (made["description"], made["tags"], made["time_zone"]) == ("All we sell", ["a", "b"], "Europe/Berlin")
    assert (made["locked"], made["token"], made["partition"], made["private"]) == (False, None, 0, False)
    assert await one(ben, AppMade(made["id"], made["full_name"])) == made
    assert await one(cem, AppMade(made["id"], made["full_name"])) == {**made, "owned": False}


async def test_a_name_is_unique_in_its_organisation(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    eve = await shared.known("eve.o", "other.example")
    name = shared.fresh("Shop ")
    await ben.done("POST", "/apps", new(name))
    for client, same in [(ben, name), (cem, name), (cem, f"  {name} ")]:
        refused = await client.request("POST", "/apps", new(same, private=True))
        assert refused.refusal == (409, "taken")
        assert name in plain(refused)["detail"]
    assert (await cem.request("POST", "/apps", new(name.upper()))).status == 201, "names are told apart by their case"
    assert (await eve.request("POST", "/apps", new(name))).status == 201
    racing = shared.fresh("Race ")
    answers = await asyncio.gather(*(ben.request("POST", "/apps", new(racing)) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "name: the name of an app has 1 to 60 characters"),
        ("name", " \t", "name: the name of an app has 1 to 60 characters"),
        ("name", "a/b", "name: the name of an app has 1 to 60 characters"),
        ("name", "/", "name: the name of an app has 1 to 60 characters"),
        ("name", "a" * 61, "name: the name of an app has 1 to 60 characters"),
        ("name", "a\nb", "name: the name of an app has 1 to 60 characters"),
        ("tags", [], "tags: 1 to 5 tags of 1 to 30 characters"),
        ("tags", ["a", "b", "c", "d", "e", "f"], "tags: 1 to 5 tags of 1 to 30 characters"),
        ("tags", [""], "tags[0]: 1 to 5 tags of 1 to 30 characters"),
        ("tags", ["a", " "], "tags[1]: 1 to 5 tags of 1 to 30 characters"),
        ("tags", ["a" * 31], "tags[0]: 1 to 5 tags of 1 to 30 characters"),
        ("tags", "shop", "tags: 1 to 5 tags of 1 to 30 characters"),
        ("urls", [], "urls: 1 to 50 URLs"),
        ("urls", ["https://a.example"] * 51, "urls: 1 to 50 URLs"),
        ("urls", ["shop.example"], "'shop.example' is no URL; write one like"),
        ("urls", ["https://shop.example", "ftp://shop.example"], "is no URL of a site"),
        ("urls", ["https://user:secret@shop.example"], "is no URL of a site"),
        ("urls", ["https://*.example"], "is no URL"),
        ("urls", ["javascript:alert(1)"], "is no URL"),
        ("description", "a" * 2001, "description: at most 2000 characters"),
        ("time_zone", "Nowhere/City", "time zone 'Nowhere/City' is unknown"),
        ("time_zone", "../../etc/passwd", "time zone '../../etc/passwd' is unknown"),
        ("private", "yes", "private: Expected `bool`"),
        ("owner", "ada.l", "unknown field `owner`"),
        ("organisation", "other.example", "unknown field `organisation`"),
    ],
)
async def test_what_makes_an_app_has_bounds(shared: Shared, field: str, value: Any, words: str) -> None:
    ben = await shared.known("ben.m")
    name = shared.fresh("Refused ")
    refused = await ben.request("POST", "/apps", {**new(name), field: value})
    assert refused.refusal == (422, "invalid")
    assert words in plain(refused)["detail"]
    assert name not in await names(ben)
    if field != "name":
        assert (await ben.request("POST", "/apps", new(name))).status == 201, "a refusal leaves nothing"


@pytest.mark.parametrize("field", ["name", "urls", "tags"])
async def test_name_urls_and_tags_are_needed(shared: Shared, field: str) -> None:
    ben = await shared.known("ben.m")
    body = new(shared.fresh("Refused "))
    del body[field]
    assert (await ben.request("POST", "/apps", body)).refusal == (422, "invalid")


async def test_urls_become_origins_as_browsers_write_them(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    urls = [" HTTPS://Shop.Example:443/path?a=b#c ", "https://shop.example", "http://shop.example:80/"]
    urls += ["https://shop.example:8443/x", "http://[2001:DB8:0:0::1]/", "https://Bücher.example"]
    app = await shared.app(ben, urls=urls)
    expected = ["https://shop.example", "http://shop.example", "https://shop.example:8443"]
    expected += ["http://[2001:db8::1]", "https://xn--bcher-kva.example"]
    assert (await one(ben, app))["urls"] == expected
    for number in (1, 5):
        tags = [f"tag {each}" for each in range(number)]
        assert plain(await ben.done("PATCH", f"/apps/{app.id}", {"tags": tags}))["tags"] == tags


async def test_the_owner_edits_all_but_the_name(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben)
    before = await one(ben, app)
    details = {
        "urls": ["https://new.example/path"],
        "description": " new ",
        "tags": ["x", "y"],
        "private": False,
        "time_zone": "Asia/Tokyo",
    }
    edited = plain(await ben.done("PATCH", f"/apps/{app.id}", details))
    assert edited == {**before, **details, "urls": ["https://new.example"], "description": "new"}
    assert await one(cem, app) == {**edited, "owned": False}
    assert plain(await ben.done("PATCH", f"/apps/{app.id}", {})) == edited
    assert plain(await ben.done("PATCH", f"/apps/{app.id}", {"description": ""}))["description"] == ""
    for body in ({"name": "Other"}, {"name": before["name"]}, {"description": "x", "name": "Other"}):
        refused = await ben.request("PATCH", f"/apps/{app.id}", body)
        assert refused.refusal == (422, "invalid")
        assert "unknown field `name`" in plain(refused)["detail"]
    bad: list[dict[str, Any]] = [{"tags": []}, {"urls": []}, {"urls": ["nonsense"]}, {"time_zone": "x"}]
    for body in [*bad, {"owner": "cem.n"}, {"locked": True}]:
        assert (await ben.request("PATCH", f"/apps/{app.id}", {"description": "x", **body})).refusal == (422, "invalid")
    assert await one(ben, app) == {**edited, "description": ""}
    for client, refusal in [
        (cem, (403, "forbidden")),
        (await shared.known("ada.l"), (403, "forbidden")),
        (await shared.known("eve.o", "other.example"), (404, "missing")),
        (shared.nobody, (401, "unauthenticated")),
    ]:
        assert (await client.request("PATCH", f"/apps/{app.id}", {"description": "x"})).refusal == refusal


async def test_a_change_of_urls_counts_at_once(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben, urls=["http://shop.example"])
    token = await lock(ben, app)
    assert (await page(shared, token).ask_hello()).status == 200
    await ben.done("PATCH", f"/apps/{app.id}", {"urls": ["http://new.example"]})
    assert (await page(shared, token).ask_hello()).refusal == (403, "wrong-origin")
    assert (await page(shared, token, "http://new.example").ask_hello()).status == 200


async def test_a_change_of_the_time_zone_counts_at_once(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben, time_zone="Asia/Tokyo")
    visitor = await page(shared, await lock(ben, app)).enter()
    await visitor.send(view(1))
    await visitor.acknowledged(1)

    async def starts() -> set[str]:
        overview = plain(await ben.done("GET", f"/apps/{app.id}/insights/overview"))
        return {point["start"][-6:] for point in overview["series"]}

    await until(starts, {"+09:00"})
    await ben.done("PATCH", f"/apps/{app.id}", {"time_zone": "Asia/Kolkata"})
    assert await starts() == {"+05:30"}


async def test_public_and_private_switch_at_once(shared: Shared) -> None:
    ben, cem, dora = [await shared.known(name) for name in ("ben.m", "cem.n", "dora.k")]
    admin, eve = await shared.known("ada.l"), await shared.known("eve.o", "other.example")
    app = await shared.app(ben)
    token = await lock(ben, app)
    paths = ["", "/configuration", "/members", "/partitions", "/insights/overview"]

    async def seen(client: Client) -> set[int]:
        listed = app.full_name in {found["full_name"] for found in plain(await client.done("GET", "/apps"))}
        statuses = {(await client.request("GET", f"/apps/{app.id}{path}")).status for path in paths}
        assert listed == (statuses == {200})
        return statuses

    assert [await seen(client) for client in (ben, cem, admin, eve)] == [{200}, {200}, {200}, {404}]
    await ben.done("PATCH", f"/apps/{app.id}", {"private": True})
    assert [await seen(client) for client in (ben, cem, admin, eve)] == [{200}, {404}, {404}, {404}]
    hidden, unknown = [await cem.request("GET", f"/apps/{id}") for id in (app.id, "0" * 16)]
    assert hidden.body == unknown.body
    await let_in(ben, app, dora)
    assert [await seen(client) for client in (dora, cem)] == [{200}, {404}]
    assert (await page(shared, token).ask_hello()).status == 200, "visitors notice nothing"
    await ben.done("PATCH", f"/apps/{app.id}", {"private": False})
    assert [await seen(client) for client in (dora, cem, eve)] == [{200}, {200}, {404}]


async def test_an_open_page_of_an_app_that_is_hidden_is_closed(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben)
    own, hidden = await tab(ben, f"?app={app.id}"), await tab(cem, f"?app={app.id}")
    for listening in (own, hidden):
        await listening.hear("live")
    await ben.done("PATCH", f"/apps/{app.id}", {"private": True})
    async with asyncio.timeout(20):
        async for _ in hidden.socket:
            pass
    assert hidden.socket.close_code == 1008
    assert not own.socket.closed
    await own.socket.close()


async def test_an_app_is_deleted_by_its_typed_name_with_its_files(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben)
    token = await lock(ben, app)
    visitor = await page(shared, token).enter()
    await visitor.send(view(1))
    await visitor.acknowledged(1)
    await ben.done("POST", f"/apps/{app.id}/unlock", {"confirm": app.full_name})
    token = await lock(ben, app)
    visitor = await page(shared, token).enter()
    await visitor.send(view(1))
    await visitor.acknowledged(1)

    def files() -> list[Path]:
        found = [path for path in shared.server.data.rglob("*") if app.id in str(path) and path.is_file()]
        return [path for path in found if path.suffix not in ("-wal", "-shm")]

    assert len(files()) >= 2
    path = f"/apps/{app.id}"
    name = app.full_name.partition("/")[2]
    assert (await ben.request("DELETE", path)).refusal == (422, "invalid")
    for typed in ("", name, f"{app.full_name}/", app.full_name.lower(), "delete", f"shop.example /{name}"):
        refused = await ben.request("DELETE", path, query={"confirm": typed})
        assert refused.refusal == (422, "invalid")
        assert app.full_name in plain(refused)["detail"]
    for client, refusal in [
        (cem, (403, "forbidden")),
        (await shared.known("ada.l"), (403, "forbidden")),
        (await shared.known("eve.o", "other.example"), (404, "missing")),
    ]:
        assert (await client.request("DELETE", path, query={"confirm": app.full_name})).refusal == refusal
    assert (await ben.request("GET", path)).status == 200
    await ben.done("DELETE", path, query={"confirm": f" {app.full_name} "})
    assert files() == []
    for client in (ben, cem):
        for below in ("", "/configuration", "/partitions", "/insights/overview", "/audit"):
            assert (await client.request("GET", path + below)).refusal == (404, "missing")
        assert name not in await names(client)
    assert (await page(shared, token).ask_hello()).refusal == (403, "token-refused")
    assert (await told(cem, app))[0].kind.value == "deleted"
    assert (await ben.request("POST", "/apps", new(name))).status == 201, "the name is free"


@pytest.mark.parametrize("id", ["0" * 16, "..", "%2e%2e", "..%2f..", "%00", "x" * 201, "shop.example", "%EF%AC%80"])
async def test_an_unknown_app_does_not_exist(shared: Shared, id: str) -> None:
    ben = await shared.known("ben.m")
    for method, below, body in [
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "?confirm=x", None),
        ("POST", "/token", {"confirm": "x"}),
        ("POST", "/invitations", {"usernames": ["cem.n"]}),
    ]:
        answer = await ben.request(method, f"/apps/{id}{below}", body)
        assert answer.status == 404 or (id in ("..", "%2e%2e") and answer.status in (404, 405)), answer
