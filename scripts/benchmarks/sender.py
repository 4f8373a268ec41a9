"""A child process that sends at a steady rate over four sockets: what goes on while people look at figures."""

import struct
import subprocess
import sys
import threading
import time

from appliance import PYTHON, first_line
from websocket import Socket, event_frames, hello

SOCKETS = 4
BATCH = 20
PAGE_EVENTS = 2000
"""After so many a socket is closed and another page of another visitor opened."""
PIECE = 5
"""Frames that are sent at once."""


def start(port: int, token: str, rate: float, seconds: float) -> "subprocess.Popen[str]":
    """The child, once it is about to send."""
    command = [PYTHON, __file__, str(port), token, str(rate), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    first_line(process)
    return process


def rate_of(process: "subprocess.Popen[str]") -> float:
    """Events acknowledged a second."""
    output, _ = process.communicate(timeout=120)
    return float(output)


def pieces(frames: bytes) -> list[bytes]:
    """A page's frames, some at a time."""
    edges, at = [0], 0
    while at < len(frames):
        short = frames[at + 1] & 127
        at += 6 + short if short < 126 else 8 + struct.unpack(">H", frames[at + 2 : at + 4])[0]
        edges.append(at)
    starts = edges[:-1:PIECE]
    return [frames[first:last] for first, last in zip(starts, [*starts[1:], len(frames)], strict=True)]


def send(port: int, token: str, page: list[bytes], rate: float, until: float) -> int:
    """Events sent at this rate, page after page; a page's are acknowledged before the next is opened."""
    sent, begin = 0, time.monotonic()
    while time.monotonic() < until:
        socket = Socket(port, f"/api/v1/open?ticket={hello(port, token)['ticket']}")
        mine = 0
        for piece in page:
            time.sleep(max(0.0, begin + sent / rate - time.monotonic()))
            socket.send(piece)
            mine, sent = mine + PIECE * BATCH, sent + PIECE * BATCH
            if time.monotonic() >= until:
                break
        for message in socket.messages():
            if message["type"] == "ack" and message["sequence"] == mine:
                break
        socket.close()
    return sent


def main() -> None:
    """Arguments: port, token, events a second, seconds."""
    port, token, rate, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    page = pieces(event_frames(PAGE_EVENTS, BATCH, time.time_ns() // 1_000_000))
    print("ready", flush=True)
    begin = time.monotonic()
    done: list[int] = []
    threads = [
        threading.Thread(target=lambda: done.append(send(port, token, page, rate / SOCKETS, begin + seconds)))
        for _ in range(SOCKETS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sum(done) / (time.monotonic() - begin))


if __name__ == "__main__":
    main()
