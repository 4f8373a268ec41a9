"""Ten thousand pages with an open socket, one event each five seconds."""

import asyncio
import json
import resource
import struct
import time

import uvloop
from appliance import Appliance
from result import Result
from websocket import ORIGIN, frame, hello

PAUSE_SECONDS = 5.0
OPENING = 100
"""Pages that say hello at the same time."""


class Page:
    """One page: sends an event now and then, and times its acknowledgement."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._sequence = 0
        self.delays: list[float] = []

    async def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hello and socket."""
        welcome = await loop.run_in_executor(None, hello, self._port, self._token)
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=4096)
        self._writer.write(
            f"GET /api/v1/open?ticket={welcome['ticket']} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"Origin: {ORIGIN}\r\n\r\n".encode()
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head, head

    async def live(self, begin: float, end: float) -> None:
        """Send from `begin` until `end`."""
        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        while time.monotonic() < end:
            self._sequence += 1
            sent = time.monotonic()
            event = f'["URLCHANGE",{self._sequence},{time.time_ns() // 1_000_000},"{ORIGIN}/p/{self._sequence}"]'
            self._writer.write(frame(f'{{"type":"events","events":[{event}]}}'.encode()))
            while True:
                opcode, payload = await self._message()
                if opcode == 1 and json.loads(payload).get("sequence") == self._sequence:
                    break
                if opcode == 9:
                    self._writer.write(bytes((0x8A, 0x80, 0, 0, 0, 0)))
            self.delays.append(time.monotonic() - sent)
            await asyncio.sleep(max(0.0, sent + PAUSE_SECONDS - time.monotonic()))

    async def _message(self) -> tuple[int, bytes]:
        first, length = await self._reader.readexactly(2)
        if length == 126:
            length = struct.unpack(">H", await self._reader.readexactly(2))[0]
        return first & 15, await self._reader.readexactly(length)

    def close(self) -> None:
        """Without a word."""
        self._writer.close()


async def crowd(appliance: Appliance, pages: int, seconds: float) -> list[Result]:
    """Open all, measure for some seconds."""
    loop = asyncio.get_running_loop()
    everybody = [Page(appliance.port, appliance.token) for _ in range(pages)]
    gate = asyncio.Semaphore(OPENING)

    async def enter(page: Page) -> None:
        async with gate:
            await page.open(loop)

    await asyncio.gather(*(enter(page) for page in everybody))
    begin = time.monotonic() + 1
    end = begin + PAUSE_SECONDS + seconds
    living = [
        asyncio.ensure_future(page.live(begin + PAUSE_SECONDS * number / pages, end))
        for number, page in enumerate(everybody)
    ]
    await asyncio.sleep(max(0.0, begin + PAUSE_SECONDS - time.monotonic()))
    cpu, at = appliance.cpu_seconds(), time.monotonic()
    for page in everybody:
        page.delays.clear()
    await asyncio.sleep(seconds)
    share = (appliance.cpu_seconds() - cpu) / (time.monotonic() - at)
    memory = appliance.memory_mb()
    await asyncio.gather(*living)
    delays = sorted(delay for page in everybody for delay in page.delays)
    for page in everybody:
        page.close()
    p99 = 1000 * delays[int(len(delays) * 0.99)]
    return [
        Result(f"{pages} sockets, p99 from send to ack", p99, "ms", "under 100 ms", p99 < 100),
        Result(f"{pages} sockets, processor", 100 * share, "% of a core", "under 60 %", share < 0.6),
        Result(f"{pages} sockets, memory", memory, "MB", "under 400 MB", memory < 400),
    ]


def measure(appliance: Appliance, scale: float) -> list[Result]:
    """As many as the machine's limit of open files lets in."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pages = min(int(10_000 * scale), hard - 500)
    return uvloop.run(crowd(appliance, pages, 20 * max(scale, 0.3)))
