"""Tokens and the lock: issued by the typed name, renewed, rotated, revoked, and what a site's pages notice of it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession

from datalab.model.wire import Stop
from tests.conftest import Server
from tests.server.api.place import ENVIRONMENT, AppMade, Client, Place
from tests.server.api.shared import Shared, lock, page, plain, unlock
from tests.server.client import Page, view

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
REFUSED = (403, "token-refused")
WITH_A_TOKEN: list[tuple[str, Any]] = [("/token/renew", None), ("/token/rotate", {})]
ORIGINS = ["https://shop.example", "http://localhost:3000"]


async def issue(client: Client, app: AppMade) -> dict[str, Any]:
    issued: dict[str, Any] = plain(await client.done("POST", f"/apps/{app.id}/token", {"confirm": app.full_name}))
    return issued


async def one(client: Client, app: AppMade) -> dict[str, Any]:
    found: dict[str, Any] = plain(await client.done("GET", f"/apps/{app.id}"))
    return found


async def works(place: Place, token: str, origin: str | None = "http://shop.example") -> bool:
    answer = await page(place, token, origin).ask_hello()
    assert answer.status == 200 or answer.refusal == REFUSED
    return answer.status == 200


async def stopped(visitor: Page) -> str:
    """The code with which an open page is told to stop when it sends something."""
    await visitor.send(view(50))
    while not isinstance(message := await visitor.hear(), Stop):
        pass
    return message.code


async def test_a_token_is_issued_by_the_typed_name_and_locks_in_the_same_step(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    name = app.full_name.partition("/")[2]
    for typed in ("", " ", name, app.full_name.upper(), f"{app.full_name}x", f"{app.full_name}/", "other.example/x"):
        refused = await ben.request("POST", f"/apps/{app.id}/token", {"confirm": typed})
        assert refused.refusal == (422, "invalid")
        assert f"type {app.full_name} to confirm" in plain(refused)["detail"]
    bodies: list[Any] = [{}, None, {"confirm": None}, {"confirm": app.full_name, "force": True}]
    for body in bodies:
        assert (await ben.request("POST", f"/apps/{app.id}/token", body)).refusal == (422, "invalid")
    untouched = await one(ben, app)
    assert (untouched["locked"], untouched["token"], untouched["partition"]) == (False, None, 0)
    assert (await ben.request("GET", f"/apps/{app.id}/token")).refusal == (404, "missing")
    answer = await ben.done("POST", f"/apps/{app.id}/token", {"confirm": f" {app.full_name} "})
    issued = plain(answer)
    assert answer.status == 201
    assert issued["retiring"] is None
    assert issued["token"]["expires"] - issued["token"]["issued"] == 7 * DAY_MS
    assert abs(issued["token"]["issued"] - time.time() * 1000) < 60_000
    locked = await one(ben, app)
    assert (locked["locked"], locked["partition"], locked["token"]["generation"]) == (True, 1, 1)
    assert plain(await ben.done("GET", f"/apps/{app.id}/token")) == issued
    assert await works(shared, issued["token"]["text"])


async def test_only_the_owner_has_to_do_with_the_token(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    eve, admin = await shared.known("eve.o", "other.example"), await shared.known("ada.l")
    app = await shared.app(ben)
    text = await lock(ben, app)
    tries: list[tuple[str, str, Any]] = [
        ("GET", "/token", None),
        ("POST", "/token", {"confirm": app.full_name}),
        ("DELETE", "/token", None),
        ("POST", "/token/renew", None),
        ("POST", "/token/rotate", {}),
        ("POST", "/unlock", {"confirm": app.full_name}),
    ]
    for client, refusal in [(cem, (403, "forbidden")), (admin, (403, "forbidden")), (eve, (404, "missing"))]:
        for method, path, body in tries:
            assert (await client.request(method, f"/apps/{app.id}{path}", body)).refusal == refusal
    state = await one(cem, app)
    assert state["token"]["generation"] == 1
    assert text not in str(state)
    assert await works(shared, text)


async def test_a_token_works_from_the_apps_origins_only(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app, other = await shared.app(ben, urls=ORIGINS), await shared.app(ben, urls=["http://other.example"])
    token, others = await lock(ben, app), await lock(ben, other)
    for registered in ORIGINS:
        assert await works(shared, token, registered)
    for origin in (None, "null", "http://shop.example", "https://shop.example:8443", "http://other.example"):
        answer = await page(shared, token, origin).ask_hello()
        assert answer.refusal == (403, "wrong-origin"), origin
    assert (await page(shared, others, ORIGINS[0]).ask_hello()).refusal == (403, "wrong-origin")
    for forged in (token[:-2], token + "A", "", "x", token.swapcase()):
        assert (await page(shared, forged, ORIGINS[0]).ask_hello()).status in (400, 403)
    visitor = page(shared, token, ORIGINS[0])
    await visitor.hello()
    visitor.origin = "http://other.example"
    assert (await visitor.post(view(1))).refusal == (403, "wrong-origin")
    unsent = await visitor.request("GET", f"/api/v1/open?ticket={visitor.welcome.ticket}")
    assert unsent.refusal == (403, "wrong-origin")


async def test_renewing_moves_the_end_and_keeps_the_text(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    before = await issue(ben, app)
    await asyncio.sleep(0.005)
    renewed = plain(await ben.done("POST", f"/apps/{app.id}/token/renew"))
    same = ("text", "generation", "issued")
    assert [renewed["token"][field] for field in same] == [before["token"][field] for field in same]
    assert renewed["token"]["expires"] > before["token"]["expires"]
    assert plain(await ben.done("GET", f"/apps/{app.id}/token")) == renewed
    assert await works(shared, before["token"]["text"])
    assert (await one(ben, app))["locked"]


async def test_rotating_keeps_both_working_for_the_overlap(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    first = (await issue(ben, app))["token"]
    visitor = await page(shared, first["text"]).enter()
    rotated = plain(await ben.done("POST", f"/apps/{app.id}/token/rotate", {}))
    second = rotated["token"]
    assert second["text"] != first["text"]
    assert second["generation"] == 2
    assert rotated["retiring"]["text"] == first["text"]
    assert rotated["retiring"]["expires"] == second["issued"] + 24 * HOUR_MS
    assert await works(shared, first["text"])
    assert await works(shared, second["text"])
    await visitor.send(view(1))
    await visitor.acknowledged(1)
    assert (await one(ben, app))["partition"] == 1
    again = await ben.request("POST", f"/apps/{app.id}/token/rotate", {"overlap_hours": 2})
    assert again.refusal == (409, "taken")
    assert [await works(shared, token["text"]) for token in (first, second)] == [True, True]
    app = await shared.app(ben)
    first = (await issue(ben, app))["token"]
    chosen = plain(await ben.done("POST", f"/apps/{app.id}/token/rotate", {"overlap_hours": 2}))
    assert chosen["retiring"]["text"] == first["text"]
    assert chosen["retiring"]["expires"] == chosen["token"]["issued"] + 2 * HOUR_MS
    for hours in (-1, 8761, 0.5, "1"):
        refused = await ben.request("POST", f"/apps/{app.id}/token/rotate", {"overlap_hours": hours})
        assert refused.refusal == (422, "invalid")


async def test_a_second_rotation_does_not_cut_the_overlap_short_that_was_promised(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    first = await lock(ben, app)
    rotate = (f"/apps/{app.id}/token/rotate", {"overlap_hours": 24})
    texts = [first, plain(await ben.done("POST", *rotate))["token"]["text"]]
    again = await ben.request("POST", *rotate)
    if again.status == 200:
        texts.append(plain(again)["token"]["text"])
    else:
        assert again.status == 409
    assert [await works(shared, text) for text in texts] == [True] * len(texts)


async def test_without_overlap_the_old_token_ends_at_once(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    first = await lock(ben, app)
    visitor = await page(shared, first).enter()
    second = plain(await ben.done("POST", f"/apps/{app.id}/token/rotate", {"overlap_hours": 0}))["token"]["text"]
    assert [await works(shared, text) for text in (first, second)] == [False, True]
    assert await stopped(visitor) == "token-refused"


async def test_a_further_issue_ends_earlier_tokens_at_once(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    first = await lock(ben, app)
    second = plain(await ben.done("POST", f"/apps/{app.id}/token/rotate", {}))["token"]["text"]
    third = await lock(ben, app)
    assert [await works(shared, text) for text in (first, second, third)] == [False, False, True]
    fresh = await shared.app(ben)
    issued = await asyncio.gather(*(issue(ben, fresh) for _ in range(4)))
    assert sorted(one["token"]["generation"] for one in issued) == [1, 2, 3, 4]
    newest = max(issued, key=lambda one: one["token"]["generation"])
    assert [await works(shared, one["token"]["text"]) for one in issued] == [one is newest for one in issued]
    assert (await one(ben, fresh))["partition"] == 1


async def test_a_revoked_token_is_refused_everywhere_and_the_lock_stays(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    first = await lock(ben, app)
    second = plain(await ben.done("POST", f"/apps/{app.id}/token/rotate", {}))["token"]["text"]
    visitors = [await page(shared, text).enter() for text in (first, second)]
    unused = page(shared, second)
    await unused.hello()
    await ben.done("DELETE", f"/apps/{app.id}/token")
    for text in (first, second):
        answer = await page(shared, text).ask_hello()
        assert answer.refusal == REFUSED
        assert "revoked" in plain(answer)["detail"]
    assert [await stopped(visitor) for visitor in visitors] == ["token-refused"] * 2
    assert (await unused.post(view(1))).refusal == REFUSED
    opening = await unused.request("GET", f"/api/v1/open?ticket={unused.welcome.ticket}")
    assert opening.refusal == REFUSED
    assert (await ben.request("GET", f"/apps/{app.id}/token")).refusal == (404, "missing")
    for path, body in WITH_A_TOKEN:
        assert (await ben.request("POST", f"/apps/{app.id}{path}", body)).refusal == (404, "missing")
    await ben.done("DELETE", f"/apps/{app.id}/token")
    state = await one(ben, app)
    assert (state["locked"], state["token"], state["partition"]) == (True, None, 1)
    third = await issue(ben, app)
    assert third["token"]["generation"] == 3
    assert (await one(ben, app))["partition"] == 1, "still locked, so still the same data"


async def test_unlocking_is_confirmed_by_the_typed_name(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    token = await lock(ben, app)
    for typed in ("", app.full_name.partition("/")[2], app.full_name.upper(), f"{app.full_name}/"):
        refused = await ben.request("POST", f"/apps/{app.id}/unlock", {"confirm": typed})
        assert refused.refusal == (422, "invalid")
    assert (await one(ben, app))["locked"]
    assert await works(shared, token)
    visitor = await page(shared, token).enter()
    state = plain(await unlock(ben, app))
    assert (state["locked"], state["token"], state["partition"]) == (False, None, 0)
    assert await stopped(visitor) == "token-refused"
    assert not await works(shared, token)
    assert plain(await unlock(ben, app)) == state, "a second time changes nothing"
    assert len(plain(await ben.done("GET", f"/apps/{app.id}/partitions"))) == 1
    for path, body in WITH_A_TOKEN:
        assert (await ben.request("POST", f"/apps/{app.id}{path}", body)).refusal == (404, "missing")


async def test_an_unlock_among_other_changes_is_whole(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    for _ in range(3):
        await lock(ben, app)
        body = {"confirm": app.full_name}
        requests = [ben.request("POST", f"/apps/{app.id}/{what}", body) for what in ("unlock", "token", "unlock")]
        answers = await asyncio.gather(*requests)
        assert {answer.status for answer in answers} <= {200, 201}, answers
        state = await one(ben, app)
        sealed = [found["sealed"] for found in plain(await ben.done("GET", f"/apps/{app.id}/partitions"))]
        assert state["locked"] == (state["token"] is not None) == (state["partition"] != 0) == (None in sealed)
        assert sealed.count(None) <= 1
        await unlock(ben, app)
    numbers = [found["number"] for found in plain(await ben.done("GET", f"/apps/{app.id}/partitions"))]
    assert numbers == list(range(len(numbers), 0, -1))
    for number in numbers:
        await ben.done("GET", f"/apps/{app.id}/insights/pages", query={"partition": str(number)})
        assert (await ben.done("GET", f"/apps/{app.id}/partitions/{number}/export")).body == b""


@pytest.mark.parametrize(("days", "overlap"), [("0", "1"), ("30", "0")])
async def test_the_settings_say_how_long_tokens_last(
    start_server: Callable[..., Server], http: ClientSession, days: str, overlap: str
) -> None:
    settings = {**ENVIRONMENT, "DATALAB_TOKENS_DAYS": days, "DATALAB_TOKENS_OVERLAP_HOURS": overlap}
    place = Place(await asyncio.to_thread(start_server, environment=settings), http)
    ada = await place.person("ada.l")
    app = await ada.app("Shop")
    first = (await issue(ada, app))["token"]
    assert first["expires"] == (None if days == "0" else first["issued"] + 30 * DAY_MS)
    renewed = plain(await ada.done("POST", f"/apps/{app.id}/token/renew"))["token"]
    assert (renewed["expires"] is None) == (days == "0")
    rotated = plain(await ada.done("POST", f"/apps/{app.id}/token/rotate", {}))
    assert rotated["retiring"]["expires"] == rotated["token"]["issued"] + int(overlap) * HOUR_MS
    assert await works(place, first["text"]) == (overlap != "0")
    assert await works(place, rotated["token"]["text"])
