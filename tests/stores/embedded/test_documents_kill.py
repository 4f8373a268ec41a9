"""A process that writes documents is killed at a random moment, again and again: nothing acknowledged is lost.

The reference is the in-memory store, given the same writes. What the child was doing when it was killed may be there
as a whole or not at all. The same test on mongita's own disk engine finds faults, so it can.
"""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

from mongita import MongitaClientDisk

from datalab.stores.documents import Collections
from datalab.stores.embedded.documents import DATABASE, EmbeddedCollections, EmbeddedDocuments
from datalab.stores.memory.documents import MemoryDocuments
from tests.stores.embedded import documents_writer
from tests.stores.embedded.documents_writer import write
from tests.stores.embedded.killing import kill_a_writer

SEED = 42_071
ROUNDS = 50
ROUNDS_OF_MONGITA = 20
ENOUGH_FAULTS = 3

Contents = dict[tuple[str, str], Any]


def contents(collections: Collections) -> Contents:
    """Every document by collection and id."""
    found: Contents = {}
    for name in ("organisations", "users", "logins", "apps"):
        found.update({(name, each.id): each for each in getattr(collections, name).where()})
    return found


def difference(found: Contents, expected: Contents) -> str:
    keys = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
    return f"{len(keys)} documents differ from what was acknowledged, the first is {keys[0]}"


async def fault(reference: MemoryDocuments, found: Contents, seed: str, acknowledged: int) -> str | None:
    """What is wrong with the store after the writer's end, and bring the reference to where the writer came."""
    for number in range(acknowledged):
        await reference.run(write(seed, number))
    expected = await reference.run(contents)
    if found == expected:
        return None
    await reference.run(write(seed, acknowledged))
    return None if found == await reference.run(contents) else difference(found, expected)


async def test_nothing_acknowledged_is_lost_or_torn(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    chance = random.Random(SEED)
    reference = MemoryDocuments()
    acknowledged = documents_read = 0
    for number in range(ROUNDS):
        seed = f"{SEED}-{number}"
        writes = await asyncio.to_thread(
            kill_a_writer, documents_writer, "datalab", path, seed, chance.uniform(0, 0.15)
        )
        documents = await EmbeddedDocuments.open(path)
        found = await documents.run(contents)
        assert await documents.verify() == []
        assert await documents.run(indexed) == [each for key, each in found.items() if key[0] == "users"]
        await documents.close()

        assert marks(found, "organisations") == marks(found, "apps"), f"half a transaction, round {number}, seed {seed}"
        assert await fault(reference, found, seed, writes) is None, f"round {number}, seed {seed}, {writes} writes"
        acknowledged += writes
        documents_read += len(found)
    print(f"seed {SEED}: {ROUNDS} kills, {acknowledged} acknowledged writes, {documents_read} documents read, 0 faults")
    assert acknowledged > ROUNDS


def marks(found: Contents, collection: str) -> dict[str, int]:
    return {id: each.created for (name, id), each in found.items() if name == collection}


def indexed(collections: Collections) -> list[Any]:
    found = [each for number in range(9) for each in collections.users.where(organisation=f"organisation-{number}")]
    return sorted(found, key=lambda each: each.id)


async def test_the_kill_test_finds_the_faults_of_mongitas_own_engine(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    faults: Counter[str] = Counter()
    rounds = 0
    while faults.total() < ENOUGH_FAULTS and rounds < ROUNDS_OF_MONGITA:
        seed, path = f"{SEED}-{rounds}", tmp_path / str(rounds)
        rounds += 1
        writes = await asyncio.to_thread(
            kill_a_writer, documents_writer, "mongita", path, seed, chance.uniform(0, 0.15)
        )
        client = MongitaClientDisk(str(path))
        try:
            found = contents(EmbeddedCollections(client[DATABASE]))
        except Exception as error:
            faults[f"unreadable: {type(error).__name__}"] += 1
            continue
        finally:
            client.close()
        if (wrong := await fault(MemoryDocuments(), found, seed, writes)) is not None:
            faults["lost or torn"] += 1
            print(wrong)
    print(f"seed {SEED}: {rounds} kills of mongita's own engine, faults: {dict(faults)}")
    assert faults.total() >= 1
