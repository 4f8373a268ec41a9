"""Attacks on log-ins, keys and tokens through the API."""

import asyncio
import re
import statistics
import string
import time
from collections.abc import Callable
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import quote

import pyotp
import pytest
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, WSServerHandshakeError
from msgspec import Struct

from datalab.server.api.endpoint import Endpoint
from datalab.server.api.openapi import ENDPOINTS
from tests.conftest import Server
from tests.server.api.place import COOKIE, ENVIRONMENT, Client, Place, cookie_of
from tests.server.api.shared import Shared
from tests.server.client import ORIGIN, PASSWORD, Answer, Page, view

UNSAFE = [endpoint for endpoint in ENDPOINTS if endpoint.method != "GET"]
LIMITED = {**ENVIRONMENT, "DATALAB_ACCOUNTS_LOGIN_ATTEMPTS": "3"}
WRONG = (401, "unauthenticated")
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
"""Of base64, URL-safe."""


class Secret(Struct):
    """A second factor that was begun."""

    secret: str


def pair(username: str, password: str = PASSWORD, code: str = "") -> dict[str, str]:
    return {"username": username, "password": password, "code": code}


def from_another_site(url: str) -> list[dict[str, str]]:
    """What browsers send along with a request of a foreign page, and what tries to look like this one."""
    return [
        *({"Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "", "same-origin, cross-site")),
        *({"Origin": origin} for origin in ("https://evil.example", "null", "", url.replace("http:", "https:"))),
        {"Origin": url.rpartition(":")[0]},
        {"Origin": f"{url}.evil.example"},
        {"Origin": url, "Sec-Fetch-Site": "cross-site"},
    ]


@pytest.mark.parametrize("endpoint", UNSAFE, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
async def test_no_unsafe_endpoint_listens_to_pages_of_other_sites(endpoint: Endpoint, shared: Shared) -> None:
    ada = await shared.known("ada.l")
    body = {"first_name": "Hacked", "last_name": "L", "password": PASSWORD, "username": "ada.l"}
    before = await everything(ada)
    for headers in from_another_site(ada.url):
        answer = await ada.request(endpoint.method, re.sub("[{}]", "", endpoint.path), body, None, headers)
        assert answer.refusal == (403, "forbidden"), headers
        assert b"another site" in answer.body
        assert "Set-Cookie" not in answer.headers
    assert await everything(ada) == before


async def everything(client: Client) -> list[bytes]:
    own = ("/me", "/me/logins", "/me/keys", "/me/notifications")
    common = ("/apps", "/organisation/people", "/organisation/join-links", "/organisation/audit")
    return [(await client.done("GET", path)).body for path in own + common]


async def test_a_key_beside_a_cookie_exempts_nothing(place: Place) -> None:
    ada, ben = await place.person("ada.l"), await place.person("ben.m")
    key = (await ada.key("write")).bearer
    names = {"first_name": "Hacked", "last_name": "L"}
    both = Client(place.http, ben.url, cookie=ben.cookie, key=key)
    assert (await both.request("PUT", "/me", names, headers={"Origin": "https://evil.example"})).refusal == (
        403,
        "forbidden",
    )
    assert b'"ben.m"' in (await both.done("GET", "/me")).body
    stale = Client(place.http, ben.url, cookie="x" * 43, key=key)
    assert (await stale.request("GET", "/me")).refusal == WRONG
    # A key alone is no browser's doing, wherever its page stands; and names of other cookies do not count.
    for headers in ({"Origin": "https://app.example"}, {"Cookie": "other=1"}):
        alone = Client(place.http, ada.url, key=key)
        assert (await alone.request("PUT", "/me", {**names, "first_name": "Ada"}, headers=headers)).status == 200


async def test_the_live_socket_is_for_own_pages(place: Place) -> None:
    ada = await place.person("ada.l")
    key = await ada.key("write")

    async def opens(client: Client, headers: dict[str, str]) -> int:
        try:
            socket = await place.http.ws_connect(f"{ada.url}/api/v1/live", headers={**client.headers, **headers})
        except WSServerHandshakeError as refused:
            return refused.status
        await socket.close()
        return 101

    for headers in from_another_site(ada.url):
        assert await opens(ada, headers) == 403, headers
        assert await opens(Client(place.http, ada.url, cookie=ada.cookie, key=key.bearer), headers) == 403
    assert await opens(ada, {"Origin": ada.url}) == 101
    assert await opens(ada, {"Origin": ada.url, "Sec-Fetch-Site": "same-origin"}) == 101
    assert await opens(key, {}) == 401
    assert await opens(place.nobody, {}) == 401


@pytest.mark.parametrize("by_form", [False, True])
async def test_a_cookie_from_before_the_log_in_is_worthless_after_it(place: Place, by_form: bool) -> None:
    ada, eve = await place.person("ada.l"), await place.person("eve.o", "other.example")
    for planted in ("a" * 43, eve.cookie):
        browser = Client(place.http, ada.url, cookie=planted)
        if by_form:
            form = {"username": "ada.l", "password": PASSWORD, "next": "/"}
            async with place.http.post(
                f"{ada.url}/login", data=form, headers=browser.headers, allow_redirects=False
            ) as sent:
                cookie = SimpleCookie(sent.headers["Set-Cookie"])[COOKIE].value
        else:
            cookie = cookie_of(await browser.done("POST", "/login", pair("ada.l")))
        assert cookie not in (planted, ada.cookie)
        assert (await browser.request("GET", "/me")).status == 401
        assert b'"ada.l"' in (await Client(place.http, ada.url, cookie=cookie).done("GET", "/me")).body
        assert b'"ada.l"' in (await ada.done("GET", "/me")).body


async def test_failed_log_ins_are_limited_by_user_and_by_address(
    start_server: Callable[..., Server], http: ClientSession
) -> None:
    place = Place(await asyncio.to_thread(start_server, environment=LIMITED), http)
    for name in ("ada.l", "ben.m"):
        await place.person(name)

    async def tries(username: str, password: str, connections: ClientSession) -> Answer:
        headers = {"X-Forwarded-For": f"10.0.0.{time.time_ns() % 250}", "Forwarded": "for=10.1.1.1"}
        return await Client(connections, place.server.url).request(
            "POST", "/login", pair(username, password), None, headers
        )

    def limited(answer: Answer) -> bool:
        return answer.refusal == (429, "too-many") and 1 <= int(answer.headers["Retry-After"]) <= 60

    async with (
        ClientSession(cookie_jar=DummyCookieJar(), connector=TCPConnector(local_addr=("127.0.0.2", 0))) as second,
        ClientSession(cookie_jar=DummyCookieJar(), connector=TCPConnector(local_addr=("127.0.0.3", 0))) as third,
    ):
        for spelling in ("ada.l", "ADA.L", " Ada.L "):
            assert (await tries(spelling, "wrong", second)).refusal == WRONG
        assert limited(await tries("ada.l", PASSWORD, http)), "the user is not limited"
        assert limited(await tries("ben.m", PASSWORD, second)), "the address is not limited"
        assert (await tries("ben.m", PASSWORD, http)).status == 200
        # Sent together, they are still counted one by one.
        together = await asyncio.gather(*(tries(f"nobody.{number}", "wrong", third) for number in range(12)))
        assert sorted(answer.status for answer in together) == [401] * 3 + [429] * 9


async def test_guessing_codes_and_present_passwords_is_limited(
    start_server: Callable[..., Server], http: ClientSession
) -> None:
    place = Place(await asyncio.to_thread(start_server, environment=LIMITED), http)
    ada, ben = await place.person("ada.l"), await place.person("ben.m")
    begun = (await ada.done("POST", "/me/second-factor", {"password": PASSWORD})).read(Secret)
    codes = pyotp.TOTP(begun.secret)
    await ada.done("POST", "/me/second-factor/confirm", {"code": codes.at(int(time.time()) - 30)})
    for path, body in (
        ("/me/password", {"present": "wrong guess", "new": "another password"}),
        ("/me/second-factor", {"password": "wrong guess"}),
        ("/me/second-factor/remove", {"password": "wrong guess"}),
    ):
        assert (await ben.request("PUT" if path == "/me/password" else "POST", path, body)).status == 403
    change = {"present": PASSWORD, "new": "another password"}
    assert (await ben.request("PUT", "/me/password", change)).refusal == (429, "too-many")
    async with ClientSession(cookie_jar=DummyCookieJar(), connector=TCPConnector(local_addr=("127.0.0.2", 0))) as other:
        for _ in range(3):
            wrong = await Client(other, ada.url).request("POST", "/login", pair("ada.l", code="000000"))
            assert wrong.refusal == (401, "second-factor")
    right = await place.nobody.request("POST", "/login", pair("ada.l", code=codes.at(int(time.time()))))
    assert right.refusal == (429, "too-many")


async def people_who_cannot_come_in(place: Place) -> list[dict[str, str]]:
    """Pairs that are wrong each in its own way."""
    ada = await place.person("ada.l")
    await place.person("gone.o")
    await ada.done("PUT", "/organisation/people/gone.o/access", {"disabled": True})
    await place.register("waits.o")
    await place.person("careful.o")
    careful = await place.log_in("careful.o")
    begun = (await careful.done("POST", "/me/second-factor", {"password": PASSWORD})).read(Secret)
    await careful.done("POST", "/me/second-factor/confirm", {"code": pyotp.TOTP(begun.secret).now()})
    return [
        pair("unknown.o"),
        pair("ada.l", "a wrong password"),
        pair("gone.o"),
        pair("waits.o"),
        pair("careful.o", "a wrong password"),
    ]


async def test_who_exists_is_not_told_by_text_nor_by_time(place: Place) -> None:
    pairs = await people_who_cannot_come_in(place)
    answers, seconds = [], [list[float]() for _ in pairs]
    for _ in range(7):
        for wrong, taken in zip(pairs, seconds, strict=True):
            start = time.perf_counter()
            answer = await place.nobody.request("POST", "/login", wrong)
            taken.append(time.perf_counter() - start)
            told = {name: value for name, value in answer.headers.items() if name != "Date"}
            answers.append((answer.status, answer.body, told))
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)
    medians = [statistics.median(taken) for taken in seconds]
    # Each verifies one hash; without that an answer comes a hundred times faster.
    assert max(medians) / min(medians) < 2, medians


async def visit(place: Place, token: str) -> Page:
    page = Page(place.http, place.server.url, token)
    await page.hello()
    return page


async def test_nothing_that_proves_one_thing_proves_another(place: Place) -> None:
    ada = await place.person("ada.l")
    app = await ada.app("Shop")
    token, key = await ada.token(app), (await ada.key("write")).bearer
    welcome = (await visit(place, token)).welcome
    listed = {name: (await ada.done("GET", f"/me/{name}")).read(list[AnyId])[0].id for name in ("logins", "keys")}
    link = (await ada.done("POST", "/organisation/join-links")).read(Link)
    secrets = {
        "login": ada.cookie,
        "token": token,
        "key": key,
        "ticket": welcome.ticket,
        "session": welcome.session,
        "login id": listed["logins"],
        "key id": listed["keys"],
        "join link": link.join,
        "join link id": link.id,
        "visitor": welcome.visitor,
        "app": app.id,
    }
    for name, text in secrets.items():
        page = Page(place.http, place.server.url, text)
        opened = await page.request("GET", f"/api/v1/open?ticket={quote(text)}", headers=WEBSOCKET)
        as_login = await Client(place.http, ada.url, cookie=quote(text)).request("GET", "/me")
        as_key = await Client(place.http, ada.url, key=text).request("GET", "/me")
        assert {
            "login": as_login.status,
            "key": as_key.status,
            "token": (await page.ask_hello()).status,
            "session": (await page.post(view(1), session=text)).status,
            "ticket": opened.status,
        } == {
            "login": 200 if name == "login" else 401,
            "key": 200 if name == "key" else 401,
            "token": 200 if name == "token" else 403,
            "session": 200 if name == "session" else 403,
            "ticket": 101 if name == "ticket" else 403,
        }, name


async def test_a_changed_token_is_no_token(place: Place) -> None:
    ada = await place.person("ada.l")
    token = await ada.token(await ada.app("Shop"))
    other = await ada.token(await ada.app("Other", urls=["http://other.example"]))
    body, _, signature = token.partition(".")
    foreign_body, _, foreign_signature = other.partition(".")
    changed = [f"{token[:at]}{chr(ord(letter) ^ 1)}{token[at + 1 :]}" for at, letter in enumerate(token)]
    changed += [f"{foreign_body}.{signature}", f"{body}.{foreign_signature}", body, f".{signature}", f"{body}."]
    unused_bits = token[:-1] + ALPHABET[ALPHABET.index(token[-1]) ^ 1]
    changed += (
        [unused_bits]
        + [token + more for more in ("=", "A", ".", ".x", "!", "%00")]
        + [
            f"{body}=.{signature}",
            token[:-1],
            "",
            ".",
        ]
    )
    statuses = {text: (await Page(place.http, place.server.url, text).ask_hello()).status for text in changed}
    assert {text: status for text, status in statuses.items() if status != 403} == {}, token
    assert (await Page(place.http, place.server.url, token).ask_hello()).status == 200


async def test_a_token_is_for_its_own_app_and_appliance(
    place: Place, tmp_path: Path, start_server: Callable[..., Server], http: ClientSession
) -> None:
    ada = await place.person("ada.l")
    shop, other = await ada.app("Shop"), await ada.app("Other", urls=["http://other.example"])
    token, others = await ada.token(shop), await ada.token(other)
    page = Page(http, place.server.url, token, "http://other.example")
    assert (await page.ask_hello()).refusal == (403, "wrong-origin")
    session = (await visit(place, token)).welcome.session
    foreign = Page(http, place.server.url, others, "http://other.example")
    assert (await foreign.post(view(1), session=session)).refusal == (403, "wrong-origin")
    elsewhere = Place(await asyncio.to_thread(start_server, data=tmp_path / "elsewhere", environment=ENVIRONMENT), http)
    eve = await elsewhere.person("eve.o")
    await eve.token(await eve.app("Shop"))
    for text in (token, others):
        assert (await Page(http, elsewhere.server.url, text).ask_hello()).refusal == (403, "token-refused")
    assert (await Page(http, elsewhere.server.url, token).post(view(1), session=session)).status == 403
    for stolen in (
        Client(http, eve.url, cookie=ada.cookie),
        Client(http, eve.url, key=(await ada.key("write")).bearer),
    ):
        assert (await stolen.request("GET", "/me")).refusal == WRONG


class AnyId(Struct):
    """Whatever is listed under an id."""

    id: str


class Link(Struct):
    """A join link."""

    id: str
    join: str


WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Origin": ORIGIN,
}
