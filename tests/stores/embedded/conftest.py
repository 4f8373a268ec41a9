"""What several tests of the embedded stores share: a disk that can be full or read-only."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.small_disk import mounted


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB of its own."""
    with mounted(tmp_path / "small", "1m") as point:
        yield point
