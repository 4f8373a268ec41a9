"""The journal on disk: `journal/<app>/<number>` and, once archived, `archive/<app>/<number>`."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from datalab.errors import Missing
from datalab.model.events import Batch, Events, Opening, Position
from datalab.stores.embedded.partition_file import PartitionFile, sync_folder, unavailable
from datalab.stores.journal import Damage, PartitionKey

R = TypeVar("R")
WRITERS = 4
"""Threads: partitions wait for the disk side by side."""
FILE = re.compile(r"^([1-9][0-9]*)\.journal$")


class EmbeddedJournal:
    """Implements `datalab.stores.journal.Journal` in a data directory."""

    def __init__(self, data: Path) -> None:
        self._live = data / "journal"
        self._archive = data / "archive"
        self._files: dict[PartitionKey, PartitionFile] = {}
        self._threads = ThreadPoolExecutor(WRITERS, thread_name_prefix="journal")

    async def open(self, partition: PartitionKey) -> Position:
        return await self._on_thread(self._writable(partition).open_for_append)

    async def append(self, partition: PartitionKey, openings: list[Opening], events: Events) -> Batch:
        file = self._writable(partition)
        return await self._on_thread(lambda: file.append(openings, events))

    async def replay(self, partition: PartitionKey, since: Position) -> AsyncIterator[Batch]:
        batches = self._file(partition).replay(since)
        while (batch := await self._on_thread(lambda: next_of(batches))) is not None:
            yield batch

    async def seal(self, partition: PartitionKey) -> None:
        await self._on_thread(self._file(partition).seal)

    async def archive(self, partition: PartitionKey) -> None:
        await self._on_thread(lambda: self._put_aside(partition))

    async def delete(self, partition: PartitionKey) -> None:
        await self._on_thread(lambda: self._delete(partition))

    async def partitions(self) -> list[PartitionKey]:
        return await self._on_thread(self._list)

    async def size(self, partition: PartitionKey) -> int:
        path = self._file(partition).path
        return await self._on_thread(lambda: path.stat().st_size)

    async def verify(self, partition: PartitionKey) -> list[Damage]:
        return await self._on_thread(self._file(partition).verify)

    async def close(self) -> None:
        for file in self._files.values():
            await self._on_thread(file.close)
        self._threads.shutdown()

    async def _on_thread(self, work: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _writable(self, key: PartitionKey) -> PartitionFile:
        if key not in self._files:
            self._files[key] = PartitionFile(key, self._live / key.app / f"{key.number}.journal")
        return self._files[key]

    def _file(self, key: PartitionKey) -> PartitionFile:
        if key in self._files:
            return self._files[key]
        for root in (self._live, self._archive):
            path = root / key.app / f"{key.number}.journal"
            if path.exists():
                return PartitionFile(key, path)
        raise Missing(f"there is no partition {key}")

    def _put_aside(self, key: PartitionKey) -> None:
        file = self._file(key)
        file.seal()
        target = self._archive / key.app / file.path.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            file.path.rename(target)
            for folder in (target.parent, target.parent.parent, file.path.parent):
                sync_folder(folder)
        except OSError as error:
            raise unavailable(error) from error
        self._files.pop(key, None)

    def _delete(self, key: PartitionKey) -> None:
        file = self._file(key)
        file.close()
        self._files.pop(key, None)
        try:
            file.path.unlink()
            sync_folder(file.path.parent)
        except OSError as error:
            raise unavailable(error) from error

    def _list(self) -> list[PartitionKey]:
        return sorted(
            PartitionKey(path.parent.name, int(match[1]))
            for root in (self._live, self._archive)
            for path in root.glob("*/*.journal")
            if (match := FILE.match(path.name))
        )


def next_of(batches: Iterator[Batch]) -> Batch | None:
    """The next batch, None at the end: a StopIteration cannot cross from a thread into a coroutine."""
    return next(batches, None)
