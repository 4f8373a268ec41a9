"""A small file system of its own, to be filled up and made read-only."""

import subprocess
from pathlib import Path

import pytest


def remount(point: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(point)], check=True)


def fill_up(folder: Path) -> Path:
    """A file that takes all space that is left."""
    filler = folder / "filler"
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(bytes(2_000_000))
    return filler
