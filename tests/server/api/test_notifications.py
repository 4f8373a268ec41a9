"""Notifications: what each person is told, stored and live, and that nobody touches another's."""

import asyncio
import time
from collections.abc import Callable

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from datalab.model.notifications import Kind
from tests.conftest import Server
from tests.server.api.place import ENVIRONMENT, AppMade, Client, Place
from tests.server.api.shared import Shared, lock, plain, tab, told, unlock


async def invite(owner: Client, app: AppMade, *people: Client) -> None:
    body = {"usernames": [person.username for person in people]}
    await owner.done("POST", f"/apps/{app.id}/invitations", body)


async def kinds(client: Client, app: AppMade) -> list[tuple[str, str, str]]:
    """Kind, by, detail, oldest first."""
    return [(one.kind.value, one.by, one.detail) for one in reversed(await told(client, app))]


async def test_everything_of_the_list_is_told_to_whom_it_concerns(shared: Shared) -> None:
    admin = await shared.known("ada.l")
    ben, cem, dora, fay = [await shared.known(name) for name in ("ben.m", "cem.n", "dora.k", "fay.x")]
    eve = await shared.known("eve.o", "other.example")
    app = await shared.app(ben, private=True)
    path = f"/apps/{app.id}"
    await invite(ben, app, cem, dora, fay)
    await cem.done("POST", f"{path}/invitation/accept")
    await dora.done("POST", f"{path}/invitation/decline")
    await ben.done("DELETE", f"{path}/invitations/fay.x")
    await cem.done("PUT", f"{path}/configuration/routes", {"revision": 0, "value": {"routes": ["/a/:id"]}})
    await ben.done("PATCH", path, {"description": "new", "tags": ["new"]})
    await lock(ben, app)
    await lock(ben, app)
    await unlock(ben, app)
    await ben.done("POST", f"{path}/transfer", {"username": "cem.n"})
    await ben.done("DELETE", f"{path}/members/ben.m")
    await invite(cem, app, ben)
    await ben.done("POST", f"{path}/invitation/accept")
    await cem.done("DELETE", f"{path}/members/ben.m")
    assert await kinds(ben, app) == [
        ("accepted", "cem.n", ""),
        ("declined", "dora.k", ""),
        ("changed", "cem.n", "routes"),
        ("invited", "cem.n", ""),
        ("removed", "cem.n", ""),
    ]
    assert await kinds(cem, app) == [
        ("invited", "ben.m", ""),
        ("changed", "ben.m", "description, tags"),
        ("locked", "ben.m", ""),
        ("unlocked", "ben.m", ""),
        ("transferred", "ben.m", ""),
        ("left", "ben.m", ""),
        ("accepted", "ben.m", ""),
    ]
    assert await kinds(dora, app) == [("invited", "ben.m", "")]
    assert await kinds(fay, app) == [("invited", "ben.m", ""), ("cancelled", "ben.m", "")]
    assert await told(eve) == []
    asking = shared.fresh("asking.")
    await shared.register(asking)
    newest = (await told(admin))[0]
    assert (newest.kind, newest.by, newest.detail, newest.app) == (Kind.JOIN_REQUEST, asking, asking, "")
    for person in (ben, cem, dora, fay):
        assert Kind.JOIN_REQUEST not in {one.kind for one in await told(person)}


async def test_a_public_app_tells_all_of_its_organisation(shared: Shared) -> None:
    ben, cem, admin = [await shared.known(name) for name in ("ben.m", "cem.n", "ada.l")]
    eve = await shared.known("eve.o", "other.example")
    app = await shared.app(ben)
    await lock(ben, app)
    await unlock(ben, app)
    await cem.done("PUT", f"/apps/{app.id}/configuration/elements", {"revision": 0, "value": []})
    assert await kinds(ben, app) == [], "a save that changes nothing tells nobody"
    value = [{"name": "Buy", "selector": "#buy"}]
    await cem.done("PUT", f"/apps/{app.id}/configuration/elements", {"revision": 0, "value": value})
    await ben.done("DELETE", f"/apps/{app.id}", query={"confirm": app.full_name})
    seen = [("locked", "ben.m", ""), ("unlocked", "ben.m", "")]
    changed, gone = ("changed", "cem.n", "elements"), ("deleted", "ben.m", "")
    assert await kinds(cem, app) == [*seen, gone]
    assert await kinds(admin, app) == [*seen, changed, gone]
    assert await kinds(ben, app) == [changed]
    assert await told(eve, app) == []


async def test_a_token_that_ends_soon_is_told_to_its_owner(
    start_server: Callable[..., Server], http: ClientSession
) -> None:
    settings = {**ENVIRONMENT, "DATALAB_TOKENS_DAYS": "1"}
    place = Place(await asyncio.to_thread(start_server, environment=settings), http)
    ada, ben = await place.person("ada.l"), await place.person("ben.m")
    app = await ada.app("Shop")
    listening = await tab(ada)
    await lock(ada, app)
    live = (await listening.hear("notification", 30))["notification"]
    expires = plain(await ada.done("GET", f"/apps/{app.id}/token"))["token"]["expires"]
    assert (live["kind"], live["app"], live["by"], live["detail"]) == ("token-expires", app.id, "", str(expires))
    assert await kinds(ada, app) == [("token-expires", "", str(expires))]
    assert [kind for kind, _, _ in await kinds(ben, app)] == ["locked"]
    await listening.socket.close()


