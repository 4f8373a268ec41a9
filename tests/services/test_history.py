"""Import of history, where the app's partition changes meanwhile."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from datalab.appliance import opened
from datalab.errors import Invalid, Missing, Unavailable
from datalab.model.accounts import Registration
from datalab.model.apps import App
from datalab.model.permissions import OPERATOR
from datalab.model.records import Record
from datalab.services.history import ABANDONED_MS, Imported
from datalab.services.record_columns import MAX_CHUNK
from datalab.services.services import Services
from datalab.settings import Settings


def visit(name: str) -> Record:
    return Record(visitor=name, time=1_790_000_000_000, kind="urlchange", url="/")


@asynccontextmanager
async def shop(data: Path, settings: Settings | None = None) -> AsyncIterator[tuple[Services, App]]:
    """A running appliance with an app."""
    async with opened(data, settings or Settings()) as services:
        if not services.directory.all():
            await services.registrations.add(
                Registration(
                    username="ada.l",
                    password="correct horse",
                    first_name="A",
                    last_name="L",
                    organisation="shop.example",
                )
            )
            new = App(
                id="a1",
                organisation="shop.example",
                name="Shop",
                owner="ada.l",
                origins=["http://a.example"],
                created=0,
            )
            await services.apps.add(OPERATOR, new)
        yield services, services.directory.get("a1")


def children() -> list[int]:
    """Processes of this one."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


async def visitors(services: Services) -> int:
    await services.partitions.settled(services.directory.get("a1"))
    return (await services.insights.overview(services.directory.get("a1"))).visitors


async def test_people_see_how_far_an_import_is(tmp_path: Path) -> None:
    async with shop(tmp_path) as (services, app):
        run = await services.history.begin(app, 1000)
        (job,) = services.jobs.of(app.id)
        assert (job.kind, job.title, job.state) == ("import", "import into shop.example/Shop", "running")
        await services.history.add(run, [visit("one"), visit("two")], 400)
        await services.history.add(run, [visit("two"), visit("two")], 700)
        job = services.jobs.get(app.id, job.id)
        assert (job.state, job.percent, job.detail) == ("running", 70, "4 events added, 0 were there already")
        assert len(children()) == 1
        await services.history.end(run)
        job = services.jobs.get(app.id, job.id)
        assert (job.state, job.percent, job.detail) == ("done", 100, "4 events added, 0 were there already")
        assert children() == []
        run = await services.history.begin(app)
        assert await services.history.add(run, [visit("two"), visit("new")]) == Imported(added=1, repeated=1)
        job = services.jobs.of(app.id)[0]
        assert (job.done, job.total) == (2, None), "records, where the file's length is not known"
        await services.history.end(run, whole=False)
        assert services.jobs.get(app.id, job.id).state == "failed"


async def test_a_chunk_that_is_refused_is_no_end_of_the_import(tmp_path: Path) -> None:
    async with shop(tmp_path) as (services, app):
        run = await services.history.begin(app)
        bad = Record(visitor="a", time=1, kind="urlchange", url="/")
        for records in (
            [visit("one"), bad],
            msgspec.Raw(msgspec.msgpack.encode([{"visitor": "a"}])),
            msgspec.Raw(msgspec.msgpack.encode([visit("one")] * (MAX_CHUNK + 1))),
        ):
            with pytest.raises(Invalid):
                await services.history.add(run, records)
        assert (await services.history.add(run, [visit("one")])).added == 1
        await services.history.end(run)
        assert await visitors(services) == 1


