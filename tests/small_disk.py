"""A small file system of its own, to be filled up and made read-only."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(point: Path, size: str) -> Iterator[Path]:
    """A tmpfs on a new folder; the test is skipped where nobody may mount one."""
    point.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(point)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command: a full disk is tested by injected faults only")
    if done.returncode:
        pytest.skip(f"no right to mount a tmpfs, a full disk is tested by injected faults only: {done.stderr.strip()}")
    try:
        yield point
    finally:
        # Lazily, since a test that failed may have left files open.
        subprocess.run(["umount", "--lazy", str(point)], check=True)


def remount(point: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(point)], check=True)


def fill_up(folder: Path) -> Path:
    """A file that takes all space that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))
    return filler
