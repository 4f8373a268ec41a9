"""What the operator asks about saved segments."""

from msgspec import Struct

from datalab.errors import Missing
from datalab.model.permissions import OPERATOR
from datalab.model.segments import NewSegment
from datalab.model.trimming import read_fields
from datalab.operations.apps import FullName
from datalab.services.segments import SegmentShown
from datalab.services.services import Services


class ListSegments(Struct, frozen=True, tag=True):
    """The saved segments of an app."""

    app: FullName


async def list_segments(services: Services, asked: ListSegments) -> list[SegmentShown]:
    return await services.segments.all(OPERATOR, services.directory.named(asked.app))


class OneSegment(Struct, frozen=True, tag=True):
    """Show a saved segment."""

    app: FullName
    name: str


async def show_segment(services: Services, asked: OneSegment) -> SegmentShown:
    return await services.segments.one(OPERATOR, services.directory.named(asked.app), asked.name)


class SetSegment(Struct, frozen=True, tag=True):
    """Save a segment, or replace the one of this name."""

    app: FullName
    name: str
    text: str


async def set_segment(services: Services, asked: SetSegment) -> SegmentShown:
    app = services.directory.named(asked.app)
    new = read_fields(NewSegment, {"name": asked.name, "text": asked.text})
    try:
        known = await services.segments.one(OPERATOR, app, new.name)
    except Missing:
        return await services.segments.save(OPERATOR, app.id, new)
    return await services.segments.replace(OPERATOR, app.id, known.id, new)


class DeleteSegment(Struct, frozen=True, tag=True):
    """Delete a saved segment."""

    app: FullName
    name: str


async def delete_segment(services: Services, asked: DeleteSegment) -> None:
    app = services.directory.named(asked.app)
    known = await services.segments.one(OPERATOR, app, asked.name)
    await services.segments.remove(OPERATOR, app.id, known.id)
