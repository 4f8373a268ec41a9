"""The journal on disk: `journal/<app>/<number>.journal` and, once archived, `archive/<app>/<number>.journal`."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from datalab.errors import Missing, Unavailable
from datalab.model.events import Batch, Events, Opening, Position
from datalab.stores.embedded.partition_file import PartitionFile, sync
from datalab.stores.embedded.refusals import refusals
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
        self._closed = False
        self._threads = ThreadPoolExecutor(WRITERS, thread_name_prefix="journal")

    async def open(self, partition: PartitionKey) -> Position:
        return await self._on_thread(lambda: self._writable(partition, new=True).open_for_append())

    async def append(self, partition: PartitionKey, openings: list[Opening], events: Events) -> Batch:
        return await self._on_thread(lambda: self._writable(partition, new=False).append(openings, events))

    async def replay(self, partition: PartitionKey, since: Position) -> AsyncIterator[Batch]:
        batches = await self._on_thread(lambda: self._file(partition).replay(since))
        while (batch := await self._on_thread(lambda: next_of(batches))) is not None:
            yield batch

    async def seal(self, partition: PartitionKey) -> None:
        await self._on_thread(lambda: self._file(partition).seal())

    async def archive(self, partition: PartitionKey) -> None:
        await self._on_thread(lambda: self._put_aside(partition))

    async def delete(self, partition: PartitionKey) -> None:
        await self._on_thread(lambda: self._delete(partition))

    async def partitions(self) -> list[PartitionKey]:
        return await self._on_thread(self._list)

    async def size(self, partition: PartitionKey) -> int:
        return await self._on_thread(lambda: self._file(partition).size())

    async def verify(self, partition: PartitionKey) -> list[Damage]:
        return await self._on_thread(lambda: self._file(partition).verify())

    async def close(self) -> None:
        if not self._closed:
            for file in list(self._files.values()):
                await self._on_thread(file.close)
            self._closed = True
            self._threads.shutdown()

    async def _on_thread(self, work: Callable[[], R]) -> R:
        if self._closed:
            raise Unavailable("the journal is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _path(self, key: PartitionKey) -> Path | None:
        """Where the partition is, None where there is none."""
        paths = (root / key.app / f"{key.number}.journal" for root in (self._live, self._archive))
        with refusals(f"journal {key}"):
            return next((path for path in paths if path.exists()), None)

    def _writable(self, key: PartitionKey, *, new: bool) -> PartitionFile:
        path = self._path(key)
        if path is None and not new:
            raise Missing(f"there is no partition {key}")
        path = path or self._live / key.app / f"{key.number}.journal"
        return self._files.setdefault(key, PartitionFile(key, path))

    def _file(self, key: PartitionKey) -> PartitionFile:
        path = self._path(key)
        if path is None:
            raise Missing(f"there is no partition {key}")
        return self._files.get(key) or PartitionFile(key, path)

    def _put_aside(self, key: PartitionKey) -> None:
        file = self._file(key)
        if self._archive in file.path.parents:
            return
        file.seal()
        with refusals(file.name):
            target = self._archive / key.app / file.path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            file.path.rename(target)
            for folder in (*list(target.parents)[:3], file.path.parent):
                sync(folder)
        self._files.pop(key, None)

    def _delete(self, key: PartitionKey) -> None:
        file = self._file(key)
        file.close()
        with refusals(file.name):
            file.path.unlink()
            sync(file.path.parent)
        self._files.pop(key, None)

    def _list(self) -> list[PartitionKey]:
        return sorted(
            PartitionKey(path.parent.name, int(match[1]))
            for root in (self._live, self._archive)
            for path in root.glob("*/*.journal")
            if (match := FILE.match(path.name))
        )


def file_of(data: Path, partition: PartitionKey) -> PartitionFile:
    """A partition's file in a data directory, for another process that only reads it. Raises Missing, Unavailable."""
    return EmbeddedJournal(data)._file(partition)


def next_of(batches: Iterator[Batch]) -> Batch | None:
    """The next batch, None at the end: a StopIteration cannot cross from a thread into a coroutine."""
    return next(batches, None)
