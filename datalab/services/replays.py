"""Replays: archived partitions whose figures are made anew by a child, for whoever looks at them."""

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path

from datalab.aggregate.rules import Rules
from datalab.clock import Clock
from datalab.errors import Underway
from datalab.model.apps import App
from datalab.services.jobs import RETRY_SECONDS, Handle, Jobs
from datalab.stores.embedded.refusals import refusals
from datalab.stores.journal import PartitionKey
from datalab.workers.processes import Processes
from datalab.workers.replay import AskedReplay, Replay

PATIENCE_SECONDS = 2.0
"""Whoever looks waits so long before being told how far it is."""


class Replays:
    """One child for each partition, however many look at it; `snapshots` is where `Aggregation` finds them."""

    def __init__(self, data: Path, snapshots: Path, processes: Processes, jobs: Jobs, clock: Clock) -> None:
        self._data = data
        self._snapshots = snapshots
        self._processes = processes
        self._jobs = jobs
        self._clock = clock
        self._handles: dict[PartitionKey, Handle] = {}
        """Under way, or ended badly a short while ago."""
        self._made: set[PartitionKey] = set()
        """Whose snapshot is right: what a sealed partition's figures depend on changes with a restart at most."""

    async def make(self, app: App, key: PartitionKey, rules: Rules) -> None:
        """Have a right snapshot of a sealed partition.

        Raises Underway, with how far it is, where that takes longer; for a while what kept it from being made; Missing.
        """
        if key in self._made:
            return
        handle = self._handles.get(key)
        if handle is None or (handle.job.ended or self._clock()) < self._clock() - RETRY_SECONDS * 1000:
            title = f"figures of partition {key.number} of {app.full_name}"
            handle = self._jobs.start(app, "replay", title, partial(self._replay, key, rules))
            self._handles[key] = handle
        if not await handle.wait(PATIENCE_SECONDS):
            job = handle.job
            far = f"{job.percent} %" if job.state == "running" else "they wait for their turn"
            raise Underway(f"{job.title} are being made: {far}", retry_after=PATIENCE_SECONDS)
        if handle.refusal is not None:
            raise handle.refusal

    async def forget(self, key: PartitionKey) -> None:
        """A partition is deleted: nothing of it may come back. Raises Unavailable."""
        handle = self._handles.pop(key, None)
        if handle is not None and handle.job.under_way:
            await handle.cancel()
        self._made.discard(key)
        with refusals(f"snapshot {key}"):
            await asyncio.to_thread(self._unfinished(key).unlink, missing_ok=True)

    async def _replay(self, key: PartitionKey, rules: Rules, handle: Handle) -> None:
        path = self._path(key)
        try:
            asked = AskedReplay(str(self._data), key, rules, str(path))
            await self._processes.run(Replay, asked, handle.job.title, handle.told)
        finally:
            with suppress(OSError):
                await asyncio.to_thread(self._unfinished(key).unlink, missing_ok=True)
        # Where the disk did not take the snapshot, the figures are made in this process: rather slow than not at all.
        self._made.add(key)
        self._handles.pop(key, None)

    def _path(self, key: PartitionKey) -> Path:
        return self._snapshots / key.app / f"{key.number}.snapshot"

    def _unfinished(self, key: PartitionKey) -> Path:
        """What `snapshot.write` leaves where it is killed."""
        return self._path(key).with_suffix(".new")
