"""What the tests against a real server share: a shop with a token, prepared once by the command line."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from tests.conftest import run_datalab
from tests.server.client import NAME, ORIGIN, PASSWORD, Shop, opened

CONFIGURATION = """
routes = ["/products/:id"]
[[funnel]]
name = "Purchase"
  [[funnel.stage]]
  name = "Catalog"
  url = "/catalog"
  [[funnel.stage]]
  name = "Add"
  click = "#add"
  [[funnel.stage]]
  name = "Paid"
  url = "/paid"
"""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    data = tmp_path_factory.mktemp("prepared") / "data"
    configuration = data.parent / "shop.toml"
    configuration.write_text(CONFIGURATION)

    def done(*arguments: str, text: str | None = None) -> str:
        finished = run_datalab(*arguments, data=data, text=text)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    done("user", "add", "ada.lovelace", "--organization", "shop.example", "--password-stdin", text=PASSWORD + "\n")
    app = json.loads(done("app", "create", NAME, "--owner", "ada.lovelace", "--url", ORIGIN, "--json"))["id"]
    done("app", "config", NAME, "--set", str(configuration))
    return Shop(data, app, done("token", "issue", NAME).strip())


@pytest.fixture
def shop(prepared: Shop, tmp_path: Path) -> Shop:
    """A copy of its own."""
    return Shop(shutil.copytree(prepared.data, tmp_path / "data"), prepared.app, prepared.token)


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession(cookie_jar=DummyCookieJar(), connector=TCPConnector(limit=0)) as session:
        yield session
        await asyncio.gather(*(page.close() for page in opened))
        opened.clear()
