"""A server is killed while it changes documents and moves files, again and again: each change is done or undone.

One data directory is carried through all rounds. In a round one request of each kind is sent, all at about the same
time, and the server is killed at one random moment within the time that such requests take; so one kill hits a change of
each kind. Then the documents are read from a copy of the dead server's file, the server is started again, and both have
to tell the same story: every trace of a change is there or none is, and whatever was acknowledged is done. A server
with a deliberate fault (torn_appliance.py) does not pass.
"""

import asyncio
import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

from datalab.model.accounts import User
from datalab.model.apps import App, PartitionRecord, State
from datalab.model.audit import AuditEntry, AuditLog
from datalab.model.figures import Overview, Pages
from datalab.model.notifications import Kind, Notification
from datalab.server.api.account import Registered
from datalab.server.api.apps import AppShown
from datalab.server.api.tokens import TokensShown
from datalab.services.archive import PartitionShown
from datalab.stores.documents import Collections
from datalab.stores.embedded.documents import EmbeddedDocuments
from tests import conftest
from tests.conftest import Server, run_datalab
from tests.server.client import ORIGIN, PASSWORD, Answer, Page, view

Start = Callable[..., Server]
SEED = 61_303
ROUNDS = 30
TORN_ROUNDS = 25
ENOUGH = 10
"""Of each way in which a change can end; about one in seven is the least that was seen."""
OWNER, COLLEAGUE, ORGANISATION = "ada.lovelace", "ben.miller", "shop.example"
NO_LIMIT = {"DATALAB_ACCOUNTS_REGISTRATIONS": "10000"}
VIEWS = 3
QUICKER, SLOWER = 0.85, 1.2


class Torn(AssertionError):
    """A change that is neither done nor undone."""


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

    def logged(self, log: str, action: str, detail: str = "") -> bool:
        return any(
            entry.id.rpartition("/")[0] == log and entry.action == action and detail in "\n".join(entry.details)
            for entry in self.entries
        )

    def told(self, user: str, kind: Kind, app: str = "", detail: str = "") -> bool:
        return any(
            (each.user, each.kind, each.app) == (user, kind, app) and each.detail in (detail, "")
            for each in self.notifications
            if not detail or each.detail == detail
        )


async def read_stored(data: Path, copy: Path) -> Stored:
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in data.glob("documents.sqlite*"):
        shutil.copy(file, copy)
    documents = await EmbeddedDocuments.open(copy / "documents.sqlite")
    try:
        assert await documents.verify() == []
        return await documents.run(Stored)
    finally:
        await documents.close()


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
        assert (await page.post(*(view(number, f"/{name}/{number % 2}") for number in range(1, VIEWS + 1)))).status == 200
        return id, page.token, page

    async def figures(self, app: str, partition: int, views: int = 0) -> tuple[Overview, Pages]:
        """Once they hold so many page views: what was just stored is in them a moment later."""
        path = f"/apps/{app}/insights/overview?partition={partition}"
        async with asyncio.timeout(20):
            while (await self.owner.done("GET", path)).read(Overview).page_views < views:
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
        return sorted(
            str(path.relative_to(self.data)) for root in roots for path in self.data.glob(f"{root}/{app}/*")
        )


