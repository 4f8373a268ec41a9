"""Server processes to measure, each pinned to the first core; the load comes from the other one."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

SERVER_CORE = {0}
PYTHON = sys.executable


def pin() -> None:
    """Run in a child before it becomes the server."""
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, SERVER_CORE)


def start(arguments: list[str], log: IO[str] | None = None) -> "subprocess.Popen[str]":
    """A process whose standard output is read."""
    command = [PYTHON, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=pin)  # noqa: PLW1509


def first_line(process: "subprocess.Popen[str]") -> str:
    """What it says when it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit("a server did not start; see its log above")
    return line


def stop(process: "subprocess.Popen[str]") -> None:
    """In order."""
    process.terminate()
    process.wait(60)


class Data:
    """A data directory with one app that has a token, made by the command line."""

    APP = "shop.example/shop"
    CONFIGURATION = (
        '[[funnel]]\nname = "Purchase"\n[[funnel.stage]]\nname = "Product"\nglob = "/products/*"\n'
        '[[funnel.stage]]\nname = "Bought"\nclick = "#buy"\n'
    )

    def __init__(self, folder: Path, configuration: str = CONFIGURATION, zone: str = "UTC") -> None:
        self.path = folder / "data"
        self.log = folder / "log"
        self.configuration = folder / "configuration.toml"
        self.configuration.write_text(configuration)
        self._run("user", "add", "bench", "--organization", "shop.example", "--password-stdin", text="bench-bench-1")
        made = ("app", "create", self.APP, "--owner", "bench", "--url", "http://shop.example", "--time-zone", zone)
        self.app: str = json.loads(self._run(*made, "--json"))["id"]
        self._run("app", "config", self.APP, "--set", str(self.configuration))
        self.token = self._run("token", "issue", self.APP).split()[0]

    def key(self) -> str:
        """A new API key."""
        return self._run("token", "api", "bench", "--name", "bench").split()[0]

    def journal(self) -> Path:
        """The app's only partition."""
        return next((self.path / "journal").glob("*/*.journal"))

    def _run(self, *arguments: str, text: str | None = None) -> str:
        done = subprocess.run(
            [PYTHON, "-m", "datalab", *arguments, "--data", str(self.path)],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"datalab {' '.join(arguments)}: {done.stderr}")
        return done.stdout


class Appliance:
    """`datalab serve` on a data directory; its log is beside the directory."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.token = data.token
        begin = time.perf_counter()
        arguments = ["-m", "datalab", "serve", "--host", "127.0.0.1", "--port", "0", "--data", str(data.path)]
        with data.log.open("a") as log:
            self.process = start(arguments, log)
        try:
            self.port = int(first_line(self.process).rstrip("/\n").rpartition(":")[2])
        except SystemExit:
            sys.stderr.write(data.log.read_text()[-2000:])
            raise
        while not self._ready():
            time.sleep(0.002)
        self.start_seconds = time.perf_counter() - begin
        """Until /readyz said so."""

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10) as response:
                return bool(response.status == 200)
        except urllib.error.URLError:
            return False

    def memory_mb(self) -> float:
        """Resident, MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024

    def cpu_seconds(self) -> float:
        """Used since its start."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """In order."""
        stop(self.process)
