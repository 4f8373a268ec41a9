"""Jobs, as the members of an app see them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from datalab.errors import Failure, Missing, Unavailable
from datalab.model.apps import App
from datalab.model.figures import FunnelFigures
from datalab.model.jobs import Job
from datalab.services import jobs as module
from datalab.services.jobs import KEPT_MS, MAX_ENDED, Handle, Jobs
from datalab.services.tabs import JobMessage, Tab, Tabs
from tests.services.appliance_parts import ADA, BEN, NOW, described

SHOP, OTHER = described("Shop"), described("Other")


class Town:
    """Jobs under a clock that a test moves, and a tab that shows the shop."""

    def __init__(self) -> None:
        self.now = NOW
        self.tabs = Tabs()
        self.jobs = Jobs(self.tabs, lambda: self.now)
        self.tab = self.tabs.enter(ADA, SHOP.id)
        self.open = asyncio.Event()
        """Lets `waiting` end."""

    async def waiting(self, handle: Handle) -> None:
        await self.open.wait()

    def start(self, app: App = SHOP) -> Handle:
        return self.jobs.start(app, "replay", "figures", self.waiting)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    made = Town()
    yield made
    await made.jobs.close()


async def heard(tab: Tab) -> list[Job]:
    """What a tab was told of jobs, once they are silent."""
    await asyncio.sleep(1.2 * module.PAUSE_SECONDS)
    messages = [tab.messages.get_nowait() for _ in range(tab.messages.qsize())]
    return [message.job for message in messages if isinstance(message, JobMessage)]


def figures() -> FunnelFigures:
    return FunnelFigures(
        app="shop.example/Shop", funnel="x", unit="visitors", order="any", from_=None, to=None, visitors=1, stages=[]
    )


async def test_a_job_waits_runs_and_is_done(town: Town) -> None:
    steps = asyncio.Queue[tuple[int, int]]()

    async def work(handle: Handle) -> FunnelFigures:
        while (step := await steps.get()) != (0, 0):
            handle.told(*step)
        return figures()

    handle = town.jobs.start(SHOP, "what-if", "a funnel", work)
    job = town.jobs.get(SHOP.id, handle.job.id)
    assert (job.state, job.done, job.total, job.kind, job.title) == ("waiting", 0, None, "what-if", "a funnel")
    steps.put_nowait((3, 10))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    job = town.jobs.get(SHOP.id, handle.job.id)
    assert (job.state, job.done, job.total, job.percent, job.result) == ("running", 3, 10, 30, None)
    assert not await handle.wait(0)
    town.now += 5
    steps.put_nowait((0, 0))
    assert await handle.wait()
    job = town.jobs.get(SHOP.id, handle.job.id)
    assert (job.state, job.started, job.ended, job.result) == ("done", NOW, NOW + 5, figures())
    assert [listed.result for listed in town.jobs.of(SHOP.id)] == [None], "results are for whoever asks for one"


async def test_a_job_that_is_refused_or_fails(town: Town) -> None:
    async def refused(handle: Handle) -> None:
        raise Missing("there is no such partition")

    async def failing(handle: Handle) -> None:
        raise ZeroDivisionError

    first, second = (town.jobs.start(SHOP, "replay", "figures", work) for work in (refused, failing))
    assert await first.wait()
    assert await second.wait()
    assert (first.job.state, first.job.detail) == ("failed", "there is no such partition")
    assert isinstance(first.refusal, Missing)
    assert (second.job.state, type(second.refusal)) == ("failed", Failure)
    assert "ZeroDivisionError" not in second.job.detail
    assert [job.id for job in town.jobs.of(SHOP.id)] == [second.job.id, first.job.id], "newest first"


@pytest.mark.parametrize("began", [True, False])
async def test_cancelling(town: Town, *, began: bool) -> None:
    handle = town.start()
    if began:
        await asyncio.sleep(0)
    assert (await town.jobs.cancel(SHOP.id, handle.job.id)).state == "cancelled"
    assert await handle.wait(0)
    assert isinstance(handle.refusal, Unavailable)
    handle.told(1, 2)
    assert (await town.jobs.cancel(SHOP.id, handle.job.id)).state == "cancelled", "a second time changes nothing"


async def test_a_job_that_is_done_cannot_be_cancelled(town: Town) -> None:
    handle = town.start()
    town.open.set()
    await handle.wait()
    assert (await town.jobs.cancel(SHOP.id, handle.job.id)).state == "done"


async def test_jobs_of_another_app_are_not_there(town: Town) -> None:
    handle = town.start(OTHER)
    assert town.jobs.of(SHOP.id) == []
    for ask in (lambda: town.jobs.get(SHOP.id, handle.job.id), lambda: town.jobs.get(SHOP.id, "nothing")):
        with pytest.raises(Missing):
            ask()
    with pytest.raises(Missing):
        await town.jobs.cancel(SHOP.id, handle.job.id)
    assert handle.job.under_way


async def test_ended_jobs_are_forgotten_after_a_while_and_when_there_are_many(town: Town) -> None:
    town.open.set()
    first, others = town.start(), [town.start() for _ in range(MAX_ENDED)]
    for handle in (first, *others):
        await handle.wait()
    town.open.clear()
    running = town.start()
    assert [job.id for job in town.jobs.of(SHOP.id)] == [running.job.id, *(each.job.id for each in others[::-1])]
    town.now += KEPT_MS
    assert len(town.jobs.of(SHOP.id)) == MAX_ENDED + 1
    town.now += 1
    assert [job.id for job in town.jobs.of(SHOP.id)] == [running.job.id], "what runs stays"


async def test_open_tabs_of_the_app_hear_of_it_now_and_then_and_of_the_end(town: Town) -> None:
    elsewhere = town.tabs.enter(BEN, OTHER.id)
    handle = town.start()
    for done in range(1000):
        handle.told(done, 1000)
    jobs = await heard(town.tab)
    assert [(job.state, job.done) for job in jobs] == [("running", 999)]
    for done in range(1000):
        handle.told(done, 1000)
    town.open.set()
    await handle.wait()
    assert [(job.state, job.done) for job in await heard(town.tab)] == [("done", 1000)]
    assert await heard(town.tab) == []
    assert await heard(elsewhere) == []


async def test_an_app_that_is_deleted_takes_its_jobs_along(town: Town) -> None:
    mine, other = town.start(), town.start(OTHER)
    await town.jobs.follow(SHOP, SHOP)
    assert mine.job.under_way
    await town.jobs.follow(SHOP, None)
    assert (mine.job.state, other.job.state) == ("cancelled", "waiting")
    assert town.jobs.of(SHOP.id) == []
