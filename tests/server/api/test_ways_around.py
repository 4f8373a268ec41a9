"""Ways around a rule that were open once: races, leftovers of removed people, sessions of ended tokens, wide doors."""

import asyncio
import json

from tests.conftest import fetch
from tests.server.api.place import PASSWORD
from tests.server.api.shared import Shared, lock, page, plain, unlock
from tests.server.client import view


def registration(username: str, organisation: str, **more: str) -> dict[str, str]:
    names = {"first_name": "A", "last_name": "B", "password": PASSWORD}
    return {"username": username, "organisation": organisation, **names, **more}


async def test_a_log_in_with_the_old_password_does_not_outlive_its_change(shared: Shared) -> None:
    for attempt in range(3):
        name, old, new = f"race.{attempt}", PASSWORD, "another horse battery"
        assert (
            await shared.nobody.request("POST", "/register", registration(name, f"race{attempt}.example"))
        ).status == 201
        mine = await shared.log_in(name)
        log_ins = [shared.nobody.request("POST", "/login", {"username": name, "password": old}) for _ in range(3)]
        change = mine.request("PUT", "/me/password", {"present": old, "new": new})
        _, *answers = await asyncio.gather(change, *log_ins)
        assert {answer.status for answer in answers} <= {200, 401, 429}
        assert len(plain(await mine.done("GET", "/me/logins"))) == 1


async def test_nothing_of_a_refused_person_passes_to_whoever_takes_the_name(shared: Shared) -> None:
    admin = await shared.known("ada.l")
    organisation = plain(await admin.done("GET", "/organisation"))["id"]
    await shared.nobody.done("POST", "/register", registration("mallory", organisation))
    await admin.done("POST", "/organisation/people/mallory/refuse")
    await shared.nobody.done("POST", "/register", registration("mallory", "victim.example"))
    mallory = await shared.log_in("mallory")
    assert plain(await mallory.done("GET", "/me/keys")) == []
    assert plain(await mallory.done("GET", "/me/notifications")) == []


async def test_whoever_founds_an_organisation_anew_does_not_read_its_old_log(shared: Shared) -> None:
    await shared.nobody.done("POST", "/register", registration("first.one", "anew.example"))
    first = await shared.log_in("first.one")
    await first.done("PUT", "/me", {"first_name": "Secret", "last_name": "Plan"})
    assert len(plain(await first.done("GET", "/organisation/audit"))["entries"]) > 1
    await first.done("DELETE", "/organisation/people/first.one")
    await shared.nobody.done("POST", "/register", registration("second.one", "anew.example"))
    second = await shared.log_in("second.one")
    entries = plain(await second.done("GET", "/organisation/audit"))["entries"]
    assert {entry["by"] for entry in entries} <= {"", "second.one"}


async def test_a_session_ends_with_the_token_it_was_opened_under(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    visitor = await page(shared, await lock(ben, app)).enter()
    assert (await visitor.post(view(1))).status == 200
    second = await lock(ben, app)
    assert (await visitor.post(view(2))).refusal == (403, "token-refused")
    visitor.token = second
    await visitor.hello(session=visitor.welcome.session)
    assert (await visitor.post(view(2))).status == 200


async def test_operators_pages_name_no_app(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben, private=True)
    await lock(ben, app)
    for path in ("/readyz", "/metrics", "/healthz"):
        text = await asyncio.to_thread(fetch, shared.server.url + path)
        assert app.id.encode() not in text
        assert app.full_name.encode() not in text


async def test_lists_within_lists_are_refused_for_what_they_are(shared: Shared) -> None:
    for depth in (3, 100, 480, 5000, 400_000):
        body = b'{"username":' + b"[" * depth + b"]" * depth + b',"password":"x"}'
        assert (await shared.nobody.request("POST", "/login", body)).refusal == (422, "invalid")


async def test_an_expression_is_tried_only_for_whoever_may_save_it(shared: Shared) -> None:
    ben, eve = await shared.known("ben.m"), await shared.known("eve.o", "other.example")
    app = await shared.app(ben)
    stage = {"name": "s", "regex": "(a+)+$"}
    body = {"revision": 0, "value": [{"name": "f", "stage": [stage]}]}
    where = f"/apps/{app.id}/configuration/funnels"
    assert (await eve.request("PUT", where, body)).refusal == (404, "missing")
    reader = await ben.key("read")
    assert (await reader.request("PUT", where, body)).refusal == (403, "forbidden")
    refused = await ben.request("PUT", where, body)
    assert refused.refusal == (422, "invalid")
    await lock(ben, app)
    assert (await ben.request("PUT", where, body)).refusal == (409, "locked")


async def test_stages_are_tried_on_what_the_archive_saw_once_the_app_is_unlocked(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    visitor = await page(shared, await lock(ben, app)).enter()
    await visitor.send(view(1, "/seen"))
    await visitor.acknowledged(1)
    await unlock(ben, app)
    tried = plain(await ben.done("POST", f"/apps/{app.id}/configuration/try", {"name": "s", "glob": "/s*"}))
    assert tried == [{"route": "/seen", "views": 1, "matches": True}]


async def test_what_is_told_of_a_large_change_is_bounded(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    where = f"/apps/{app.id}/configuration/elements"
    for revision in range(3):
        value = [{"name": f"{revision}-{number}" + "x" * 60, "selector": "s" * 400} for number in range(200)]
        await ben.done("PUT", where, {"revision": revision, "value": value})
    stale = await ben.request("PUT", where, {"revision": 0, "value": []})
    assert stale.refusal == (409, "stale")
    assert len(json.loads(stale.body)["changes"]) == 101
    assert len(stale.body) < 50_000
    entries = plain(await ben.done("GET", f"/apps/{app.id}/audit"))["entries"]
    assert max(len(entry["details"]) for entry in entries) == 101


async def test_a_token_that_was_ended_is_neither_renewed_nor_rotated(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    await lock(ben, app)
    await ben.done("DELETE", f"/apps/{app.id}/token")
    for what in ("renew", "rotate"):
        assert (await ben.request("POST", f"/apps/{app.id}/token/{what}", {})).refusal == (404, "missing")


async def test_what_changes_nothing_leaves_no_trace(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    where = f"/apps/{app.id}/configuration"
    before = plain(await ben.done("GET", f"/apps/{app.id}/audit"))
    saved = plain(await ben.done("PUT", f"{where}/routes", {"revision": 0, "value": {"routes": []}}))
    assert saved["revisions"]["routes"] == 0
    assert plain(await ben.done("GET", f"/apps/{app.id}/audit")) == before
