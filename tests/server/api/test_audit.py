"""Audit logs: who did what when, append-only, for owners and admins."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession

from datalab.model.audit import AuditEntry
from tests.conftest import Server
from tests.server.api.place import ENVIRONMENT, ORGANISATION, Client, Place
from tests.server.api.shared import Shared, audit, let_in, lock, plain, unlock
from tests.server.client import PASSWORD

CONFIGURATION = {
    "routes": {"routes": ["/a/:id"]},
    "funnels": [{"name": "F", "stage": [{"name": "A", "url": "/a"}]}],
    "elements": [{"name": "E", "selector": "#e"}],
    "campaigns": [{"name": "C", "parameter": "p", "value": "v"}],
}


async def entries(client: Client, path: str) -> list[AuditEntry]:
    """The whole log, oldest first."""
    found: list[AuditEntry] = []
    query: dict[str, str] = {"limit": "200"}
    while True:
        page = await audit(client, path, **query)
        found += page.entries
        if page.before is None:
            return found[::-1]
        query["before"] = str(page.before)


def plainly(log: list[AuditEntry]) -> list[tuple[str, str, list[str]]]:
    return [(entry.by, entry.action, entry.details) for entry in log]


async def test_what_is_done_to_an_app_is_written_down(shared: Shared) -> None:
    ben, cem, dora = [await shared.known(name) for name in ("ben.m", "cem.n", "dora.k")]
    began = time.time_ns() // 1_000_000
    app = await shared.app(ben, private=True)
    path = f"/apps/{app.id}"
    await ben.done("POST", f"{path}/invitations", {"usernames": ["cem.n", "dora.k"]})
    await cem.done("POST", f"{path}/invitation/accept")
    await dora.done("POST", f"{path}/invitation/decline")
    await ben.done("POST", f"{path}/invitations", {"usernames": ["dora.k"]})
    await ben.done("DELETE", f"{path}/invitations/dora.k")
    for section, value in CONFIGURATION.items():
        await cem.done("PUT", f"{path}/configuration/{section}", {"revision": 0, "value": value})
    await ben.done("PATCH", path, {"description": "new", "private": True, "tags": ["x"]})
    await lock(ben, app)
    await ben.done("POST", f"{path}/token/renew")
    await ben.done("POST", f"{path}/token/rotate", {"overlap_hours": 2})
    await ben.done("DELETE", f"{path}/token")
    await unlock(ben, app)
    await ben.done("DELETE", f"{path}/partitions/1", query={"confirm": app.full_name})
    await ben.done("POST", f"{path}/transfer", {"username": "cem.n"})
    await ben.done("DELETE", f"{path}/members/ben.m")
    await let_in(cem, app, ben)
    await cem.done("DELETE", f"{path}/members/ben.m")
    log = await entries(cem, path)
    assert plainly(log) == [
        ("ben.m", "app.make", [app.full_name]),
        ("ben.m", "member.invite", ["cem.n", "dora.k"]),
        ("cem.n", "member.accept", ["cem.n"]),
        ("dora.k", "member.decline", ["dora.k"]),
        ("ben.m", "member.invite", ["dora.k"]),
        ("ben.m", "member.cancel", ["dora.k"]),
        ("cem.n", "app.configure", ["route pattern '/a/:id' added"]),
        ("cem.n", "app.configure", ["funnel 'F' added"]),
        ("cem.n", "app.configure", ["element 'E' added"]),
        ("cem.n", "app.configure", ["campaign 'C' added"]),
        ("ben.m", "app.edit", ["description set to 'new'", "tags set to ['x']"]),
        ("ben.m", "token.issue", ["generation 1, partition 1"]),
        ("ben.m", "token.renew", ["generation 1"]),
        ("ben.m", "token.rotate", ["generation 2, overlap 2 hours"]),
        ("ben.m", "token.revoke", []),
        ("ben.m", "app.unlock", ["partition 1 archived"]),
        ("ben.m", "partition.delete", ["partition 1"]),
        ("ben.m", "app.transfer", ["from ben.m to cem.n"]),
        ("ben.m", "member.leave", ["ben.m"]),
        ("cem.n", "member.invite", ["ben.m"]),
        ("ben.m", "member.accept", ["ben.m"]),
        ("cem.n", "member.remove", ["ben.m"]),
    ]
    assert [entry.number for entry in log] == list(range(1, len(log) + 1))
    moments = [entry.at for entry in log]
    assert began <= moments[0]
    assert moments == sorted(moments)
    assert moments[-1] <= time.time_ns() // 1_000_000
    configured = [(entry.section, entry.revision) for entry in log if entry.action == "app.configure"]
    assert configured == [(section, 1) for section in CONFIGURATION]


async def test_what_is_done_in_an_organisation_is_written_down(place: Place) -> None:
    ada = await place.person("ada.l")
    link = plain(await ada.done("POST", "/organisation/join-links"))
    await place.register("ben.m", join=link["join"])
    ben = await place.log_in("ben.m")
    await place.register("cem.n")
    await place.register("dora.k")
    await ada.done("POST", "/organisation/people/cem.n/approve")
    await ada.done("POST", "/organisation/people/dora.k/refuse")
    unused = plain(await ada.done("POST", "/organisation/join-links"))
    await ada.done("DELETE", f"/organisation/join-links/{unused['id']}")
    await ada.done("PUT", "/organisation/people/ben.m/role", {"admin": True})
    await ben.done("PUT", "/organisation/people/ben.m/role", {"admin": False})
    await ben.done("PUT", "/me/password", {"present": PASSWORD, "new": "another long password"})
    key = plain(await ben.done("POST", "/me/keys", {"name": "report", "scope": "read"}))
    await ben.done("DELETE", f"/me/keys/{key['id']}")
    app = await ben.app("Shop")
    await ben.done("DELETE", f"/apps/{app.id}", query={"confirm": app.full_name})
    for disabled in (True, False):
        await ada.done("PUT", "/organisation/people/cem.n/access", {"disabled": disabled})
    await ada.done("DELETE", "/organisation/people/cem.n")
    assert plainly(await entries(ada, "/organisation")) == [
        ("", "organisation.make", []),
        ("ada.l", "join", ["ada.l"]),
        ("ada.l", "join-link.make", []),
        ("ben.m", "join", ["ben.m"]),
        ("cem.n", "join.request", ["cem.n"]),
        ("dora.k", "join.request", ["dora.k"]),
        ("ada.l", "join.approve", ["cem.n"]),
        ("ada.l", "join.refuse", ["dora.k"]),
        ("ada.l", "join-link.make", []),
        ("ada.l", "join-link.withdraw", []),
        ("ada.l", "admin.give", ["ben.m"]),
        ("ben.m", "admin.take", ["ben.m"]),
        ("ben.m", "account.password", ["of ben.m"]),
        ("ben.m", "account.key", ["'report' of ben.m, scope read"]),
        ("ben.m", "account.key", ["'report' of ben.m deleted"]),
        ("ben.m", "app.make", [app.full_name]),
        ("ben.m", "app.delete", [app.full_name]),
        ("ada.l", "account.disable", ["cem.n"]),
        ("ada.l", "account.enable", ["cem.n"]),
        ("ada.l", "account.remove", ["cem.n"]),
    ]


async def test_a_removed_persons_membership_is_written_down(shared: Shared) -> None:
    ben, admin = await shared.known("ben.m"), await shared.known("ada.l")
    gus = await shared.person(shared.fresh("gus.x"))
    app, owned = await shared.app(ben, private=True), await shared.app(gus)
    await let_in(ben, app, gus)
    await admin.done("DELETE", f"/organisation/people/{gus.username}")
    taken = (await entries(admin, f"/apps/{owned.id}"))[-1]
    assert (taken.by, taken.action) == ("ada.l", "app.transfer")
    assert taken.details == [f"from {gus.username}, who was removed, to ada.l"]
    last = (await entries(ben, f"/apps/{app.id}"))[-1]
    assert last.by == "ada.l"
    assert gus.username in str(last.details)


async def test_a_change_of_the_profile_is_written_down(shared: Shared) -> None:
    ben, admin = await shared.known("ben.m"), await shared.known("ada.l")
    before = len(await entries(admin, "/organisation"))
    await ben.done("PUT", "/me", {"first_name": "Benjamin", "last_name": "M"})
    fresh = (await entries(admin, "/organisation"))[before:]
    assert [(entry.by, "Benjamin" in str(entry.details) or "ben.m" in str(entry.details)) for entry in fresh] == [
        ("ben.m", True)
    ]


async def test_what_is_refused_or_changes_nothing_is_not_written_down(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben)
    path = f"/apps/{app.id}"
    requests: list[tuple[Client, str, str, Any]] = [
        (ben, "PATCH", path, {}),
        (ben, "PATCH", path, {"description": "", "tags": ["shop"]}),
        (ben, "PATCH", path, {"tags": []}),
        (cem, "PATCH", path, {"description": "x"}),
        (ben, "POST", f"{path}/token", {"confirm": "wrong"}),
        (ben, "POST", f"{path}/unlock", {"confirm": app.full_name}),
        (ben, "DELETE", f"{path}/token", None),
        (ben, "PUT", f"{path}/configuration/elements", {"revision": 0, "value": []}),
        (ben, "PUT", f"{path}/configuration/elements", {"revision": 5, "value": []}),
        (ben, "POST", f"{path}/invitations", {"usernames": ["cem.n"]}),
        (ben, "POST", f"{path}/transfer", {"username": "nobody"}),
    ]
    for client, method, where, body in requests:
        await client.request(method, where, body)
    assert [entry.action for entry in await entries(ben, path)] == ["app.make"]


async def test_owner_and_admins_read_a_log_and_nobody_else(shared: Shared) -> None:
    ben, cem, admin = [await shared.known(name) for name in ("ben.m", "cem.n", "ada.l")]
    eve = await shared.known("eve.o", "other.example")
    public, private = await shared.app(ben), await shared.app(ben, private=True)
    for app in (public, private):
        assert len(await entries(ben, f"/apps/{app.id}")) == 1
        assert len(await entries(admin, f"/apps/{app.id}")) == 1
        assert (await eve.request("GET", f"/apps/{app.id}/audit")).refusal == (404, "missing")
        assert (await shared.nobody.request("GET", f"/apps/{app.id}/audit")).refusal == (401, "unauthenticated")
    assert (await cem.request("GET", f"/apps/{public.id}/audit")).refusal == (403, "forbidden")
    assert (await cem.request("GET", f"/apps/{private.id}/audit")).refusal == (404, "missing")
    await let_in(ben, private, cem)
    assert (await cem.request("GET", f"/apps/{private.id}/audit")).refusal == (403, "forbidden")
    assert (await cem.request("GET", "/organisation/audit")).refusal == (403, "forbidden")
    assert (await shared.nobody.request("GET", "/organisation/audit")).refusal == (401, "unauthenticated")
    assert public.full_name in str(await entries(admin, "/organisation"))
    abroad = await entries(eve, "/organisation")
    assert "shop.example" not in str(abroad)
    assert abroad[0].id.startswith("organisation:other.example/")


async def test_pages_of_a_log_are_newest_first_and_without_gaps(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben)
    path = f"/apps/{app.id}"
    changes = [ben.request("PATCH", path, {"description": f"state {number}"}) for number in range(12)]
    values = [[{"name": f"{number}", "selector": "a"}] for number in range(4)]
    elements = f"{path}/configuration/elements"
    saves = [cem.request("PUT", elements, {"revision": 0, "value": value}) for value in values]
    await asyncio.gather(*changes, *saves)
    log = await entries(ben, path)
    assert [entry.number for entry in log] == list(range(1, 15)), "one of the saves at once and all changes"
    pages: list[list[int]] = []
    before: dict[str, str] = {}
    while True:
        page = await audit(ben, path, limit="5", **before)
        pages.append([entry.number for entry in page.entries])
        if page.before is None:
            break
        before = {"before": str(page.before)}
    assert pages == [[14, 13, 12, 11, 10], [9, 8, 7, 6, 5], [4, 3, 2, 1]]
    assert len((await audit(ben, path)).entries) == 14
    assert (await audit(ben, path, before="1")).entries == []
    assert [entry.number for entry in (await audit(ben, path, before="999", limit="1")).entries] == [14]
    for query in ("limit=0", "limit=201", "limit=x", "before=0", "before=-1", "before=x", "other=1"):
        assert (await ben.request("GET", f"{path}/audit?{query}")).refusal == (422, "invalid")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_no_method_changes_a_log(shared: Shared, method: str) -> None:
    ben, admin = await shared.known("ben.m"), await shared.known("ada.l")
    app = await shared.app(ben)
    body: Any = {"entries": []} if method != "DELETE" else None
    own = f"/apps/{app.id}/audit"
    for client, path in [(ben, own), (admin, own), (admin, "/organisation/audit")]:
        before = await entries(client, path.removesuffix("/audit"))
        assert (await client.request(method, path, body)).refusal == (405, "method-not-allowed")
        assert (await client.request(method, f"{path}/1", body)).refusal == (404, "missing")
        assert await entries(client, path.removesuffix("/audit")) == before


async def test_a_log_outlives_a_crash_and_goes_on(
    place: Place, start_server: Callable[..., Server], http: ClientSession
) -> None:
    ada = await place.person("ada.l")
    app = await ada.app("Shop")
    await lock(ada, app)
    before = [await entries(ada, path) for path in (f"/apps/{app.id}", "/organisation")]
    place.server.kill()
    server = await asyncio.to_thread(start_server, environment=ENVIRONMENT)
    after = Client(http, server.url, "ada.l", ada.cookie)
    assert [await entries(after, path) for path in (f"/apps/{app.id}", "/organisation")] == before
    await unlock(after, app)
    log = await entries(after, f"/apps/{app.id}")
    assert log[:-1] == before[0]
    assert (log[-1].number, log[-1].action) == (3, "app.unlock")
    assert before[1][0].id == f"organisation:{ORGANISATION}/1"
