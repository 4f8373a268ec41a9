"""Bad input is refused, each with its code, and never disturbs another visitor's open socket."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus

import msgspec
import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from datalab.appliance import opened
from datalab.errors import TokenRefused
from datalab.model.wire import Acknowledgement, Hello, PostedEvents, Rejected, Stop
from datalab.settings import Settings
from tests.conftest import Server, run_datalab
from tests.server.client import NAME, ORIGIN, Answer, Page, Shop, log_in, now, view

Start = Callable[..., Server]
MEGABYTE = 1_000_000
DEEP = "[" * 20_000 + "]" * 20_000


def events(*texts: str) -> str:
    return '{"type":"events","events":[' + ",".join(texts) + "]}"


MALFORMED = {
    "nothing": "",
    "no JSON": "{",
    "text behind": events() + "x",
    "null": "null",
    "array": "[]",
    "unknown type": '{"type":"sql","events":[]}',
    "no type": '{"events":[]}',
    "no events": '{"type":"events"}',
    "events no list": '{"type":"events","events":{}}',
    "unknown kind": events('["KEYPRESS",1,1,"secret"]'),
    "kind a number": events('[1,1,1,"http://shop.example/"]'),
    "too short": events('["URLCHANGE",1,1]'),
    "empty event": events("[]"),
    "event an object": events('{"kind":"URLCHANGE"}'),
    "wrong types": events('["URLCHANGE","1",1,"http://shop.example/"]'),
    "fraction": events('["URLCHANGE",1.5,1,"http://shop.example/"]'),
    "url a number": events('["URLCHANGE",1,1,7]'),
    "empty url": events('["URLCHANGE",1,1,""]'),
    "long url": events(f'["URLCHANGE",1,1,"http://shop.example/{"x" * 2048}"]'),
    "sequence 0": events('["URLCHANGE",0,1,"http://shop.example/"]'),
    "negative sequence": events('["URLCHANGE",-3,1,"http://shop.example/"]'),
    "huge sequence": events('["URLCHANGE",4294967295,1,"http://shop.example/"]'),
    "NaN": events('["URLCHANGE",1,NaN,"http://shop.example/"]'),
    "infinite": events('["URLCHANGE",1,1e999,"http://shop.example/"]'),
    "huge number": events(f'["URLCHANGE",1,{"9" * 5000},"http://shop.example/"]'),
    "huge property": events(f'["CUSTOM",1,1,"n",{{"a":{"9" * 5000}}}]'),
    "nested property": events('["CUSTOM",1,1,"n",{"a":{"b":1}}]'),
    "many properties": events('["CUSTOM",1,1,"n",' + json.dumps({str(n): n for n in range(33)}) + "]"),
    "time beyond all bounds": events('["URLCHANGE",1,9007199254740993,"http://shop.example/"]'),
    "many selectors": events('["MOUSECLICK",1,1,"b",' + json.dumps(["#a"] * 33) + ",1,1]"),
    "negative place": events('["MOUSECLICK",1,1,"b",[],-1,1]'),
    "unknown action": events('["MOUSEHOVER",1,1,"b","hover-cry",100]'),
    "endless hover": events('["MOUSEHOVER",1,1,"b","hover-leave",86400001]'),
    "NUL": events('["URLCHANGE",1,1,"http://shop.example/\\u0000"]'),
    "control character": events('["MOUSECLICK",1,1,"a\\u001fb",[],1,1]'),
    "half a surrogate pair": events('["URLCHANGE",1,1,"http://shop.example/\\ud800"]'),
    "deep": events(DEEP),
    "deep in an unknown member": '{"type":"events","events":[],"x":' + DEEP + "}",
    "1001 events": events(*[f'["URLCHANGE",{n},1,"/"]' for n in range(1, 1002)]),
}


@pytest.fixture(scope="module")
def server(prepared: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests of this file that need no settings of their own."""
    data = tmp_path_factory.mktemp("bad") / "data"
    data.mkdir()
    for path in prepared.data.rglob("*"):
        target = data / path.relative_to(prepared.data)
        if path.is_dir():
            target.mkdir()
        else:
            target.write_bytes(path.read_bytes())
    running = Server(data)
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def page(server: Server, prepared: Shop, http: ClientSession) -> Page:
    return Page(http, server.url, prepared.token)


