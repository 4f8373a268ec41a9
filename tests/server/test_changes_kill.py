"""A server is killed while it changes documents and moves files, again and again: each change is done or undone.

One data directory is carried through all rounds. In a round many requests are sent, and the server is killed at a
moment that lies within the time that each of them takes: so a round counts as one killed change for each of them. Then
the documents are read from a copy of the dead server's file, the server is started again, and both have to tell the
same: every trace of a change is there or none is, and whatever was acknowledged is done. A server with a deliberate
fault (torn_appliance.py) does not pass.
"""

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from tests import conftest
from tests.conftest import run_datalab
from tests.server.killed_changes import Accept, Attempt, DeleteApp, DeletePartition, Found, Join, Lock, Unlock
from tests.server.killed_world import Start, Stored, World, read_stored

SEED = 61_303
ROUNDS = 20
KINDS: list[type[Attempt]] = [Found, Join, *[Accept, Lock, Unlock] * 4, DeleteApp, DeletePartition]
"""Of one round; several of what takes little, so that a kill finds one of them half-way."""
TORN_ROUNDS = 25
ENOUGH = 20
"""Of each way in which a change can end."""
NO_LIMIT = {"DATALAB_ACCOUNTS_REGISTRATIONS": "10000"}
QUICKER, SLOWER = 0.78, 1.3
"""What a round in which all changes of a kind were done, or none, makes of the time between sending and the kill."""


class Torn(AssertionError):
    """A change that is neither done nor undone, or was acknowledged and is not done."""


class Killing:
    """The rounds; `aim` is for each kind how many seconds before the kill its request is sent, on average.

    It is measured first, and follows what the kills hit, so that on any machine about half of them come too early for
    the change to be done.
    """

    def __init__(self, world: World, kinds: list[type[Attempt]]) -> None:
        self.world = world
        self.kinds = kinds
        self.chance = random.Random(SEED)
        self.aim: dict[str, float] = {}
        self.ends: Counter[str] = Counter()
        self.by_kind: Counter[tuple[str, str]] = Counter()

    async def measure(self) -> None:
        """Seconds that each request takes when all are sent together."""
        attempts = await self.prepared(0)
        clock = asyncio.get_running_loop().time
        begun = clock()

        async def timed(attempt: Attempt) -> None:
            answer = await attempt.send()
            assert 200 <= answer.status < 300, (attempt.name, answer)
            self.aim[type(attempt).__name__] = clock() - begun

        await asyncio.gather(*map(timed, attempts))

    async def prepared(self, round: int) -> list[Attempt]:
        attempts = [kind(self.world, 100 * round + place) for place, kind in enumerate(self.kinds)]
        for attempt in attempts:
            await attempt.prepare()
        return attempts

    async def round(self, attempts: list[Attempt]) -> None:
        """Send, kill, start again, look."""
        clock = asyncio.get_running_loop().time
        ahead = {each: self.aim[type(each).__name__] * self.chance.uniform(0.4, 1.6) for each in attempts}
        end = clock() + max(ahead.values()) + 0.02

        async def send(attempt: Attempt) -> None:
            await asyncio.sleep(end - ahead[attempt] - clock())
            try:
                answer = await attempt.send()
            except (ClientError, ConnectionError):
                return
            assert 200 <= answer.status < 300, (attempt.name, answer)
            attempt.acknowledged = True

        sending = [asyncio.create_task(send(attempt)) for attempt in attempts]
        await asyncio.sleep(end - clock())
        self.world.server.kill()
        await asyncio.gather(*sending)

        stored = await read_stored(self.world.data, self.world.data.parent / "copy")
        check_logs(stored)
        done = {attempt: self.outcome(attempt, stored) for attempt in attempts}
        self.world.restart()
        for attempt, is_done in done.items():
            try:
                await (attempt.check_done() if is_done else attempt.check_undone())
            except AssertionError as fault:
                raise Torn(f"{attempt.name}, {'done' if is_done else 'not done'}: {fault}") from fault

    def outcome(self, attempt: Attempt, stored: Stored) -> bool:
        """Whether the change is done; raises Torn."""
        kind = type(attempt).__name__
        traces = attempt.traces(stored)
        if len(set(traces.values())) != 1:
            raise Torn(f"{attempt.name}: {traces}")
        done = all(traces.values())
        if attempt.acknowledged and not done:
            raise Torn(f"{attempt.name} was acknowledged and is lost")
        end = "acknowledged" if attempt.acknowledged else "done, not acknowledged" if done else "not done"
        self.ends[end] += 1
        self.by_kind[kind, "done" if done else "not done"] += 1
        if done and attempt.unfinished():
            self.ends["of these finished by the next start"] += 1
        self.aim[kind] *= (QUICKER if done else SLOWER) ** (1 / self.kinds.count(type(attempt)))
        return done


def check_logs(stored: Stored) -> None:
    """Every audit log is as long as it says, without a gap."""
    numbers: dict[str, list[int]] = {log.id: [] for log in stored.logs}
    for entry in stored.entries:
        numbers[entry.id.rpartition("/")[0]].append(entry.number)
    for log in stored.logs:
        assert sorted(numbers[log.id]) == list(range(1, log.length + 1)), log


async def test_every_change_is_done_or_undone(tmp_path: Path, start_server: Start, http: ClientSession) -> None:
    world = World(http, start_server, tmp_path / "data", NO_LIMIT)
    await world.people()
    killing = Killing(world, KINDS)
    await killing.measure()
    print(f"seed {SEED}, measured:", {kind: f"{seconds * 1000:.0f} ms" for kind, seconds in killing.aim.items()})
    for attempts in [await killing.prepared(number) for number in range(1, ROUNDS + 1)]:
        await killing.round(attempts)

    assert world.server.stop() == 0
    print(f"{ROUNDS} kills, {ROUNDS * len(KINDS)} changes: {dict(killing.ends)}")
    ends = ("done", "not done")
    print({name: [killing.by_kind[name, end] for end in ends] for name in killing.aim})
    checked = run_datalab("verify", data=world.data)
    assert (checked.returncode, checked.stdout) == (0, "everything is whole\n")
    assert "Traceback" not in world.server.log.read_text()
    for end in ("acknowledged", "done, not acknowledged", "not done"):
        assert killing.ends[end] >= ENOUGH, "the kills come too early or too late"
    assert killing.ends["of these finished by the next start"]
    assert len(killing.by_kind) == 2 * len(killing.aim), "of each kind some are done and some are not"


@pytest.mark.parametrize(("fault", "kinds"), [("audit", [Accept, Lock] * 4), ("archive", [Unlock] * 4)])
async def test_a_server_with_a_fault_is_caught(
    tmp_path: Path,
    start_server: Start,
    http: ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    kinds: list[type[Attempt]],
) -> None:
    monkeypatch.setattr(conftest, "DATALAB", (sys.executable, str(Path(__file__).with_name("torn_appliance.py"))))
    world = World(http, start_server, tmp_path / "data", {**NO_LIMIT, "TORN": fault})
    await world.people()
    killing = Killing(world, kinds)
    await killing.measure()
    rounds = 0
    with pytest.raises(Torn) as caught:
        while rounds < TORN_ROUNDS:
            rounds += 1
            await killing.round(await killing.prepared(rounds))
    print(f"{fault}: caught after {rounds} kills: {caught.value}"[:300])
