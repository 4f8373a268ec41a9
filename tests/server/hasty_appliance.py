"""`datalab` that saves its figures all the time onto a slow disk: most moments lie within the writing of a snapshot."""

import os
import time
from collections.abc import Callable, Coroutine
from typing import Any, BinaryIO

from datalab.aggregate import snapshot_file
from datalab.cli import main
from datalab.workers.aggregation import Aggregation
from datalab.workers.runner import Runner

PAUSE_SECONDS = 0.02
PIECE_SECONDS = 0.002
every = Runner.every


async def hasty(runner: Runner, seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    saving = getattr(work, "__func__", None) is Aggregation.save
    await every(runner, PAUSE_SECONDS if saving else seconds, work)


def written_slowly(file: BinaryIO, pieces: list[bytes]) -> int:
    for piece in pieces:
        file.write(piece)
        file.flush()
        time.sleep(PIECE_SECONDS)
    os.fsync(file.fileno())
    return sum(len(piece) for piece in pieces)


Runner.every = hasty  # type: ignore[method-assign, assignment]
snapshot_file.written = written_slowly

if __name__ == "__main__":
    main()
