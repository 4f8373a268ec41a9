"""Heavy work in real child processes: what they answer, and every way in which they end."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from datalab.errors import Failure, TooLarge, TooMany, Unavailable
from datalab.workers import processes as module
from datalab.workers.child import NICENESS
from datalab.workers.processes import Ended, Processes
from tests.conftest import clean_environment, wait_until
from tests.workers.tasks import Obedient, Obeyed, Order, is_there

ROOT = Path(__file__).parent.parent.parent
PARENT = """
import asyncio, sys
from datalab.workers.processes import Processes
from tests.workers.tasks import Obedient, Order
asyncio.run(Processes().run(Obedient, Order(sys.argv[1], path=sys.argv[2]), "endless work"))
"""
"""An appliance of nothing but a child that works for ever."""


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    made = Processes(at_once=1, waiting=1)
    yield made
    await made.close()


async def pid_in(path: Path) -> int:
    """Which process wrote its number there."""
    return await asyncio.to_thread(wait_for_pid, path)


def wait_for_pid(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text() != "")
    return int(path.read_text())


async def test_a_child_answers_tells_how_far_it_is_and_is_gone_afterwards(processes: Processes) -> None:
    heard: list[tuple[int, int | None]] = []
    answer = await processes.run(Obedient, Order("count", 4), "a count", lambda *far: heard.append(far))
    assert heard == [(0, None), (0, 4), (1, 4), (2, 4), (3, 4)]
    assert (answer.total, answer.niceness) == (4, min(19, os.nice(0) + NICENESS))
    assert answer.pid != os.getpid()
    assert not is_there(answer.pid)


async def test_a_child_keeps_what_it_knows_between_two_questions(processes: Processes) -> None:
    async with processes.child(Obedient, "sums") as child:
        answers = [await child.ask(Order("add", number)) for number in (1, 2, 3)]
    assert [answer.total for answer in answers] == [1, 3, 6]
    assert {answer.pid for answer in answers} == {child.pid}


async def test_a_refusal_is_raised_as_it_was_and_the_child_goes_on(processes: Processes) -> None:
    async with processes.child(Obedient, "work") as child:
        with pytest.raises(TooLarge, match="^too large; send less$") as refusal:
            await child.ask(Order("refuse", 1))
        assert refusal.value.retry_after == 3.0
        assert (await child.ask(Order("add", 1))).total == 2


async def test_a_fault_is_told_the_log_only(processes: Processes, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Failure, match="^work: the appliance made a mistake; its log says more$"):
        await processes.run(Obedient, Order("fail"), "work")
    assert "ZeroDivisionError: a fault of ours" in caplog.text


async def test_what_a_task_prints_does_not_come_between(processes: Processes) -> None:
    assert (await processes.run(Obedient, Order("print", 5), "work")).total == 5


@pytest.mark.parametrize("word", ["sleep", "spin"])
async def test_a_killed_child_is_told_apart_and_the_next_one_works(
    processes: Processes, tmp_path: Path, word: str
) -> None:
    work = asyncio.create_task(processes.run(Obedient, Order(word, path=str(tmp_path / "pid")), "the figures"))
    os.kill(await pid_in(tmp_path / "pid"), signal.SIGKILL)
    with pytest.raises(Ended, match="the figures: the process that worked on it ended by signal 9; try again"):
        await work
    assert (await processes.run(Obedient, Order("add", 1), "the next")).total == 1


async def test_a_child_that_exits_is_told_apart(processes: Processes) -> None:
    async with processes.child(Obedient, "work") as child:
        for _ in range(2):
            with pytest.raises(Ended, match="ended with exit code 3"):
                await child.ask(Order("exit"))


@pytest.mark.parametrize("word", ["sleep", "spin"])
async def test_cancelling_kills_the_child(processes: Processes, tmp_path: Path, word: str) -> None:
    work = asyncio.create_task(processes.run(Obedient, Order(word, path=str(tmp_path / "pid")), "work"))
    pid = await pid_in(tmp_path / "pid")
    assert is_there(pid)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not is_there(pid)


@pytest.mark.parametrize("word", ["sleep", "spin"])
def test_a_child_ends_where_its_parent_was_killed(tmp_path: Path, word: str) -> None:
    command = [sys.executable, "-c", PARENT, word, str(tmp_path / "pid")]
    parent = subprocess.Popen(command, env={**clean_environment(), "PYTHONPATH": str(ROOT)})
    pid = wait_for_pid(tmp_path / "pid")
    assert is_there(pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_there(pid))


async def test_others_wait_for_their_turn_and_too_many_are_refused(processes: Processes, tmp_path: Path) -> None:
    heard: list[str] = []

    def run(name: str, word: str) -> "asyncio.Task[Obeyed]":
        asked = Order(word, path=str(tmp_path / name))
        return asyncio.create_task(processes.run(Obedient, asked, name, lambda *_: heard.append(name)))

    first = run("first", "sleep")
    await pid_in(tmp_path / "first")
    second = run("second", "add")
    await asyncio.sleep(0)
    with pytest.raises(TooMany, match="third: too much is under way"):
        await processes.run(Obedient, Order("add"), "third")
    assert heard == ["first"]
    # One that does not wait any more makes room for another.
    second.cancel()
    await asyncio.wait([second])
    fourth = run("fourth", "add")
    await asyncio.sleep(0)
    first.cancel()
    await fourth
    assert heard == ["first", "fourth"]
    assert not (tmp_path / "second").exists()


async def test_a_child_that_needs_too_much_memory_is_refused(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "memory_bytes", lambda: 512 << 20)
    assert (await processes.run(Obedient, Order("eat", 64 << 20), "work")).total == 64 << 20
    with pytest.raises(Unavailable, match="needs more memory than the 512 MiB"):
        await processes.run(Obedient, Order("eat", 1 << 30), "work")


async def test_closing_kills_all_and_lets_nothing_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    processes = Processes()
    asked = Order("sleep", path=str(tmp_path / "pid"))
    work = asyncio.create_task(processes.run(Obedient, asked, "work"))
    pid = await pid_in(tmp_path / "pid")
    await processes.close()
    assert not is_there(pid)
    with pytest.raises(Ended):
        await work
    with pytest.raises(Unavailable, match="is stopping"):
        await processes.run(Obedient, Order("add"), "work")


async def test_no_process_can_be_started(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(Unavailable, match="no process can be started now"):
        await processes.run(Obedient, Order("add"), "work")


async def test_a_task_that_cannot_be_loaded(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Obedient, "__module__", "nowhere.at_all")
    with pytest.raises(Ended, match="ended with exit code 1"):
        await processes.run(Obedient, Order("add"), "work")