async def test_a_killed_child_ends_the_import_and_the_same_file_adds_what_is_missing(tmp_path: Path) -> None:
    async with shop(tmp_path) as (services, app):
        run = await services.history.begin(app)
        await services.history.add(run, [visit("one"), visit("two")])
        (pid,) = children()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="ended by signal 9; .* importing the file again adds only"):
            await services.history.add(run, [visit("three")])
        assert [job.state for job in services.jobs.of(app.id)] == ["failed"]
        with pytest.raises(Missing):
            await services.history.add(run, [visit("three")])
        await services.history.end(run)
        assert await visitors(services) == 2, "what was acknowledged, and nothing else"
        run = await services.history.begin(app)
        records = [visit(name) for name in ("one", "two", "three")]
        assert await services.history.add(run, records) == Imported(added=1, repeated=2)
        await services.history.end(run)
        assert await visitors(services) == 3


async def test_an_import_can_be_cancelled(tmp_path: Path) -> None:
    async with shop(tmp_path) as (services, app):
        run = await services.history.begin(app)
        await services.history.add(run, [visit("one")])
        (job,) = services.jobs.of(app.id)
        assert (await services.jobs.cancel(app.id, job.id)).state == "cancelled"
        assert children() == []
        with pytest.raises(Missing, match="it was cancelled"):
            await services.history.add(run, [visit("two")])
        await services.history.end(run)
        assert await visitors(services) == 1


async def test_an_import_that_is_cancelled_while_it_begins_or_stores(tmp_path: Path) -> None:
    async with shop(tmp_path) as (services, app):
        beginning = asyncio.ensure_future(services.history.begin(app))
        await asyncio.sleep(0)
        (job,) = services.jobs.of(app.id)
        await services.jobs.cancel(app.id, job.id)
        with pytest.raises(Missing, match="was cancelled"):
            await beginning
        run = await services.history.begin(app)
        adding = asyncio.ensure_future(services.history.add(run, [visit(str(number)) for number in range(50_000)]))
        await asyncio.sleep(0.01)
        await services.jobs.cancel(app.id, services.jobs.of(app.id)[0].id)
        with pytest.raises(Missing, match="was cancelled"):
            await adding
        assert children() == []
        assert await visitors(services) == 0


async def test_imports_whose_clients_are_gone_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with shop(tmp_path) as (services, app):
        now = services.clock()
        monkeypatch.setattr(services.history, "_clock", lambda: now)
        run = await services.history.begin(app)
        now += ABANDONED_MS
        await services.history.forget_abandoned()
        await services.history.add(run, [visit("one")])
        now += ABANDONED_MS + 1
        await services.history.forget_abandoned()
        assert children() == []
        assert [job.state for job in services.jobs.of(app.id)] == ["failed"]
        with pytest.raises(Missing):
            await services.history.add(run, [visit("two")])


async def test_stopping_the_appliance_ends_imports(tmp_path: Path) -> None:
    async with shop(tmp_path) as (services, app):
        await services.history.begin(app)
        assert len(children()) == 1
    assert children() == []


async def test_an_import_does_not_go_on_in_another_partition(tmp_path: Path) -> None:
    async with opened(tmp_path, Settings()) as services:
        await services.registrations.add(
            Registration(
                username="ada.l", password="correct horse", first_name="A", last_name="L", organisation="shop.example"
            )
        )
        new = App(
            id="a1", organisation="shop.example", name="Shop", owner="ada.l", origins=["http://a.example"], created=0
        )
        app = await services.apps.add(OPERATOR, new)
        run = await services.history.begin(app)
        assert (await services.history.add(run, [visit("one")])).added == 1
        await services.locks.issue(OPERATOR, app.id, app.full_name)
        assert (await services.history.add(run, [visit("two")])).added == 1
        await services.locks.unlock(OPERATOR, app.id, app.full_name)
        with pytest.raises(Missing, match="was unlocked meanwhile"):
            await services.history.add(run, [visit("three")])
        await services.locks.issue(OPERATOR, app.id, app.full_name)
        with pytest.raises(Missing, match="was unlocked meanwhile"):
            await services.history.add(run, [visit("three")])
        for number, visitors in ((1, 2), (2, 0)):
            seen = await services.archive.as_it_was(services.directory.get(app.id), number)
            assert (await services.insights.overview(seen)).visitors == visitors
