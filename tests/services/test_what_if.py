"""What-if funnels: the figures of stages that nobody configured, made by a child process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from datalab.aggregate import funnel as funnel_of
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.errors import Invalid, TooMany, Unavailable
from datalab.model.apps import App
from datalab.model.configuration import Configuration, Funnel, Stage
from datalab.model.events import Position
from datalab.model.figures import FunnelFigures
from datalab.model.jobs import Job
from datalab.model.permissions import Actor
from datalab.model.ranges import Range
from datalab.model.segments import Filter, Segment
from datalab.services import what_if as module
from datalab.services.configurations import Configurations
from datalab.services.partitions import key_of
from datalab.services.what_if import MAX_JOBS, Candidate, WhatIfs
from datalab.workers.expressions import check_expressions
from tests.services.appliance_parts import ADA, NOW, Parts, described, running, views, visit

HOME = Stage(name="Home", url="/")
HOME_AGAIN = Stage(name="Home again", url="/")
FUNNEL = Funnel(name="What if", stage=[HOME, Stage(name="Thanks", glob="/thanks*")])
SLOW = """
import time
from datalab.workers import what_if

class WhatIf(what_if.WhatIf):
    def answer(self, asked, told):
        told(1, 4)
        time.sleep(600)
"""


class Place:
    """An app that collects, and its what-if funnels."""

    def __init__(self, parts: Parts, app: App) -> None:
        self.parts = parts
        self.app = app
        configurations = Configurations(parts.changes, parts.directory, parts.partitions, check_expressions)
        self.what_ifs = WhatIfs(
            parts.data, configurations, parts.partitions, parts.aggregation, parts.processes, parts.jobs
        )

    async def ask(self, candidate: Candidate, app: App | None = None) -> FunnelFigures:
        """However long it takes."""
        answer = await self.what_ifs.ask(app or self.app, candidate, patience=60)
        assert isinstance(answer, FunnelFigures)
        return answer

    async def collect(self, count: int, number: int) -> None:
        """More page views of another visitor."""
        intake = await self.parts.partitions.intake(self.app)
        await intake.store([visit(number)], views(count))
        await self.parts.partitions.settled(self.app)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "data").mkdir()
    async with running(tmp_path / "data") as parts:
        new = described("Shop", configuration=Configuration(funnel=[Funnel(name="Purchase", stage=[HOME])]))
        yield Place(parts, await parts.collected(await parts.apps.add(Actor(ADA), new), 3))


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What-if funnels take for ever."""
    (tmp_path / "slow_what_if.py").write_text(SLOW)
    monkeypatch.syspath_prepend(str(tmp_path))
    import slow_what_if

    monkeypatch.setattr(module, "WhatIf", slow_what_if.WhatIf)


def in_process(aggregate: PartitionAggregate, app: App, candidate: Candidate) -> FunnelFigures:
    """The same of figures that were made under the candidate as a configured funnel."""
    question = Question(app=app.full_name, range=candidate.range, zone=app.time_zone, segment=candidate.segment)
    return funnel_of.funnel(aggregate, question, 0, candidate.unit, candidate.order)


async def configured(place: Place, candidate: Candidate, app: App) -> FunnelFigures:
    """What a configured funnel of these stages would have shown."""
    rules = place.parts.partitions.rules(replace(app, configuration=Configuration(funnel=[candidate.funnel])))
    aggregate = PartitionAggregate(rules)
    async for batch in place.parts.journal.replay(key_of(app), Position()):
        aggregate.take(batch)
    return in_process(aggregate, app, candidate)


@pytest.mark.parametrize("unit", ["visitors", "sessions"])
@pytest.mark.parametrize("order", ["ordered", "any"])
async def test_figures_are_those_of_a_configured_funnel(place: Place, unit: Any, order: Any) -> None:
    await place.collect(4, 2)
    for range in (Range(), Range(NOW, NOW + 1), Range(NOW + 1, None)):
        candidate = Candidate(FUNNEL, range, unit, order)
        found = await place.ask(candidate)
        assert found == await configured(place, candidate, place.app)
        assert (found.funnel, found.app) == ("What if", "shop.example/Shop")
    assert (found.visitors, [stage.reached for stage in found.stages]) == (2, [2, 0])


