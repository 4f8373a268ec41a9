"""Members of private apps: who may be invited, every way an invitation can go, and how an app changes hands."""

import asyncio
from typing import Any, NamedTuple

import pytest

from tests.server.api.place import AppMade, Client, Place
from tests.server.api.shared import Shared, let_in, lock, plain, told

NOT_FOUND = (404, "missing")
FORBIDDEN = (403, "forbidden")


async def states(client: Client, app: AppMade) -> dict[str, str]:
    return {one["username"]: one["state"] for one in plain(await client.done("GET", f"/apps/{app.id}/members"))}


async def invite(owner: Client, app: AppMade, *usernames: str) -> Any:
    return await owner.request("POST", f"/apps/{app.id}/invitations", {"usernames": list(usernames)})


async def kinds(client: Client, app: AppMade) -> list[str]:
    """What a person was told about an app, oldest first."""
    return [one.kind.value for one in reversed(await told(client, app))]


class Step(NamedTuple):
    """Something that can be done to an invitation."""

    by: str
    method: str
    path: str
    body: Any = None


STEPS = {
    "invite": Step("owner", "POST", "/invitations", {"usernames": ["cem.n"]}),
    "accept": Step("invited", "POST", "/invitation/accept"),
    "decline": Step("invited", "POST", "/invitation/decline"),
    "cancel": Step("owner", "DELETE", "/invitations/cem.n"),
    "remind": Step("owner", "POST", "/invitations/cem.n/remind"),
    "remove": Step("owner", "DELETE", "/members/cem.n"),
    "leave": Step("invited", "DELETE", "/members/cem.n"),
}
WAYS = {
    "nothing": [],
    "pending": ["invite"],
    "accepted": ["invite", "accept"],
    "declined": ["invite", "decline"],
    "cancelled": ["invite", "cancel"],
    "removed": ["invite", "accept", "remove"],
    "left": ["invite", "accept", "leave"],
}
"""Into each state."""
OUTCOMES: dict[str, dict[str, Any]] = {
    "nothing": {"invite": "pending"},
    "pending": {
        "invite": (409, "taken"),
        "accept": "accepted",
        "decline": "declined",
        "cancel": "cancelled",
        "remind": (429, "too-many"),
    },
    "accepted": {"invite": (409, "taken"), "remove": None, "leave": None},
    "declined": {"invite": "pending"},
    "cancelled": {"invite": "pending"},
    "removed": {"invite": "pending"},
    "left": {"invite": "pending"},
}
"""The state after a step, None for no member any more; the refusal where it is not possible, by default 404."""


@pytest.mark.parametrize("state", list(WAYS))
async def test_every_step_from_every_state(shared: Shared, state: str) -> None:
    people = {"owner": await shared.known("ben.m"), "invited": await shared.known("cem.n")}
    owner = people["owner"]

    async def take(app: AppMade, name: str) -> Any:
        step = STEPS[name]
        return await people[step.by].request(step.method, f"/apps/{app.id}{step.path}", step.body)

    for name in STEPS:
        app = await shared.app(owner, private=True)
        for way in WAYS[state]:
            assert 200 <= (await take(app, way)).status < 300
        before = await states(owner, app)
        outcome = OUTCOMES[state].get(name, NOT_FOUND)
        answer = await take(app, name)
        if isinstance(outcome, tuple):
            assert answer.refusal == outcome, (state, name)
            assert await states(owner, app) == before
        else:
            assert 200 <= answer.status < 300, (state, name, answer)
            assert (await states(owner, app)).get("cem.n") == outcome
        reads = (await people["invited"].request("GET", f"/apps/{app.id}")).status == 200
        assert reads == ((await states(owner, app)).get("cem.n") == "accepted")