@pytest.fixture(autouse=True)
async def bystander(request: pytest.FixtureRequest, http: ClientSession) -> AsyncIterator[None]:
    """Another visitor, whose socket is open before and goes on after whatever a test does."""
    if "server" not in request.fixturenames:
        yield
        return
    server: Server = request.getfixturevalue("server")
    prepared: Shop = request.getfixturevalue("prepared")
    other = await Page(http, server.url, prepared.token).enter()
    await other.send(view(1))
    await other.acknowledged(1)
    yield
    await other.send(view(2))
    await other.acknowledged(2)
    await other.goodbye()


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_message_is_rejected_and_the_socket_goes_on(name: str, page: Page) -> None:
    await page.enter()
    await page.socket.send_str(MALFORMED[name])
    rejected = await page.hear()
    assert isinstance(rejected, Rejected)
    assert (rejected.message, rejected.code) == (1, "malformed")
    assert rejected.detail
    await page.send(view(1))
    await page.acknowledged(1)
    await page.socket.send_bytes(b"\xff\xfe\xed\xa0\x80")
    assert (await page.hear()) == Rejected(3, "malformed", "JSON is malformed: invalid character (byte 0)")


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_post_is_refused(name: str, page: Page) -> None:
    session = (await page.hello()).session
    body = MALFORMED[name].replace('"type":"events"', f'"session":"{session}"').replace('"type":"sql",', "")
    answer = await page.post_raw(body.encode())
    assert answer.refusal == (400, "malformed")
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert (await page.post(view(1))).read(Acknowledgement) == Acknowledgement(1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"page":"http://shop.example/"}',
        b'{"session_start":"now","page":"http://shop.example/"}',
        b'{"session_start":1e3,"page":"http://shop.example/"}',
        b'{"session_start":99999999999999999,"page":"http://shop.example/"}',
        b'{"session_start":1,"page":""}',
        b'{"session_start":1,"page":"a\\u0000b"}',
        b'{"session_start":1,"page":"/","visitor":"me"}',
        b'{"session_start":1,"page":"/","screen":"wide"}',
        b'{"session_start":1,"page":"/","version":0}',
        b'{"session_start":1,"page":"/","session":"' + b"x" * 300 + b'"}',
        b'{"session_start":1,"page":"/' + b"x" * 2048 + b'"}',
        b'{"session_start":1,"page":"/","x":' + DEEP.encode() + b"}",
    ],
)
async def test_a_malformed_hello_is_refused(body: bytes, page: Page) -> None:
    answer = await page.request("POST", "/api/v1/hello", body, {"x-datalab-token": page.token})
    assert answer.refusal == (400, "malformed")
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


async def test_messages_of_a_megabyte(page: Page) -> None:
    await page.enter()
    await page.socket.send_str(events(f'["URLCHANGE",1,1,"{"x" * MEGABYTE}"]'))
    assert await page.closed() == 1009
    big = json.dumps({"session": page.welcome.session, "events": [], "x": "x" * MEGABYTE}).encode()
    assert (await page.post_raw(big)).refusal == (400, "malformed")

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 10_000):
            yield big[start : start + 10_000]

    async with page.http.post(f"{page.url}/api/v1/events", data=in_pieces(), headers=page.headers) as response:
        assert response.status == 400
    hello = await page.request("POST", "/api/v1/hello", b" " * MEGABYTE, {"x-datalab-token": page.token})
    assert hello.refusal == (400, "malformed")


async def test_a_packed_body_is_refused(page: Page) -> None:
    await page.hello()
    body = gzip.compress(msgspec.json.encode({"session": page.welcome.session, "events": []}))
    assert (await page.post_raw(body, {"Content-Encoding": "gzip"})).refusal == (400, "malformed")


