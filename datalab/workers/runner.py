"""The runner of named tasks: each is started once, watched, and stopped with the appliance."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)

RESTART_SECONDS = 1.0


class Runner:
    """A task that fails is logged and started again; one that returns is done."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failures: dict[str, str] = {}
        """The last failure of each task that ever failed: its health line."""

    def start(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start a named task; raises ValueError where one of this name runs."""
        if name in self._tasks and not self._tasks[name].done():
            raise ValueError(f"a task named {name} runs already")
        self._tasks[name] = asyncio.create_task(self._keep(name, work), name=name)

    async def every(self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do work again and again, with a pause between."""
        while True:
            await asyncio.sleep(seconds)
            await work()

    async def join(self, name: str) -> None:
        """Wait until a task has ended."""
        if name in self._tasks:
            await asyncio.wait([self._tasks[name]])

    async def stop(self) -> None:
        """End all tasks."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await work()
            except Exception as failure:
                self.failures[name] = repr(failure)
                log.exception("task %s failed; it starts again", name)
                await asyncio.sleep(RESTART_SECONDS)
            else:
                return
