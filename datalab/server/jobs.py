"""Jobs on an app's page: the card that shows them, and the form that cancels one."""

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from datalab.errors import Unauthenticated
from datalab.model.jobs import Job
from datalab.model.permissions import Action, Actor
from datalab.server.context import PERSON, SERVICES

STATES = {"waiting": "waits for its turn", "done": "done", "cancelled": "cancelled"}
MAX_SHOWN = 10


class JobRow(Struct, frozen=True):
    """One job."""

    id: str
    title: str
    state: str
    note: str
    """How far it is, or why it failed."""
    percent: int | None
    """None where that is not known, and after its end."""
    under_way: bool


class JobsCard(Struct, frozen=True):
    """What is under way, and what failed lately."""

    rows: list[JobRow]
    path: str
    """Forms are posted to `path/<job>/cancel`; whoever reads an app may do that."""
    blank: JobRow
    """Stands for a job that begins while the page is open."""


BLANK = JobRow(id="", title="", state="waiting", note="", percent=None, under_way=True)


def jobs_card(jobs: Sequence[Job], path: str) -> JobsCard:
    """Of jobs in their order."""
    shown = [job for job in jobs if job.under_way or job.state == "failed"][:MAX_SHOWN]
    return JobsCard([job_row(job) for job in shown], f"{path}/jobs", BLANK)


def job_row(job: Job) -> JobRow:
    """One job."""
    known = job.under_way and job.total is not None
    note = STATES.get(job.state) or job.detail
    if job.state == "running":
        note = " · ".join([f"{job.percent} %"] * known + [job.detail] * bool(job.detail)) or "under way"
    return JobRow(job.id, job.title, job.state, note, job.percent if known else None, job.under_way)


async def cancel(request: web.Request) -> web.Response:
    """`POST /apps/{app}/jobs/{job}/cancel`: cancels it and shows the app again. Raises Missing, Forbidden."""
    person = request[PERSON]
    if person is None:
        raise Unauthenticated("nobody is logged in; log in and try again")
    services = request.app[SERVICES]
    app = services.directory.find(Actor(person), request.match_info["app"], Action.CONFIGURE)
    await services.jobs.cancel(app.id, request.match_info["job"])
    return web.Response(status=303, headers={"Location": f"/apps/{app.id}"})