async def refused_socket(page: Page, ticket: str, origin: str | None = ORIGIN) -> Answer:
    """What a request for a socket is answered, read as a plain request: both are refused alike."""
    with pytest.raises(WSServerHandshakeError) as refusal:
        await page.http.ws_connect(
            f"{page.url}/api/v1/open?ticket={ticket}", headers={"Origin": origin} if origin else {}
        )
    assert refusal.value.status == HTTPStatus.FORBIDDEN
    return await Page(page.http, page.url, page.token, origin).request("GET", f"/api/v1/open?ticket={ticket}")


async def test_events_before_hello(page: Page) -> None:
    for ticket in ("", "forged", "x" * 5000, "%00", "%ED%A0%80", "'; drop table"):
        assert (await refused_socket(page, ticket)).refusal == (403, "ticket-refused")
    session = (await page.hello()).session
    payload, _, signature = session.partition(".")
    for forged in (
        "",
        "x",
        ".",
        payload,
        f"{payload}.",
        f"{payload}.{signature[::-1]}",
        f"A{session}",
        page.token,
        "é.é",
    ):
        body = json.dumps({"session": forged, "events": []}).encode()
        assert (await page.post_raw(body)).refusal == (403, "session-refused")
        assert (await page.ask_hello(session=forged)).refusal == (403, "session-refused")
    assert (await page.post_raw(b'{"events":[]}')).refusal == (400, "malformed")


async def test_a_ticket_opens_one_socket(page: Page) -> None:
    await page.enter()
    assert (await refused_socket(page, page.welcome.ticket)).refusal == (403, "ticket-refused")
    await page.send(view(1))
    await page.acknowledged(1)


