"""The dashboard's socket: for people who may see the app, and only when something changed."""

import asyncio
import socket as socket_module
import struct
import time
from collections.abc import Callable

import msgspec
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSServerHandshakeError

from datalab.server.live import PAUSE_SECONDS, LiveMessage
from tests.conftest import Server, run_datalab
from tests.server.client import PASSWORD, Dashboard, Page, Shop, log_in, view

Start = Callable[..., Server]


async def heard(socket: ClientWebSocketResponse) -> tuple[int, int]:
    """Present, events."""
    message = msgspec.json.decode(await socket.receive_str(timeout=20), type=LiveMessage)
    return message.present, message.events


async def refused(http: ClientSession, url: str, headers: dict[str, str]) -> int:
    with pytest.raises(WSServerHandshakeError) as refusal:
        await http.ws_connect(url, headers=headers)
    return refusal.value.status


async def test_it_speaks_on_change_only(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    dashboard = await log_in(http, server.url, shop.app)
    headers = {**dashboard.cookies, "Origin": server.url}
    socket = await http.ws_connect(f"{server.url}/api/v1/live?app={shop.app}", headers=headers)
    assert await heard(socket) == (0, 0)
    with pytest.raises(asyncio.TimeoutError):
        await socket.receive(timeout=3 * PAUSE_SECONDS)
    page = await Page(http, server.url, shop.token).enter()
    assert await heard(socket) == (1, 0)
    await page.send(view(1), view(2))
    await page.acknowledged(2)
    assert await heard(socket) == (1, 2)
    await page.send(view(1), view(2))
    await page.acknowledged(2)
    await page.goodbye()
    assert await heard(socket) == (0, 2)
    await socket.close()


async def test_strangers_are_refused(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    dashboard = await log_in(http, server.url, shop.app)
    live = f"{server.url}/api/v1/live"
    own = {"Origin": server.url}
    assert await refused(http, f"{live}?app={shop.app}", own) == 401
    assert await refused(http, f"{live}?app={shop.app}", {**own, "Cookie": "datalab_login=forged"}) == 401
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://shop.example"},
        {"Origin": server.url, "Sec-Fetch-Site": "cross-site"},
    ):
        assert await refused(http, f"{live}?app={shop.app}", {**dashboard.cookies, **headers}) == 403
    for app in ("", "nothing", "0" * 16, "../x", "%00"):
        assert await refused(http, f"{live}?app={app}", {**dashboard.cookies, **own}) == 404


async def test_people_of_another_organisation_find_no_such_app(
    shop: Shop, start_server: Start, http: ClientSession
) -> None:
    made = run_datalab(
        "user", "add", "eve.stranger", "--organization", "other.example", "--password-stdin",
        data=shop.data, text=PASSWORD + "\n",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    server = start_server()
    form = {"username": "eve.stranger", "password": PASSWORD, "next": "/"}
    async with http.post(f"{server.url}/login", data=form, allow_redirects=False) as response:
        stranger = Dashboard(http, server.url, shop.app, response.cookies["datalab_login"].value)
    assert (await stranger.get("/")).status == 200
    headers = {**stranger.cookies, "Origin": server.url}
    assert await refused(http, f"{server.url}/api/v1/live?app={shop.app}", headers) == 404
    for name in ("overview", "pages", "funnel", "live", "audience"):
        assert (await stranger.get(f"/api/v1/apps/{shop.app}/insights/{name}")).refusal == (404, "missing")


async def test_logging_out_hides_the_figures(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    dashboard = await log_in(http, server.url, shop.app)
    headers = {**dashboard.cookies, "Origin": server.url}
    async with http.post(f"{server.url}/logout", headers=headers, allow_redirects=False) as response:
        assert response.status in (302, 303)
    assert await refused(http, f"{server.url}/api/v1/live?app={shop.app}", headers) == 401
    assert (await dashboard.get(f"/api/v1/apps/{shop.app}/insights/live")).refusal == (401, "unauthenticated")


async def test_a_page_that_goes_away_at_once_is_no_fault(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    dashboard = await log_in(http, server.url, shop.app)
    request = (
        f"GET /api/v1/live?app={shop.app} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nOrigin: {server.url}\r\n"
        f"Cookie: {dashboard.cookies['Cookie']}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()

    def come_and_go(seconds: float) -> None:
        with socket_module.create_connection(("127.0.0.1", server.port)) as connection:
            # Closing resets the connection instead of saying goodbye.
            connection.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(request)
            time.sleep(seconds)

    for number in range(150):
        await asyncio.to_thread(come_and_go, number % 15 / 5000)

    async def online() -> bool:
        people = (await dashboard.get("/api/v1/organisation/people")).read(list[dict[str, object]])
        return any(person["online"] for person in people)

    end = time.monotonic() + 20
    while await online():
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
    assert "Traceback" not in server.log.read_text()
