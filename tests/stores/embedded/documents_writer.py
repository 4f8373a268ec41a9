"""The child of the kill test: writes until it is killed and prints the number of each write that was acknowledged.

python -m tests.stores.embedded.documents_writer {datalab,mongita} PATH SEED
"""

import asyncio
import random
import sys
from collections.abc import Callable
from pathlib import Path

from mongita import MongitaClientDisk

from datalab.model.accounts import Organisation, User
from datalab.model.apps import App
from datalab.stores.documents import Collections
from datalab.stores.embedded.documents import DATABASE, EmbeddedCollections, EmbeddedDocuments

USERS = 200
PAIRS = 60


def write(seed: str, number: int) -> Callable[[Collections], None]:
    """The `number`-th write of a run: one user, or an app and its organisation together. The same for the same seed."""
    chance = random.Random(f"{seed}/{number}")
    remove, pair = chance.random() < 0.15, chance.random() < 0.5
    mark = number + 1_000_000 * chance.randrange(1_000_000)
    text = f"Zoë {mark} 日本 " * chance.choice([1, 30, 1000])

    def write_user(collections: Collections) -> None:
        user = User(
            id=f"user-{chance.randrange(USERS):03}",
            username="Zoë",
            organisation=f"organisation-{chance.randrange(9)}",
            password_hash=text,
            created=mark,
        )
        if collections.users.get(user.id) is None:
            collections.users.add(user)
        elif remove:
            collections.users.remove(user.id)
        else:
            collections.users.replace(user)

    def write_pair(collections: Collections) -> None:
        id = f"pair-{chance.randrange(PAIRS):02}"
        organisation = Organisation(id=id, created=mark)
        app = App(id=id, organisation=id, name=id, owner="Zoë", origins=[], created=mark, description=text)
        if collections.organisations.get(id) is None:
            collections.organisations.add(organisation)
            collections.apps.add(app)
        elif remove:
            collections.apps.remove(id)
            collections.organisations.remove(id)
        else:
            collections.apps.replace(app)
            collections.organisations.replace(organisation)

    return write_pair if pair else write_user


def report(number: int) -> None:
    print(number, flush=True)


async def main(engine: str, path: Path, seed: str) -> None:
    """Write for ever; the first line, -1, says that the store is open."""
    if engine == "mongita":
        collections = EmbeddedCollections(MongitaClientDisk(str(path))[DATABASE])
        report(-1)
        for number in range(sys.maxsize):
            write(seed, number)(collections)
            report(number)
    documents = await EmbeddedDocuments.open(path)
    report(-1)
    for number in range(sys.maxsize):
        await documents.run(write(seed, number))
        report(number)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
