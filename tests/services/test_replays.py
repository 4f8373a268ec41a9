"""Archived partitions whose figures are made anew by a child process."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from datalab.aggregate.snapshot import MAGIC
from datalab.aggregate.snapshot_file import SnapshotFile
from datalab.errors import Missing, Unavailable, Underway
from datalab.model.apps import App
from datalab.model.permissions import Actor
from datalab.services import replays as module
from datalab.services.jobs import RETRY_SECONDS
from datalab.stores.journal import PartitionKey
from tests.conftest import wait_until
from tests.services.appliance_parts import ADA, Parts, described, running
from tests.workers.tasks import is_there

SLOW = """
import time
from datalab.workers import replay

class Replay(replay.Replay):
    def answer(self, asked, told):
        told(1, 4)
        with open(asked.snapshot.replace(".snapshot", ".new"), "wb") as file:
            file.write(b"the beginning of a snapshot")
        time.sleep(600)
"""
"""A replay that tells of its first quarter, and in the middle of whose snapshot a test comes."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
async def parts(data: Path) -> AsyncIterator[Parts]:
    async with running(data) as made:
        yield made


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replays take for ever, and whoever looks is told at once."""
    (tmp_path / "slow_replay.py").write_text(SLOW)
    monkeypatch.syspath_prepend(str(tmp_path))
    import slow_replay

    monkeypatch.setattr(module, "Replay", slow_replay.Replay)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)


async def archived(parts: Parts, count: int = 3) -> tuple[App, Path]:
    """An app with an archived partition that has no snapshot."""
    app = await parts.unlocked(await parts.collected(await parts.apps.add(Actor(ADA), described("Shop")), count))
    path = parts.data / "snapshots" / app.id / "1.snapshot"
    path.unlink()
    return app, path


def pids() -> list[int]:
    """Children of this process."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


async def until_it_writes(path: Path) -> None:
    """Wait until a slow replay is in the middle of its snapshot."""
    await asyncio.to_thread(wait_until, path.with_suffix(".new").exists)


async def test_a_child_makes_the_snapshot_that_this_process_then_loads(parts: Parts) -> None:
    app, path = await archived(parts, 30)
    assert await asyncio.gather(*(parts.page_views(app, 1) for _ in range(20))) == [30] * 20
    (job,) = parts.jobs.of(app.id)
    assert (job.kind, job.state, job.done, job.total) == ("replay", "done", 30, 30)
    assert job.title == "figures of partition 1 of shop.example/Shop"
    found = await parts.archive.as_it_was(parts.directory.get(app.id), 1)
    aggregate = SnapshotFile(path).read(parts.partitions.rules(found))
    assert aggregate is not None
    assert aggregate.position.events == 30


async def test_figures_are_equal_to_those_made_in_this_process(data: Path) -> None:
    async with running(data) as parts:
        app, path = await archived(parts, 20)
        was = await parts.archive.as_it_was(app, 1)
        made = (await parts.insights.overview(was), await parts.insights.pages(was))
        path.unlink()
        key = PartitionKey(app.id, 1)
        parts.aggregation.unload(key)
        await parts.aggregation.load(key, parts.partitions.rules(was))
        assert (await parts.insights.overview(was), await parts.insights.pages(was)) == made


@pytest.mark.parametrize("left", [b"", b"damaged", None])
async def test_a_snapshot_that_cannot_be_used_is_replaced(parts: Parts, left: bytes | None) -> None:
    app, path = await archived(parts)
    if left is not None:
        path.write_bytes(left)
    assert await parts.page_views(app, 1) == 3
    assert path.read_bytes().startswith(MAGIC)


async def test_a_snapshot_that_is_right_is_left_alone(data: Path) -> None:
    async with running(data) as parts:
        app, path = await archived(parts)
        assert await parts.page_views(app, 1) == 3
        before = path.stat()
    async with running(data) as parts:
        assert await parts.page_views(app, 1) == 3
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_where_no_snapshot_can_be_written_there_are_figures_all_the_same(parts: Parts) -> None:
    app, path = await archived(parts)
    path.parent.rmdir()
    path.parent.write_bytes(b"")
    assert await parts.page_views(app, 1) == 3


@pytest.mark.usefixtures("slow")
async def test_whoever_looks_is_told_how_far_it_is(parts: Parts) -> None:
    app, path = await archived(parts)
    with pytest.raises(Underway):
        await parts.page_views(app, 1)
    await until_it_writes(path)
    with pytest.raises(Underway, match="^figures of partition 1 of shop.example/Shop are being made: 25 %$") as told:
        await parts.page_views(app, 1)
    assert told.value.retry_after == module.PATIENCE_SECONDS
    assert len(parts.jobs.of(app.id)) == 1
    await parts.collected(app, 2)
    assert await parts.page_views(app) == 2, "the open partition answers meanwhile"


@pytest.mark.usefixtures("slow")
async def test_cancelling_leaves_nothing_behind(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    app, path = await archived(parts)
    with pytest.raises(Underway):
        await parts.page_views(app, 1)
    await until_it_writes(path)
    (pid,) = pids()
    (job,) = parts.jobs.of(app.id)
    assert (await parts.jobs.cancel(app.id, job.id)).state == "cancelled"
    assert not is_there(pid)
    assert parts.files(app.id) == [f"archive/{app.id}/1.journal"]
    with pytest.raises(Unavailable, match="was cancelled"):
        await parts.page_views(app, 1)
    monkeypatch.undo()
    parts.now += round(RETRY_SECONDS * 1000) + 1
    assert await parts.page_views(app, 1) == 3


@pytest.mark.usefixtures("slow")
async def test_a_killed_child_is_no_end_of_the_appliance(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    app, path = await archived(parts)
    with pytest.raises(Underway):
        await parts.page_views(app, 1)
    await until_it_writes(path)
    (pid,) = pids()
    os.kill(pid, signal.SIGKILL)
    monkeypatch.undo()
    for _ in range(2):
        with pytest.raises(Unavailable, match="figures of partition 1 of shop.example/Shop: .* ended by signal 9"):
            await parts.page_views(app, 1)
    assert [job.state for job in parts.jobs.of(app.id)] == ["failed"], "not tried again at once"
    parts.now += round(RETRY_SECONDS * 1000) + 1
    assert await parts.page_views(app, 1) == 3


@pytest.mark.usefixtures("slow")
async def test_a_partition_that_is_deleted_meanwhile_leaves_nothing(parts: Parts) -> None:
    app, path = await archived(parts)
    with pytest.raises(Underway):
        await parts.page_views(app, 1)
    await until_it_writes(path)
    (pid,) = pids()
    await parts.archive.delete(Actor(ADA), app.id, 1, app.full_name)
    assert not is_there(pid)
    assert parts.files(app.id) == []
    with pytest.raises(Missing):
        await parts.page_views(app, 1)
