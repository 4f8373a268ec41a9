"""Every endpoint, tried as everybody: the answers are those of `permission_matrix.md`."""

import asyncio
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import ClientSession, DummyCookieJar

from datalab.server.api.openapi import ENDPOINTS
from tests.conftest import Server
from tests.server.api import scene as scenes
from tests.server.api.place import ENVIRONMENT, Client, Place
from tests.server.api.scene import Asked, Scene, arrive, prepare

MATRIX = Path(__file__).with_name("permission_matrix.md")
PREPARE = {
    "Account": scenes.account,
    "Organisation": scenes.organisation,
    "Private app": partial(scenes.app, private=True),
    "Public app": partial(scenes.app, private=False),
}
KEYS_OF = {"Account": "person", "Organisation": "admin", "Private app": "owner", "Public app": "owner"}
SUCCESS = {(endpoint.method, endpoint.path): endpoint.status if endpoint.answer else 204 for endpoint in ENDPOINTS}

LATER = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS if endpoint.later is not None}
"""What may be answered by 202 as well."""


class Row(NamedTuple):
    """A line of the matrix."""

    section: str
    method: str
    path: str
    case: str
    wanted: dict[str, str]

    def __str__(self) -> str:
        return f"{self.section}: {self.method} {self.path} {self.case}".strip()


def read_matrix() -> list[Row]:
    """All rows of all sections."""
    rows, section, columns = [], "", [""]
    for line in MATRIX.read_text().splitlines():
        if line.startswith("## "):
            section, columns = line[3:], []
        elif line.startswith("| ") and "---" not in line:
            cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
            if columns:
                method, path, case, *wanted = cells
                rows.append(Row(section, method, path, case, dict(zip(columns, wanted, strict=True))))
            else:
                columns = cells[3:]
    return rows


ROWS = read_matrix()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    data = tmp_path_factory.mktemp("matrix") / "data"
    data.mkdir()

    async def arrived(server: Server) -> Scene:
        async with ClientSession(cookie_jar=DummyCookieJar()) as http:
            return await arrive(Place(server, http), overdue)

    # One for each of those who are refused to try on, one for each of owner and write key.
    overdue = asyncio.run(prepare(data, reminders=3))
    server = Server(data, environment=ENVIRONMENT)
    yield asyncio.run(arrived(server))
    server.kill()


@pytest.fixture
async def scene(stage: Scene, http: ClientSession) -> Scene:
    return stage.with_http(http)


def test_the_matrix_has_every_endpoint_and_no_other() -> None:
    assert {(row.method, row.path) for row in ROWS} == set(SUCCESS)
    assert len({row[:4] for row in ROWS}) == len(ROWS)
    of_apps = {(method, path) for method, path in SUCCESS if path.startswith("/apps/{app}")}
    for section in ("Private app", "Public app"):
        assert {(row.method, row.path) for row in ROWS if row.section == section} == of_apps


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_everybody_is_answered_as_the_matrix_says(scene: Scene, row: Row) -> None:
    ask = PREPARE[row.section](row.path, row.case)
    given: dict[str, str] = {}
    asked: Asked | None = None
    before: list[bytes] = []
    # First all who are refused, on one thing that must not change; then the others, each on another.
    for column in sorted(row.wanted, key=lambda column: row.wanted[column] == "yes"):
        client = client_of(scene, row.section, column)
        succeeds = row.wanted[column] == "yes"
        if asked is None or row.case == "oneself" or (succeeds and row.method != "GET"):
            asked = await ask(scene, client)
            before = await state(scene, asked)
        given[column] = await status(row, asked, asked.client or client)
        if not succeeds:
            assert await state(scene, asked) == before, f"what was refused to {column} changed something"
    assert given == row.wanted


def client_of(scene: Scene, section: str, column: str) -> Client:
    """Who a column is."""
    return scene[f"{KEYS_OF[section]} {column}" if column.endswith(" key") else column]


async def status(row: Row, asked: Asked, client: Client) -> str:
    """`yes` for the endpoint's status of success, else the status."""
    path = re.sub(r"{(\w+)}", lambda found: asked.names[found[1]], row.path)
    body = None if row.method == "GET" else asked.body
    query = asked.query if row.method == "DELETE" or row.path.endswith("/surroundings") else None
    answer = await client.request(row.method, path, body, query)
    if answer.status >= 400:
        assert answer.refusal[0] == answer.status
        assert answer.headers["Content-Type"].startswith("application/problem+json")
    called = row.method, row.path
    done = answer.status == SUCCESS[called] or (answer.status == 202 and called in LATER)
    return "yes" if done else str(answer.status)


async def state(scene: Scene, asked: Asked) -> list[bytes]:
    return await scene.state_of(asked.names.get("app"))
