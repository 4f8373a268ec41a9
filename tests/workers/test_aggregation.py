"""Aggregation: figures follow the journal by position, over restarts, bad snapshots and changed rules."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.errors import Missing
from datalab.model.configuration import Configuration
from datalab.model.events import Events, Kind, Opening
from datalab.stores.journal import PartitionKey
from datalab.stores.memory.journal import MemoryJournal
from datalab.workers import aggregation as module
from datalab.workers.aggregation import Aggregation
from datalab.workers.runner import Runner

KEY = PartitionKey("shop", 1)


def rules(*routes: str) -> Rules:
    return Rules(
        configuration=Configuration(routes=list(routes)),
        own_hosts=frozenset({"shop.example"}),
        session_timeout_ms=1_800_000,
        max_values=1000,
    )


def events(stream: int, *sequence: int) -> Events:
    count = len(sequence)
    return Events(
        stream=np.full(count, stream, dtype=np.uint32),
        sequence=np.array(sequence, dtype=np.uint32),
        time=np.arange(count, dtype=np.int64) + 1_764_000_000_000,
        kind=np.full(count, Kind.URLCHANGE, dtype=np.uint8),
        text=np.zeros(count, dtype=np.uint32),
        number=np.zeros(count, dtype=np.uint32),
        texts=["http://shop.example/"],
    )


def opening(number: int) -> Opening:
    return Opening(visitor=number.to_bytes(16, "big"), started=1_764_000_000_000)


@asynccontextmanager
async def running(journal: MemoryJournal, folder: Path, asked: Rules) -> AsyncIterator[Aggregation]:
    aggregation, runner = Aggregation(journal, folder), Runner()
    await aggregation.load(KEY, asked)
    runner.start("aggregation", lambda: aggregation.run(KEY))
    yield aggregation
    await aggregation.settled(KEY)
    await runner.stop()
    await aggregation.close()


@pytest.fixture
async def journal() -> MemoryJournal:
    memory = MemoryJournal()
    await memory.open(KEY)
    return memory


async def feed(aggregation: Aggregation, journal: MemoryJournal, number: int, *sequence: int) -> None:
    await aggregation.feed(KEY, await journal.append(KEY, [opening(number)], events(number, *sequence)))


async def test_batches_fed_are_applied(journal: MemoryJournal, tmp_path: Path) -> None:
    async with running(journal, tmp_path, rules()) as aggregation:
        assert await aggregation.seen(KEY, 0) is None
        await feed(aggregation, journal, 0, 1, 2, 5)
        await feed(aggregation, journal, 1, 1)
        await aggregation.settled(KEY)
        assert aggregation.events(KEY) == 4
        seen = await aggregation.seen(KEY, 0)
        assert seen is not None
        assert (seen.high, seen.missing) == (5, [(3, 4)])
        assert await aggregation.seen(KEY, 2) is None


async def test_a_restart_reads_the_snapshot_and_replays_the_rest(
    journal: MemoryJournal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with running(journal, tmp_path, rules()) as aggregation:
        await feed(aggregation, journal, 0, 1, 2, 3)
    await journal.append(KEY, [opening(1)], events(1, 1, 2))
    async with running(journal, tmp_path, rules()) as aggregation:
        assert "5 events, 2 of them replayed" in caplog.messages[-1]
        assert aggregation.events(KEY) == 5
        seen = await aggregation.seen(KEY, 0)
        assert seen is not None
        assert seen.high == 3


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other rules"])
async def test_a_snapshot_that_does_not_fit_costs_time_only(
    damage: str, journal: MemoryJournal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with running(journal, tmp_path, rules()) as aggregation:
        await feed(aggregation, journal, 0, 1, 2, 3)
    file = tmp_path / KEY.app / f"{KEY.number}.snapshot"
    data = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    asked = rules("/:any") if damage == "other rules" else rules()
    async with running(journal, tmp_path, asked) as aggregation:
        assert "3 events, 3 of them replayed" in caplog.messages[-1]
        assert aggregation.events(KEY) == 3


async def test_reloading_makes_figures_anew_and_tells_by_the_generation(journal: MemoryJournal, tmp_path: Path) -> None:
    async with running(journal, tmp_path, rules()) as aggregation:
        await feed(aggregation, journal, 0, 1, 2)
        await aggregation.settled(KEY)
        generation = aggregation.generation(KEY)
        await aggregation.reload(KEY, rules("/:any"))
        assert aggregation.generation(KEY) != generation
        assert aggregation.events(KEY) == 2
        await feed(aggregation, journal, 1, 1)
        await aggregation.settled(KEY)
        assert aggregation.events(KEY) == 3


async def test_a_full_queue_makes_its_feeder_wait(
    journal: MemoryJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUEUED_EVENTS", 3)
    aggregation, runner = Aggregation(journal, tmp_path), Runner()
    await aggregation.load(KEY, rules())
    await feed(aggregation, journal, 0, 1, 2)
    feeding = asyncio.create_task(feed(aggregation, journal, 1, 1, 2))
    await asyncio.sleep(0.01)
    assert not feeding.done()
    runner.start("aggregation", lambda: aggregation.run(KEY))
    await asyncio.wait_for(feeding, 20)
    await aggregation.settled(KEY)
    assert aggregation.events(KEY) == 4
    await runner.stop()
    await aggregation.close()


async def test_a_partition_that_is_not_loaded_is_missing(journal: MemoryJournal, tmp_path: Path) -> None:
    aggregation = Aggregation(journal, tmp_path)
    assert not aggregation.has(KEY)
    assert aggregation.events(KEY) == 0
    with pytest.raises(Missing):
        await aggregation.ask(KEY, lambda figures: figures.position)
    await aggregation.load(KEY, rules())
    assert aggregation.has(KEY)
    aggregation.unload(KEY)
    with pytest.raises(Missing):
        await aggregation.seen(KEY, 0)
    await aggregation.close()


async def test_a_snapshot_ahead_of_the_journal_is_not_used(journal: MemoryJournal, tmp_path: Path) -> None:
    async with running(journal, tmp_path, rules()) as aggregation:
        await feed(aggregation, journal, 0, 1, 2, 3)
    # The journal lost its tail, as when bit rot made a start cut it off.
    shorter = MemoryJournal()
    await shorter.open(KEY)
    batch = await shorter.append(KEY, [opening(1)], events(0, 1))
    aggregation = Aggregation(shorter, tmp_path)
    await aggregation.load(KEY, rules(), batch.end)
    assert aggregation.events(KEY) == 1
    await aggregation.close()


async def test_a_fault_in_the_figures_does_not_stop_what_comes_after(
    journal: MemoryJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ArithmeticError("a fault")

    async with running(journal, tmp_path, rules()) as aggregation:
        with monkeypatch.context() as patched:
            patched.setattr(module, "apply", broken)
            await feed(aggregation, journal, 0, 1, 2)
            await aggregation.settled(KEY)
        assert "2 events are missing in the figures" in caplog.text
        await feed(aggregation, journal, 1, 1)
        await aggregation.settled(KEY)
        await aggregation.reload(KEY, rules())
        assert aggregation.events(KEY) == 3


OTHER = PartitionKey("shop", 2)


def snapshots(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))


async def test_unloading_frees_the_figures_ends_the_task_and_keeps_the_snapshot(
    journal: MemoryJournal, tmp_path: Path
) -> None:
    aggregation, runner = Aggregation(journal, tmp_path), Runner()
    await aggregation.load(KEY, rules())
    runner.start("aggregation", lambda: aggregation.run(KEY))
    await feed(aggregation, journal, 0, 1, 2, 3)
    await aggregation.settled(KEY)
    await aggregation.save()
    aggregation.unload(KEY)
    async with asyncio.timeout(20):
        await runner.join("aggregation")
    assert runner.failures == {}
    assert not aggregation.has(KEY)
    assert aggregation.events(KEY) == 0
    for asked in (aggregation.settled(KEY), aggregation.ask(KEY, len), aggregation.seen(KEY, 0)):
        with pytest.raises(Missing, match="shop/1 is not loaded"):
            await asked
    with pytest.raises(Missing):
        await feed(aggregation, journal, 1, 1)
    aggregation.unload(KEY)
    assert snapshots(tmp_path) == ["shop/1.snapshot"]
    await aggregation.load(KEY, rules())
    assert aggregation.events(KEY) == 4, "what came to the journal meanwhile too"
    await aggregation.close()


async def test_a_question_under_way_is_answered_though_the_partition_is_unloaded(
    journal: MemoryJournal, tmp_path: Path
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(figures: PartitionAggregate) -> int:
        begun.set()
        assert go_on.wait(20)
        return figures.position.events

    async with running(journal, tmp_path, rules()) as aggregation:
        await feed(aggregation, journal, 0, 1, 2, 3)
        await aggregation.settled(KEY)
        asking = asyncio.create_task(aggregation.ask(KEY, slow))
        assert await asyncio.to_thread(begun.wait, 20)
        aggregation.unload(KEY)
        go_on.set()
        assert await asking == 3
        await aggregation.load(KEY, rules())


async def test_forgetting_removes_the_snapshot_of_this_partition_only(journal: MemoryJournal, tmp_path: Path) -> None:
    await journal.open(OTHER)
    aggregation = Aggregation(journal, tmp_path)
    for key in (KEY, OTHER):
        await journal.append(key, [opening(1)], events(0, 1, 2))
        await aggregation.load(key, rules())
    await aggregation.save()
    assert snapshots(tmp_path) == ["shop/1.snapshot", "shop/2.snapshot"]
    await aggregation.forget(KEY)
    assert snapshots(tmp_path) == ["shop/2.snapshot"]
    assert (aggregation.has(KEY), aggregation.has(OTHER)) == (False, True)
    await aggregation.forget(KEY)
    await aggregation.close()
    assert snapshots(tmp_path) == ["shop/2.snapshot"]


async def test_a_save_under_way_does_not_bring_back_what_is_forgotten_meanwhile(
    journal: MemoryJournal, tmp_path: Path
) -> None:
    await journal.open(OTHER)
    aggregation = Aggregation(journal, tmp_path)
    for key in (KEY, OTHER):
        await journal.append(key, [opening(1)], events(0, 1, 2))
        await aggregation.load(key, rules())
    with aggregation._partition(KEY).lock:
        saving = asyncio.create_task(aggregation.save())
        await asyncio.sleep(0.05)
        await aggregation.forget(OTHER)
    await saving
    assert snapshots(tmp_path) == ["shop/1.snapshot"]
    await aggregation.close()
