"""A person's own account and the colleagues: profile, avatar, password, log-ins, and what admins may do."""

from typing import Any
from xml.etree import ElementTree

import pytest

from tests.server.api.place import Client, Place
from tests.server.api.shared import Shared, plain, tab, told, until
from tests.server.client import PASSWORD

NEW_PASSWORD = "another long password"


async def me(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = plain(await client.done("GET", "/me"))
    return found


async def people(client: Client) -> dict[str, dict[str, Any]]:
    return {one["username"]: one for one in plain(await client.done("GET", "/organisation/people"))}


async def is_online(client: Client, username: str) -> bool:
    return (await people(client))[username]["online"] is True


async def avatar(client: Client, username: str) -> bytes:
    answer = await client.done("GET", f"/organisation/people/{username}/avatar")
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    return answer.body


async def test_names_and_position_are_edited_the_organisation_stays(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    before = await me(ben)
    profile = {"first_name": " Benedict ", "last_name": "M", "position": " Analyst\t"}
    answered = plain(await ben.done("PUT", "/me", profile))
    expected = {**before, "first_name": "Benedict", "last_name": "M", "position": "Analyst"}
    assert answered == expected == await me(ben)
    assert (await people(ben))["ben.m"]["position"] == "Analyst"
    for more in ({"organisation": "other.example"}, {"username": "other"}, {"admin": True}, {"password": "x" * 10}):
        refused = await ben.request("PUT", "/me", {**profile, **more})
        assert refused.refusal == (422, "invalid")
        assert "unknown field" in plain(refused)["detail"]
    for field, value in [("first_name", " "), ("last_name", ""), ("first_name", "a" * 81), ("position", "a\nb")]:
        assert (await ben.request("PUT", "/me", {**profile, field: value})).refusal == (422, "invalid")
    assert await me(ben) == expected
    assert plain(await ben.done("PUT", "/me", {"first_name": "Ben", "last_name": "M"}))["position"] == ""


async def test_an_avatar_is_a_picture_of_its_own_drawn_here(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    await shared.known("cem.n")
    first, again, other = await avatar(ben, "ben.m"), await avatar(ben, "BEN.M"), await avatar(ben, "cem.n")
    assert first == again
    shapes = [
        [(node.tag, node.get("d"), node.get("fill")) for node in ElementTree.fromstring(svg)] for svg in (first, other)
    ]
    assert shapes[0] != shapes[1]
    assert any(d for _, d, _ in shapes[0])
    text = first.decode()
    assert text.count("http") == 1, "the namespace only"
    for reference in ("href", "url(", "src", "<image", "<script", "<style", "<!", "on"):
        assert f" {reference}=" not in text
        assert reference == "on" or reference not in text


@pytest.mark.parametrize(
    "name", ["<b>&amp;\"'</b>", "</title><script>alert(1)</script>", "]]>", "\x7f", "\ufffe\uffff"]
)
async def test_an_avatar_is_well_formed_whatever_the_name(shared: Shared, name: str) -> None:
    ben = await shared.known("ben.m")
    plainly = await avatar(ben, "ben.m")
    answer = await ben.request("PUT", "/me", {"first_name": name, "last_name": "M"})
    if answer.status == 200:
        svg = ElementTree.fromstring(await avatar(ben, "ben.m"))
        assert [node.tag.rpartition("}")[2] for node in svg] == ["title", "rect", "path"]
        await ben.done("PUT", "/me", {"first_name": "Ben", "last_name": "M"})
    else:
        assert answer.refusal == (422, "invalid")
    assert ElementTree.fromstring(plainly) is not None


async def test_colleagues_are_those_of_the_own_organisation(shared: Shared) -> None:
    ben, eve = await shared.known("ben.m"), await shared.known("eve.o", "other.example")
    await shared.known("cem.n")
    assert "eve.o" not in await people(ben)
    assert {"ben.m", "cem.n"} <= set(await people(ben))
    assert set(await people(eve)) == {"eve.o"}
    for username in ("ben.m", "nobody", "../me", "%2e%2e"):
        answer = await eve.request("GET", f"/organisation/people/{username}/avatar")
        assert answer.status == 404
    assert plain(await eve.done("GET", "/organisation"))["id"] == "other.example"


async def test_who_is_online_now(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    assert (await people(ben))["cem.n"]["online"] is False
    opened = await tab(cem)
    assert (await people(ben))["cem.n"]["online"] is True
    assert (await people(ben))["ben.m"]["online"] is False
    await opened.socket.close()
    await until(lambda: is_online(ben, "cem.n"), False)


async def test_a_new_password_ends_the_other_log_ins_and_keeps_this_one(shared: Shared) -> None:
    dora = await shared.known("dora.k")
    there = await shared.log_in("dora.k")
    change = {"present": PASSWORD, "new": NEW_PASSWORD}
    wrong = await dora.request("PUT", "/me/password", {**change, "present": "wrong password"})
    assert wrong.refusal == (403, "forbidden")
    for new in ("short", " " * 12, "a" * 257):
        assert (await dora.request("PUT", "/me/password", {**change, "new": new})).refusal == (422, "invalid")
    assert (await there.request("GET", "/me")).status == 200, "a refused change ends nothing"
    await dora.done("PUT", "/me/password", change)
    assert (await dora.request("GET", "/me")).status == 200
    assert (await there.request("GET", "/me")).refusal == (401, "unauthenticated")
    old = await shared.nobody.request("POST", "/login", {"username": "dora.k", "password": PASSWORD})
    assert old.refusal == (401, "unauthenticated")
    await dora.done("PUT", "/me/password", {"present": NEW_PASSWORD, "new": PASSWORD})
    assert (await shared.nobody.request("GET", "/me")).refusal == (401, "unauthenticated")


async def test_log_ins_are_listed_and_ended(shared: Shared) -> None:
    await shared.known("cem.n")
    body = {"username": "cem.n", "password": PASSWORD}
    here, there, third = [await shared.log_in("cem.n") for _ in range(3)]
    await shared.nobody.request("POST", "/login", body, headers={"User-Agent": "A browser " + "x" * 300})

    async def listed() -> list[dict[str, Any]]:
        return list(plain(await here.done("GET", "/me/logins")))

    logins = await listed()
    assert [one["current"] for one in logins].count(True) == 1
    assert logins[0]["browser"] == ("A browser " + "x" * 300)[:200]
    assert [one["created"] for one in logins] == sorted((one["created"] for one in logins), reverse=True)
    assert not any(client.cookie in str(logins) for client in (here, there, third))
    theirs = next(one["id"] for one in plain(await there.done("GET", "/me/logins")) if one["current"])
    stranger = await shared.known("ben.m")
    assert (await stranger.request("DELETE", f"/me/logins/{theirs}")).refusal == (404, "missing")
    assert (await there.request("GET", "/me")).status == 200
    await here.done("DELETE", f"/me/logins/{theirs}")
    assert (await here.request("DELETE", f"/me/logins/{theirs}")).refusal == (404, "missing")
    assert (await there.request("GET", "/me")).refusal == (401, "unauthenticated")
    assert (await third.request("GET", "/me")).status == 200
    await here.done("DELETE", "/me/logins")
    assert [one["current"] for one in await listed()] == [True]
    assert (await third.request("GET", "/me")).refusal == (401, "unauthenticated")
    shared.town.cookies["cem.n"] = here.cookie
    assert (await stranger.request("GET", "/me")).status == 200, "another person's log-ins stay"


async def test_logging_in_again_and_out_end_the_log_in_before(shared: Shared) -> None:
    await shared.known("ben.m")
    first = await shared.log_in("ben.m")
    answer = await first.request("POST", "/login", {"username": "ben.m", "password": PASSWORD})
    assert answer.status == 200
    assert (await first.request("GET", "/me")).refusal == (401, "unauthenticated")
    second = await shared.log_in("ben.m")
    out = await second.request("POST", "/logout")
    assert out.status == 204
    assert (await second.request("GET", "/me")).refusal == (401, "unauthenticated")
    assert (await second.request("POST", "/logout")).status == 204


async def test_admins_are_made_by_admins_and_one_is_left(place: Place) -> None:
    ada, ben = await place.person("ada.l"), await place.person("ben.m")
    assert (await me(ada))["admin"]
    assert not (await me(ben))["admin"]
    role = "/organisation/people/ben.m/role"
    assert (await ben.request("PUT", role, {"admin": True})).refusal == (403, "forbidden")
    for method, path, body in [
        ("PUT", "/organisation/people/ada.l/role", {"admin": False}),
        ("PUT", "/organisation/people/ada.l/access", {"disabled": True}),
        ("DELETE", "/organisation/people/ada.l", None),
    ]:
        refused = await ada.request(method, path, body)
        assert refused.refusal == (403, "forbidden")
        assert "only admin" in plain(refused)["detail"]
    await ada.done("PUT", role, {"admin": True})
    assert (await me(ben))["admin"]
    await ben.done("PUT", "/organisation/people/ada.l/role", {"admin": False})
    assert not (await me(ada))["admin"]
    assert (await ada.request("PUT", role, {"admin": False})).refusal == (403, "forbidden")
    eve = await place.person("eve.o", "other.example")
    for method, path, body in [
        ("PUT", role, {"admin": False}),
        ("PUT", "/organisation/people/ben.m/access", {"disabled": True}),
        ("DELETE", "/organisation/people/ben.m", None),
        ("DELETE", "/organisation/people/nobody", None),
    ]:
        assert (await eve.request(method, path, body)).refusal == (404, "missing")


async def test_who_is_disabled_is_out_at_once(shared: Shared) -> None:
    admin = await shared.known("ada.l")
    fay = await shared.person(shared.fresh("fay.x"))
    access = f"/organisation/people/{fay.username}/access"
    await admin.done("PUT", access, {"disabled": True})
    assert (await fay.request("GET", "/me")).refusal == (401, "unauthenticated")
    body = {"username": fay.username, "password": PASSWORD}
    assert (await shared.nobody.request("POST", "/login", body)).refusal == (401, "unauthenticated")
    assert fay.username not in await people(await shared.known("ben.m"))
    assert (await people(admin))[fay.username]["disabled"] is True
    await admin.done("PUT", access, {"disabled": False})
    assert (await fay.request("GET", "/me")).refusal == (401, "unauthenticated"), "the log-ins ended"
    assert (await shared.nobody.request("POST", "/login", body)).status == 200


async def test_a_removed_person_is_gone_and_the_name_free(shared: Shared) -> None:
    admin = await shared.known("ada.l")
    gus = await shared.person(shared.fresh("gus.x"))
    key = await gus.key("write")
    app = await shared.app(await shared.known("ben.m"), private=True)
    await (await shared.known("ben.m")).done("POST", f"/apps/{app.id}/invitations", {"usernames": [gus.username]})
    assert len(await told(gus)) == 1
    await admin.done("DELETE", f"/organisation/people/{gus.username}")
    for gone in (gus, key):
        assert (await gone.request("GET", "/me")).refusal == (401, "unauthenticated")
    assert gus.username not in await people(admin)
    back = await shared.person(gus.username)
    assert await told(back) == []
    assert plain(await back.done("GET", "/me/keys")) == []
    accept = await back.request("POST", f"/apps/{app.id}/invitation/accept")
    assert accept.refusal == (404, "missing"), "the invitation was the former person's"
