"""Partitions: what a crash left is finished at the next start, archived figures are loaded once and kept bounded."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from datalab.errors import Locked, Missing, Unavailable
from datalab.ingest.gate import Stream
from datalab.model.apps import App, record_id
from datalab.model.configuration import Configuration
from datalab.model.events import Position
from datalab.model.permissions import OPERATOR, Action, Actor
from datalab.model.sequences import Seen
from datalab.model.wire import UrlChange
from datalab.services.changes import Change
from datalab.services.locks import seal
from datalab.services.partitions import ARCHIVED_IN_MEMORY, key_of
from datalab.stores.documents import Collections
from datalab.stores.journal import PartitionKey
from tests.services.appliance_parts import ADA, NOW, Parts, described, running, views, visit


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
async def parts(data: Path) -> AsyncIterator[Parts]:
    async with running(data) as made:
        yield made


async def made(parts: Parts, name: str = "Shop") -> App:
    return await parts.apps.add(Actor(ADA), described(name))


async def seal_in_documents_only(parts: Parts, app: App) -> None:
    """What unlocking has done when it is killed before the journal follows."""

    def work(change: Change) -> None:
        current = change.app(app.id, Action.UNLOCK)
        seal(change, current)
        change.save(replace(current, token=None, locked=False, partition=0))

    await parts.changes.run(OPERATOR, work)


async def mark_deleted(parts: Parts, app: App, number: int) -> None:
    """What deleting a partition has done when it is killed before the journal follows."""

    def work(collections: Collections) -> None:
        record = collections.partitions.get(record_id(app.id, number))
        assert record is not None
        collections.partitions.replace(replace(record, deleted=True))

    await parts.documents.run(work)


async def records(parts: Parts, app: App) -> list[int]:
    """Numbers of all records of an app in the documents."""
    found = await parts.documents.run(lambda collections: collections.partitions.where(app=app.id))
    return [record.number for record in found]


async def test_a_sealed_partition_whose_file_was_not_moved_is_archived_at_the_next_start(data: Path) -> None:
    async with running(data) as parts:
        app = await parts.collected(await made(parts), 3)
        await seal_in_documents_only(parts, app)
    assert (data / "journal" / app.id / "1.journal").exists()
    for _ in range(2):
        async with running(data) as parts:
            assert not (data / "journal" / app.id / "1.journal").exists()
            assert (data / "archive" / app.id / "1.journal").exists()
            assert await parts.page_views(app, 1) == 3
            with pytest.raises(Locked):
                await parts.journal.open(PartitionKey(app.id, 1))
            again = parts.directory.get(app.id)
            assert (again.locked, again.partition) == (False, 0)
    async with running(data) as parts:
        assert (await parts.collected(app, 2)).partition == 2
        assert [await parts.page_views(app, number) for number in (1, 2, None)] == [3, 2, 2]


async def test_a_deleted_partition_whose_file_was_left_is_removed_at_the_next_start(data: Path) -> None:
    async with running(data) as parts:
        app = await made(parts)
        for count in (3, 4):
            await parts.unlocked(await parts.collected(app, count))
        await mark_deleted(parts, app, 1)
    assert f"archive/{app.id}/1.journal" in parts.files(app.id)
    assert f"snapshots/{app.id}/1.snapshot" in parts.files(app.id)
    async with running(data) as parts:
        assert parts.files(app.id) == [f"archive/{app.id}/2.journal", f"snapshots/{app.id}/2.snapshot"]
        assert await records(parts, app) == [2]
        assert await parts.page_views(app, 2) == 4
        with pytest.raises(Missing):
            await parts.page_views(app, 1)


async def test_a_deleted_partition_without_a_file_loses_its_record_at_the_next_start(data: Path) -> None:
    async with running(data) as parts:
        app = await parts.unlocked(await parts.collected(await made(parts), 3))
        await mark_deleted(parts, app, 1)
        await parts.journal.delete(PartitionKey(app.id, 1))
    async with running(data) as parts:
        assert await records(parts, app) == []
        assert parts.files(app.id) == []
        assert (await parts.collected(app, 1)).partition == 2, "a number is never given twice"


async def test_an_app_that_was_deleted_in_the_documents_only_loses_its_data_at_the_next_start(data: Path) -> None:
    async with running(data) as parts:
        app = await parts.unlocked(await parts.collected(await made(parts), 3))
        app = await parts.collected(app, 2)
        for number in (1, 2):
            await mark_deleted(parts, app, number)
        await parts.documents.run(lambda collections: collections.apps.remove(app.id))
    async with running(data) as parts:
        assert parts.directory.all() == []
        assert parts.files(app.id) == []
        assert await records(parts, app) == []


async def test_a_journal_file_that_no_document_knows_is_left_alone(data: Path) -> None:
    unknown = PartitionKey("unknown", 7)
    async with running(data) as parts:
        await parts.journal.open(unknown)
        await parts.journal.append(unknown, [visit(1)], views(5))
        app = await parts.unlocked(await parts.collected(await made(parts), 3))
    file = data / "journal" / "unknown" / "7.journal"
    before = file.read_bytes()
    async with running(data) as parts:
        await parts.archive.delete(Actor(ADA), app.id, 1, app.full_name)
        await parts.apps.delete(Actor(ADA), app.id, app.full_name)
        assert unknown in await parts.journal.partitions()
    async with running(data) as parts:
        assert file.read_bytes() == before
        assert sum([len(batch.events) async for batch in parts.journal.replay(unknown, Position())]) == 5


async def test_a_partition_that_cannot_be_archived_keeps_neither_the_appliance_nor_other_apps_from_starting(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(data) as parts:
        sealed, other = await parts.collected(await made(parts, "Sealed"), 3), await made(parts, "Other")
        other = await parts.collected(other, 2)
        await seal_in_documents_only(parts, sealed)

    async def refuse(*_: object) -> None:
        raise Unavailable("the disk is full; free some space")

    with monkeypatch.context() as patched:
        patched.setattr("tests.services.appliance_parts.CountingJournal.archive", refuse)
        async with running(data) as parts:
            assert await parts.page_views(other) == 2
            assert await parts.page_views(sealed, 1) == 3
    async with running(data) as parts:
        assert (data / "archive" / sealed.id / "1.journal").exists()


async def test_unlocking_an_app_whose_partition_never_got_a_file(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk was full when the token was issued."""
    async with running(data) as parts:
        app = await made(parts)

        async def refuse(*_: object) -> None:
            raise Unavailable("the disk is full; free some space")

        with monkeypatch.context() as patched:
            patched.setattr(parts.journal, "open", refuse)
            await parts.locks.issue(Actor(ADA), app.id, app.full_name)
        assert (await parts.unlocked(app)).locked is False
        assert (await parts.collected(app, 2)).partition == 2


