"""Jobs of an app: what is being made for it, and the way to cancel it."""

from datalab.model.jobs import Job
from datalab.model.permissions import Action, demand_write
from datalab.server.api.endpoint import Call, Endpoint


async def all_jobs(call: Call[None]) -> list[Job]:
    """What is under way for the app and what ended lately, newest first."""
    return call.services.jobs.of(call.app().id)


async def one(call: Call[None]) -> Job:
    """A job, with its result once there is one."""
    return call.services.jobs.get(call.app().id, call.name("job"))


async def cancel(call: Call[None]) -> Job:
    """Cancel a job; one that has ended stays as it is."""
    demand_write(call.actor)
    return await call.services.jobs.cancel(call.app(Action.CONFIGURE).id, call.name("job"))


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/apps/{app}/jobs", all_jobs, list[Job]),
    Endpoint("GET", "/apps/{app}/jobs/{job}", one, Job),
    Endpoint("DELETE", "/apps/{app}/jobs/{job}", cancel, Job),
]
