"""Server processes to measure, each pinned to the first core; the load comes from the other one."""

import os
import subprocess
import sys
from pathlib import Path

SERVER_CORE = {0}
PYTHON = sys.executable


def pin() -> None:
    """Run in a child before it becomes the server."""
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, SERVER_CORE)


def start(arguments: list[str]) -> "subprocess.Popen[str]":
    """A process whose standard output is read."""
    return subprocess.Popen([PYTHON, *arguments], stdout=subprocess.PIPE, text=True, preexec_fn=pin)  # noqa: PLW1509


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


class Appliance:
    """`datalab serve` on a folder, with one app that has a token."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "log"
        self._cli("user", "add", "bench", "--organization", "shop.example", "--password-stdin", text="bench-bench-1")
        self._cli("app", "create", "shop.example/shop", "--owner", "bench", "--url", "http://shop.example")
        configuration = folder / "configuration.toml"
        configuration.write_text(
            '[[funnel]]\nname = "Purchase"\n[[funnel.stage]]\nname = "Product"\nglob = "/products/*"\n'
            '[[funnel.stage]]\nname = "Bought"\nclick = "#buy"\n'
        )
        self._cli("app", "config", "shop.example/shop", "--set", str(configuration))
        self.token = self._cli("token", "issue", "shop.example/shop").split()[0]
        self.process = start(["-m", "datalab", "serve", "--host", "127.0.0.1", "--port", "0", "--data", str(self.data)])
        self.port = int(first_line(self.process).rstrip("/\n").rpartition(":")[2])

    def memory_mb(self) -> float:
        """Resident, MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024

    def cpu_seconds(self) -> float:
        """Used since its start."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def journal(self) -> Path:
        """The app's only partition."""
        return next((self.data / "journal").glob("*/*.journal"))

    def stop(self) -> None:
        """In order."""
        stop(self.process)

    def _cli(self, *arguments: str, text: str | None = None) -> str:
        return subprocess.run(
            [PYTHON, "-m", "datalab", *arguments, "--data", str(self.data)],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
