"""Segments saved by name, and the dimensions that filters ask for."""

from datalab.model.segments import DIMENSIONS, Dimension, NewSegment
from datalab.server.api.endpoint import Call, Endpoint
from datalab.services.segments import SegmentShown


async def dimensions(call: Call[None]) -> list[Dimension]:
    """What the filters of a segment can ask for."""
    call.app()
    return list(DIMENSIONS.values())


async def segments(call: Call[None]) -> list[SegmentShown]:
    """The app's saved segments, by name; `fault` says which do not fit its configuration."""
    return await call.services.segments.all(call.actor, call.app())


async def save(call: Call[NewSegment]) -> SegmentShown:
    """Save a segment by a name, also while the configuration is locked."""
    return await call.services.segments.save(call.actor, call.name("app"), call.body)


async def change(call: Call[NewSegment]) -> SegmentShown:
    """Rename a saved segment or replace its filters (who saved it, owner)."""
    return await call.services.segments.replace(call.actor, call.name("app"), call.name("segment"), call.body)


async def delete(call: Call[None]) -> None:
    """Delete a saved segment (who saved it, owner)."""
    await call.services.segments.remove(call.actor, call.name("app"), call.name("segment"))


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/apps/{app}/dimensions", dimensions, list[Dimension]),
    Endpoint("GET", "/apps/{app}/segments", segments, list[SegmentShown]),
    Endpoint("POST", "/apps/{app}/segments", save, SegmentShown, NewSegment, status=201),
    Endpoint("PUT", "/apps/{app}/segments/{segment}", change, SegmentShown, NewSegment),
    Endpoint("DELETE", "/apps/{app}/segments/{segment}", delete),
]
