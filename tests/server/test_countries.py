"""A visitor's country at hello, over a real server; the address it is looked up by is kept nowhere."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

from datalab.appliance import opened, started
from datalab.model.events import Batch, Context, Position
from datalab.server.application import web_application
from datalab.settings import Figures, Settings
from datalab.stores.embedded.journal import EmbeddedJournal
from datalab.stores.journal import PartitionKey
from tests.conftest import Server, run_datalab
from tests.ingest.mmdb import mmdb
from tests.server.client import NAME, Page, Shop, view

Start = Callable[..., Server]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CLIENT = "127.45.67.89"
"""Linux answers to all of 127/8, so a client can have an address that nothing else has."""
FORWARDED = "198.51.100.77"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "any.mmdb"
    path.write_bytes(
        mmdb({network: {"country_code": "CH"} for network in ("127.0.0.0/8", "129.132.0.0/16", "::1/128")})
    )
    return path


async def batches(shop: Shop) -> list[Batch]:
    journal = EmbeddedJournal(shop.data)
    try:
        return [batch async for batch in journal.replay(PartitionKey(shop.app, 1), Position())]
    finally:
        await journal.close()


async def contexts(shop: Shop) -> list[Context]:
    return [opening.context for batch in await batches(shop) for opening in batch.openings]


async def visit(page: Page) -> None:
    await page.enter()
    await page.send(view(1))
    await page.acknowledged(1)


async def test_this_machine_is_in_no_country(
    shop: Shop, database: Path, start_server: Start, http: ClientSession
) -> None:
    server = start_server(environment={"DATALAB_FIGURES_COUNTRY_DATABASE": str(database)})
    await visit(Page(http, server.url, shop.token))
    assert [context.country for context in await contexts(shop)] == [""]
    assert "countries" not in server.log.read_text()


@pytest.mark.parametrize("broken", [True, False])
async def test_a_server_without_its_database_says_so_once_and_serves(
    shop: Shop, broken: bool, start_server: Start, http: ClientSession
) -> None:
    path = shop.data.parent / "none.mmdb"
    if broken:
        path.write_bytes(b"no database")
    server = start_server(environment={"DATALAB_FIGURES_COUNTRY_DATABASE": str(path)})
    for _ in range(2):
        await visit(Page(http, server.url, shop.token))
    assert [context.country for context in await contexts(shop)] == ["", ""]
    (line,) = [line for line in server.log.read_text().splitlines() if "countries" in line]
    assert f"WARNING visitors have no countries, or some have none: {path}: " in line


@asynccontextmanager
async def answering(shop: Shop, database: Path, address: str) -> AsyncIterator[str]:
    """The appliance in this process, as if everybody came from one address."""

    @web.middleware
    async def pretend(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request.clone(remote=address))

    settings = Settings(figures=Figures(country_database=str(database)))
    async with opened(shop.data, settings) as services:
        application = web_application(services, settings)
        application.middlewares.insert(0, pretend)
        async with AsyncExitStack() as stack:
            site = web.TCPSite(await started(stack, application), "127.0.0.1", 0)
            await site.start()
            assert site._server is not None
            yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "country"),
    [("129.132.19.216", "CH"), ("::ffff:129.132.19.216", "CH"), ("201.2.3.4", ""), ("fdab:cdef::1", "")],
)
async def test_the_country_of_the_address_is_kept_and_nothing_else_of_it(
    shop: Shop, database: Path, http: ClientSession, address: str, country: str
) -> None:
    async with answering(shop, database, address) as url:
        page = Page(http, url, shop.token)
        await page.hello(language="de")
        assert (await page.post(view(1))).status == 200
    assert [(context.country, context.language) for context in await contexts(shop)] == [(country, "de")]
    exported = (await asyncio.to_thread(run_datalab, "export", NAME, data=shop.data)).stdout
    assert exported.count("\n") == 1
    assert exported.count('"country":"CH"') == bool(country)
    assert traces(shop.data, address.removeprefix("::ffff:")) == []


def traces(folder: Path, address: str) -> list[Path]:
    """Files that hold an address, as text or as bytes."""
    packed = ip_address(address).packed
    wanted = [address.encode(), packed, packed[::-1]]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    return [path for path in files if any(trace in path.read_bytes() for trace in wanted)]


def speak(port: int, text: bytes) -> bytes:
    """Something that need not be HTTP, from the client's address."""
    with socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(CLIENT, 0)) as connection:
        connection.sendall(text)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


async def test_an_address_is_in_no_file_and_in_no_line_of_the_log(shop: Shop, start_server: Start) -> None:
    server = start_server(environment={"DATALAB_FIGURES_SNAPSHOT_MINUTES": "1"})
    connector = TCPConnector(local_addr=(CLIENT, 0))
    more = {"X-Forwarded-For": FORWARDED, "Forwarded": f"for={FORWARDED}", "X-Real-IP": FORWARDED}
    async with ClientSession(cookie_jar=DummyCookieJar(), connector=connector, headers=more) as http:
        page = Page(http, server.url, shop.token)
        await visit(page)
        assert (await page.post(view(2))).status == 200
        await page.send(view(2**31), view(3, "x" * 5000))
        assert (await page.hear()) is not None
        await page.goodbye()
        assert (await Page(http, server.url, "wrong").ask_hello()).status == 403
        for path in ("/login", "/api/v1/login", "/register"):
            body = b"username=ada.lovelace&password=wrong+wrong"
            form = {"content-type": "application/x-www-form-urlencoded"}
            await page.request("POST", path, body, {**form, "Origin": server.url})
        await page.request("GET", f"/nothing?from={'x' * 20}")
    answers = [
        await asyncio.to_thread(speak, server.port, text)
        for text in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: " + FORWARDED.encode() + b"\x00\r\n\r\n",
            b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\nBAD\x00 / HTTP/1.1\r\n\r\n",
            b"POST /api/v1/hello HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\n\r\n{",
        )
    ]
    assert sum(b" 400 " in answer for answer in answers) >= 4
    assert server.stop() == 0
    log = server.log.read_text()
    assert "a request was refused that is no HTTP" in log
    assert len([context for context in await contexts(shop) if context == Context(user_agent=context.user_agent)]) == 1
    said = (
        log + repr(await batches(shop)) + (await asyncio.to_thread(run_datalab, "export", NAME, data=shop.data)).stdout
    )
    for address in (CLIENT, FORWARDED):
        assert address not in said
        assert traces(shop.data, address) == []