class Attempt:
    """One request that a kill may hit."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.name = f"{type(self).__name__}-{number}"
        self.full_name = f"{ORGANISATION}/{self.name}"
        self.acknowledged = False
        self.app = ""

    async def prepare(self) -> None:
        """Make what the request needs."""

    async def send(self) -> Answer:
        raise NotImplementedError

    def traces(self, stored: Stored) -> dict[str, bool]:
        """Everything that the change leaves in the documents; all of it or nothing."""
        raise NotImplementedError

    def unfinished(self) -> bool:
        """Whether files are not yet where they belong once the change is done."""
        return False

    async def check_done(self) -> None:
        raise NotImplementedError

    async def check_undone(self) -> None:
        raise NotImplementedError


class AppAttempt(Attempt):
    before: tuple[bytes, bytes]

    async def remember(self) -> None:
        self.before = await self.world.seen(self.app)

    async def check_undone(self) -> None:
        assert await self.world.seen(self.app) == self.before, self.name


class Found(Attempt):
    """Register as the first of an organisation."""

    async def prepare(self) -> None:
        self.user = f"first.{self.number}"
        self.organisation = f"org-{self.number}.example"

    async def send(self) -> Answer:
        return await self.world.person(self.user).register(self.organisation)

    def traces(self, stored: Stored) -> dict[str, bool]:
        log = f"organisation:{self.organisation}"
        return {
            "user": self.user in stored.users,
            "organisation": self.organisation in stored.organisations,
            "audit of the organisation": stored.logged(log, "organisation.make"),
            "audit of the person": stored.logged(log, "join", self.user),
        }

    async def check_done(self) -> None:
        person = self.world.person(self.user)
        assert await person.log_in()
        await person.done("GET", "/organisation/audit")

    async def check_undone(self) -> None:
        person = self.world.person(self.user)
        assert not await person.log_in()
        again = await person.register(self.organisation)
        assert again.status == 201
        assert again.read(Registered).admin, "nothing is left, so this is the first person"


class Join(Attempt):
    """Register in an organisation that has an admin."""

    async def prepare(self) -> None:
        self.user = f"later.{self.number}"

    async def send(self) -> Answer:
        return await self.world.person(self.user).register(ORGANISATION)

    def traces(self, stored: Stored) -> dict[str, bool]:
        return {
            "user": self.user in stored.users and stored.users[self.user].pending,
            "audit": stored.logged(f"organisation:{ORGANISATION}", "join.request", self.user),
            "notification": stored.told(OWNER, Kind.JOIN_REQUEST, detail=self.user),
        }

    async def check_done(self) -> None:
        person = self.world.person(self.user)
        assert not await person.log_in(), "not before an admin lets the person in"
        await self.world.owner.done("POST", f"/organisation/people/{self.user}/approve")
        assert await person.log_in()
        await self.world.owner.done("DELETE", f"/organisation/people/{self.user}")

    async def check_undone(self) -> None:
        assert not await self.world.person(self.user).log_in()
        approved = await self.world.owner.ask("POST", f"/organisation/people/{self.user}/approve")
        assert approved.refusal == (404, "missing")


class Accept(AppAttempt):
    """Accept the invitation to a private app."""

    async def prepare(self) -> None:
        self.app = await self.world.make(self.name, private=True)
        await self.world.owner.done("POST", f"/apps/{self.app}/invitations", usernames=[COLLEAGUE])
        await self.remember()

    async def send(self) -> Answer:
        return await self.world.colleague.ask("POST", f"/apps/{self.app}/invitation/accept")

    def traces(self, stored: Stored) -> dict[str, bool]:
        return {
            "member": stored.apps[self.app].state_of(COLLEAGUE) is State.ACCEPTED,
            "audit": stored.logged(self.app, "member.accept", COLLEAGUE),
            "notification": stored.told(OWNER, Kind.ACCEPTED, self.app),
        }

    async def check_done(self) -> None:
        await self.world.colleague.done("GET", f"/apps/{self.app}")

    async def check_undone(self) -> None:
        await super().check_undone()
        assert (await self.world.colleague.ask("GET", f"/apps/{self.app}")).refusal == (404, "missing")
        await self.world.colleague.done("POST", f"/apps/{self.app}/invitation/accept")


class Lock(AppAttempt):
    """Issue a token."""

    async def prepare(self) -> None:
        self.app = await self.world.make(self.name)
        await self.remember()

    async def send(self) -> Answer:
        return await self.world.owner.ask("POST", f"/apps/{self.app}/token", confirm=self.full_name)

    def traces(self, stored: Stored) -> dict[str, bool]:
        app, record = stored.apps[self.app], stored.partitions.get(f"{self.app}/1")
        return {
            "token": app.token is not None,
            "lock": app.locked,
            "number of the partition": (app.partition, app.last_partition) == (1, 1),
            "record of the partition": record is not None and record.sealed is None,
            "audit": stored.logged(self.app, "token.issue"),
            "notification": stored.told(COLLEAGUE, Kind.LOCKED, self.app),
        }

    def unfinished(self) -> bool:
        return self.world.files(self.app) == []

    async def check_done(self) -> None:
        issued = await self.world.owner.done("GET", f"/apps/{self.app}/token")
        page = self.world.page(issued.read(TokensShown).token.text)
        await page.hello()
        assert (await page.post(view(1))).status == 200
        assert (await self.world.figures(self.app, 1, 1))[0].page_views == 1

    async def check_undone(self) -> None:
        await super().check_undone()
        assert self.world.files(self.app) == []


class Unlock(AppAttempt):
    """Unlock, while in every other round a page still sends an event."""

    sent = stored = 0

    async def prepare(self) -> None:
        self.app, self.token, self.visitor = await self.world.visited(self.name)
        self.figures = await self.world.figures(self.app, 1, VIEWS)
        await self.remember()

    async def send(self) -> Answer:
        unlocking = self.world.owner.ask("POST", f"/apps/{self.app}/unlock", confirm=self.full_name)
        if self.number % 2:
            return await unlocking
        self.visitor.url = self.world.server.url
        self.sent = 1
        answer, posted = await asyncio.gather(unlocking, self.visitor.post(view(VIEWS + 1)), return_exceptions=True)
        self.stored = isinstance(posted, Answer) and posted.status == 200
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def traces(self, stored: Stored) -> dict[str, bool]:
        app, record = stored.apps[self.app], stored.partitions[f"{self.app}/1"]
        return {
            "no token": app.token is None,
            "no lock": not app.locked,
            "no partition": app.partition == 0,
            "seal": record.sealed is not None and record.origins == [ORIGIN],
            "audit": stored.logged(self.app, "app.unlock"),
            "notification": stored.told(COLLEAGUE, Kind.UNLOCKED, self.app),
        }

    def unfinished(self) -> bool:
        return f"archive/{self.app}/1.journal" not in self.world.files(self.app)

    async def check_figures(self) -> None:
        figures = await self.world.figures(self.app, 1)
        if not self.sent:
            assert figures == self.figures
        views = figures[0].page_views - self.figures[0].page_views
        assert self.stored <= views <= self.sent, "an acknowledged event is there, once"
        assert (figures[0].visitors, figures[0].sessions) == (1, 1)

    async def check_done(self) -> None:
        journals = [name for name in self.world.files(self.app) if name.endswith(".journal")]
        assert journals == [f"archive/{self.app}/1.journal"], self.name
        assert (await self.world.page(self.token).ask_hello()).refusal == (403, "token-refused")
        await self.check_figures()

    async def check_undone(self) -> None:
        one, partitions = await self.world.seen(self.app)
        assert one == self.before[0]
        (partition,) = json.loads(partitions)
        assert (partition["number"], partition["sealed"]) == (1, None)
        journals = [name for name in self.world.files(self.app) if name.endswith(".journal")]
        assert journals == [f"journal/{self.app}/1.journal"], self.name
        await self.check_figures()
        page = self.world.page(self.token)
        await page.hello()
        assert (await page.post(view(1))).status == 200
        views = self.figures[0].page_views
        assert (await self.world.figures(self.app, 1, views + 1))[0].visitors == 2


class DeleteApp(AppAttempt):
    """Delete an app that has an archived and an open partition."""

    async def prepare(self) -> None:
        self.app, _, _ = await self.world.visited(self.name)
        await self.world.owner.done("POST", f"/apps/{self.app}/unlock", confirm=self.full_name)
        issued = await self.world.owner.done("POST", f"/apps/{self.app}/token", confirm=self.full_name)
        self.token = issued.read(TokensShown).token.text
        page = self.world.page(self.token)
        await page.hello()
        assert (await page.post(view(1))).status == 200
        self.figures = [await self.world.figures(self.app, number, views) for number, views in ((1, VIEWS), (2, 1))]
        await self.remember()

    async def send(self) -> Answer:
        return await self.world.owner.ask("DELETE", f"/apps/{self.app}?confirm={self.full_name}")

    def traces(self, stored: Stored) -> dict[str, bool]:
        records = [record for record in stored.partitions.values() if record.app == self.app]
        return {
            "no app": self.app not in stored.apps,
            "no partitions": not any(not record.deleted for record in records),
            "audit of the app": stored.logged(self.app, "app.delete"),
            "audit of the organisation": stored.logged(
                f"organisation:{ORGANISATION}", "app.delete", self.full_name + "\n"
            )
            or any(e.action == "app.delete" and e.details == [self.full_name] for e in stored.entries),
            "notification": stored.told(COLLEAGUE, Kind.DELETED, self.app),
        }

    def unfinished(self) -> bool:
        return self.world.files(self.app) != []

    async def check_done(self) -> None:
        assert (await self.world.owner.ask("GET", f"/apps/{self.app}")).refusal == (404, "missing")
        assert (await self.world.page(self.token).ask_hello()).refusal == (403, "token-refused")
        assert self.world.files(self.app) == [], self.name

    async def check_undone(self) -> None:
        await super().check_undone()
        assert [await self.world.figures(self.app, number) for number in (1, 2)] == self.figures
        await self.world.page(self.token).hello()


class DeletePartition(AppAttempt):
    """Delete an archived partition."""

    async def prepare(self) -> None:
        self.app, _, _ = await self.world.visited(self.name)
        await self.world.owner.done("POST", f"/apps/{self.app}/unlock", confirm=self.full_name)
        self.figures = await self.world.figures(self.app, 1, VIEWS)
        await self.remember()

    async def send(self) -> Answer:
        return await self.world.owner.ask("DELETE", f"/apps/{self.app}/partitions/1?confirm={self.full_name}")

    def traces(self, stored: Stored) -> dict[str, bool]:
        record = stored.partitions.get(f"{self.app}/1")
        return {
            "no partition": record is None or record.deleted,
            "audit": stored.logged(self.app, "partition.delete"),
        }

    def unfinished(self) -> bool:
        return self.world.files(self.app) != []

    async def check_done(self) -> None:
        partitions = await self.world.owner.done("GET", f"/apps/{self.app}/partitions")
        assert partitions.read(list[PartitionShown]) == []
        answer = await self.world.owner.ask("GET", f"/apps/{self.app}/insights/overview?partition=1")
        assert answer.refusal == (404, "missing")
        assert self.world.files(self.app) == [], self.name

    async def check_undone(self) -> None:
        await super().check_undone()
        assert await self.world.figures(self.app, 1) == self.figures


KINDS: list[type[Attempt]] = [Found, Join, Accept, Lock, Unlock, DeleteApp, DeletePartition]


class Killing:
    """The rounds; `aim` is for each kind how many seconds before the kill its request is sent, on average.

    It is measured first, and follows what the kills hit, so that on any machine about half of them come too early for
    the change to be done.
    """

    def __init__(self, world: World, kinds: list[type[Attempt]]) -> None:
        self.world = world
        self.kinds = kinds
        self.chance = random.Random(SEED)
        self.aim: dict[str, float] = {}
        self.ends: Counter[str] = Counter()
        self.by_kind: Counter[tuple[str, str]] = Counter()

    async def measure(self) -> None:
        """Seconds that each request takes when all are sent together."""
        attempts = [kind(self.world, 0) for kind in self.kinds]
        for attempt in attempts:
            await attempt.prepare()
        clock = asyncio.get_running_loop().time
        begun = clock()

        async def timed(attempt: Attempt) -> None:
            answer = await attempt.send()
            assert 200 <= answer.status < 300, (attempt.name, answer)
            self.aim[type(attempt).__name__] = clock() - begun

        await asyncio.gather(*map(timed, attempts))

    async def round(self, attempts: list[Attempt]) -> None:
        """Send, kill, start again, look."""
        clock = asyncio.get_running_loop().time
        ahead = {each: self.aim[type(each).__name__] * self.chance.uniform(0.4, 1.6) for each in attempts}
        end = clock() + max(ahead.values()) + 0.02

        async def send(attempt: Attempt) -> None:
            await asyncio.sleep(end - ahead[attempt] - clock())
            try:
                answer = await attempt.send()
            except (ClientError, ConnectionError):
                return
            assert 200 <= answer.status < 300, (attempt.name, answer)
            attempt.acknowledged = True

        sending = [asyncio.create_task(send(attempt)) for attempt in attempts]
        await asyncio.sleep(end - clock())
        self.world.server.kill()
        await asyncio.gather(*sending)

        stored = await read_stored(self.world.data, self.world.data.parent / "copy")
        check_logs(stored)
        done = {attempt: self.outcome(attempt, stored) for attempt in attempts}
        self.world.restart()
        for attempt, is_done in done.items():
            await (attempt.check_done() if is_done else attempt.check_undone())

    def outcome(self, attempt: Attempt, stored: Stored) -> bool:
        """Whether the change is done; raises Torn."""
        kind = type(attempt).__name__
        traces = attempt.traces(stored)
        if len(set(traces.values())) != 1:
            raise Torn(f"{attempt.name}: {traces}")
        done = all(traces.values())
        assert done or not attempt.acknowledged, f"{attempt.name} was acknowledged and is lost"
        end = "acknowledged" if attempt.acknowledged else "done, not acknowledged" if done else "not done"
        self.ends[end] += 1
        self.by_kind[kind, "done" if done else "not done"] += 1
        if done and attempt.unfinished():
            self.ends["of these finished by the next start"] += 1
        self.aim[kind] *= QUICKER if done else SLOWER
        return done


def check_logs(stored: Stored) -> None:
    """Every audit log is as long as it says, without a gap."""
    numbers: dict[str, list[int]] = {log.id: [] for log in stored.logs}
    for entry in stored.entries:
        numbers[entry.id.rpartition("/")[0]].append(entry.number)
    for log in stored.logs:
        assert sorted(numbers[log.id]) == list(range(1, log.length + 1)), log


async def test_every_change_is_done_or_undone(tmp_path: Path, start_server: Start, http: ClientSession) -> None:
    world = World(http, start_server, tmp_path / "data", NO_LIMIT)
    await world.people()
    killing = Killing(world, KINDS)
    await killing.measure()
    print(f"seed {SEED}, measured:", {kind: f"{seconds * 1000:.0f} ms" for kind, seconds in killing.aim.items()})
    rounds = [[kind(world, number) for kind in KINDS] for number in range(1, ROUNDS + 1)]
    for attempts in rounds:
        for attempt in attempts:
            await attempt.prepare()
    for attempts in rounds:
        await killing.round(attempts)

    assert world.server.stop() == 0
    print(f"{ROUNDS} kills, {ROUNDS * len(KINDS)} changes: {dict(killing.ends)}")
    print({f"{kind.__name__}": [killing.by_kind[kind.__name__, end] for end in ("done", "not done")] for kind in KINDS})
    checked = run_datalab("verify", data=world.data)
    assert (checked.returncode, checked.stdout) == (0, "everything is whole\n")
    assert "Traceback" not in world.server.log.read_text()
    for end in ("acknowledged", "done, not acknowledged", "not done"):
        assert killing.ends[end] >= ENOUGH, "the kills come too early or too late"
    assert killing.ends["of these finished by the next start"]
    assert len(killing.by_kind) == 2 * len(KINDS), "of each kind some are done and some are not"


@pytest.mark.parametrize(("fault", "kinds"), [("audit", [Accept, Lock, Join]), ("archive", [Unlock])])
async def test_a_server_with_a_fault_is_caught(
    tmp_path: Path,
    start_server: Start,
    http: ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    kinds: list[type[Attempt]],
) -> None:
    monkeypatch.setattr(conftest, "DATALAB", (sys.executable, str(Path(__file__).with_name("torn_appliance.py"))))
    world = World(http, start_server, tmp_path / "data", {**NO_LIMIT, "TORN": fault})
    await world.people()
    killing = Killing(world, kinds)
    await killing.measure()
    rounds = 0
    with pytest.raises((Torn, AssertionError)) as caught:
        while rounds < TORN_ROUNDS:
            rounds += 1
            attempts = [kind(world, rounds) for kind in kinds]
            for attempt in attempts:
                await attempt.prepare()
            await killing.round(attempts)
    print(f"{fault}: caught after {rounds} kills: {caught.value}"[:300])
