"""What every implementation of the port `Journal` does."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from datalab.errors import Locked, Missing, Unavailable
from datalab.model.events import Context, Position
from datalab.stores.embedded.journal import EmbeddedJournal
from datalab.stores.journal import Journal, PartitionKey
from datalab.stores.memory.journal import MemoryJournal
from tests.stores.batches import START, Write, events, opening, plain, plains, random_write, replayed

SEED = 40_961
KEY = PartitionKey("app", 1)
OTHER = PartitionKey("app", 10)


@pytest.fixture(params=["embedded", "memory"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    made: Journal = EmbeddedJournal(tmp_path) if request.param == "embedded" else MemoryJournal()
    yield made
    await made.close()


async def test_a_new_partition_is_empty(journal: Journal) -> None:
    assert await journal.partitions() == []
    assert await journal.open(KEY) == START
    assert await journal.partitions() == [KEY]
    assert await replayed(journal, KEY) == []
    assert await journal.verify(KEY) == []
    assert await journal.open(KEY) == START, "opening again changes nothing"


async def test_what_is_appended_is_replayed(journal: Journal) -> None:
    await journal.open(KEY)
    zoe = Context(
        user_agent="Zoë 🏺",
        language="日本語",
        referrer="https://a.example/?q=\u00fc\x00",
        screen="390x844",
        country="CH",
    )
    writes: list[Write] = [
        ([opening(1, context=zoe), opening(2, imported=True), opening(3, context=zoe)], events(0)),
        ([], events(5)),
        ([], events(0)),
        (
            [opening(4, visitor=b"\xff" * 16, started=-(2**63), context=Context(user_agent="x" * 100_000))],
            events(1, 2**32 - 2),
        ),
    ]
    batches = [await journal.append(KEY, *write) for write in writes]
    assert [batch.start for batch in batches] == [START, Position(3, 0), Position(3, 5), Position(3, 5)]
    assert [plain(batch) for batch in batches] == plains(START, writes)
    assert await replayed(journal, KEY) == plains(START, writes)
    assert await journal.open(KEY) == batches[-1].end == Position(4, 6)
    assert await journal.verify(KEY) == []


async def test_random_batches_from_every_position(journal: Journal) -> None:
    await journal.open(KEY)
    chance = random.Random(SEED)
    writes = [random_write(chance) for _ in range(40)]
    batches = [await journal.append(KEY, *write) for write in writes]
    assert await replayed(journal, KEY) == plains(START, writes)
    positions = {batch.end for batch in batches}
    for batch in batches:
        inside = chance.randrange(len(batch.events) + 1)
        positions |= {Position(batch.start.streams + k, batch.start.events) for k in range(len(batch.openings))}
        positions.add(Position(batch.end.streams, batch.start.events + inside))
    for since in sorted(positions):
        expected = [
            plain(batch.after(since))
            for batch in batches
            if batch.end.streams > since.streams or batch.end.events > since.events
        ]
        found = await replayed(journal, KEY, since)
        assert found == expected, f"seed {SEED}, since {since}"
        assert not found or found[0][0] == since
    print(f"seed {SEED}: replayed from {len(positions)} positions")
    assert len(positions) > 60


async def test_replay_gives_what_was_there_when_it_began_while_appends_go_on(journal: Journal) -> None:
    await journal.open(KEY)
    writes: list[Write] = [([], events(2, n)) for n in range(5)]
    for write in writes:
        await journal.append(KEY, *write)
    found = []
    async for batch in journal.replay(KEY, START):
        found.append(plain(batch))
        await journal.append(KEY, [], events(1))
    assert found == plains(START, writes)
    assert await journal.open(KEY) == Position(0, 15)


async def test_appends_at_once_are_all_stored(journal: Journal) -> None:
    keys = [KEY, OTHER, PartitionKey("b", 1)]
    for key in keys:
        await journal.open(key)
    batches = await asyncio.gather(*(journal.append(key, [], events(n)) for n in range(1, 20) for key in keys))
    for number, key in enumerate(keys):
        own = sorted((plain(batch) for batch in batches[number::3]), key=lambda each: each[0])
        assert await replayed(journal, key) == own
        assert await journal.open(key) == Position(0, 190)


async def test_partitions_are_told_in_order_and_stand_for_themselves(journal: Journal) -> None:
    keys = [PartitionKey("b", 1), OTHER, PartitionKey("app", 2), KEY]
    for number, key in enumerate(keys):
        await journal.open(key)
        await journal.append(key, [], events(number + 1))
    await journal.archive(PartitionKey("app", 2))
    assert await journal.partitions() == [KEY, PartitionKey("app", 2), OTHER, PartitionKey("b", 1)]
    for number, key in enumerate(keys):
        assert await replayed(journal, key) == plains(START, [([], events(number + 1))])


@pytest.mark.parametrize("how", ["seal", "archive"])
async def test_nothing_is_appended_to_a_closed_partition(journal: Journal, how: str) -> None:
    await journal.open(KEY)
    await journal.append(KEY, [opening(1)], events(4))
    await getattr(journal, how)(KEY)
    for _ in range(2):
        with pytest.raises(Locked, match="app/1 is sealed"):
            await journal.append(KEY, [], events(1))
        with pytest.raises(Locked, match="app/1 is sealed"):
            await journal.open(KEY)
        assert await journal.partitions() == [KEY]
        assert await replayed(journal, KEY) == plains(START, [([opening(1)], events(4))])
        assert await replayed(journal, KEY, Position(1, 3)) == [
            plain(batch.after(Position(1, 3))) async for batch in journal.replay(KEY, START)
        ]
        assert await journal.verify(KEY) == []
        assert await journal.size(KEY) > 0
        await journal.archive(KEY)
    await journal.delete(KEY)
    assert await journal.partitions() == []
    assert await journal.open(KEY) == START, "the number is free again"


async def test_a_partition_that_was_deleted_is_gone(journal: Journal) -> None:
    await journal.open(KEY)
    await journal.open(OTHER)
    await journal.append(KEY, [], events(4))
    await journal.delete(KEY)
    assert await journal.partitions() == [OTHER]
    with pytest.raises(Missing):
        await journal.append(KEY, [], events(1))
    assert await journal.partitions() == [OTHER], "an append does not bring it back"
    assert await journal.open(KEY) == START
    assert await replayed(journal, KEY) == []


@pytest.mark.parametrize("what", ["seal", "archive", "delete", "size", "verify"])
async def test_what_there_is_not_is_missing(journal: Journal, what: str) -> None:
    await journal.open(KEY)
    with pytest.raises(Missing, match="there is no partition app/10"):
        await getattr(journal, what)(OTHER)
    with pytest.raises(Missing, match="there is no partition app/10"):
        await replayed(journal, OTHER)
    with pytest.raises(Missing, match="there is no partition app/10"):
        await journal.append(OTHER, [], events(1))
    assert await journal.partitions() == [KEY]


async def test_size_grows_with_every_batch(journal: Journal) -> None:
    await journal.open(KEY)
    sizes = [await journal.size(KEY)]
    for write in (([opening(1)], events(0)), ([], events(0)), ([], events(100))):
        await journal.append(KEY, *write)
        sizes.append(await journal.size(KEY))
    assert sizes == sorted(set(sizes))


async def test_a_closed_journal_refuses(journal: Journal) -> None:
    await journal.open(KEY)
    await journal.close()
    await journal.close()
    for call in (journal.open(KEY), journal.append(KEY, [], events(1)), journal.verify(KEY), journal.partitions()):
        with pytest.raises(Unavailable, match="closed"):
            await call
    with pytest.raises(Unavailable, match="closed"):
        await replayed(journal, KEY)
