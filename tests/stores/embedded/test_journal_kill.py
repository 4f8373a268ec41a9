"""A process that appends is killed at a random moment, again and again: every acknowledged event is replayed.

What the child was appending when it was killed may be there as a whole batch or not at all. The same test finds the
losses of a writer that acknowledges before it writes, so it can fail.
"""

import asyncio
import random
from pathlib import Path

from datalab.model.events import Position
from datalab.stores.embedded.journal import EmbeddedJournal
from tests.stores.batches import Write, plains, replayed
from tests.stores.embedded import journal_writer
from tests.stores.embedded.journal_writer import KEY, write
from tests.stores.embedded.killing import kill_a_writer

SEED = 71_204
ROUNDS = 50
ROUNDS_OF_A_HASTY_WRITER = 20


async def kill_and_compare(engine: str, data: Path, seed: str, seconds: float, before: list[Write]) -> str | None:
    """One round on top of the writes `before`, which are extended; what is wrong with the journal after it."""
    acknowledged = await asyncio.to_thread(kill_a_writer, journal_writer, engine, data, seed, seconds)
    before += [write(seed, number) for number in range(acknowledged)]
    in_flight = write(seed, acknowledged)
    journal = EmbeddedJournal(data)
    try:
        end = await journal.open(KEY)
        found = await replayed(journal, KEY)
        damages = await journal.verify(KEY)
    finally:
        await journal.close()
    expected = plains(Position(), [*before, in_flight])
    if len(found) == len(expected):
        before.append(in_flight)
    else:
        expected.pop()
    if damages:
        return f"damaged after opening: {damages[0]}"
    if end != Position(sum(len(each[0]) for each in before), sum(len(each[1]) for each in before)):
        return f"the end is at {end}"
    if found != expected:
        return f"{len(found)} batches are replayed, {len(expected)} expected, the same ones or not"
    return None


async def test_every_acknowledged_event_is_replayed_and_none_is_torn(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    writes: list[Write] = []
    for number in range(ROUNDS):
        seconds = chance.uniform(0, 0.1)
        fault = await kill_and_compare("datalab", tmp_path, f"{SEED}-{number}", seconds, writes)
        assert fault is None, f"round {number} of seed {SEED}: {fault}"
    events = sum(len(each[1]) for each in writes)
    print(f"seed {SEED}: {ROUNDS} kills, {len(writes)} batches with {events} events, 0 faults")
    assert len(writes) > ROUNDS


async def test_the_kill_test_finds_the_losses_of_a_writer_that_acknowledges_first(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    for number in range(ROUNDS_OF_A_HASTY_WRITER):
        seconds = chance.uniform(0, 0.1)
        fault = await kill_and_compare("hasty", tmp_path / str(number), f"{SEED}-{number}", seconds, [])
        if fault is not None:
            print(f"seed {SEED}: found in round {number}: {fault}")
            return
    raise AssertionError("a loss was not found")
