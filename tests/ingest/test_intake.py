"""The intake: bounded, acknowledges what is on disk, and forgets nothing that it admitted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from datalab.errors import Unavailable
from datalab.ingest import intake as module
from datalab.ingest.gate import Gate, Stream
from datalab.ingest.group import ROW
from datalab.ingest.intake import CHARACTERS_PER_EVENT, Intake
from datalab.model.events import Batch, Events, Opening, Position
from datalab.model.sequences import Seen
from datalab.model.wire import Custom, Event, UrlChange
from datalab.settings import Ingest
from datalab.stores.embedded.refusals import READ_ONLY
from datalab.stores.journal import PartitionKey
from datalab.stores.memory.journal import MemoryJournal

KEY = PartitionKey("shop", 1)
PENDING = 1000


class FaultyJournal(MemoryJournal):
    """A disk that can be slow and can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.moving = asyncio.Event()
        self.moving.set()
        self.waiting = asyncio.Event()
        self.failure: Exception | None = None

    async def append(self, partition: PartitionKey, openings: list[Opening], events: Events) -> Batch:
        self.waiting.set()
        await self.moving.wait()
        if self.failure is not None:
            raise self.failure
        return await super().append(partition, openings, events)


class Sender:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.sequence = 0
        self.refusals: list[Unavailable] = []
        self.heard = asyncio.Event()

    async def stored(self, sequence: int) -> None:
        assert sequence >= self.sequence
        self.sequence = sequence
        self.heard.set()

    async def later(self, refusal: Unavailable) -> None:
        self.refusals.append(refusal)
        self.heard.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.heard.clear()
                await self.heard.wait()


def stream(number: int = 0) -> Stream:
    return Stream(app="shop", partition=1, number=number, visitor="0" * 32, started=0, offset=0, seen=Seen())


def views(first: int, count: int) -> list[Event]:
    return [UrlChange(number, 0, "/") for number in range(first, first + count)]


@asynccontextmanager
async def running(journal: FaultyJournal, handed: list[Batch]) -> AsyncIterator[Intake]:
    async def hand_on(key: PartitionKey, batch: Batch) -> None:
        handed.append(batch)

    settings = Ingest(group_commit_ms=0, pending_events=PENDING)
    intake = Intake(KEY, journal, hand_on, Gate(), settings, lambda: 1000)
    await intake.open()
    task = asyncio.create_task(intake.run())
    try:
        yield intake
    finally:
        journal.moving.set()
        intake.close()
        async with asyncio.timeout(20):
            await task


async def stored(journal: FaultyJournal) -> list[tuple[int, int]]:
    """Stream and sequence of every event in the journal."""
    return [
        pair
        async for batch in journal.replay(KEY, Position())
        for pair in zip(batch.events.stream.tolist(), batch.events.sequence.tolist(), strict=True)
    ]


async def test_what_is_acknowledged_is_stored_and_handed_on() -> None:
    journal, handed, sender, one = FaultyJournal(), list[Batch](), Sender(), stream()
    async with running(journal, handed) as intake:
        assert await intake.open_stream(Opening(visitor=b"v" * 16, started=0)) == 0
        assert await intake.open_stream(Opening(visitor=b"w" * 16, started=0)) == 1
        intake.take(one, views(1, 3), sender)
        intake.take(one, views(2, 4), sender)
        await sender.until(lambda: sender.sequence == 5)
    assert await stored(journal) == [(0, number) for number in range(1, 6)]
    assert [len(batch.openings) for batch in handed if batch.openings] == [1, 1]
    assert sum(len(batch.events) for batch in handed) == 5


async def test_nothing_is_acknowledged_before_it_is_on_disk() -> None:
    journal, sender, one = FaultyJournal(), Sender(), stream()
    async with running(journal, []) as intake:
        journal.moving.clear()
        intake.take(one, views(1, 3), sender)
        await journal.waiting.wait()
        intake.take(one, views(1, 3), sender)
        await asyncio.sleep(0.05)
        assert sender.sequence == 0
        journal.moving.set()
        await sender.until(lambda: sender.sequence == 3)
    assert len(await stored(journal)) == 3


