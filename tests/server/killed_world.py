"""The people, the apps and the stores of a server that is killed, as they are seen from outside."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from datalab.model.accounts import User
from datalab.model.apps import App, PartitionRecord
from datalab.model.audit import AuditEntry, AuditLog
from datalab.model.figures import Overview, Pages
from datalab.model.notifications import Kind, Notification
from datalab.server.api.apps import AppShown
from datalab.server.api.tokens import TokensShown
from datalab.stores.documents import Collections
from datalab.stores.embedded.documents import EmbeddedDocuments
from tests.conftest import Server
from tests.server.client import ORIGIN, PASSWORD, Answer, Page, view

Start = Callable[..., Server]
OWNER, COLLEAGUE, ORGANISATION = "ada.lovelace", "ben.miller", "shop.example"
VIEWS = 3
"""Of the page that visits an app."""


class Stored:
    """All documents, read from a copy of the file so that the server finds it as it was left."""

    def __init__(self, collections: Collections) -> None:
        self.users: dict[str, User] = {each.id: each for each in collections.users.where()}
        self.organisations = {each.id for each in collections.organisations.where()}
        self.apps: dict[str, App] = {each.id: each for each in collections.apps.where()}
        self.partitions: dict[str, PartitionRecord] = {each.id: each for each in collections.partitions.where()}
        self.notifications: list[Notification] = collections.notifications.where()
        self.logs: list[AuditLog] = collections.audit_logs.where()
        self.entries: list[AuditEntry] = collections.audit_entries.where()

    def logged(self, log: str, action: str, *details: str) -> bool:
        """Whether a log has such an entry; without details, whatever it says."""
        return any(
            entry.id.rpartition("/")[0] == log and entry.action == action and details in ((), tuple(entry.details))
            for entry in self.entries
        )

    def told(self, user: str, kind: Kind, app: str = "", detail: str = "") -> bool:
        return any(
            (each.user, each.kind, each.app, each.detail) == (user, kind, app, detail) for each in self.notifications
        )


async def read_stored(data: Path, copy: Path) -> Stored:
    await asyncio.to_thread(copy_documents, data, copy)
    documents = await EmbeddedDocuments.open(copy / "documents.sqlite")
    try:
        assert await documents.verify() == []
        return await documents.run(Stored)
    finally:
        await documents.close()


def copy_documents(data: Path, copy: Path) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in data.glob("documents.sqlite*"):
        shutil.copy(file, copy)


class Person:
    """Somebody logged in, over restarts."""

    cookie = ""

    def __init__(self, http: ClientSession, server: Server, name: str) -> None:
        self.http = http
        self.server = server
        self.name = name

    async def ask(self, method: str, path: str, **body: Any) -> Answer:
        headers = {"Cookie": f"datalab_login={self.cookie}"} if self.cookie else {}
        sent = {"json": body} if body else {}
        async with self.http.request(method, f"{self.server.url}/api/v1{path}", headers=headers, **sent) as response:
            return Answer(response.status, response.headers, await response.read())

    async def done(self, method: str, path: str, **body: Any) -> Answer:
        answer = await self.ask(method, path, **body)
        assert 200 <= answer.status < 300, (method, path, answer)
        return answer

    async def log_in(self) -> bool:
        answer = await self.ask("POST", "/login", username=self.name, password=PASSWORD)
        if answer.status == 401:
            return False
        assert answer.status == 200, answer
        self.cookie = answer.headers["Set-Cookie"].partition("datalab_login=")[2].partition(";")[0]
        return True

    async def register(self, organisation: str) -> Answer:
        return await self.ask(
            "POST", "/register", username=self.name, password=PASSWORD, first_name="A", last_name="B",
            organisation=organisation,
        )  # fmt: skip


class World:
    """The server of the moment, the people, the data directory."""

    def __init__(self, http: ClientSession, start: Start, data: Path, environment: dict[str, str]) -> None:
        self.http = http
        self.data = data
        self._start = lambda: start(data=data, environment=environment)
        self.server = self._start()
        self.owner, self.colleague = (Person(http, self.server, name) for name in (OWNER, COLLEAGUE))

    def person(self, name: str) -> Person:
        return Person(self.http, self.server, name)

    def page(self, token: str) -> Page:
        return Page(self.http, self.server.url, token)

    def restart(self) -> None:
        self.owner.server = self.colleague.server = self.server = self._start()

    async def people(self) -> None:
        """An admin who owns everything, and a colleague."""
        for person in (self.owner, self.colleague):
            assert (await person.register(ORGANISATION)).status == 201
            if person is self.colleague:
                await self.owner.done("POST", f"/organisation/people/{person.name}/approve")
            assert await person.log_in()

    async def make(self, name: str, **more: Any) -> str:
        described = {"name": name, "urls": [ORIGIN], "tags": ["killed"], **more}
        return (await self.owner.done("POST", "/apps", **described)).read(AppShown).id

    async def visited(self, name: str, **more: Any) -> tuple[str, str, Page]:
        """An app with a token and a partition that has events."""
        id = await self.make(name, **more)
        issued = await self.owner.done("POST", f"/apps/{id}/token", confirm=f"{ORGANISATION}/{name}")
        page = self.page(issued.read(TokensShown).token.text)
        await page.hello()
        assert (
            await page.post(*(view(number, f"/{name}/{number % 2}") for number in range(1, VIEWS + 1)))
        ).status == 200
        return id, page.token, page

    async def figures(self, app: str, partition: int, views: int = 0) -> tuple[Overview, Pages]:
        """Once they hold so many page views: what was just stored is in them a moment later."""
        path = f"/apps/{app}/insights/overview?partition={partition}"
        async with asyncio.timeout(20):
            while (await self.owner.done("GET", path)).read(Overview).page_views < views:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        asked = [f"/apps/{app}/insights/{name}?partition={partition}" for name in ("overview", "pages")]
        overview, pages = [await self.owner.done("GET", path) for path in asked]
        return overview.read(Overview), pages.read(Pages)

    async def seen(self, app: str) -> tuple[bytes, bytes]:
        """An app and its partitions, as its owner sees them."""
        one, partitions = [await self.owner.done("GET", f"/apps/{app}{path}") for path in ("", "/partitions")]
        return one.body, partitions.body

    def files(self, app: str) -> list[str]:
        """Every file of an app's data."""
        roots = ("journal", "archive", "snapshots")
        return sorted(str(path.relative_to(self.data)) for root in roots for path in self.data.glob(f"{root}/{app}/*"))
