"""What-if funnels: asked for with their stages, answered at once or as a job."""

from aiohttp import web

from datalab.model.configuration import Funnel
from datalab.model.figures import FunnelFigures
from datalab.model.jobs import Job
from datalab.model.ranges import read_range
from datalab.server.api.endpoint import Call, Endpoint, json
from datalab.server.api.insights import Asked
from datalab.services.what_if import Candidate, Order, Unit


class AskedWhatIf(Asked, frozen=True, kw_only=True):
    """A funnel that nobody configured, and what is asked of it."""

    funnel: Funnel
    unit: Unit = "visitors"
    order: Order = "ordered"


async def what_if(call: Call[AskedWhatIf]) -> FunnelFigures | web.Response:
    """How many got through stages that nobody configured; where that takes long, the job that finds it out."""
    asked = call.body
    app = await call.services.archive.as_it_was(call.app(), asked.partition)
    range = read_range(asked.from_, asked.to, app.time_zone, call.services.clock())
    segment = await call.services.segments.read(app, asked.segment)
    candidate = Candidate(asked.funnel, range, asked.unit, asked.order, segment)
    answered = await call.services.what_ifs.ask(app, candidate)
    return json(answered, 202) if isinstance(answered, Job) else answered


ENDPOINTS: list[Endpoint] = [
    Endpoint("POST", "/apps/{app}/insights/what-if", what_if, FunnelFigures, AskedWhatIf, later=Job),
]
