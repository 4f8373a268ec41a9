"""Changes that a kill may hit: how each is asked for, which traces it leaves, and how people see that it is done."""

import asyncio
import json

from datalab.model.apps import State
from datalab.model.notifications import Kind
from datalab.server.api.account import Registered
from datalab.server.api.tokens import TokensShown
from datalab.services.archive import PartitionShown
from tests.server.client import ORIGIN, Answer, view
from tests.server.killed_world import COLLEAGUE, ORGANISATION, OWNER, VIEWS, Stored, World


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

    async def check_figures(self) -> int:
        figures = await self.world.figures(self.app, 1)
        if not self.sent:
            assert figures == self.figures
        views = figures[0].page_views - self.figures[0].page_views
        assert self.stored <= views <= self.sent, "an acknowledged event is there, once"
        assert (figures[0].visitors, figures[0].sessions) == (1, 1)
        return figures[0].page_views

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
        views = await self.check_figures()
        page = self.world.page(self.token)
        await page.hello()
        assert (await page.post(view(1))).status == 200
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
            "audit of the organisation": stored.logged(f"organisation:{ORGANISATION}", "app.delete", self.full_name),
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