async def test_they_come_live_to_every_tab_of_the_person_and_to_nobody_else(shared: Shared) -> None:
    ben, cem, dora = [await shared.known(name) for name in ("ben.m", "cem.n", "dora.k")]
    eve = await shared.known("eve.o", "other.example")
    app, foreign = await shared.app(ben, private=True), await shared.app(eve, private=True)
    gus = await shared.known("gus.o", "other.example")
    first, second, about = await tab(cem), await tab(cem), await tab(cem)
    others = {"ben": await tab(ben), "dora": await tab(dora), "gus": await tab(gus)}
    began = time.time_ns() // 1_000_000
    await invite(ben, app, cem)
    for listening in (first, second, about):
        heard = (await listening.hear("notification"))["notification"]
        assert heard["created"] >= began
        (stored,) = await told(cem, app)
        assert heard == {
            "id": stored.id,
            "user": "cem.n",
            "kind": "invited",
            "created": stored.created,
            "by": "ben.m",
            "app": app.id,
            "app_name": app.full_name,
            "detail": "",
            "read": False,
            "hidden": False,
        }
    await cem.done("POST", f"/apps/{app.id}/invitation/accept")
    await invite(ben, app, dora)
    await invite(eve, foreign, gus)
    expected_first = {"ben": ("accepted", app.id), "dora": ("invited", app.id), "gus": ("invited", foreign.id)}
    for name, expected in expected_first.items():
        first_heard = (await others[name].hear("notification"))["notification"]
        assert (first_heard["kind"], first_heard["app"]) == expected, "of another's nothing came before"
    for listening in (first, second, about, *others.values()):
        await listening.socket.close()


async def test_they_wait_for_who_is_away_through_a_crash(
    place: Place, start_server: Callable[..., Server], http: ClientSession
) -> None:
    ada, ben = await place.person("ada.l"), await place.person("ben.m")
    app = await ada.app("Shop", private=True)
    await invite(ada, app, ben)
    place.server.kill()
    server = await asyncio.to_thread(start_server, environment=ENVIRONMENT)
    back = Client(http, server.url, "ben.m", ben.cookie)
    assert await kinds(back, app) == [("invited", "ada.l", "")]
    assert (await told(back, app))[0].read is False


async def test_they_are_hidden_deleted_and_marked_as_read(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    hal = await shared.person(shared.fresh("hal.x"))
    apps = [await shared.app(ben, private=True) for _ in range(3)]
    for app in apps:
        await invite(ben, app, hal)
    third, second, first = await told(hal)
    assert [one.app for one in (first, second, third)] == [app.id for app in apps], "newest first"
    assert not any(one.read or one.hidden for one in (first, second, third))
    path = "/me/notifications"
    await hal.done("POST", f"{path}/{second.id}/hide")
    assert [one.id for one in await told(hal)] == [third.id, first.id]
    shown = await told(hal, hidden=True)
    assert [(one.id, one.hidden, one.read) for one in shown] == [
        (third.id, False, False),
        (second.id, True, True),
        (first.id, False, False),
    ]
    await hal.done("DELETE", f"{path}/{first.id}")
    assert [one.id for one in await told(hal, hidden=True)] == [third.id, second.id]
    await hal.done("POST", f"{path}/read")
    assert all(one.read for one in await told(hal, hidden=True))
    await invite(ben, await shared.app(ben, private=True), hal)
    assert [one.read for one in await told(hal)] == [False, True]
    for method, where in [("DELETE", f"{path}/{first.id}"), ("POST", f"{path}/{first.id}/hide")]:
        assert (await hal.request(method, where)).refusal == (404, "missing")


async def test_nobody_reads_changes_or_makes_anothers(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    admin = await shared.known("ada.l")
    hal, ida = [await shared.person(shared.fresh(name)) for name in ("hal.x", "ida.x")]
    app = await shared.app(ben, private=True)
    await invite(ben, app, hal)
    (notification,) = await told(hal, app)
    path = "/me/notifications"
    for other in (ida, admin, ben):
        assert notification.id not in {one.id for one in await told(other, hidden=True)}
        for id in (notification.id, f"{hal.username}%2F{notification.id}", f"..%2F{hal.username}%2F{notification.id}"):
            assert (await other.request("DELETE", f"{path}/{id}")).refusal == (404, "missing")
            assert (await other.request("POST", f"{path}/{id}/hide")).refusal == (404, "missing")
        await other.done("POST", f"{path}/read")
    assert (await told(hal, app)) == [notification]
    for method, where in [("POST", path), ("PUT", path), ("PUT", f"{path}/{notification.id}"), ("PATCH", path)]:
        assert (await ida.request(method, where, {"user": hal.username, "kind": "invited"})).status in (404, 405)
    for method, where in [("GET", path), ("POST", f"{path}/read"), ("DELETE", f"{path}/{notification.id}")]:
        assert (await shared.nobody.request(method, where)).refusal == (401, "unauthenticated")
    with pytest.raises(WSServerHandshakeError) as refused:
        await tab(shared.nobody)
    assert refused.value.status == 401


async def test_an_apps_open_page_hears_that_it_changed(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app, other = await shared.app(ben), await shared.app(ben)
    shows, elsewhere = await tab(cem, f"?app={app.id}"), await tab(cem, f"?app={other.id}")
    await ben.done("PATCH", f"/apps/{app.id}", {"description": "new"})
    assert await shows.hear("changed") == {"type": "changed", "app": app.id, "what": "app"}
    await lock(ben, app)
    assert (await shows.hear("changed"))["what"] == "app"
    await ben.done("DELETE", f"/apps/{app.id}", query={"confirm": app.full_name})
    assert await shows.hear("changed") == {"type": "changed", "app": app.id, "what": "gone"}
    await ben.done("PATCH", f"/apps/{other.id}", {"description": "new"})
    assert (await elsewhere.hear("changed"))["app"] == other.id, "and not of another app's page"
    for listening in (shows, elsewhere):
        await listening.socket.close()
