"""The line of a range: page views, visitors and sessions of each bucket."""

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.meanings import NONE
from datalab.aggregate.selection import Selection, first_and_last, visitors_by_code
from datalab.aggregate.sums import Number, Sum
from datalab.aggregate.trails import trail
from datalab.model.figures import Point
from datalab.model.ranges import buckets, day_start


class Line(Sum, frozen=True):
    """By bucket; visitors and sessions that have an event in it."""

    page_views: NDArray[np.int64]
    visitors: NDArray[np.int64]
    sessions: NDArray[np.int64]


def series(selection: Selection, unit: str | None) -> tuple[str, list[Point]]:
    """Each bucket of the range, those without anybody too. Raises Invalid for too many."""
    whole = bounds(selection)
    if whole is None:
        return unit or "day", []
    cut = buckets(*whole, selection.question.zone, unit)
    # An open end is another one with every event, and makes no difference: nothing is behind it.
    edges = np.array([*cut.edges[:-1], cut.edges[-1] if selection.range.to is not None else 2**62], dtype=np.int64)
    line = selection.total(("series", cut.unit, len(cut.starts)), lambda part: line_of(part, edges))
    return cut.unit, [
        Point(start=start, page_views=views, visitors=visitors, sessions=sessions)
        for start, views, visitors, sessions in zip(
            cut.starts, line.page_views.tolist(), line.visitors.tolist(), line.sessions.tolist(), strict=True
        )
    ]


def bounds(selection: Selection) -> tuple[int, int] | None:
    """The question's range; an open end is where the partition's first or last event lies. None for an empty one."""
    from_, to = selection.range.from_, selection.range.to
    if not selection.aggregate.alive:
        return None
    if from_ is None or to is None:
        first, last = first_and_last(selection.aggregate, selection.aggregate.alive)
        from_ = day_start(first, selection.question.zone) if from_ is None else from_
        to = max(last + 1, from_ + 1) if to is None else to
    return (from_, to) if from_ < to else None


def line_of(part: Selection, edges: NDArray[np.int64]) -> Line:
    """Of some of the sessions. Most lie in one bucket wholly; of the others the events are looked at one by one."""
    aggregate, sessions, session = part.aggregate, part.aggregate.sessions, part.sessions
    count = len(edges) - 1
    first = np.searchsorted(edges, sessions.first.values[session], side="right") - 1
    last = np.searchsorted(edges, sessions.last.values[session], side="right") - 1
    within = (first == last) & (first >= 0) & (first < count)
    around = np.flatnonzero(~within)
    events = trail(aggregate, session[around])
    bucket = np.searchsorted(edges, events.time, side="right") - 1
    chosen = np.flatnonzero((bucket >= 0) & (bucket < count))
    bucket, owner = bucket[chosen], events.owner[chosen]
    views = np.bincount(bucket[events.route[chosen] != NONE], minlength=count)
    # In the order of sessions and time, repeats stand together.
    changes = (owner[1:] != owner[:-1]) | (bucket[1:] != bucket[:-1])
    new = np.flatnonzero(np.append(len(owner) > 0, changes)[: len(owner)])
    places = np.append(first[within], bucket[new])
    owners = np.append(session[within], session[around[owner[new]]])
    views += np.bincount(first[within], weights=sessions.views.values[session[within]], minlength=count).astype(
        np.int64
    )
    return Line(
        page_views=views,
        visitors=visitors_by_code(aggregate, owners, places, count),
        sessions=np.bincount(places, minlength=count),
    )


def page_views(selection: Selection) -> int:
    """Page views in the range."""

    def views(part: Selection) -> Number:
        aggregate, crossing = part.aggregate, part.crossing
        count = aggregate.sessions.views
        events = trail(aggregate, crossing).within(part.range)
        around = int(np.count_nonzero(events.route != NONE))
        total = int(count.values[part.sessions].sum(dtype=np.int64) - count.values[crossing].sum(dtype=np.int64))
        return Number(total + around)

    return selection.total("page views", views).count
