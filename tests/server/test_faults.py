"""A full or read-only disk, and a stop in order: senders are told, people are served, nothing is lost or doubled."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, WSMsgType

from datalab.model.wire import Acknowledgement, Later, Stop, UrlChange
from datalab.server.middleware import Problem
from tests.conftest import Server, run_datalab
from tests.server.client import Dashboard, Page, Shop, decode_server_message, log_in, view
from tests.small_disk import fill_up, mounted

Start = Callable[..., Server]
SOCKETS = 200
AT_ONCE = 100


@pytest.fixture
def small_shop(prepared: Shop, tmp_path: Path) -> Iterator[Shop]:
    """The shop in a file system of 4 MB of its own."""
    with mounted(tmp_path / "small", "4m") as point:
        shutil.copytree(prepared.data, point, dirs_exist_ok=True)
        yield Shop(point, prepared.app, prepared.token)


def long_views(first: int) -> list[UrlChange]:
    """Page views that need room on the disk: their URLs differ and cannot be packed well."""
    return [view(number, f"/{number * 7919**9:x}{number * 104729**9:x}") for number in range(first, first + AT_ONCE)]


async def send_until_later(page: Page, first: int) -> tuple[int, Later]:
    """Send until the disk refuses; the number after the last event sent, and what was answered."""
    while True:
        await page.send(*long_views(first))
        first += AT_ONCE
        answer = await page.hear()
        if isinstance(answer, Later):
            return first, answer
        assert answer == Acknowledgement(first - 1)
        assert first < 100_000, "the disk never got full"


async def test_a_full_disk(small_shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server(data=small_shop.data)
    dashboard = await log_in(http, server.url, small_shop.app)
    page = await Page(http, server.url, small_shop.token).enter()
    posting = Page(http, server.url, small_shop.token)
    await posting.hello()
    await page.send(view(1))
    await page.acknowledged(1)

    filler = fill_up(small_shop.data)
    following, later = await send_until_later(page, 2)
    assert later.code == "unavailable"
    assert "full" in later.detail
    assert later.retry_after > 0
    await assert_refusing(dashboard, posting, "full")
    assert "full" in server.log.read_text()
    counted = (await dashboard.live()).events
    # Refused at the door, so that memory does not grow while the disk is full.
    for _ in range(3):
        await page.send(*long_views(following))
        assert isinstance(await page.hear(), Later)

    filler.unlink()
    while not isinstance(answer := await page.hear(), Acknowledgement):
        assert isinstance(answer, Later)
    assert answer == Acknowledgement(following - 1), "what was held is acknowledged without being sent again"
    await dashboard.until(events=following - 1)
    assert counted < following - 1
    for first in range(1, following, AT_ONCE):
        await page.send(*(view(number) for number in range(first, min(first + AT_ONCE, following))))
        await page.acknowledged(following - 1)
    await page.send(view(following))
    await page.acknowledged(following)
    assert (await posting.post(view(1))).read(Acknowledgement) == Acknowledgement(1)
    await dashboard.until(events=following + 1)
    assert (await dashboard.get("/readyz")).status == 200
    server.kill()
    server = start_server(data=small_shop.data)
    dashboard.url = server.url
    await dashboard.until(events=following + 1)


async def assert_refusing(dashboard: Dashboard, page: Page, reason: str) -> None:
    """Hello and events are refused with the reason; whoever is logged in is served."""
    for answer in (
        await page.post(view(1)),
        await page.ask_hello(),
        await page.ask_hello(session=page.welcome.session),
    ):
        assert answer.refusal == (503, "unavailable")
        problem = answer.read(Problem)
        assert reason in problem.detail
        assert problem.retry_after is not None
        assert problem.retry_after > 0
        assert int(answer.headers["Retry-After"]) > 0
    assert (await dashboard.get("/")).status == 200
    assert b"Shop" in (await dashboard.get(f"/apps/{dashboard.app}")).body
    assert (await dashboard.overview()).page_views > 0
    assert (await dashboard.get("/healthz")).status == 200
    ready = await dashboard.get("/readyz")
    assert ready.status == 503
    assert ready.body == b"1 of the apps take no events; the log says which and why\n"


async def test_a_stop_while_the_disk_is_full_keeps_what_was_acknowledged(
    small_shop: Shop, start_server: Start, http: ClientSession
) -> None:
    server = start_server(data=small_shop.data)
    page = await Page(http, server.url, small_shop.token).enter()
    filler = fill_up(small_shop.data)
    following, _ = await send_until_later(page, 1)
    assert await asyncio.to_thread(server.stop) == 0
    filler.unlink()
    server = start_server(data=small_shop.data)
    again = Page(http, server.url, small_shop.token)
    stored = (await again.hello(session=page.welcome.session)).sequence
    assert stored == following - 1 - AT_ONCE
    for first in range(1, following, AT_ONCE):
        assert (await again.post(*long_views(first))).status == 200
    dashboard = await log_in(http, server.url, small_shop.app)
    await dashboard.until(events=following - 1)


async def test_a_start_on_a_full_disk_serves_people_and_recovers(
    small_shop: Shop, start_server: Start, http: ClientSession
) -> None:
    server = start_server(data=small_shop.data)
    dashboard = await log_in(http, server.url, small_shop.app)
    page = await Page(http, server.url, small_shop.token).enter()
    await page.send(view(1))
    await page.acknowledged(1)
    server.kill()
    filler = fill_up(small_shop.data)
    server = start_server(data=small_shop.data)
    dashboard.url = page.url = server.url
    assert (await dashboard.overview()).page_views == 1
    assert (await dashboard.get("/")).status == 200
    refused = 0
    for first in range(2, 1_000, AT_ONCE):
        refused += (await page.post(*long_views(first))).status == 503
    assert refused
    filler.unlink()
    while (answer := await page.post(*long_views(2))).status == 503:
        patience = answer.read(Problem).retry_after
        assert patience is not None
        await asyncio.sleep(patience)
    assert answer.status == 200
    assert (await dashboard.get("/readyz")).status == 200


def test_a_start_on_a_read_only_disk_says_so(small_shop: Shop) -> None:
    """A disk in use cannot be made read-only from outside; tests/ingest/test_intake.py has one that becomes it."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_shop.data)], check=True)
    started = run_datalab("serve", "--host", "127.0.0.1", "--port", "0", data=small_shop.data)
    assert started.returncode == 1
    assert started.stderr.strip().splitlines() == [
        f"Error: the data directory {small_shop.data} cannot be used: Read-only file system"
    ]


