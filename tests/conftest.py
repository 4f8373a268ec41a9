"""What several test packages share: a real server process."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

DATALAB = (sys.executable, "-m", "datalab")
START_SECONDS = 30


class Server:
    """`datalab serve` on a free port of its own; end it with `stop` or `kill`."""

    def __init__(self, data: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.data = data
        self.log = data.parent / f"{data.name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*DATALAB, "serve", "--host", "127.0.0.1", "--port", "0", "--data", str(data), *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                env={**clean_environment(), **(environment or {})},
                cwd=data.parent,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert "answers on" in line, f"the server did not start: {line!r}\n{self.log.read_text()}"
        self.url = line.split("answers on ")[1].strip().rstrip("/")
        self.port = int(self.url.rpartition(":")[2])

    def stop(self) -> int:
        """End it in order; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self._close()
        return code

    def kill(self) -> None:
        """As if the plug were pulled."""
        self.process.kill()
        self.process.wait(30)
        self._close()

    def _close(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()


def clean_environment() -> dict[str, str]:
    """The environment without settings of the person who runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DATALAB_")}


def run_datalab(*arguments: str, data: Path, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    """One command on a data directory."""
    return subprocess.run(
        [*DATALAB, *arguments, "--data", str(data)],
        input=text,
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd=data.parent,
        timeout=120,
        check=False,
    )


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Poll; fails where the condition never holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.05)


def fetch(url: str, **headers: str) -> bytes:
    """A GET without cookies."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as response:
        body: bytes = response.read()
    return body


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers on `tmp_path/data` unless told otherwise; whatever still runs at the end is killed."""
    servers: list[Server] = []

    def start(*arguments: str, data: Path | None = None, environment: dict[str, str] | None = None) -> Server:
        servers.append(Server(data or tmp_path / "data", *arguments, environment=environment))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.kill()