async def test_an_intake_refuses_once_its_partition_is_archived(parts: Parts) -> None:
    app = await parts.collected(await made(parts), 3)
    intake = await parts.partitions.intake(app)
    unlocked = await parts.unlocked(app)
    stream = Stream(app=app.id, partition=1, number=0, visitor="0" * 32, started=0, offset=0, seen=Seen())

    class Deaf:
        async def stored(self, sequence: int) -> None:
            raise AssertionError("nothing is stored")

        async def later(self, refusal: Unavailable) -> None:
            raise AssertionError("refused at once")

    with pytest.raises(Unavailable, match="takes no more events"):
        intake.take(stream, [UrlChange(9, NOW, "/")], Deaf())
    with pytest.raises(Unavailable, match="takes no more events"):
        await intake.open_stream(visit(2))
    with pytest.raises(Unavailable, match="takes no more events"):
        await intake.store([visit(2)], views(1))
    with pytest.raises(Missing, match="is sealed"):
        await parts.partitions.intake(app)
    with pytest.raises(Missing, match="has no open partition"):
        await parts.partitions.intake(unlocked)
    assert await parts.page_views(app, 1) == 3


async def test_an_intake_asked_for_while_its_app_is_unlocked_is_refused_or_closed(parts: Parts) -> None:
    app = await parts.collected(await made(parts), 3)
    asked = asyncio.gather(*(parts.partitions.intake(app) for _ in range(20)), return_exceptions=True)
    await parts.unlocked(app)
    for answer in await asked:
        if isinstance(answer, BaseException):
            assert isinstance(answer, Missing)
        else:
            with pytest.raises(Unavailable):
                await answer.open_stream(visit(1))
    assert parts.files(app.id)[0] == f"archive/{app.id}/1.journal"


