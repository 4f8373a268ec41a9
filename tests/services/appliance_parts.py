"""The services around apps and partitions on a real data directory, with a clock that a test moves."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from datalab.ingest.presence import Presence
from datalab.keys import Key
from datalab.model.accounts import Organisation, User
from datalab.model.apps import App
from datalab.model.events import Batch, Events, Opening, Position
from datalab.model.events import Kind as EventKind
from datalab.model.permissions import Actor
from datalab.services.apps import Apps, new_id
from datalab.services.archive import Archive
from datalab.services.changes import Changes
from datalab.services.directory import Directory
from datalab.services.insights import Insights
from datalab.services.jobs import Jobs
from datalab.services.locks import Locks
from datalab.services.partitions import Partitions
from datalab.services.replays import Replays
from datalab.services.tabs import Tabs
from datalab.services.tokens import Tokens
from datalab.settings import Settings
from datalab.settings import Tokens as TokenSettings
from datalab.stores.documents import Documents
from datalab.stores.embedded.documents import EmbeddedDocuments
from datalab.stores.embedded.journal import EmbeddedJournal
from datalab.stores.journal import PartitionKey
from datalab.workers.aggregation import Aggregation
from datalab.workers.processes import Processes
from datalab.workers.runner import Runner

NOW = 1_800_000_000_000
ORIGIN = "http://shop.example"


def person(id: str, organisation: str = "shop.example", **more: object) -> User:
    return User(id=id, username=id.title(), organisation=organisation, password_hash="", created=NOW, **more)


ADA, BEN, CLEO = person("ada.l", admin=True), person("ben.m"), person("cleo.n", "other.example")


def described(name: str, owner: User = ADA, **more: object) -> App:
    fields = {"organisation": owner.organisation, "name": name, "owner": owner.id, "origins": [ORIGIN], "created": NOW}
    return App(**{"id": new_id(), **fields, **more})


async def add_people(documents: Documents) -> None:
    for user in (ADA, BEN, CLEO):
        await documents.run(lambda collections, user=user: collections.users.add(user))
    for domain in ("shop.example", "other.example"):
        made = Organisation(id=domain, created=NOW)
        await documents.run(lambda collections, made=made: collections.organisations.add(made))


def visit(number: int) -> Opening:
    return Opening(visitor=number.to_bytes(16, "big"), started=NOW)


def views(count: int) -> Events:
    """Page views of one visit, a second apart."""
    return Events(
        stream=np.zeros(count, dtype=np.uint32),
        sequence=np.arange(1, count + 1, dtype=np.uint32),
        time=np.arange(count, dtype=np.int64) * 1000 + NOW,
        kind=np.full(count, EventKind.URLCHANGE, dtype=np.uint8),
        text=np.zeros(count, dtype=np.uint32),
        number=np.zeros(count, dtype=np.uint32),
        texts=[f"{ORIGIN}/"],
    )


class CountingJournal(EmbeddedJournal):
    """Notes which partitions were replayed; `fault` is raised by the next calls of `archive`."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.replays: list[PartitionKey] = []
        self.fault: Exception | None = None

    def replay(self, partition: PartitionKey, since: Position) -> AsyncIterator[Batch]:
        self.replays.append(partition)
        return super().replay(partition, since)

    async def archive(self, partition: PartitionKey) -> None:
        if self.fault is not None:
            raise self.fault
        await super().archive(partition)


class Parts:
    """Everything that `appliance.opened` would wire for these services."""

    def __init__(self, data: Path, documents: Documents) -> None:
        self.data = data
        self.now = NOW
        self.documents = documents
        self.journal = CountingJournal(data)
        self.aggregation = Aggregation(self.journal, data / "snapshots")
        self.runner = Runner()
        self.directory, self.tabs = Directory(documents), Tabs()
        clock: Callable[[], int] = lambda: self.now  # noqa: E731
        settings = Settings()
        self.processes, self.jobs = Processes(), Jobs(self.tabs, clock)
        self.replays = Replays(data, data / "snapshots", self.processes, self.jobs, clock)
        self.partitions = Partitions(
            documents, self.directory, self.journal, self.aggregation, self.runner, settings, clock, self.replays
        )
        self.changes = Changes(documents, self.directory, self.tabs, clock)
        self.apps = Apps(self.changes, self.partitions)
        tokens = Tokens(Key(b"k" * 32), TokenSettings())
        self.locks = Locks(self.changes, self.directory, tokens, self.partitions, settings.tokens, clock)
        self.archive = Archive(self.changes, self.partitions)
        self.insights = Insights(self.partitions, self.aggregation, Presence(), "", clock)

    async def collected(self, app: App, count: int) -> App:
        """Lock an app and store so many page views of one visit in its partition."""
        app = await self.locks.issue(Actor(ADA), app.id, app.full_name)
        intake = await self.partitions.intake(app)
        await intake.store([visit(app.partition)], views(count))
        await self.partitions.settled(app)
        return app

    async def unlocked(self, app: App) -> App:
        return await self.locks.unlock(Actor(ADA), app.id, app.full_name)

    async def page_views(self, app: App, number: int | None = None) -> int:
        asked = await self.archive.as_it_was(self.directory.get(app.id), number)
        return (await self.insights.overview(asked)).page_views

    def files(self, app: str) -> list[str]:
        """Every file of an app's data."""
        roots = ("journal", "archive", "snapshots")
        return sorted(str(path.relative_to(self.data)) for root in roots for path in self.data.glob(f"{root}/{app}/*"))


@asynccontextmanager
async def running(data: Path) -> AsyncIterator[Parts]:
    """Started as the appliance starts them, on what is there."""
    documents = await EmbeddedDocuments.open(data / "documents.sqlite")
    parts = Parts(data, documents)
    if not await documents.run(lambda collections: collections.users.where()):
        await add_people(documents)
    await parts.directory.load()
    try:
        await parts.partitions.open_all()
        yield parts
    finally:
        await parts.partitions.close()
        await parts.runner.stop()
        await parts.jobs.close()
        await parts.processes.close()
        await parts.aggregation.close()
        await parts.journal.close()
        await documents.close()
