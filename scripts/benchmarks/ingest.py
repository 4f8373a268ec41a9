"""Ingest against the bare handler: the same frames over four sockets, until all is on disk and in the figures."""

import os
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from appliance import Appliance, first_line, start, stop
from result import Result
from websocket import Socket, event_frames, frame, hello

SOCKETS = 4
GOODBYE = frame(b'{"type":"goodbye"}')
ROUNDS = 3


def send_all(opens: list[Socket], data: bytes, finished: Callable[[Socket], None], last: bytes = b"") -> float:
    """Seconds from the first byte until `finished` returned for every socket."""

    def one(socket: Socket) -> None:
        socket.send(data)
        if last:
            socket.send(last)
        finished(socket)

    begin = time.perf_counter()
    with ThreadPoolExecutor(SOCKETS) as pool:
        list(pool.map(one, opens))
    return time.perf_counter() - begin


def bare(data: bytes, events: int) -> float:
    """Events a second of the bare handler."""
    process = start(["scripts/benchmarks/bare.py"])
    port = int(first_line(process))
    opens = [Socket(port, "/") for _ in range(SOCKETS)]

    def finished(socket: Socket) -> None:
        assert next(socket.messages())["sequence"] == events

    seconds = min(send_all(opens, data, finished, GOODBYE) for _ in range(1))
    stop(process)
    return SOCKETS * events / seconds


def full(appliance: Appliance, data: bytes, events: int) -> float:
    """Events a second of the appliance, acknowledged and aggregated."""
    before = aggregated(appliance)
    opens = [
        Socket(appliance.port, f"/api/v1/open?ticket={hello(appliance.port, appliance.token)['ticket']}")
        for _ in range(SOCKETS)
    ]

    def finished(socket: Socket) -> None:
        for message in socket.messages():
            assert message["type"] == "ack", message
            if message["sequence"] == events:
                return

    begin = time.perf_counter()
    send_all(opens, data, finished)
    while aggregated(appliance) < before + SOCKETS * events:
        time.sleep(0.01)
    seconds = time.perf_counter() - begin
    for socket in opens:
        socket.close()
    return SOCKETS * events / seconds


def aggregated(appliance: Appliance) -> int:
    """Events in the figures."""
    with urllib.request.urlopen(f"http://127.0.0.1:{appliance.port}/metrics", timeout=30) as response:
        for line in response.read().decode().splitlines():
            if line.startswith("datalab_partition_events "):
                return int(line.rpartition(" ")[2])
    raise AssertionError("/metrics does not tell the events in the figures")


def measure(appliance: Appliance, scale: float) -> list[Result]:
    """Best of three rounds each, baseline and appliance in turn, since these machines are shared."""
    if len(cores := os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, cores - {0})
    results = []
    for name, batch, share, count in (
        ("batches of 20", 20, 0.15, int(200_000 * scale)),
        ("single events", 1, 0.50, int(100_000 * scale)),
    ):
        data = event_frames(count, batch, time.time_ns() // 1_000_000)
        rates = [(bare(data, count), full(appliance, data, count)) for _ in range(ROUNDS)]
        base, ours = max(rate for rate, _ in rates), max(rate for _, rate in rates)
        results += [
            Result(f"ingest, {name}, bare handler", base, "events/s", ""),
            Result(f"ingest, {name}", ours, "events/s", ""),
            Result(
                f"ingest, {name}, share", 100 * ours / base, "%", f"at least {share:.0%} of bare", ours / base >= share
            ),
        ]
    return results
