"""Who came, and from where."""

from datalab.aggregate.bitmaps import members
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.selection import Selection, distinct
from datalab.model.figures import Audience, Share
from datalab.model.ranges import Range, show


def audience(aggregate: PartitionAggregate, app: str, range: Range, zone: str, limit: int | None = None) -> Audience:
    """Each dimension's values by sessions, equal ones by name; at most `limit` of each."""
    selection = Selection(aggregate, range)
    return Audience(
        app=app,
        from_=show(range.from_, zone),
        to=show(range.to, zone),
        browsers=shares(aggregate, selection, "browser", limit),
        systems=shares(aggregate, selection, "system", limit),
        devices=shares(aggregate, selection, "device", limit),
        languages=shares(aggregate, selection, "language", limit),
        referrers=shares(aggregate, selection, "referrer", limit),
    )


def shares(aggregate: PartitionAggregate, selection: Selection, name: str, limit: int | None) -> list[Share]:
    """The values of one dimension among the selected sessions."""
    dimension = aggregate.dimensions[name]
    counts = [
        (dimension.sessions[code].intersection_cardinality(selection.bitmap), value, code)
        for code, value in enumerate(dimension.values)
    ]
    chosen = sorted((entry for entry in counts if entry[0]), key=lambda entry: (-entry[0], entry[1]))
    return [
        Share(
            value=value,
            sessions=sessions,
            visitors=distinct(aggregate, members(dimension.sessions[code] & selection.bitmap)),
        )
        for sessions, value, code in chosen[:limit]
    ]