async def test_a_slow_disk_makes_senders_wait_and_pending_events_stay_bounded() -> None:
    journal, senders, at_once = FaultyJournal(), 50, 100
    taken = [0] * senders

    async def send(number: int, intake: Intake, sender: Sender) -> None:
        one = stream(number)
        for first in range(1, 1001, at_once):
            if intake.full:
                await intake.room()
            intake.take(one, views(first, at_once), sender)
            taken[number] += at_once
            await asyncio.sleep(0)

    async with running(journal, []) as intake:
        receivers = [Sender() for _ in range(senders)]
        journal.moving.clear()
        sending = [asyncio.create_task(send(number, intake, receivers[number])) for number in range(senders)]
        await journal.waiting.wait()
        for _ in range(500):
            await asyncio.sleep(0)
        assert not any(task.done() for task in sending)
        # One group is on its way to the disk, one is filling; a message is taken whole.
        assert PENDING <= sum(taken) <= 2 * (PENDING + at_once)
        opening = asyncio.create_task(intake.open_stream(Opening(visitor=b"v" * 16, started=0)))
        await asyncio.sleep(0.05)
        assert not opening.done()
        journal.moving.set()
        async with asyncio.timeout(20):
            await asyncio.gather(*sending, opening)
        for receiver in receivers:
            await receiver.until(lambda receiver=receiver: receiver.sequence == 1000)  # type: ignore[misc]
    assert len(await stored(journal)) == senders * 1000


async def test_long_texts_fill_the_room_too() -> None:
    journal, sender, one = FaultyJournal(), Sender(), stream()
    async with running(journal, []) as intake:
        journal.moving.clear()
        intake.take(one, views(1, 1), sender)
        await journal.waiting.wait()
        sequence = 2
        while not intake.full:
            intake.take(one, [Custom(sequence, 0, "n", {"text": f"{sequence}" + "x" * 50_000})], sender)
            sequence += 1
        assert (sequence - 3) * 50_000 <= PENDING * CHARACTERS_PER_EVENT
        assert sequence * ROW.itemsize < PENDING
        journal.moving.set()
        await sender.until(lambda: sender.sequence == sequence - 1)


@pytest.mark.parametrize("failure", [Unavailable(READ_ONLY, retry_after=0.01), RuntimeError("a fault of our own")])
async def test_a_failing_disk_refuses_holds_and_recovers(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    journal, handed, sender, one = FaultyJournal(), list[Batch](), Sender(), stream()
    async with running(journal, handed) as intake:
        journal.failure = failure
        intake.take(one, views(1, 3), sender)
        opening = asyncio.create_task(intake.open_stream(Opening(visitor=b"v" * 16, started=0)))
        await sender.until(lambda: bool(sender.refusals))
        with pytest.raises(Unavailable):
            await opening
        assert intake.refusal is not None
        assert (str(failure) in intake.refusal.detail) and intake.refusal.retry_after
        with pytest.raises(Unavailable):
            intake.take(one, views(4, 1), sender)
        with pytest.raises(Unavailable):
            await intake.open_stream(Opening(visitor=b"v" * 16, started=0))
        assert (sender.sequence, handed) == (0, [])
        journal.failure = None
        await sender.until(lambda: sender.sequence == 3)
        assert intake.refusal is None
        intake.take(one, views(1, 4), sender)
        await sender.until(lambda: sender.sequence == 4)
    assert await stored(journal) == [(0, number) for number in range(1, 5)]
    assert sum("refuse" in line or "fault" in line or "read-only" in line for line in caplog.messages) == 1


async def test_closing_while_the_disk_fails_ends_without_an_acknowledgement() -> None:
    journal, sender = FaultyJournal(), Sender()
    async with running(journal, []) as intake:
        journal.failure = Unavailable(READ_ONLY, retry_after=0.01)
        intake.take(stream(), views(1, 3), sender)
        await sender.until(lambda: bool(sender.refusals))
    assert sender.sequence == 0
    assert await stored(journal) == []


async def test_closing_commits_what_has_arrived() -> None:
    journal, sender = FaultyJournal(), Sender()
    async with running(journal, []) as intake:
        intake.take(stream(), views(1, 3), sender)
    assert sender.sequence == 3
    assert len(await stored(journal)) == 3
