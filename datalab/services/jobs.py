"""Jobs under way, as the members of an app see them: how far each is, how it ended, and the way to cancel it.

Kept in memory: a restart ends them all, and whatever is still wanted is asked for anew.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from msgspec.structs import replace

from datalab.clock import Clock
from datalab.errors import Failure, Missing, Refusal, Unavailable
from datalab.model.apps import App
from datalab.model.figures import FunnelFigures
from datalab.model.jobs import Job, JobKind, JobState
from datalab.services.tabs import JobMessage, Tabs

log = logging.getLogger(__name__)

KEPT_MS = 600_000
"""How long a job can be looked at after its end."""
MAX_ENDED = 200
"""Of all apps; the oldest go first."""
PAUSE_SECONDS = 0.5
"""Between two messages of one job to open tabs."""
RETRY_SECONDS = 10.0

Work = Callable[["Handle"], Awaitable[FunnelFigures | None]]


class Handle:
    """A job, for whoever does its work: `job` is how it stands."""

    def __init__(self, job: Job, tabs: Tabs, clock: Clock, cancel: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.job = job
        self.refusal: Refusal | None = None
        """Why there is no result, once it failed or was cancelled."""
        self.cancel = cancel
        """Stops the work; the job has ended when this returns."""
        self._tabs = tabs
        self._clock = clock
        self._ended = asyncio.Event()
        self._told_at = float("-inf")
        self._telling: asyncio.TimerHandle | None = None
        self._changed()

    def told(self, done: int, total: int | None, detail: str | None = None) -> None:
        """The work goes on: so much of so much is done."""
        if self.job.under_way:
            detail = self.job.detail if detail is None else detail
            self.job = replace(self.job, state="running", done=done, total=total, detail=detail)
            self._changed()

    def end(self, state: JobState, detail: str = "", result: FunnelFigures | None = None) -> None:
        """The work is over; a second end is none."""
        if not self.job.under_way:
            return
        if state != "done":
            self.refusal = self.refusal or Unavailable(detail, retry_after=RETRY_SECONDS)
        done = self.job.total if state == "done" and self.job.total else self.job.done
        self.job = replace(self.job, state=state, done=done, detail=detail, result=result, ended=self._clock())
        self._ended.set()
        self._changed()

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so long; whether it has ended."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            pass
        return not self.job.under_way

    def _changed(self) -> None:
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_at(max(loop.time(), self._told_at + PAUSE_SECONDS), self._tell)

    def _tell(self) -> None:
        self._telling = None
        self._told_at = asyncio.get_running_loop().time()
        self._tabs.tell_watchers_of(self.job.app, JobMessage(replace(self.job, result=None)))


class Jobs:
    """All jobs, oldest first."""

    def __init__(self, tabs: Tabs, clock: Clock) -> None:
        self._tabs = tabs
        self._clock = clock
        self._handles: dict[str, Handle] = {}

    def of(self, app: str) -> list[Job]:
        """An app's jobs, newest first, without their results."""
        self._forget_ended()
        return [replace(handle.job, result=None) for handle in self._of(app)][::-1]

    def get(self, app: str, id: str) -> Job:
        """Raises Missing."""
        return self._find(app, id).job

    async def cancel(self, app: str, id: str) -> Job:
        """Stop a job; one that has ended stays as it is. Raises Missing."""
        handle = self._find(app, id)
        if handle.job.under_way:
            await handle.cancel()
        return handle.job

    def begin(self, app: App, kind: JobKind, title: str, cancel: Callable[[], Coroutine[Any, Any, None]]) -> Handle:
        """Show a job whose work somebody else does, who ends it."""
        self._forget_ended()
        job = Job(id=secrets.token_hex(8), app=app.id, kind=kind, title=title, started=self._clock())
        handle = self._handles[job.id] = Handle(job, self._tabs, self._clock, cancel)
        return handle

    def start(self, app: App, kind: JobKind, title: str, work: Work) -> Handle:
        """Do work as a job: what it returns is the result, what it raises the reason of its failure."""

        async def stop() -> None:
            task.cancel()
            await asyncio.wait([task])

        handle = self.begin(app, kind, title, stop)
        task = asyncio.create_task(self._run(handle, work), name=f"{kind} {handle.job.id}")
        # One that is cancelled before it ever ran has not ended its job.
        task.add_done_callback(lambda _: handle.end("cancelled", f"{title}: this was cancelled"))
        return handle

    async def follow(self, old: App | None, new: App | None) -> None:
        """A watcher of the directory: nobody can see the jobs of an app that is gone."""
        if old is not None and new is None:
            for handle in self._of(old.id):
                if handle.job.under_way:
                    await handle.cancel()
                del self._handles[handle.job.id]

    async def close(self) -> None:
        """Cancel all."""
        for handle in list(self._handles.values()):
            if handle.job.under_way:
                await handle.cancel()

    async def _run(self, handle: Handle, work: Work) -> None:
        title = handle.job.title
        try:
            handle.end("done", result=await work(handle))
        except Refusal as refusal:
            handle.refusal = refusal
            handle.end("failed", refusal.detail)
        except Exception:
            log.exception("%s failed", title)
            handle.refusal = Failure(f"{title}: the appliance made a mistake; its log says more")
            handle.end("failed", handle.refusal.detail)

    def _of(self, app: str) -> list[Handle]:
        return [handle for handle in self._handles.values() if handle.job.app == app]

    def _find(self, app: str, id: str) -> Handle:
        self._forget_ended()
        handle = self._handles.get(id)
        if handle is None or handle.job.app != app:
            raise Missing("there is no such job; those that have ended are forgotten after a while")
        return handle

    def _forget_ended(self) -> None:
        oldest = self._clock() - KEPT_MS
        ended = [handle.job for handle in self._handles.values() if handle.job.ended is not None]
        for number, job in enumerate(reversed(ended)):
            if number >= MAX_ENDED or (job.ended or 0) < oldest:
                del self._handles[job.id]
