"""Jobs of an app, and what-if funnels, which may become one."""

from typing import Annotated

from msgspec import Meta, Struct

from datalab.model.configuration import Funnel
from datalab.model.figures import FunnelFigures
from datalab.model.jobs import Job
from datalab.operations.apps import FullName
from datalab.operations.reports import Report
from datalab.services.services import Services
from datalab.services.what_if import Candidate, Order, Unit

JobId = Annotated[str, Meta(max_length=64)]


class AskWhatIf(Report, frozen=True, tag=True, kw_only=True):
    """The figures of a funnel that nobody configured."""

    funnel: Funnel
    unit: Unit = "visitors"
    order: Order = "ordered"


class WhatIfAnswer(Struct, frozen=True):
    """The figures, or where they take a while the job that makes them: see `ShowJob`."""

    figures: FunnelFigures | None = None
    job: Job | None = None


async def ask_what_if(services: Services, asked: AskWhatIf) -> WhatIfAnswer:
    app, about = await asked.chosen(services)
    candidate = Candidate(asked.funnel, about.range, asked.unit, asked.order, about.segment)
    answered = await services.what_ifs.ask(app, candidate)
    return WhatIfAnswer(job=answered) if isinstance(answered, Job) else WhatIfAnswer(figures=answered)


class ListJobs(Struct, frozen=True, tag=True):
    """What is under way for an app and what ended lately."""

    app: FullName


async def list_jobs(services: Services, asked: ListJobs) -> list[Job]:
    return services.jobs.of(services.directory.named(asked.app).id)


class ShowJob(Struct, frozen=True, tag=True):
    """One job, with its result once there is one."""

    app: FullName
    job: JobId


async def show_job(services: Services, asked: ShowJob) -> Job:
    return services.jobs.get(services.directory.named(asked.app).id, asked.job)


class CancelJob(Struct, frozen=True, tag=True):
    """Stop a job."""

    app: FullName
    job: JobId


async def cancel_job(services: Services, asked: CancelJob) -> Job:
    return await services.jobs.cancel(services.directory.named(asked.app).id, asked.job)
