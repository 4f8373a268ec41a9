"""Who of the colleagues is online: several tabs count once, and one that dies without a word is noticed."""

import asyncio
import os
import time
from base64 import b64encode
from typing import Any

from tests.server.api.place import Client
from tests.server.api.shared import Shared, plain, tab, until

GONE_SECONDS = 30
"""That presence may outlast a tab that died without a word."""
SLACK_SECONDS = 10
"""For a machine with other things to do."""


async def online(client: Client) -> set[str]:
    people = plain(await client.done("GET", "/organisation/people"))
    return {one["username"] for one in people if one["online"]}


def came(username: str, *, here: bool = True) -> dict[str, Any]:
    return {"type": "presence", "username": username, "online": here}


async def dead_tab(client: Client) -> asyncio.StreamWriter:
    """A tab whose machine lost its power: it never answers a ping, and its connection is never closed."""
    host, _, port = client.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [
        "GET /api/v1/live HTTP/1.1",
        f"Host: {host}:{port}",
        f"Origin: {client.url}",
        f"Cookie: {client.headers['Cookie']}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
    return writer


async def test_colleagues_hear_who_comes_and_goes_once_for_all_tabs(shared: Shared) -> None:
    ben, cem, dora = [await shared.known(name) for name in ("ben.m", "cem.n", "dora.k")]
    eve, gus = [await shared.known(name, "other.example") for name in ("eve.o", "gus.o")]
    watching, abroad = await tab(ben), await tab(eve)
    assert await online(ben) == {"ben.m"}
    first = await tab(cem)
    assert await watching.hear("presence") == came("cem.n")
    assert await online(ben) == {"ben.m", "cem.n"}
    second = await tab(cem)
    await first.socket.close()
    third = await tab(cem)
    assert await online(dora) == {"ben.m", "cem.n"}
    await third.socket.close()
    other = await tab(dora)
    assert await watching.hear("presence") == came("dora.k"), "of the further tabs nothing was said"
    assert await online(ben) == {"ben.m", "cem.n", "dora.k"}
    await second.socket.close()
    assert await watching.hear("presence") == came("cem.n", here=False)
    assert await other.hear("presence") == came("cem.n", here=False)
    await other.socket.close()
    assert await watching.hear("presence") == came("dora.k", here=False)
    assert await online(ben) == {"ben.m"}
    stranger = await tab(gus)
    assert await abroad.hear("presence") == came("gus.o"), "of another organisation's people nothing was said"
    assert await online(gus) == {"eve.o", "gus.o"}
    for listening in (watching, abroad, stranger):
        await listening.socket.close()


async def test_whoever_logs_out_or_is_kept_out_opens_no_tab(shared: Shared) -> None:
    hal, ben = await shared.person(shared.fresh("hal.x")), await shared.known("ben.m")
    opened = await tab(hal)
    assert hal.username in await online(ben)
    await opened.socket.close()
    await until(lambda: online(ben), set[str]())
    await hal.done("POST", "/logout")
    async with hal.http.get(f"{hal.url}/api/v1/live", headers=hal.headers) as response:
        assert response.status == 401


async def test_a_tab_that_dies_without_a_word_is_gone_after_half_a_minute(shared: Shared) -> None:
    ben, cem, dora = [await shared.known(name) for name in ("ben.m", "cem.n", "dora.k")]
    watching = await tab(ben)
    quiet = await tab(dora)
    assert await watching.hear("presence") == came("dora.k")
    answering = asyncio.create_task(quiet.hear("nothing", 2 * GONE_SECONDS), name="answers pings, as a browser does")
    dead = [await dead_tab(cem) for _ in range(2)]
    began = time.monotonic()
    assert await watching.hear("presence") == came("cem.n")
    assert await online(dora) == {"ben.m", "cem.n", "dora.k"}
    assert await watching.hear("presence", GONE_SECONDS + SLACK_SECONDS) == came("cem.n", here=False)
    assert time.monotonic() - began > 1, "it was not merely refused"
    assert await online(ben) == {"ben.m", "dora.k"}, "a quiet tab that answers stays"
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    for writer in dead:
        writer.close()
    for listening in (watching, quiet):
        await listening.socket.close()