async def test_readers_that_ask_together_load_an_archived_partition_once(parts: Parts) -> None:
    app = await parts.unlocked(await parts.collected(await made(parts), 3))
    parts.journal.replays.clear()
    assert await asyncio.gather(*(parts.page_views(app, 1) for _ in range(20))) == [3] * 20
    assert parts.journal.replays == [PartitionKey(app.id, 1)]


async def test_few_archived_partitions_stay_in_memory_and_their_figures_stay_right(parts: Parts) -> None:
    app, count = await made(parts), ARCHIVED_IN_MEMORY + 2
    for number in range(1, count + 1):
        await parts.unlocked(await parts.collected(app, number))
    app = await parts.collected(app, 50)
    keys = [PartitionKey(app.id, number) for number in range(1, count + 1)]

    def loaded() -> list[int]:
        return [key.number for key in keys if parts.aggregation.has(key)]

    assert loaded() == []
    for number in [*range(1, count + 1), 1, 2, 1, count, 3]:
        assert await parts.page_views(app, number) == number
        assert number in loaded()
        assert len(loaded()) <= ARCHIVED_IN_MEMORY
        assert parts.aggregation.has(key_of(app)), "the open one stays"
    assert loaded() == [1, 3, count], "those asked for last"
    answers = await asyncio.gather(*(parts.page_views(app, 1 + number % count) for number in range(10 * count)))
    assert answers == [1 + number % count for number in range(10 * count)]
    assert len(loaded()) <= ARCHIVED_IN_MEMORY
    assert await parts.page_views(app) == 50


async def test_an_archived_partition_is_read_under_what_it_was_collected(parts: Parts) -> None:
    app = await parts.collected(await made(parts), 3)
    await parts.unlocked(app)
    later = Configuration(routes=["/:any"])
    edit = replace(
        parts.directory.get(app.id), configuration=later, time_zone="Europe/Berlin", origins=["http://n.example"]
    )
    await parts.changes.run(OPERATOR, lambda change: change.save(edit))
    shown = await parts.archive.one(parts.directory.get(app.id), 1)
    assert (shown.configuration, shown.urls, shown.time_zone) == (Configuration(), app.origins, "UTC")
    was = await parts.archive.as_it_was(parts.directory.get(app.id), 1)
    assert (was.configuration, was.origins, was.time_zone, was.locked) == (Configuration(), app.origins, "UTC", True)


async def test_deleting_an_archived_partition_that_is_in_memory(parts: Parts) -> None:
    app = await parts.unlocked(await parts.collected(await made(parts), 3))
    assert await parts.page_views(app, 1) == 3
    was = await parts.archive.as_it_was(app, 1)
    await parts.archive.delete(Actor(ADA), app.id, 1, app.full_name)
    assert not parts.aggregation.has(PartitionKey(app.id, 1))
    assert parts.files(app.id) == []
    with pytest.raises(Missing):
        await parts.page_views(app, 1)
    # Whoever looked it up before it went.
    with pytest.raises(Missing):
        await parts.partitions.readable(was)


class TestDataOfTheVersionBefore:
    """Apps had an open partition without a record, and no number of the last one."""

    @pytest.fixture
    async def old(self, data: Path) -> App:
        async with running(data) as parts:
            app = await parts.collected(await made(parts), 3)

            def forget(collections: Collections) -> None:
                collections.partitions.remove(record_id(app.id, 1))
                collections.apps.replace(replace(app, last_partition=0))

            await parts.documents.run(forget)
        return app

    async def test_it_goes_on(self, data: Path, old: App) -> None:
        async with running(data) as parts:
            assert await parts.page_views(old) == 3
            app = await parts.locks.issue(Actor(ADA), old.id, old.full_name)
            assert (app.partition, app.last_partition) == (1, 1)
            assert await records(parts, old) == [1]

    async def test_the_next_partition_after_unlocking_is_another(self, data: Path, old: App) -> None:
        async with running(data) as parts:
            await parts.unlocked(old)
            assert await parts.page_views(old, 1) == 3
            assert (await parts.collected(old, 2)).partition == 2
            assert [await parts.page_views(old, number) for number in (1, 2)] == [3, 2]

    async def test_its_deletion_leaves_no_data(self, data: Path, old: App) -> None:
        async with running(data) as parts:
            await parts.apps.delete(Actor(ADA), old.id, old.full_name)
            assert parts.files(old.id) == []
