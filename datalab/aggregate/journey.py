"""How sessions went through the site: from route to route, and along whole paths."""

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.funnel import EXIT
from datalab.aggregate.meanings import NONE
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.paths import Paths, frequent, merged, paths_of, top_paths
from datalab.aggregate.question import Question
from datalab.aggregate.selection import Selection
from datalab.aggregate.steps import Steps, steps
from datalab.aggregate.sums import Counts, Sum, Table, by_code, table, tables
from datalab.aggregate.trails import trail
from datalab.model.figures import Edge, Journey, PathFigures
from datalab.model.ranges import show
from datalab.model.routes import OTHER
from datalab.model.segments import write_segment

ENTRY = "(entry)"
AT_ONCE = 100_000
"""Sessions whose paths are looked at together."""


class Edges(Sum, frozen=True):
    """Pairs of places: `from * width + to`; routes by code, behind them the fold and the end."""

    table: Table
    """Sessions with the pair, and times it was walked."""
    viewing: int
    """Sessions with page views."""


def edges_of(found: Steps, end: int) -> Edges:
    """Of sessions' steps; `end` is the place of the entry (from) and the exit (to)."""
    width = end + 1
    from_ = np.empty(len(found.route) + len(found.start), dtype=np.int64)
    to = np.empty_like(from_)
    owner = np.empty_like(from_)
    # Each step is entered from the one before it or from the entry, and each last one is left.
    entered = np.full(len(found.route), end, dtype=np.int64)
    entered[1:] = found.route[:-1]
    entered[found.start] = end
    from_[: len(found.route)], to[: len(found.route)], owner[: len(found.route)] = entered, found.route, found.owner
    last = found.start + found.length - 1
    from_[len(found.route) :], to[len(found.route) :] = found.route[last], end
    owner[len(found.route) :] = np.arange(len(found.start))
    pair = from_ * width + to
    ones = np.sort(owner * (width * width) + pair)
    new = np.append(True, ones[1:] != ones[:-1]) if len(ones) else np.empty(0, dtype=bool)
    distinct_pair, sessions = np.unique(ones[new] % (width * width), return_counts=True)
    _, times = np.unique(pair, return_counts=True)
    return Edges(Table(distinct_pair, np.stack([sessions, times], axis=1)), len(found.start))


def journey(aggregate: PartitionAggregate, question: Question, top: int | None = None, paths: int = 50) -> Journey:
    """Of whole sessions. `top` folds all but the most viewed routes into `(other)`; `paths` of the most frequent ones
    are told."""
    selection = Selection(aggregate, question)
    names = aggregate.dimensions["route"].values
    folding, kept = (None, None) if top is None else fold(selection, top)
    # The fold and the end have places of their own, however many routes there will be.
    other = aggregate.rules.max_values + 1
    end = other + 1

    def walked_edges(part: Selection) -> Edges:
        found = part.parts(("edges", kept), lambda session, _: edges_of(steps(aggregate, session, folding), end))
        return Edges(tables([each.table for each in found], 2), sum(each.viewing for each in found))

    total = selection.total(("edges", kept), walked_edges)

    def walked(session: NDArray[np.uint32], _: object = None) -> Paths:
        some = [session[at : at + AT_ONCE] for at in range(0, max(1, len(session)), AT_ONCE)]
        return merged([paths_of(steps(aggregate, each), len(names)) for each in some])

    frequent_ones = selection.parts(("paths", len(names).bit_length()), walked, whole=frequent)
    top_ones = top_paths(frequent_ones, paths, names)
    if top_ones is None:
        top_ones = top_paths([walked(selection.sessions)], paths, names) or []
    return Journey(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        segment=write_segment(question.segment),
        sessions=total.viewing,
        edges=named(total.table, names, end),
        paths=[PathFigures(routes=[names[code] for code in codes], sessions=count) for codes, count in top_ones],
    )


def named(table: Table, names: list[str], end: int) -> list[Edge]:
    """By sessions, equal ones by the names of their places; `end` is as in `edges_of`, before it is the fold."""
    labels = [*names, OTHER, ENTRY, EXIT]
    rank = np.empty(len(labels), dtype=np.int64)
    rank[sorted(range(len(labels)), key=labels.__getitem__)] = np.arange(len(labels))
    from_, to = np.divmod(table.key, end + 1)
    from_ = np.select([from_ == end, from_ == end - 1], [len(names) + 1, len(names)], from_)
    to = np.select([to == end, to == end - 1], [len(names) + 2, len(names)], to)
    sessions, times = table.counts[:, 0], table.counts[:, 1]
    order = np.lexsort((rank[to], rank[from_], -sessions))
    columns = (column[order].tolist() for column in (from_, to, sessions, times))
    return [
        Edge(from_=labels[one], to=labels[other], sessions=count, times=often)
        for one, other, count, often in zip(*columns, strict=True)
    ]


def fold(selection: Selection, top: int) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """For each route's code itself or that of the fold; and the codes that stay."""
    aggregate = selection.aggregate
    names = aggregate.dimensions["route"].values
    other = aggregate.rules.max_values + 1

    def views(part: Selection) -> Counts:
        found = part.parts("route views", lambda session, _: table(routes_viewed(aggregate, session)))
        return Counts(by_code(tables(found, 1), len(names))[:, 0])

    total = selection.total("route views", views).of
    viewed = np.flatnonzero(total).tolist()
    kept = tuple(sorted(sorted(viewed, key=lambda code: (-total[code], names[code]))[:top]))
    folding = np.full(len(names), other, dtype=np.int64)
    folding[list(kept)] = kept
    # A route that is (other) already, since the dimension was full, is the same as the fold.
    if OTHER in names:
        folding[names.index(OTHER)] = other
    return folding, kept


def routes_viewed(aggregate: PartitionAggregate, session: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The route of every page view of sessions."""
    route = trail(aggregate, session).route
    codes: NDArray[np.int64] = route[route != NONE].astype(np.int64)
    return codes
