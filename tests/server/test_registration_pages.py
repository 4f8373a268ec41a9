"""The pages on which people register and log in with a code, without JavaScript: plain forms."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pyotp
import pytest
from aiohttp import ClientSession

from tests.conftest import Server
from tests.server.api.place import ENVIRONMENT, PASSWORD, Place
from tests.server.client import Answer

FIELDS = {
    "username": "cleo.n",
    "first_name": "Cleo",
    "last_name": "<b>N",
    "organisation": "Cleo.Example",
    "position": "",
    "password": PASSWORD,
}


@pytest.fixture
async def place(start_server: Callable[..., Server], http: ClientSession) -> Place:
    return Place(await asyncio.to_thread(start_server, environment=ENVIRONMENT), http)


async def form(place: Place, path: str, **fields: str) -> Answer:
    body = urlencode(fields).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    url = place.server.url + path
    async with place.http.post(url, data=body, headers=headers, allow_redirects=False) as response:
        return Answer(response.status, response.headers, await response.read())


async def shown(place: Place, path: str) -> Answer:
    async with place.http.get(place.server.url + path, allow_redirects=False) as response:
        return Answer(response.status, response.headers, await response.read())


async def test_the_first_of_an_organisation_registers_and_logs_in(place: Place) -> None:
    assert b'href="/register"' in (await shown(place, "/login")).body
    empty = await shown(place, "/register")
    assert empty.status == 200
    assert all(f'name="{name}"'.encode() in empty.body for name in FIELDS)
    done = await form(place, "/register", **FIELDS)
    assert done.status == 201
    assert b"You can log in as cleo.n now." in done.body
    assert (await form(place, "/login", username="cleo.n", password=PASSWORD)).status == 303


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("username", "cle", b"5 to 32 letters"),
        ("username", "cleo n", b"5 to 32 letters"),
        ("organisation", "a/b", b"named by its domain"),
        ("first_name", " ", b"1 to 80 characters"),
        ("password", "short   ", b"10 to 256 characters"),
    ],
)
async def test_a_refused_form_keeps_what_was_typed_but_the_password(
    place: Place, field: str, text: str, words: bytes
) -> None:
    refused = await form(place, "/register", **{**FIELDS, field: text})
    assert refused.status == 422
    assert words in refused.body
    assert b"&lt;b&gt;N" in refused.body
    assert b"<b>N" not in refused.body
    assert PASSWORD.encode() not in refused.body
    assert (await form(place, "/login", username="cleo.n", password=PASSWORD)).status == 401


async def test_a_later_one_waits_and_a_taken_name_is_told(place: Place) -> None:
    await form(place, "/register", **FIELDS)
    taken = await form(place, "/register", **FIELDS)
    assert taken.status == 409
    assert b"cleo.n is in use" in taken.body
    waits = await form(place, "/register", **{**FIELDS, "username": "dora.k"})
    assert waits.status == 201
    assert b"An admin of cleo.example has been told" in waits.body
    assert (await form(place, "/login", username="dora.k", password=PASSWORD)).status == 401


async def test_a_join_link_leads_in_once(place: Place) -> None:
    admin = await place.person("ada.l")
    link = (await admin.done("POST", "/organisation/join-links")).read(dict)
    page = await shown(place, link["path"])
    assert page.status == 200
    assert b"You were invited to" in page.body
    organisation = (await admin.done("GET", "/organisation")).read(dict)["id"]
    assert f'value="{organisation}"'.encode() in page.body
    fields = {**FIELDS, "organisation": organisation, "join": link["join"]}
    done = await form(place, "/register", **fields)
    assert done.status == 201
    assert b"You can log in as cleo.n now." in done.body
    again = await shown(place, link["path"])
    assert again.status == 403
    assert b"ask the admin who sent it for another" in again.body
    assert (await form(place, "/register", **{**fields, "username": "dora.k"})).status == 403


@pytest.mark.parametrize(("setting", "words"), [("closed", b"is closed"), ("invitation", b"needs a join link")])
async def test_registration_follows_the_setting(
    tmp_path: Path, start_server: Callable[..., Server], http: ClientSession, setting: str, words: bytes
) -> None:
    server = await asyncio.to_thread(start_server, environment={"DATALAB_ACCOUNTS_REGISTRATION": setting})
    place = Place(server, http)
    assert b'href="/register"' not in (await shown(place, "/login")).body
    page = await shown(place, "/register")
    assert page.status == 403
    assert words in page.body
    assert b'name="username"' not in page.body
    assert (await form(place, "/register", **FIELDS)).status == 403


async def test_somebody_logged_in_needs_no_registration(place: Place) -> None:
    ada = await place.person("ada.l")
    async with place.http.get(place.server.url + "/register", headers=ada.headers, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/")


async def test_the_form_asks_for_the_code_of_a_second_factor(place: Place) -> None:
    ada = await place.person("ada.l")
    secret = (await ada.done("POST", "/me/second-factor", {"password": PASSWORD})).read(dict)["secret"]
    recovery = (await ada.done("POST", "/me/second-factor/confirm", {"code": pyotp.TOTP(secret).now()})).read(dict)
    assert b'name="code"' not in (await shown(place, "/login")).body
    asked = await form(place, "/login", username="ada.l", password=PASSWORD)
    assert asked.status == 401
    assert b'name="code"' in asked.body
    assert b"enter the code of your authenticator" in asked.body
    assert "Set-Cookie" not in asked.headers
    wrong = await form(place, "/login", username="ada.l", password="a wrong password")
    assert b'name="code"' not in wrong.body, "only the right password leads to the code"
    assert (await form(place, "/login", username="ada.l", password=PASSWORD, code="000000")).status == 401
    done = await form(place, "/login", username="ada.l", password=PASSWORD, code=recovery["codes"][0])
    assert done.status == 303
    assert "datalab_login=" in done.headers["Set-Cookie"]
