"""The child of the kill test: appends until it is killed and prints the number of each batch that was acknowledged.

python -m tests.stores.embedded.journal_writer {datalab,hasty} DATA SEED
"""

import asyncio
import random
import sys
from pathlib import Path

from datalab.stores.embedded.journal import EmbeddedJournal
from datalab.stores.journal import PartitionKey
from tests.stores.batches import Write, random_content

KEY = PartitionKey("app", 1)


def write(seed: str, number: int) -> Write:
    """The `number`-th batch of a run; the same for the same seed."""
    return random_content(random.Random(f"{seed}/{number}"))


def report(number: int) -> None:
    print(number, flush=True)


async def main(engine: str, data: Path, seed: str) -> None:
    """Append for ever; the first line, -1, says that the partition is open. `hasty` acknowledges before it writes."""
    journal = EmbeddedJournal(data)
    await journal.open(KEY)
    report(-1)
    for number in range(sys.maxsize):
        if engine == "hasty":
            report(number)
        await journal.append(KEY, *write(seed, number))
        if engine != "hasty":
            report(number)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
