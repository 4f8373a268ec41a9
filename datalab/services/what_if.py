"""What-if funnels: how many would have got through stages that nobody configured."""

from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from datalab.aggregate.candidates import known
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.errors import TooMany
from datalab.model.apps import App
from datalab.model.configuration import Funnel
from datalab.model.figures import FunnelFigures
from datalab.model.jobs import Job
from datalab.model.ranges import Range
from datalab.model.segments import EVERYBODY, Segment
from datalab.services.configurations import Configurations
from datalab.services.jobs import Handle, Jobs
from datalab.services.partitions import Partitions, key_of
from datalab.workers.aggregation import Aggregation
from datalab.workers.processes import Processes
from datalab.workers.what_if import AskedWhatIf, WhatIf

Unit = Literal["visitors", "sessions"]
Order = Literal["ordered", "any"]
KEPT_ANSWERS = 64
MAX_JOBS = 4
"""What-if funnels of one app that may be under way."""
PATIENCE_SECONDS = 1.0
"""Whoever asks waits so long before being told how far it is."""
RETRY_SECONDS = 10.0


class Candidate(NamedTuple):
    """A funnel that nobody configured, and what is asked of it."""

    funnel: Funnel
    range: Range = Range()
    unit: Unit = "visitors"
    order: Order = "ordered"
    segment: Segment = EVERYBODY


class WhatIfs:
    """Each is made by a child from the journal; the same one is made once until the next event of its partition."""

    def __init__(
        self,
        data: Path,
        configurations: Configurations,
        partitions: Partitions,
        aggregation: Aggregation,
        processes: Processes,
        jobs: Jobs,
    ) -> None:
        self._data = data
        self._configurations = configurations
        self._partitions = partitions
        self._aggregation = aggregation
        self._processes = processes
        self._jobs = jobs
        self._answers: dict[bytes, FunnelFigures] = {}
        self._handles: dict[bytes, Handle] = {}

    async def ask(self, app: App, candidate: Candidate, patience: float | None = None) -> FunnelFigures | Job:
        """The figures where they are known or quickly made, else the job that makes them.

        Raises Invalid for a funnel that could not be configured either, Underway while the figures of a sealed
        partition are made anew, TooMany, and what kept it from being made.
        """
        await self._configurations.check([candidate.funnel])
        rules, unit = self._partitions.rules(app), candidate.unit
        question = Question(app=app.full_name, range=candidate.range, zone=app.time_zone, segment=candidate.segment)
        tell = partial(known, question=question, unit=unit)
        if await self._partitions.readable(app):
            found = await self._aggregation.ask(key_of(app), tell)
        else:
            found = tell(PartitionAggregate(rules))
        asked = AskedWhatIf(
            data=str(self._data),
            partition=key_of(app),
            rules=rules,
            funnel=candidate.funnel,
            question=question,
            unit=unit,
            order=candidate.order,
            known=found,
        )
        name = msgspec.json.encode((asked.partition, rules.fingerprint(), found.position, candidate))
        if (kept := self._answers.get(name)) is not None:
            return kept
        handle = self._handles.get(name)
        if handle is None or not handle.job.under_way:
            handle = self._start(app, name, asked)
        if not await handle.wait(PATIENCE_SECONDS if patience is None else patience):
            return handle.job
        if handle.refusal is not None:
            raise handle.refusal
        assert handle.job.result is not None  # noqa: S101  (it is done)
        return handle.job.result

    def _start(self, app: App, name: bytes, asked: AskedWhatIf) -> Handle:
        mine = [job for job in self._jobs.of(app.id) if job.kind == "what-if" and job.under_way]
        if len(mine) >= MAX_JOBS:
            raise TooMany(
                f"{MAX_JOBS} what-if funnels of {app.full_name} are under way; cancel one or wait",
                retry_after=RETRY_SECONDS,
            )

        async def work(handle: Handle) -> FunnelFigures:
            figures = await self._processes.run(WhatIf, asked, handle.job.title, handle.told)
            self._answers[name] = figures
            if len(self._answers) > KEPT_ANSWERS:
                del self._answers[next(iter(self._answers))]
            return figures

        self._handles = {name: handle for name, handle in self._handles.items() if handle.job.under_way}
        handle = self._handles[name] = self._jobs.start(app, "what-if", f"what-if funnel {asked.funnel.name}", work)
        return handle