async def test_of_an_archived_partition(place: Place) -> None:
    app = await place.parts.unlocked(place.app)
    app = await place.parts.collected(app, 9)
    was = await place.parts.archive.as_it_was(app, 1)
    candidate = Candidate(FUNNEL)
    assert await place.ask(candidate, was) == await configured(place, candidate, was)


async def test_of_an_app_without_a_partition(place: Place) -> None:
    empty = await place.parts.apps.add(Actor(ADA), described("Empty"))
    assert (await place.ask(Candidate(FUNNEL), empty)).visitors == 0


async def test_an_answer_is_kept_until_the_next_event(place: Place) -> None:
    candidate = Candidate(FUNNEL)
    first = await place.ask(candidate)
    assert await place.ask(candidate) is first
    assert len(place.parts.jobs.of(place.app.id)) == 1
    other = Candidate(Funnel(name="What if", stage=[HOME]))
    assert len((await place.ask(other)).stages) == 1
    await place.collect(1, 2)
    assert (await place.ask(candidate)).visitors == 2
    assert [job.state for job in place.parts.jobs.of(place.app.id)] == ["done"] * 3


async def test_who_asks_the_same_waits_for_one_child(place: Place) -> None:
    answers = await asyncio.gather(*(place.ask(Candidate(FUNNEL)) for _ in range(20)))
    assert len(place.parts.jobs.of(place.app.id)) == 1
    assert all(answer is answers[0] for answer in answers)


async def test_a_configured_funnel_of_the_same_name_is_another(place: Place) -> None:
    named = Funnel(name="Purchase", stage=[HOME, HOME_AGAIN])
    found = await place.ask(Candidate(named))
    assert (found.funnel, len(found.stages)) == ("Purchase", 2)
    elsewhere = Funnel(name="Purchase", stage=[Stage(name="Nowhere", url="/nowhere")])
    for operator, visitors in (("is", 1), ("is not", 0)):
        segment = Segment((Filter("stage", operator, "1 of Purchase"),))
        found = await place.ask(Candidate(elsewhere, segment=segment))
        assert (found.funnel, found.visitors, found.stages[0].reached) == ("Purchase", visitors, 0)


@pytest.mark.usefixtures("slow")
async def test_what_takes_long_is_a_job_that_can_be_cancelled(place: Place) -> None:
    job = await place.what_ifs.ask(place.app, Candidate(FUNNEL), patience=0.01)
    assert isinstance(job, Job)
    assert (job.kind, job.title) == ("what-if", "what-if funnel What if")
    again = await place.what_ifs.ask(place.app, Candidate(FUNNEL), patience=0.01)
    assert isinstance(again, Job)
    assert again.id == job.id
    waiting = asyncio.ensure_future(place.ask(Candidate(FUNNEL)))
    await asyncio.sleep(0)
    assert (await place.parts.jobs.cancel(place.app.id, job.id)).state == "cancelled"
    with pytest.raises(Unavailable, match="was cancelled"):
        await waiting
    anew = await place.what_ifs.ask(place.app, Candidate(FUNNEL), patience=0.01)
    assert isinstance(anew, Job)
    assert anew.id != job.id


@pytest.mark.usefixtures("slow")
async def test_an_app_has_few_under_way(place: Place) -> None:
    def candidate(number: int) -> Candidate:
        return Candidate(Funnel(name=f"f{number}", stage=[HOME]))

    for number in range(MAX_JOBS):
        await place.what_ifs.ask(place.app, candidate(number), patience=0)
    with pytest.raises(TooMany, match="4 what-if funnels of shop.example/Shop are under way"):
        await place.what_ifs.ask(place.app, candidate(MAX_JOBS), patience=0)
    assert isinstance(await place.what_ifs.ask(place.app, candidate(0), patience=0), Job)


async def test_what_could_not_be_configured_is_refused(place: Place) -> None:
    bad = Funnel(name="x", stage=[Stage(name="bad", regex="(a|aa)+$")])
    with pytest.raises(Invalid, match="stage 'bad': regex"):
        await place.ask(Candidate(bad))
    assert place.parts.jobs.of(place.app.id) == []
