"""A public click stream: 31,106 events of 600 visitors of a shop, out of the wheel of a package never imported."""

import csv
import gzip
import io
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

REQUIREMENT = "retentioneering==5.2.4"
MEMBER = "ecom.csv.gz"


class Click(NamedTuple):
    """One line of the file."""

    user: str
    event: str
    time: int
    """Milliseconds since the epoch, read as UTC."""


def read_clickstream(config: pytest.Config) -> list[Click]:
    """The clicks in file order; the wheel is kept in pytest's cache, and the test is skipped where there is none."""
    assert config.cache is not None
    folder = Path(config.cache.mkdir("clickstream"))
    if not list(folder.glob("*.whl")):
        download(folder)
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.rpartition("/")[2] == MEMBER)
        text = gzip.decompress(archive.read(name)).decode()
    return [
        Click(row["user_id"], row["event"], milliseconds(row["timestamp"])) for row in csv.DictReader(io.StringIO(text))
    ]


def download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    try:
        subprocess.run(
            [*command, REQUIREMENT, "-d", str(folder)], check=True, capture_output=True, text=True, timeout=120
        )
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"pip cannot fetch {REQUIREMENT}, whose click stream this test reads ({type(error).__name__})")


def milliseconds(timestamp: str) -> int:
    moment = datetime.fromisoformat(timestamp).replace(tzinfo=UTC)
    return int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000
