"""Routes: views, visitors, entries, exits and time."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.bitmaps import bitmap_of, members
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.selection import Selection, distinct
from datalab.model.figures import Page, Pages
from datalab.model.ranges import Range, show


def pages(aggregate: PartitionAggregate, app: str, range: Range, zone: str, limit: int | None = None) -> Pages:
    """Routes by views, equal ones by name; at most `limit` of them."""
    selection = Selection(aggregate, range)
    routes = aggregate.dimensions["route"]
    rows = selection.views()
    route = aggregate.rows.route.values[rows]
    views = np.bincount(route, minlength=len(routes.values))
    spent = np.bincount(route, weights=aggregate.rows.dwell.values[rows], minlength=len(routes.values))
    codes = sorted(np.flatnonzero(views).tolist(), key=lambda code: (-views[code], routes.values[code]))
    count_visitors = visitors_of_routes(aggregate, selection, rows, route)
    return Pages(
        app=app,
        from_=show(range.from_, zone),
        to=show(range.to, zone),
        page_views=len(rows),
        pages=[
            Page(
                route=routes.values[code],
                views=int(views[code]),
                visitors=count_visitors(code),
                entries=aggregate.entries[code].intersection_cardinality(selection.bitmap),
                exits=aggregate.exits[code].intersection_cardinality(selection.bitmap),
                seconds_mean=float(spent[code]) / (int(views[code]) * 1000),
            )
            for code in codes[:limit]
        ],
    )


def visitors_of_routes(
    aggregate: PartitionAggregate, selection: Selection, rows: NDArray[np.intp], route: NDArray[np.uint32]
) -> Callable[[int], int]:
    """Counts the visitors who viewed a route within the range.

    For sessions that lie wholly in the range the route's bitmap tells; those that cross an edge may have viewed the
    route on the other side of it, so their page views are looked at one by one.
    """
    chosen, sessions = selection.sessions, aggregate.sessions
    crossing = np.zeros(len(chosen), dtype=bool)
    if selection.range.from_ is not None:
        crossing |= sessions.first.values[chosen] < selection.range.from_
    if selection.range.to is not None:
        crossing |= sessions.last.values[chosen] >= selection.range.to
    inner = bitmap_of(chosen[~crossing])
    session_of_view = aggregate.rows.session.values[rows]
    at_edge = np.isin(session_of_view, chosen[crossing])
    edge_session, edge_route = session_of_view[at_edge], route[at_edge]

    def count_visitors(code: int) -> int:
        viewing = members(aggregate.dimensions["route"].sessions[code] & inner)
        return distinct(aggregate, np.append(viewing, edge_session[edge_route == code]))

    return count_visitors