async def until_closed(page: Page) -> int:
    """Listen to the end; the highest acknowledged number. The close code must say that the server goes away."""
    highest = 0
    while (frame := await page.socket.receive(timeout=30)).type is WSMsgType.TEXT:
        answer = decode_server_message(frame.data)
        assert not isinstance(answer, Stop)
        if isinstance(answer, Acknowledgement):
            highest = answer.sequence
    assert page.socket.close_code == 1001
    return highest


async def test_a_stop_with_many_open_sockets(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    pages = await asyncio.gather(*(Page(http, server.url, shop.token).enter() for _ in range(SOCKETS)))
    mute = [await mute_page(http, server, shop) for _ in range(5)]
    for page in pages:
        await page.send(*(view(number) for number in range(1, 21)))
    listening = [asyncio.create_task(until_closed(page)) for page in pages]
    await asyncio.sleep(0)
    assert await asyncio.to_thread(server.stop) == 0
    acknowledged = sum(await asyncio.gather(*listening))
    for connection in mute:
        connection.close()
    server = start_server()
    dashboard = await log_in(http, server.url, shop.app)
    assert acknowledged <= (await dashboard.live()).events <= SOCKETS * 20
    assert "Traceback" not in server.log.read_text()


async def mute_page(http: ClientSession, server: Server, shop: Shop) -> socket.socket:
    """A socket whose page has frozen: it never reads, and never answers the server's close."""
    page = Page(http, server.url, shop.token)
    ticket = (await page.hello()).ticket

    def connect() -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        connection.sendall(
            f"GET /api/v1/open?ticket={ticket} HTTP/1.1\r\nHost: pi.local\r\nOrigin: {page.origin}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert b" 101 " in connection.recv(1024)
        return connection

    return await asyncio.to_thread(connect)
