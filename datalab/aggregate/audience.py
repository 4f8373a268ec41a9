"""Who came, and from where."""

from datalab.aggregate.dimensions import shares
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.aggregate.selection import Selection
from datalab.model.figures import Audience
from datalab.model.ranges import show
from datalab.model.segments import write_segment


def audience(
    aggregate: PartitionAggregate, question: Question, limit: int | None = None, attribution: str = ""
) -> Audience:
    """Each dimension's values by sessions, equal ones by name; at most `limit` of each."""
    selection = Selection(aggregate, question)
    return Audience(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        segment=write_segment(question.segment),
        browsers=shares(selection, "browser", limit),
        versions=shares(selection, "version", limit),
        systems=shares(selection, "system", limit),
        devices=shares(selection, "device", limit),
        languages=shares(selection, "language", limit),
        screens=shares(selection, "screen", limit),
        countries=shares(selection, "country", limit),
        visits=shares(selection, "visit", limit),
        referrers=shares(selection, "referrer", limit),
        attribution=attribution,
    )
