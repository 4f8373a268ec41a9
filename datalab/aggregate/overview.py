"""Headline figures and the line of page views."""

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.bitmaps import members
from datalab.aggregate.funnel import conversion_rate
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.selection import Selection, distinct, sessions_between
from datalab.model.figures import Overview, Point
from datalab.model.ranges import Range, buckets, day_start, show


def overview(aggregate: PartitionAggregate, app: str, range: Range, zone: str) -> Overview:
    """SEMANTICS: visitor, session, page view, bounce, session duration, conversion rate."""
    selection = Selection(aggregate, range)
    chosen, sessions = selection.sessions, aggregate.sessions
    count = len(chosen)
    views = selection.views()
    bounces = np.count_nonzero((sessions.views.values[chosen] == 1) & (sessions.actions.values[chosen] == 0))
    durations = sessions.last.values[chosen] - sessions.first.values[chosen]
    unit, series = line(aggregate, range, zone, aggregate.rows.time.values[views])
    return Overview(
        app=app,
        from_=show(range.from_, zone),
        to=show(range.to, zone),
        visitors=selection.visitors,
        sessions=count,
        page_views=len(views),
        views_per_session=len(views) / count if count else None,
        bounce_rate=int(bounces) / count if count else None,
        duration_mean=int(durations.sum()) / (count * 1000) if count else None,
        duration_median=float(np.median(durations)) / 1000 if count else None,
        conversion_rate=conversion_rate(aggregate, selection),
        bucket=unit,
        series=series,
    )


def line(
    aggregate: PartitionAggregate, range: Range, zone: str, view_times: NDArray[np.int64]
) -> tuple[str, list[Point]]:
    """Page views and visitors for each hour or day; an open end is where the first or last event lies."""
    times = aggregate.rows.time.values
    if len(times) == 0:
        return "day", []
    from_ = range.from_ if range.from_ is not None else day_start(int(times.min()), zone)
    to = range.to if range.to is not None else max(int(times.max()) + 1, from_ + 1)
    if to <= from_:
        return "day", []
    cut = buckets(from_, to, zone)
    edges = np.array(cut.edges, dtype=np.int64)
    counts = np.bincount(np.searchsorted(edges, view_times, side="right") - 1, minlength=len(edges) - 1)
    visitors = [
        distinct(aggregate, members(sessions_between(aggregate, begin, end)))
        for begin, end in zip(cut.edges[:-1], cut.edges[1:], strict=True)
    ]
    return cut.unit, [
        Point(start=start, page_views=int(page_views), visitors=seen)
        for start, page_views, seen in zip(cut.starts, counts, visitors, strict=True)
    ]
