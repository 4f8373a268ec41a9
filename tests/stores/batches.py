"""Random batches, and batches as plain values that can be compared."""

import random
from typing import Any

import numpy as np

from datalab.model.events import Batch, Context, Events, Kind, Opening, Position
from datalab.stores.journal import Journal, PartitionKey

TEXTS = ["/", "/a", "/Zoë/日本語?q=🏺", "", "x" * 3000, 'buy\x1f{"price": 1.5}', "e\u0301\x00<script>"]
EXTREMES = {
    "stream": [0, 2**32 - 1],
    "sequence": [0, 1, 2**32 - 2],
    "time": [-(2**63), -1, 0, 1_764_000_000_000, 2**63 - 1],
    "kind": [int(kind) for kind in Kind],
    "number": [0, 65535, 65536 * 65535, 2**32 - 1],
}
COLUMNS = ("stream", "sequence", "time", "kind", "text", "number")

START = Position()

Write = tuple[list[Opening], Events]


def events(count: int = 0, first: int = 0) -> Events:
    """Some that follow each other."""
    numbers = np.arange(first, first + count)
    return Events(
        stream=(numbers % 7).astype(np.uint32),
        sequence=numbers.astype(np.uint32),
        time=numbers.astype(np.int64) * 1000 + 1_764_000_000_000,
        kind=(numbers % 5).astype(np.uint8),
        text=(numbers % 3).astype(np.uint32),
        number=(numbers * 17).astype(np.uint32),
        texts=["/", "/a", "/Zoë"] if count else [],
    )


def opening(number: int = 0, **more: Any) -> Opening:
    return Opening(**{"visitor": number.to_bytes(16, "big"), "started": 1_764_000_000_000 + number, **more})


def random_write(chance: random.Random) -> Write:
    """Openings and events, either may be none; every column either ordinary or with its extremes."""
    openings = [
        Opening(
            visitor=chance.randbytes(16),
            started=chance.choice([0, -(2**40), 2**40, chance.randrange(2**53)]),
            context=Context(
                user_agent=chance.choice(TEXTS),
                language="de-CH",
                referrer=chance.choice(TEXTS),
                screen="390x844",
                country=chance.choice(["", "CH", "DE"]),
            ),
            imported=chance.random() < 0.3,
        )
        for _ in range(chance.choice([0, 0, 1, 5]))
    ]
    count = chance.choice([0, 1, 2, 30, 200])
    ordinary = events(count, chance.randrange(10**6))
    columns = {name: getattr(ordinary, name) for name in COLUMNS}
    for name, values in EXTREMES.items():
        if chance.random() < 0.5:
            columns[name] = np.array([chance.choice(values) for _ in range(count)], dtype=columns[name].dtype)
    texts = chance.sample(TEXTS, 3) if count else []
    return openings, Events(**columns, texts=texts)


def random_content(chance: random.Random) -> Write:
    """The same, but never without any openings and events."""
    while True:
        openings, each = random_write(chance)
        if openings or len(each):
            return openings, each


def plain(batch: Batch) -> tuple[Any, ...]:
    """Everything in it, comparable; the type of every column too."""
    columns = [(getattr(batch.events, name).dtype.name, getattr(batch.events, name).tolist()) for name in COLUMNS]
    return (batch.start, batch.openings, columns, batch.events.texts)


def plains(start: Position, writes: list[Write]) -> list[tuple[Any, ...]]:
    """What replay should give for these writes."""
    found = []
    for openings, each in writes:
        batch = Batch(start=start, openings=openings, events=each)
        found.append(plain(batch))
        start = batch.end
    return found


async def replayed(journal: Journal, key: PartitionKey, since: Position = START) -> list[tuple[Any, ...]]:
    return [plain(batch) async for batch in journal.replay(key, since)]