async def test_only_colleagues_are_invited_and_to_a_private_app_only(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    await shared.known("eve.o", "other.example")
    app, public = await shared.app(ben, private=True), await shared.app(ben)
    refused = await invite(ben, public, "cem.n")
    assert refused.refusal == (422, "invalid")
    assert "open to everybody" in plain(refused)["detail"]
    foreign, unknown = await invite(ben, app, "eve.o"), await invite(ben, app, "nobody")
    assert foreign.refusal == unknown.refusal == NOT_FOUND
    assert foreign.body.replace(b"eve.o", b"") == unknown.body.replace(b"nobody", b""), "nothing is told of others"
    assert (await invite(ben, app, "ben.m")).refusal == (409, "taken")
    for names in ([], [""], ["a" * 65], ["cem.n"] * 51, "cem.n"):
        body = {"usernames": names}
        assert (await ben.request("POST", f"/apps/{app.id}/invitations", body)).refusal == (422, "invalid")
    assert await states(ben, app) == {"ben.m": "owner"}
    assert (await invite(ben, app, " CEM.n ", "cem.N")).status == 201
    assert await states(ben, app) == {"ben.m": "owner", "cem.n": "pending"}
    assert await kinds(cem, app) == ["invited"]


async def test_who_waits_or_is_disabled_is_no_colleague(shared: Shared) -> None:
    ben, admin = await shared.known("ben.m"), await shared.known("ada.l")
    app = await shared.app(ben, private=True)
    pending, disabled = shared.fresh("pending."), (await shared.person(shared.fresh("disabled."))).username
    await shared.register(pending)
    await admin.done("PUT", f"/organisation/people/{disabled}/access", {"disabled": True})
    for name in (pending, disabled):
        assert (await invite(ben, app, name)).refusal == NOT_FOUND
        assert (await ben.request("POST", f"/apps/{app.id}/transfer", {"username": name})).refusal == NOT_FOUND


async def test_several_are_invited_all_or_none(shared: Shared) -> None:
    ben, cem, dora = [await shared.known(name) for name in ("ben.m", "cem.n", "dora.k")]
    await shared.known("eve.o", "other.example")
    app = await shared.app(ben, private=True)
    for last, refusal in [("nobody", NOT_FOUND), ("eve.o", NOT_FOUND), ("ben.m", (409, "taken"))]:
        assert (await invite(ben, app, "cem.n", "dora.k", last)).refusal == refusal
        assert await states(ben, app) == {"ben.m": "owner"}
        assert await kinds(cem, app) == await kinds(dora, app) == []
    assert (await invite(ben, app, "cem.n")).status == 201
    assert (await invite(ben, app, "dora.k", "cem.n")).refusal == (409, "taken")
    assert await kinds(dora, app) == []
    await cem.done("POST", f"/apps/{app.id}/invitation/decline")
    listed = plain(await invite(ben, app, "dora.k", "cem.n"))
    assert {one["username"]: one["state"] for one in listed} == {
        "ben.m": "owner",
        "dora.k": "pending",
        "cem.n": "pending",
    }
    assert [await kinds(person, app) for person in (cem, dora)] == [["invited", "invited"], ["invited"]]


async def test_an_invitation_shows_nothing_until_it_is_accepted(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben, private=True)
    await invite(ben, app, "cem.n")
    (notification,) = await told(cem, app)
    assert (notification.app, notification.app_name, notification.by) == (app.id, app.full_name, "ben.m")
    for path in ("", "/configuration", "/members", "/partitions", "/insights/overview", "/audit"):
        assert (await cem.request("GET", f"/apps/{app.id}{path}")).refusal == NOT_FOUND
    shown = plain(await cem.done("POST", f"/apps/{notification.app}/invitation/accept"))
    assert (shown["full_name"], shown["owned"]) == (app.full_name, False)
    assert app.full_name in {one["full_name"] for one in plain(await cem.done("GET", "/apps"))}


async def test_nobody_answers_or_manages_for_others(shared: Shared) -> None:
    ben, cem, dora, fay = [await shared.known(name) for name in ("ben.m", "cem.n", "dora.k", "fay.x")]
    admin, eve = await shared.known("ada.l"), await shared.known("eve.o", "other.example")
    app = await shared.app(ben, private=True)
    await let_in(ben, app, dora)
    await invite(ben, app, "cem.n")
    for client in (fay, admin, eve):
        for answer in ("accept", "decline"):
            refused = await client.request("POST", f"/apps/{app.id}/invitation/{answer}")
            assert refused.refusal == NOT_FOUND
    for client in (ben, dora):
        assert (await client.request("POST", f"/apps/{app.id}/invitation/accept")).refusal == NOT_FOUND
    managing: list[tuple[str, str, Any]] = [
        ("POST", "/invitations", {"usernames": ["fay.x"]}),
        ("DELETE", "/invitations/cem.n", None),
        ("POST", "/invitations/cem.n/remind", None),
        ("DELETE", "/members/ben.m", None),
        ("POST", "/transfer", {"username": "dora.k"}),
    ]
    for client in (dora, cem, fay, admin, eve):
        refusal = FORBIDDEN if client is dora else NOT_FOUND
        for method, path, body in [*managing, ("DELETE", "/members/dora.k", None)]:
            if (client, path) != (dora, "/members/dora.k"):
                assert (await client.request(method, f"/apps/{app.id}{path}", body)).refusal == refusal, path
    assert await states(ben, app) == {"ben.m": "owner", "dora.k": "accepted", "cem.n": "pending"}


async def test_a_reminder_comes_an_hour_after_the_invitation_at_the_earliest(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben, private=True)
    await invite(ben, app, "cem.n")
    refused = await ben.request("POST", f"/apps/{app.id}/invitations/cem.n/remind")
    assert refused.refusal == (429, "too-many")
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    assert await kinds(cem, app) == ["invited"]


async def test_of_an_answer_and_a_cancellation_at_once_one_counts(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben, private=True)
    for _ in range(4):
        await invite(ben, app, "cem.n")
        answers = await asyncio.gather(
            ben.request("DELETE", f"/apps/{app.id}/invitations/cem.n"),
            cem.request("POST", f"/apps/{app.id}/invitation/accept"),
            cem.request("POST", f"/apps/{app.id}/invitation/decline"),
        )
        done = [answer.status < 300 for answer in answers]
        assert done.count(True) == 1
        state = ("cancelled", "accepted", "declined")[done.index(True)]
        assert (await states(ben, app))["cem.n"] == state
        if state == "accepted":
            await ben.done("DELETE", f"/apps/{app.id}/members/cem.n")


async def test_members_are_removed_and_leave(shared: Shared) -> None:
    ben, cem, dora = [await shared.known(name) for name in ("ben.m", "cem.n", "dora.k")]
    app = await shared.app(ben, private=True)
    await let_in(ben, app, cem, dora)
    owner_leaves = await ben.request("DELETE", f"/apps/{app.id}/members/ben.m")
    assert owner_leaves.refusal == FORBIDDEN
    assert "transfer it" in plain(owner_leaves)["detail"]
    assert (await dora.request("DELETE", f"/apps/{app.id}/members/cem.n")).refusal == FORBIDDEN
    await ben.done("DELETE", f"/apps/{app.id}/members/CEM.n")
    assert (await cem.request("GET", f"/apps/{app.id}")).refusal == NOT_FOUND
    await dora.done("DELETE", f"/apps/{app.id}/members/Dora.K")
    assert (await dora.request("GET", f"/apps/{app.id}")).refusal == NOT_FOUND
    assert await states(ben, app) == {"ben.m": "owner"}
    assert await kinds(cem, app) == ["invited", "removed"]
    assert await kinds(dora, app) == ["invited"]
    assert await kinds(ben, app) == ["accepted", "accepted", "left"]
    for name in ("cem.n", "nobody", "eve.o"):
        assert (await ben.request("DELETE", f"/apps/{app.id}/members/{name}")).refusal == NOT_FOUND


@pytest.mark.parametrize("private", [True, False])
async def test_an_app_is_transferred_and_its_former_owner_stays_a_member(shared: Shared, private: bool) -> None:
    ben, cem, dora = [await shared.known(name) for name in ("ben.m", "cem.n", "dora.k")]
    await shared.known("eve.o", "other.example")
    app = await shared.app(ben, private=private)
    path = f"/apps/{app.id}/transfer"
    if private:
        await let_in(ben, app, cem)
        await invite(ben, app, "dora.k")
        for name in ("dora.k", "fay.x"):
            await shared.known(name)
            assert (await ben.request("POST", path, {"username": name})).refusal == FORBIDDEN
    for name, refusal in [("ben.m", (409, "taken")), ("nobody", NOT_FOUND), ("eve.o", NOT_FOUND)]:
        assert (await ben.request("POST", path, {"username": name})).refusal == refusal
    token = await lock(ben, app)
    shown = plain(await ben.done("POST", path, {"username": " Cem.N "}))
    assert (shown["owner"], shown["owned"], shown["locked"]) == ("cem.n", False, True)
    found = await states(cem, app)
    assert found == {"cem.n": "owner", "ben.m": "accepted", **({"dora.k": "pending"} if private else {})}
    assert plain(await cem.done("GET", f"/apps/{app.id}/token"))["token"]["text"] == token
    back = {"username": "ben.m"}
    for method, below, body in [("GET", "/token", None), ("PATCH", "", {}), ("POST", "/transfer", back)]:
        assert (await ben.request(method, f"/apps/{app.id}{below}", body)).refusal == FORBIDDEN
    assert (await kinds(cem, app))[-1] == "transferred"
    if not private:
        await cem.done("PATCH", f"/apps/{app.id}", {"private": True})
        assert (await dora.request("GET", f"/apps/{app.id}")).refusal == NOT_FOUND
    assert (await ben.request("GET", f"/apps/{app.id}")).status == 200
    await ben.done("DELETE", f"/apps/{app.id}/members/ben.m")
    assert (await ben.request("GET", f"/apps/{app.id}")).refusal == NOT_FOUND


async def test_an_admin_takes_over_the_apps_of_a_removed_person(shared: Shared) -> None:
    admin, cem = await shared.known("ada.l"), await shared.known("cem.n")
    gus = await shared.person(shared.fresh("gus.x"))
    private, public = await shared.app(gus, private=True), await shared.app(gus)
    others = await shared.app(cem, private=True)
    await let_in(gus, private, cem)
    await let_in(cem, others, gus)
    await lock(gus, private)
    await admin.done("DELETE", f"/organisation/people/{gus.username}")
    for app in (private, public):
        shown = plain(await admin.done("GET", f"/apps/{app.id}"))
        assert (shown["owner"], shown["owned"]) == ("ada.l", True)
    assert await states(admin, private) == {"ada.l": "owner", "cem.n": "accepted"}
    assert await states(cem, others) == {"cem.n": "owner"}
    await admin.done("POST", f"/apps/{private.id}/unlock", {"confirm": private.full_name})


async def test_the_apps_of_an_admin_who_removes_the_own_account_go_to_another_admin(place: Place) -> None:
    ada, ben = await place.person("ada.l"), await place.person("ben.m")
    app = await ada.app("Shop", private=True)
    alone = await ada.request("DELETE", "/organisation/people/ada.l")
    assert alone.refusal == FORBIDDEN
    await ada.done("PUT", "/organisation/people/ben.m/role", {"admin": True})
    await ada.done("DELETE", "/organisation/people/ada.l")
    assert (await ada.request("GET", "/me")).refusal == (401, "unauthenticated")
    shown = await ben.request("GET", f"/apps/{app.id}")
    assert shown.status == 200
    assert plain(shown)["owner"] == "ben.m"


async def test_the_last_person_cannot_go_while_there_are_apps(place: Place) -> None:
    ada = await place.person("ada.l")
    app = await ada.app("Shop")
    refused = await ada.request("DELETE", "/organisation/people/ada.l")
    assert refused.refusal == FORBIDDEN
    assert "delete the app first" in plain(refused)["detail"]
    await ada.done("DELETE", f"/apps/{app.id}", query={"confirm": app.full_name})
    await ada.done("DELETE", "/organisation/people/ada.l")
