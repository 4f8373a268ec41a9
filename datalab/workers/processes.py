"""Processes for heavy work: each task runs in a child of its own, so that no answer and no event waits for it.

A child may be killed at any moment, by whoever does not want its work any more, by the kernel, by a fault of its own:
the appliance goes on, and whoever waited is refused.
"""

import asyncio
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from datalab import errors
from datalab.errors import Failure, Refusal, TooMany, Unavailable
from datalab.workers.task import (
    LENGTH_BYTES,
    Answer,
    Failed,
    Progress,
    Refused,
    Task,
    Told,
    decode_message,
    encode,
    framed,
    ignored,
    place_of,
)

log = logging.getLogger(__name__)

A = TypeVar("A")
R = TypeVar("R")
AT_ONCE = 2
"""Children at work; a Raspberry Pi has four cores, and two of them are for answers and events."""
MAX_WAITING = 20
RETRY_SECONDS = 10.0
READ_BYTES = 1 << 20
PART_OF_MEMORY = 2
"""A child may take this part of the machine's memory: one half."""


class Ended(Unavailable):
    """The child ended before it had answered."""


class Child(Generic[A, R]):
    """A process with one task; `title` is what refusals call its work."""

    def __init__(self, process: Process, task: type[Task[A, R]], title: str) -> None:
        self._process = process
        self._task = task
        self._title = title

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ask(self, asked: A, told: Told = ignored) -> R:
        """Have it do something; one at a time. Raises what the task refuses, Ended, Failure.

        Whoever is cancelled meanwhile has killed the child: what it would have said can no longer be told apart.
        """
        assert self._process.stdin is not None  # noqa: S101  (a pipe was asked for)
        try:
            with suppress(ConnectionError):
                # A child that ended already is noticed where its answer is missing.
                self._process.stdin.write(framed(encode(asked)))
                await self._process.stdin.drain()
            while isinstance(message := decode_message(await self._read()), Progress):
                told(message.done, message.total)
        except asyncio.CancelledError:
            self.kill()
            raise
        if isinstance(message, Answer):
            answer: R = msgspec.msgpack.decode(message.data, type=self._task.answered)
            return answer
        if isinstance(message, Refused):
            raise refusal_of(message)
        raise self._failure(message)

    async def _read(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101  (a pipe was asked for)
        try:
            length = await self._process.stdout.readexactly(LENGTH_BYTES)
            return await self._process.stdout.readexactly(int.from_bytes(length, "little"))
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await self._process.wait()
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            log.error("%s: process %d ended %s", self._title, self.pid, how)
            raise Ended(
                f"{self._title}: the process that worked on it ended {how}; try again", retry_after=RETRY_SECONDS
            ) from None

    def _failure(self, failed: Failed) -> Failure:
        log.error("%s failed in process %d:\n%s", self._title, self.pid, failed.traceback)
        return Failure(f"{self._title}: the appliance made a mistake; its log says more")

    def kill(self) -> None:
        """At once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """Kill it, and wait until it is gone with all its pipes."""
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101
        self.kill()
        self._process.stdin.close()
        await self._process.wait()
        with suppress(RuntimeError):
            # Where somebody else still waits for an answer, that one finds the end.
            await self._process.stdout.read()


class Processes:
    """So many children at a time; others wait, and beyond a bound are refused."""

    def __init__(self, at_once: int = AT_ONCE, waiting: int = MAX_WAITING) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most_waiting = waiting
        self._waiting = 0
        self._children: set[Child[Any, Any]] = set()
        self._closed = False

    @asynccontextmanager
    async def child(self, task: type[Task[A, R]], title: str) -> AsyncIterator[Child[A, R]]:
        """A child to ask, killed in the end. Waits for a place; raises TooMany where many do, Unavailable."""
        if self._places.locked() and self._waiting >= self._most_waiting:
            raise TooMany(f"{title}: too much is under way; wait for something to end", retry_after=RETRY_SECONDS)
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            child = Child(await self._start(task), task, title)
            self._children.add(child)
            try:
                yield child
            finally:
                self._children.discard(child)
                await child.stop()
        finally:
            self._places.release()

    async def run(self, task: type[Task[A, R]], asked: A, title: str, told: Told = ignored) -> R:
        """Have a child do one thing; `told` is called once it begins. Raises as `child` and `Child.ask`."""
        async with self.child(task, title) as child:
            told(0, None)
            return await child.ask(asked, told)

    async def close(self) -> None:
        """Kill all."""
        self._closed = True
        for child in list(self._children):
            await child.stop()

    async def _start(self, task: type[Task[Any, Any]]) -> Process:
        if self._closed:
            raise Unavailable("the appliance is stopping")
        command = (sys.executable, "-P", "-m", "datalab.workers.child", place_of(task), str(memory_bytes()))
        try:
            return await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, limit=READ_BYTES, env=environment(), start_new_session=True
            )
        except OSError as error:
            raise Unavailable(f"no process can be started now: {error}; try again later") from None


def environment() -> dict[str, str]:
    """The child finds what the appliance finds, in the same order; a session of its own keeps Ctrl-C from it."""
    folders = [str(Path(folder).absolute()) for folder in sys.path if folder]
    # Threads of linear algebra, which nothing here uses, would only take memory.
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "OPENBLAS_NUM_THREADS": "1"}


def memory_bytes() -> int:
    """How much data a child may have."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // PART_OF_MEMORY


def refusal_of(refused: Refused) -> Refusal:
    """The refusal that a task raised."""
    kind: type[Refusal] = getattr(errors, refused.kind, Refusal)
    return kind(refused.detail, retry_after=refused.retry_after)
