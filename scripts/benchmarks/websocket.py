"""A client that costs next to nothing: ready-made frames on a plain socket, so that the server is what is measured."""

import base64
import json
import os
import random
import socket
import struct
import time
import urllib.request
from collections.abc import Iterator

ORIGIN = "http://shop.example"
ROUTES = [f"{ORIGIN}/products/{n}?color={n % 7}" for n in range(200)]
FIRST_BYTES = 0x81
MASKED = 0x80


def frame(payload: bytes) -> bytes:
    """A masked text frame; a mask of zeros leaves the payload as it is (RFC 6455 wants one, whatever it is)."""
    if len(payload) < 126:
        head = bytes((FIRST_BYTES, MASKED | len(payload)))
    else:
        head = bytes((FIRST_BYTES, MASKED | 126)) + struct.pack(">H", len(payload))
    return head + b"\0\0\0\0" + payload


def event_frames(events: int, batch: int, time_ms: int) -> bytes:
    """Frames of `batch` page views and clicks each, sequence numbers from 1."""
    chance = random.Random(events)
    frames, at = [], time_ms
    for first in range(1, events + 1, batch):
        entries = [
            f'["URLCHANGE",{n},{(at := at + chance.randrange(3))},"{chance.choice(ROUTES)}"]'
            if chance.random() < 0.7
            else f'["MOUSECLICK",{n},{(at := at + chance.randrange(3))},"main>button#buy",["#buy"],12,{n % 50}]'
            for n in range(first, first + batch)
        ]
        frames.append(frame(f'{{"type":"events","events":[{",".join(entries)}]}}'.encode()))
    return b"".join(frames)


class Socket:
    """One open websocket."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nOrigin: {ORIGIN}\r\n\r\n".encode()
        )
        self._buffer = b""
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self._socket.recv(4096)
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        assert b" 101 " in head, head

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        """All of it."""
        self._socket.sendall(data)

    def messages(self) -> Iterator[dict[str, object]]:
        """What the server says, for ever."""
        while True:
            while len(self._buffer) >= 2:
                length, start = self._buffer[1] & 127, 2
                if length == 126:
                    if len(self._buffer) < 4:
                        break
                    length, start = struct.unpack(">H", self._buffer[2:4])[0], 4
                if len(self._buffer) < start + length:
                    break
                opcode, payload = self._buffer[0] & 15, self._buffer[start : start + length]
                self._buffer = self._buffer[start + length :]
                if opcode == 1:
                    yield json.loads(payload)
            data = self._socket.recv(65536)
            if not data:
                return
            self._buffer += data

    def close(self) -> None:
        """Without a word."""
        self._socket.close()


def hello(port: int, token: str) -> dict[str, str]:
    """A welcome from the appliance."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/hello",
        data=json.dumps({"session_start": time.time_ns() // 1_000_000, "page": f"{ORIGIN}/"}).encode(),
        headers={"x-datalab-token": token, "Origin": ORIGIN, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        welcome: dict[str, str] = json.load(response)
    return welcome
