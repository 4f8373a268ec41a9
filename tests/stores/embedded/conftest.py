"""What several tests of the embedded stores share: a disk that can be full or read-only."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB of its own."""
    point = tmp_path / "small"
    point.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(point)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command: a full disk is tested by injected faults only")
    if done.returncode:
        pytest.skip(f"no right to mount a tmpfs, a full disk is tested by injected faults only: {done.stderr.strip()}")
    yield point
    # Lazily, since a test that failed may have left files open.
    subprocess.run(["umount", "--lazy", str(point)], check=True)
