"""A built wheel, installed alone into an empty virtual environment, serves the demo."""

import os
import re
import signal
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.conftest import clean_environment, fetch

ROOT = Path(__file__).parent.parent
WANTED = [
    "datalab/datalab.toml",
    "datalab/systemd/datalab.service",
    "datalab/web/templates/layout.html",
    "datalab/web/dist/manifest.json",
    "datalab/snippet/dist/datalab.js",
    "datalab/snippet/dist/datalab.js.br",
    "datalab/snippet/PROTOCOL.md",
    "datalab/countries/dist/countries.mmdb",
    "datalab/countries/dist/NRO_LICENSE",
    "datalab/demo/shop/layout.html",
    "datalab/demo/shop/shop.css",
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    quiet = ["--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *quiet, "--no-deps", "-w", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("datalab-*-py3-none-any.whl")
    return built


def test_it_carries_everything_that_stands_beside_the_code(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert [name for name in WANTED if name not in names] == []
    folders = ("web/templates", "web/dist", "snippet/dist", "countries/dist", "systemd", "datalab/demo/shop")
    beside = [ROOT / folder for folder in folders]
    files = [path.relative_to(ROOT) for folder in beside for path in folder.rglob("*") if path.is_file()]
    expected = {str(path) if path.parts[0] == "datalab" else f"datalab/{path}" for path in files}
    assert {name for name in expected if not Path(name).name.startswith(".")} - names == set()
    assert [name for name in names if "tests/" in name or "node_modules" in name or "__pycache__" in name] == []


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the installed wheel."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "bin/datalab"


@pytest.fixture
def demo(installed: Path, tmp_path: Path) -> Iterator[str]:
    """What the demo says, in an empty folder and without anything of this checkout on the path."""
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [str(installed), "demo", "--port", "0", "--host", "127.0.0.1", "--visitors", "30"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=tmp_path, env=environment)
    assert process.stdout is not None
    said = ""
    while "Ctrl-C" not in said:
        line = process.stdout.readline().decode()
        assert line, f"the demo ended:\n{said}{(tmp_path / 'log').read_text()}"
        said += line
    yield said
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    process.stdout.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log"], "nothing is left behind"


def test_it_serves_dashboard_assets_snippet_and_shop(demo: str) -> None:
    dashboard = re.search(r"datalab answers on (\S+)", demo)
    shop = re.search(r"the demo shop is on (\S+)", demo)
    assert dashboard and shop
    for address in (dashboard[1], shop[1]):
        page = fetch(address).decode()
        assets = [urljoin(address, path) for path in re.findall(r'(?:src|href)="([^"#]+)"', page)]
        assert len(assets) >= 3
        assert all(fetch(asset) for asset in assets if asset.split("?")[0].rsplit(".")[-1] in ("js", "css", "svg"))
    assert b"data-token" in fetch(shop[1])
    assert b"datalab" in fetch(urljoin(dashboard[1], "/datalab.js"))
    assert fetch(urljoin(dashboard[1], "/readyz")) == b"ready\n"