async def test_a_ticket_expires(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server(environment={"DATALAB_INGEST_TICKET_SECONDS": "1"})
    page = Page(http, server.url, shop.token)
    await page.hello()
    await asyncio.sleep(1.1)
    assert (await refused_socket(page, page.welcome.ticket)).refusal == (403, "ticket-refused")


async def test_a_token_that_is_forged(page: Page) -> None:
    payload, _, signature = page.token.partition(".")
    session = (await page.hello()).session
    for token in ("", "x", payload, f"{payload}.{signature[::-1]}", f"{payload[:-2]}AA.{signature}", session, "\xff"):
        answer = await page.ask_hello(headers={"x-datalab-token": token})
        assert answer.refusal == (403, "token-refused"), token
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


async def test_a_revoked_token_ends_hello_socket_and_posts(
    shop: Shop, start_server: Start, http: ClientSession
) -> None:
    server = start_server()
    page = await Page(http, server.url, shop.token).enter()
    await page.send(view(1))
    await page.acknowledged(1)
    waiting = await Page(http, server.url, shop.token).hello()
    revoked = await asyncio.to_thread(run_datalab, "token", "revoke", NAME, data=shop.data)
    assert revoked.returncode == 0, revoked.stderr
    await page.send(view(2))
    stop = await page.hear()
    assert isinstance(stop, Stop)
    assert stop.code == "token-refused"
    assert await page.closed() == 1008
    assert (await page.ask_hello()).refusal == (403, "token-refused")
    assert (await page.post(view(2))).refusal == (403, "token-refused")
    late = Page(http, server.url, shop.token)
    assert (await late.request("GET", f"/api/v1/open?ticket={waiting.ticket}")).refusal == (403, "token-refused")
    dashboard = await log_in(http, server.url, shop.app)
    assert (await dashboard.live()).events == 1


async def test_a_token_expires(shop: Shop) -> None:
    time = now()
    message = Hello(session_start=time, page=ORIGIN)
    async with opened(shop.data, Settings(), lambda: time) as services:
        ingest = services.ingest
        token = services.directory.get(shop.app).token
        assert token is not None
        assert token.expires is not None
        assert token.expires - token.issued == Settings().tokens.days * 86_400_000
        time = token.expires - 1
        welcome, unused = [await ingest.hello(shop.token, ORIGIN, "", message) for _ in range(2)]
        visit = ingest.open(welcome.ticket, ORIGIN)
        await ingest.recheck()
        assert visit.refusal is None
        time = token.expires
        await ingest.recheck()
        assert isinstance(visit.refusal, TokenRefused)
        with pytest.raises(TokenRefused, match="expired"):
            await ingest.hello(shop.token, ORIGIN, "", message)
        with pytest.raises(TokenRefused, match="expired"):
            ingest.open(unused.ticket, ORIGIN)
        with pytest.raises(TokenRefused, match="expired"):
            await ingest.post(ORIGIN, PostedEvents(session=welcome.session, events=[view(1)]))


async def test_another_apps_token_and_session(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()

    def command(*arguments: str) -> str:
        done = run_datalab(*arguments, data=shop.data)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    await asyncio.to_thread(
        command, "app", "create", "shop.example/Blog", "--owner", "ada.lovelace", "--url", "http://blog.example"
    )
    token = await asyncio.to_thread(command, "token", "issue", "shop.example/Blog")
    assert (await Page(http, server.url, token).ask_hello()).refusal == (403, "wrong-origin")
    blog = await Page(http, server.url, token, "http://blog.example").enter()
    page = await Page(http, server.url, shop.token).enter()
    assert (await page.ask_hello(session=blog.welcome.session)).refusal == (403, "session-refused")
    assert (await page.post(view(1), session=blog.welcome.session)).refusal == (403, "wrong-origin")
    for each in (blog, page):
        await each.send(view(1))
        await each.acknowledged(1)


@pytest.mark.parametrize(
    "origin",
    [None, "", "null", "http://evil.example", "https://shop.example", "http://shop.example:8080", "http://shop.example.evil.example"],
)  # fmt: skip
async def test_a_wrong_origin_is_refused_everywhere(origin: str | None, page: Page) -> None:
    await page.hello()
    stranger = Page(page.http, page.url, page.token, origin)
    assert (await stranger.ask_hello()).refusal == (403, "wrong-origin")
    assert (await stranger.post(view(1), session=page.welcome.session)).refusal == (403, "wrong-origin")
    answer = await stranger.request("GET", f"/api/v1/open?ticket={page.welcome.ticket}")
    assert answer.refusal == (403, "wrong-origin")


async def test_preflights(page: Page) -> None:
    for path in ("/api/v1/hello", "/api/v1/events"):
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Private-Network": "true"}
        answer = await page.request("OPTIONS", path, headers=asked)
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert answer.headers["Access-Control-Allow-Methods"] == "POST"
        assert answer.headers["Access-Control-Allow-Headers"] == "content-type, x-datalab-token"
        assert answer.headers["Access-Control-Allow-Private-Network"] == "true"
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert (await page.request("PUT", path)).refusal == (405, "method-not-allowed")


def raw_hello(server: Server, token: str, headers: bytes, body: bytes) -> bytes:
    """A hello with headers that no client library writes; the answer's status line."""
    request = (
        b"POST /api/v1/hello HTTP/1.1\r\nHost: pi.local\r\nConnection: close\r\nx-datalab-token: " + token.encode()
        + b"\r\nContent-Length: %d\r\n" % len(body) + headers + b"\r\n" + body
    )  # fmt: skip
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request)
        return connection.makefile("rb").readline()


async def test_headers_and_context_of_any_bytes(server: Server, page: Page) -> None:
    good = b"Origin: " + ORIGIN.encode() + b"\r\n"
    plain = b'{"session_start":1,"page":"http://shop.example/"}'
    odd = json.dumps(
        {"session_start": 1, "page": "http://[", "referrer": "http://[::x\0\n", "language": "\0,;-\x1f" * 9}
    ).encode()
    strange = odd.replace(b"\\u0000", b"").replace(b"\\n", b"").replace(b"\\u001f", b"")
    for headers, body, status in (
        (good + b"User-Agent: \xff\xfe\xed\xa0\x80\r\n", plain, b"200"),
        (good + b"User-Agent: " + b"Mozilla/5.0 " * 500 + b"\r\n", plain, b"200"),
        (good + b"Cookie: datalab_login=\xff;;;=\r\n", plain, b"200"),
        (good, odd, b"400"),
        (good, strange, b"200"),
        (b"Origin: http://\xff.example\r\n", plain, b"403"),
    ):
        assert (await asyncio.to_thread(raw_hello, server, page.token, headers, body)).split()[1] == status
