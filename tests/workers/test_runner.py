"""The runner of named tasks."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from datalab.workers import runner as module
from datalab.workers.runner import Runner


@pytest.fixture
async def runner(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runner]:
    monkeypatch.setattr(module, "RESTART_SECONDS", 0.0)
    running = Runner()
    yield running
    await running.stop()


async def test_a_task_that_fails_starts_again_and_its_failure_is_told(
    runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ValueError(f"attempt {attempts}")

    runner.start("work", work)
    await runner.join("work")
    assert attempts == 3
    assert runner.failures == {"work": "ValueError('attempt 2')"}
    assert [record.getMessage() for record in caplog.records] == ["task work failed; it starts again"] * 2


async def test_a_name_is_used_once_at_a_time(runner: Runner) -> None:
    done = asyncio.Event()
    runner.start("wait", lambda: done_after(done))
    with pytest.raises(ValueError, match="wait"):
        runner.start("wait", lambda: done_after(done))
    done.set()
    await runner.join("wait")
    runner.start("wait", lambda: done_after(done))
    await runner.join("wait")


async def done_after(event: asyncio.Event) -> None:
    await event.wait()


async def test_every_repeats_until_stopped(runner: Runner) -> None:
    times, thrice = 0, asyncio.Event()

    async def work() -> None:
        nonlocal times
        times += 1
        if times == 3:
            thrice.set()

    runner.start("often", lambda: runner.every(0, work))
    await asyncio.wait_for(thrice.wait(), 20)
    await runner.stop()
    after = times
    await asyncio.sleep(0.01)
    assert times == after


async def test_stopping_ends_tasks_that_would_go_on_for_ever(runner: Runner) -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    runner.start("endless", work)
    await asyncio.sleep(0)
    await runner.stop()
    assert cancelled.is_set()
    await runner.join("unknown")
