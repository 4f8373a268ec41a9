"""Whether regular expressions may be used: tried in a child process, since a bad one would hold the whole server.

`re` gives no other thread a turn while it searches, and any visitor of a site can choose the route that is searched.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Struct

from datalab.errors import TooMany, Unavailable

TRIAL = (sys.executable, "-I", "-S", "-W", "ignore", str(Path(__file__).with_name("expression_trial.py")))
MAX_PATTERN = 400
"""Characters of an expression."""
MAX_WAITING = 20
"""Trials that wait for their turn."""
ANSWER_SECONDS = 30.0
"""How long the answer for one expression may take; the child's own limits are of CPU time and far lower."""


class Turn:
    """One trial at a time; raises TooMany where many wait."""

    def __init__(self) -> None:
        self._one = asyncio.Semaphore(1)
        self._waiting = 0

    async def __aenter__(self) -> None:
        if self._waiting >= MAX_WAITING:
            raise TooMany("many regular expressions are being tried; try again", retry_after=10.0)
        self._waiting += 1
        try:
            await self._one.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(self, *failure: object) -> None:
        self._one.release()


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turn] = WeakKeyDictionary()


class Fault(Struct, frozen=True):
    """Why an expression is refused."""

    position: int
    """Index of a character of the expression, from 0; its length where something is missing at the end."""
    reason: str


class _Broken(Exception):
    """A signal ended the child: an expression that its interpreter does not stand."""


async def find_fault(pattern: str) -> Fault | None:
    """None where the expression may be used; raises as `check_expressions`."""
    return (await check_expressions([pattern])).get(pattern)


async def check_expressions(patterns: Iterable[str]) -> dict[str, Fault]:
    """The first faulty one among some expressions; raises Unavailable where no trial can be made, TooMany.

    One child process tries them all, one such process at a time. It takes 0.05 s of CPU time for an ordinary expression
    and a few seconds for an explosive one.
    """
    wanted = dict.fromkeys(patterns)
    faults = {
        pattern: Fault(MAX_PATTERN, f"longer than {MAX_PATTERN} characters")
        for pattern in wanted
        if len(pattern) > MAX_PATTERN
    }
    untried = [pattern for pattern in wanted if pattern not in faults]
    if untried:
        turn = _turns.setdefault(asyncio.get_running_loop(), Turn())
        async with turn:
            faults |= await _try(untried)
    return faults


async def _try(patterns: list[str]) -> dict[str, Fault]:
    try:
        child = await asyncio.create_subprocess_exec(*TRIAL, stdin=PIPE, stdout=PIPE)
    except OSError as error:
        raise Unavailable(f"regular expressions cannot be tried now: {error}; try again later") from None
    faults: dict[str, Fault] = {}
    try:
        await _send(child, patterns)
        for place, pattern in enumerate(patterns):
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    fault = await _receive(child)
            except (TimeoutError, _Broken) as broken:
                faults[pattern] = Fault(0, str(broken) or f"took more than {ANSWER_SECONDS:g} seconds to try")
                return faults | dict.fromkeys(patterns[place + 1 :], Fault(0, f"was not tried, because of {pattern}"))
            if fault:
                # One is enough to refuse a configuration, and each may take seconds.
                faults[pattern] = fault
                break
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    return faults


async def _send(child: Process, patterns: list[str]) -> None:
    assert child.stdin is not None  # noqa: S101  (a pipe was asked for)
    # A child that ended already is noticed where its answer is missing.
    with suppress(ConnectionError):
        child.stdin.write(json.dumps(patterns).encode())
        await child.stdin.drain()
    child.stdin.close()


async def _receive(child: Process) -> Fault | None:
    """The next answer; raises _Broken where a signal ended the child, and Unavailable where it ended by itself."""
    assert child.stdout is not None  # noqa: S101  (a pipe was asked for)
    line = await child.stdout.readline()
    if line:
        answer = msgspec.json.decode(line, type=tuple[int, str] | None)
        return Fault(*answer) if answer else None
    code = await child.wait()
    if code < 0:
        raise _Broken(f"made its trial end by signal {-code}")
    raise Unavailable("regular expressions cannot be tried now: the trial failed, see the server's log")
