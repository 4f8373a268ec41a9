"""Registering: what people are called, who comes into an organisation, and that a refusal leaves nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from datalab.appliance import opened
from datalab.settings import Settings
from tests.conftest import Server
from tests.server.api.place import ENVIRONMENT, ORGANISATION, Client, Place
from tests.server.api.shared import Shared, audit, plain, told
from tests.server.client import PASSWORD, Answer

Start = Callable[..., Server]


def form(username: str, organisation: str = ORGANISATION, **more: Any) -> dict[str, Any]:
    filled = {"username": username, "organisation": organisation, "password": PASSWORD}
    return {**filled, "first_name": "Ada", "last_name": "Lovelace", **more}


async def register(place: Place, body: dict[str, Any]) -> Answer:
    return await place.nobody.request("POST", "/register", body)


async def log_in(place: Place, username: str, password: str = PASSWORD) -> Answer:
    return await place.nobody.request("POST", "/login", {"username": username, "password": password})


async def people(admin: Client) -> dict[str, tuple[bool, bool]]:
    """Admin, pending; by username."""
    listed = plain(await admin.done("GET", "/organisation/people"))
    return {one["username"]: (one["admin"], one["pending"]) for one in listed}


async def link(admin: Client) -> dict[str, Any]:
    made: dict[str, Any] = plain(await admin.done("POST", "/organisation/join-links"))
    return made


async def counts(data: Path) -> tuple[list[str], list[str], list[str]]:
    """Organisations, users and audit entries in the store of a server that has ended."""
    async with opened(data, Settings()) as services:
        return await services.accounts._changes.transact(
            lambda collections: (
                [one.id for one in collections.organisations.where()],
                [one.id for one in collections.users.where()],
                [one.id for one in collections.audit_entries.where()],
            )
        )


@pytest.mark.parametrize("username", ["five5", "A.b_c-9", "a" * 32, "-----"])
async def test_usernames_of_5_to_32_letters_digits_dots_underscores_hyphens(shared: Shared, username: str) -> None:
    answer = await register(shared, form(username, shared.fresh("org")))
    assert answer.status == 201
    assert plain(answer)["username"] == username


@pytest.mark.parametrize(
    "username",
    ["", "four", "a" * 33, "   four   ", "ada l", "ada\tl", "ada\nl", "ada/l", "ada@l", "ada,l", "ada+l", "ada!l"]
    + ["adä.l", "ａｄａａｌ", "٣٣٣٣٣", "ada\u200bl", "ada\0l", "<ada>", "ada'l", 'ada"l', "ada\\l", "ada%6c", "ada:l"],
)
async def test_other_usernames_are_refused(shared: Shared, username: str) -> None:
    answer = await register(shared, form(username, shared.fresh("org")))
    assert answer.refusal == (422, "invalid")
    assert plain(answer)["detail"].startswith("username: a user name has 5 to 32 letters, digits, dots")


async def test_a_username_is_unique_whatever_its_case_and_organisation(shared: Shared) -> None:
    assert (await register(shared, form("Robin.S", "robin.example"))).status == 201
    for username in ("Robin.S", "robin.s", "ROBIN.S", "  rObIn.S\t"):
        for organisation in ("robin.example", shared.fresh("org")):
            refused = await register(shared, form(username, organisation))
            assert refused.refusal == (409, "taken")
            assert plain(refused)["detail"].startswith("username: ")
    assert (await log_in(shared, "rOBIN.s")).status == 200


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("first_name", "", "first_name: 1 to 80 characters"),
        ("first_name", "   ", "first_name: 1 to 80 characters"),
        ("last_name", " \t", "last_name: 1 to 80 characters"),
        ("last_name", "a" * 81, "last_name: 1 to 80 characters"),
        ("first_name", "a\nb", "first_name: 1 to 80 characters"),
        ("position", "a" * 81, "position: at most 80 characters"),
        ("position", "a\x1fb", "position: at most 80 characters"),
        ("organisation", "", "organisation: an organisation is named by its domain"),
        ("organisation", "shop.example/a", "organisation: an organisation is named by its domain"),
        ("organisation", "/", "organisation: an organisation is named by its domain"),
        ("organisation", "shop example", "organisation: an organisation is named by its domain"),
        ("organisation", "a" * 121, "organisation: an organisation is named by its domain"),
        ("password", "123456789", "password: a password has 10 to 256 characters"),
        ("password", "    1234567      ", "password: a password has 10 to 256 characters"),
        ("password", "a" * 257, "password: a password has 10 to 256 characters"),
        ("password", 1234567890, "password: a password has 10 to 256 characters"),
        ("admin", True, "unknown field `admin`"),
        ("pending", False, "unknown field `pending`"),
    ],
)
async def test_what_is_filled_in_has_bounds(shared: Shared, field: str, value: Any, words: str) -> None:
    answer = await register(shared, {**form(shared.fresh("bound"), shared.fresh("org")), field: value})
    assert answer.refusal == (422, "invalid")
    assert words in plain(answer)["detail"]


@pytest.mark.parametrize("field", ["username", "organisation", "password", "first_name", "last_name"])
async def test_only_the_position_may_be_left_out(shared: Shared, field: str) -> None:
    body = form(shared.fresh("without"), shared.fresh("org"))
    del body[field]
    answer = await register(shared, body)
    assert answer.refusal == (422, "invalid")
    assert field in plain(answer)["detail"]


async def test_the_same_is_trimmed_when_registering_logging_in_and_changing(shared: Shared) -> None:
    name, domain = shared.fresh("trim."), "Trim.Example"
    body = form(f"  {name}\n", f"\t{domain} ", password=f" {PASSWORD}\t", first_name=" Ada ", position=" Head ")
    assert plain(await register(shared, body)) == {
        "username": name,
        "organisation": "trim.example",
        "admin": True,
        "pending": False,
    }
    for username, password in [(f" {name} ", PASSWORD), (f"\n{name.upper()}\t", f"  {PASSWORD}\r\n")]:
        assert (await log_in(shared, username, password)).status == 200
    client = await shared.log_in(name)
    me = plain(await client.done("GET", "/me"))
    assert (me["first_name"], me["position"]) == ("Ada", "Head")
    await client.done("PUT", "/me/password", {"present": f"\t{PASSWORD} ", "new": "  a password with blanks\n"})
    assert (await log_in(shared, name, "a password with blanks")).status == 200
    assert (await log_in(shared, name, " a password with blanks ")).status == 200
    assert (await log_in(shared, name, "apasswordwithblanks")).refusal == (401, "unauthenticated")
    short = await client.request("PUT", "/me/password", {"present": "a password with blanks", "new": " 123456789 "})
    assert short.refusal == (422, "invalid")


async def test_a_domain_is_one_whatever_its_case(shared: Shared) -> None:
    first = await shared.person(shared.fresh("first"), "case.example")
    for domain in ("CASE.example", " Case.Example "):
        answered = plain(await register(shared, form(shared.fresh("later"), domain)))
        assert (answered["organisation"], answered["admin"], answered["pending"]) == ("case.example", False, True)
    assert plain(await first.done("GET", "/organisation"))["id"] == "case.example"
    assert len(await people(first)) == 3


async def test_a_refused_registration_leaves_nothing(place: Place) -> None:
    ada = await place.person("ada.l")
    unused = await link(ada)
    refusals = [
        form("ADA.L", "taken.example"),
        form("ada.l"),
        form("four", "short.example"),
        form("ben.m", "slash/example"),
        form("ben.m", "password.example", password="short"),
        form("ben.m", "name.example", last_name=""),
        form("ben.m", ORGANISATION, join="no such link"),
        form("ben.m", "wrong.example", join=unused["join"]),
        form("ben.m", "join.example", join="x" * 101),
    ]
    for body in refusals:
        assert 400 <= (await register(place, body)).status < 500
    assert len(plain(await ada.done("GET", "/organisation/join-links"))) == 1
    assert await told(ada) == []
    place.server.kill()
    organisations, users, entries = await counts(place.server.data)
    assert (organisations, users) == ([ORGANISATION], ["ada.l"])
    assert entries == [f"organisation:{ORGANISATION}/{number}" for number in (1, 2, 3)]


async def test_of_ten_registrations_of_a_name_at_once_one_succeeds_and_the_others_leave_nothing(place: Place) -> None:
    bodies = [form("ada.l" if number % 2 else "ADA.L", f"race{number}.example") for number in range(10)]
    answers = await asyncio.gather(*(register(place, body) for body in bodies))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 9
    winner = next(plain(answer)["organisation"] for answer in answers if answer.status == 201)
    place.server.kill()
    assert await counts(place.server.data) == (
        [winner],
        ["ada.l"],
        [f"organisation:{winner}/1", f"organisation:{winner}/2"],
    )


async def test_of_ten_people_in_a_new_organisation_at_once_one_is_admin_and_the_others_wait(shared: Shared) -> None:
    names = [shared.fresh("crowd") for _ in range(10)]
    answers = [plain(one) for one in await asyncio.gather(*(register(shared, form(name, "crowd.x")) for name in names))]
    assert sorted((answer["admin"], answer["pending"]) for answer in answers) == [(False, True)] * 9 + [(True, False)]
    admin = await shared.log_in(next(answer["username"] for answer in answers if answer["admin"]))
    assert sorted((await people(admin)).values()) == [(False, True)] * 9 + [(True, False)]
    assert [one.number for one in (await audit(admin, "/organisation")).entries] == list(range(11, 0, -1))


async def test_who_waits_cannot_come_in_until_an_admin_approves(shared: Shared) -> None:
    admin = await shared.known("ada.l")
    ben, cem = shared.fresh("wait."), shared.fresh("wait.")
    for name in (ben, cem):
        assert plain(await register(shared, form(name)))["pending"] is True
    asked = [one for one in await told(admin) if one.kind == "join-request"]
    assert {ben, cem} <= {one.detail for one in asked}
    wrong, pending = await log_in(shared, ben, "wrong password"), await log_in(shared, ben)
    assert pending.refusal == (401, "unauthenticated")
    assert pending.body == wrong.body
    member = await shared.known("mia.m")
    assert not {ben, cem} & set(await people(member))
    assert (await member.request("GET", f"/organisation/people/{ben}/avatar")).refusal == (404, "missing")
    for verb in ("approve", "refuse"):
        assert (await member.request("POST", f"/organisation/people/{ben}/{verb}")).refusal == (403, "forbidden")
        stranger = await shared.known("eve.o", "other.example")
        assert (await stranger.request("POST", f"/organisation/people/{ben}/{verb}")).refusal == (404, "missing")
    promote = await admin.request("PUT", f"/organisation/people/{ben}/role", {"admin": True})
    assert promote.refusal == (403, "forbidden")
    await admin.done("POST", f"/organisation/people/{ben.upper()}/approve")
    assert (await log_in(shared, ben)).status == 200
    await admin.done("POST", f"/organisation/people/{cem}/refuse")
    assert (await log_in(shared, cem)).refusal == (401, "unauthenticated")
    assert cem not in await people(admin)
    for verb in ("approve", "refuse"):
        for name in (ben, cem, "nobody"):
            again = await admin.request("POST", f"/organisation/people/{name}/{verb}")
            assert again.refusal == (404, "missing")
    assert plain(await register(shared, form(cem)))["pending"] is True, "a name that was refused is free again"


async def test_a_join_link_lets_one_person_in(shared: Shared) -> None:
    admin = await shared.known("ada.l")
    made = await link(admin)
    assert made["path"] == f"/register?join={made['join']}"
    assert made["expires"] - shared_created(plain(await admin.done("GET", "/organisation/join-links")), made["id"]) == (
        7 * 86_400_000
    )
    joins = [form(shared.fresh("join."), join=made["join"]) for _ in range(6)]
    answers = await asyncio.gather(*(register(shared, body) for body in joins))
    assert sorted(answer.status for answer in answers) == [201] + [403] * 5
    joined = next(plain(answer) for answer in answers if answer.status == 201)
    assert (joined["admin"], joined["pending"]) == (False, False)
    assert (await log_in(shared, joined["username"])).status == 200
    assert ("joined", joined["username"]) in {(one.kind.value, one.detail) for one in await told(admin)}
    assert not {body["username"] for body in joins} - {joined["username"]} & set(await people(admin))
    late = await register(shared, form(shared.fresh("late."), join=made["join"]))
    assert late.refusal == (403, "forbidden")
    assert "was used" in plain(late)["detail"]
    assert made["id"] not in {one["id"] for one in plain(await admin.done("GET", "/organisation/join-links"))}


def shared_created(links: list[dict[str, Any]], id: str) -> int:
    created: int = next(one["created"] for one in links if one["id"] == id)
    return created


async def test_a_join_link_leads_into_its_own_organisation_only(shared: Shared) -> None:
    admin = await shared.known("ada.l")
    made = await link(admin)
    for organisation in ("other.example", shared.fresh("new"), "shop.example."):
        refused = await register(shared, form(shared.fresh("join."), organisation, join=made["join"]))
        assert refused.refusal == (403, "forbidden")
    joined = await register(shared, form(shared.fresh("join."), " SHOP.example ", join=f" {made['join']} "))
    assert joined.status == 201, "a refusal does not use the link up"


async def test_a_withdrawn_link_lets_nobody_in(shared: Shared) -> None:
    admin = await shared.known("ada.l")
    member, stranger = await shared.known("mia.m"), await shared.known("eve.o", "other.example")
    made = await link(admin)
    listed = plain(await admin.done("GET", "/organisation/join-links"))
    assert made["id"] in {one["id"] for one in listed}
    assert made["join"] not in str(listed), "the text is shown once"
    for method, path in [
        ("GET", "/organisation/join-links"),
        ("POST", "/organisation/join-links"),
        ("DELETE", f"/organisation/join-links/{made['id']}"),
    ]:
        assert (await member.request(method, path)).refusal == (403, "forbidden")
    foreign = await stranger.request("DELETE", f"/organisation/join-links/{made['id']}")
    assert foreign.refusal == (404, "missing")
    await admin.done("DELETE", f"/organisation/join-links/{made['id']}")
    again = await admin.request("DELETE", f"/organisation/join-links/{made['id']}")
    assert again.refusal == (404, "missing")
    refused = await register(shared, form(shared.fresh("join."), join=made["join"]))
    assert refused.refusal == (403, "forbidden")


@pytest.mark.parametrize("setting", ["closed", "invitation"])
async def test_registration_closed_or_by_invitation_only(
    place: Place, tmp_path: Path, start_server: Start, http: ClientSession, setting: str
) -> None:
    admin = await place.person("ada.l")
    made = await link(admin)
    place.server.stop()
    settings = {**ENVIRONMENT, "DATALAB_ACCOUNTS_REGISTRATION": setting}
    closed = Place(await asyncio.to_thread(start_server, environment=settings), http)
    for body in (form("ben.m"), form("ben.m", "new.example")):
        refused = await register(closed, body)
        assert refused.refusal == (403, "forbidden")
        assert ("closed" if setting == "closed" else "join link") in plain(refused)["detail"]
    invited = await register(closed, form("ben.m", join=made["join"]))
    assert invited.status == (403 if setting == "closed" else 201)
    assert (await log_in(closed, "ada.l")).status == 200, "whoever has an account still comes in"


async def test_registrations_of_an_address_are_limited(start_server: Start, http: ClientSession) -> None:
    settings = {"DATALAB_ACCOUNTS_REGISTRATIONS": "2"}
    place = Place(await asyncio.to_thread(start_server, environment=settings), http)
    for name in ("ada.l", "ben.m"):
        assert (await register(place, form(name))).status == 201
    refused = await register(place, form("cem.n"))
    assert refused.refusal == (429, "too-many")
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600


async def test_passwords_are_stored_as_argon2id(place: Place) -> None:
    await place.person("ada.l")
    place.server.kill()
    stored = b"".join(file.read_bytes() for file in place.server.data.rglob("documents*") if file.is_file())
    assert b"$argon2id$v=19$" in stored
    assert PASSWORD.encode() not in stored
