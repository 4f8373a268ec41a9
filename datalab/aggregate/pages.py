"""Routes: views, visitors, entries, exits and time."""

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.bitmaps import bitmap_of, members
from datalab.aggregate.meanings import NONE
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.aggregate.selection import Selection, count_distinct, distinct, visitors_by_code
from datalab.aggregate.sums import Sum, Table, by_code, tables
from datalab.aggregate.trails import Trail, inside, trail
from datalab.model.figures import Page, Pages
from datalab.model.ranges import Range, show
from datalab.model.segments import write_segment

AT_ONCE = 20_000
"""Of so many sessions the page views are looked at one by one."""


class Routes(Sum, frozen=True):
    """By route code."""

    views: NDArray[np.int64]
    spent: NDArray[np.int64]
    """Time on route, ms."""
    visitors: NDArray[np.int64]
    entries: NDArray[np.int64]
    exits: NDArray[np.int64]


def pages(aggregate: PartitionAggregate, question: Question, limit: int | None = None) -> Pages:
    """Routes by views, equal ones by name; at most `limit` of them."""
    names = aggregate.dimensions["route"].values
    routes = Selection(aggregate, question).total("pages", routes_of)
    views = routes.views.tolist()
    codes = sorted(np.flatnonzero(routes.views).tolist(), key=lambda code: (-views[code], names[code]))
    return Pages(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        segment=write_segment(question.segment),
        page_views=sum(views),
        pages=[
            Page(
                route=names[code],
                views=views[code],
                visitors=int(routes.visitors[code]),
                entries=int(routes.entries[code]),
                exits=int(routes.exits[code]),
                seconds_mean=int(routes.spent[code]) / (views[code] * 1000),
            )
            for code in codes[:limit]
        ],
    )


def routes_of(part: Selection) -> Routes:
    """Of some of the sessions."""
    aggregate, sessions = part.aggregate, part.aggregate.sessions
    codes = len(aggregate.dimensions["route"].values)
    if len(part) <= AT_ONCE:
        events = trail(aggregate, part.sessions)
        views = viewed(aggregate, events, part.range)
        visitors = visitors_viewing(aggregate, events, part.range, codes)
    else:
        days = part.parts("pages", lambda session, range: viewed(aggregate, trail(aggregate, session), range))
        views = tables(days, 2)
        visitors = visitors_by_bitmap(part, codes)
    counts = by_code(views, codes)
    return Routes(
        views=counts[:, 0],
        spent=counts[:, 1],
        visitors=visitors,
        # 0 is none.
        entries=np.bincount(sessions.entry.values[part.sessions], minlength=codes + 1)[1:],
        exits=np.bincount(sessions.exit.values[part.sessions], minlength=codes + 1)[1:],
    )


def viewed(aggregate: PartitionAggregate, events: Trail, range: Range) -> Table:
    """By route, the page views in a range and the time on them (SEMANTICS, time on route)."""
    events = events.chosen(np.flatnonzero(events.route != NONE))
    route, time, owner = events.route, events.time, events.owner
    until = aggregate.sessions.last.values[events.session[owner]]
    same = owner[1:] == owner[:-1]
    until[:-1][same] = time[1:][same]
    if range != Range():
        chosen = inside(time, range)
        route, time, until = route[chosen], time[chosen], until[chosen]
    if len(route) == 0:
        return tables([], 2)
    views = np.bincount(route)
    # Whole milliseconds stay exact in doubles up to 2^53 of them.
    spent = np.bincount(route, weights=until - time).astype(np.int64)
    codes = np.flatnonzero(views)
    return Table(codes, np.stack([views[codes], spent[codes]], axis=1))


def visitors_viewing(aggregate: PartitionAggregate, events: Trail, range: Range, codes: int) -> NDArray[np.int64]:
    """By route code, those who viewed it in a range, page view by page view."""
    events = events.chosen(np.flatnonzero(events.route != NONE)).within(range)
    return visitors_by_code(aggregate, events.session[events.owner], events.route, codes)


def visitors_by_bitmap(part: Selection, codes: int) -> NDArray[np.int64]:
    """The same by the sessions that viewed it at all.

    Those with events outside of the range may have viewed the route there; their page views are looked at one by one.
    """
    aggregate, crossing = part.aggregate, part.crossing
    having = aggregate.sets["route"]
    inner = part.bitmap - bitmap_of(crossing)
    events = trail(aggregate, crossing).within(part.range)
    route, session = events.route, crossing[events.owner]
    found = np.zeros(codes, dtype=np.int64)
    for code in range(codes):
        at_edge = session[route == code]
        chosen = having[code] & inner
        found[code] = (
            count_distinct(aggregate, np.append(members(chosen), at_edge))
            if len(at_edge)
            else distinct(aggregate, chosen)
        )
    return found
