"""Headline figures, and those of the period before."""

import numpy as np
from msgspec.structs import asdict
from numpy.typing import NDArray

from datalab.aggregate.funnel import conversion_rate
from datalab.aggregate.partition import Flag, PartitionAggregate
from datalab.aggregate.question import Question
from datalab.aggregate.selection import Selection
from datalab.aggregate.series import page_views, series
from datalab.aggregate.spread import NOTHING, Spread, spread
from datalab.model.figures import Overview, Totals
from datalab.model.ranges import Range, show
from datalab.model.segments import write_segment


def overview(
    aggregate: PartitionAggregate, question: Question, before: Range | None = None, bucket: str | None = None
) -> Overview:
    """SEMANTICS: visitor, session, page view, bounce, session duration, conversion rate. Raises Invalid where the range
    has too many buckets."""
    selection = Selection(aggregate, question)
    previous = None
    if before is not None:
        earlier = Question(app=question.app, range=before, zone=question.zone, segment=question.segment)
        previous = totals(Selection(aggregate, earlier))
    unit, points = series(selection, bucket)
    zone = question.zone
    return Overview(
        app=question.app,
        from_=show(question.range.from_, zone),
        to=show(question.range.to, zone),
        segment=write_segment(question.segment),
        **asdict(totals(selection)),
        previous_from=show(before.from_, zone) if before else None,
        previous_to=show(before.to, zone) if before else None,
        previous=previous,
        bucket=unit,
        series=points,
    )


def totals(selection: Selection) -> Totals:
    """The headline figures of a selection."""
    count = len(selection.bitmap)
    views = page_views(selection)
    bounces = selection.bitmap.intersection_cardinality(selection.aggregate.flagged(Flag.BOUNCED))
    lasted = durations(selection)
    return Totals(
        visitors=selection.visitors,
        sessions=count,
        page_views=views,
        views_per_session=views / count if count else None,
        bounce_rate=bounces / count if count else None,
        duration_mean=lasted.mean_seconds,
        duration_median=lasted.median_seconds,
        conversion_rate=conversion_rate(selection),
    )


def durations(selection: Selection) -> Spread:
    """How long the sessions lasted, ms."""
    sessions = selection.aggregate.sessions

    def lasted(session: NDArray[np.uint32], _: Range) -> Spread:
        return spread(sessions.last.values[session] - sessions.first.values[session])

    found = NOTHING
    for part in selection.parts("durations", lasted):
        found = found.plus(part)
    return found
