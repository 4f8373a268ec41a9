"""Who came back, by the time since the first session."""

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from datalab.aggregate.bitmaps import bitmap_of, members
from datalab.aggregate.filters import sessions_of
from datalab.aggregate.partition import Flag, PartitionAggregate
from datalab.aggregate.question import Question
from datalab.aggregate.selection import Selection, first_and_last
from datalab.aggregate.sums import Counts
from datalab.errors import Invalid
from datalab.model.figures import Cell, Cohort, Retention
from datalab.model.ranges import DAY_MS, Buckets, Range, buckets, period_start, show
from datalab.model.segments import write_segment

PERIODS = ("day", "week", "month")
UP_TO_MS = {"day": 31 * DAY_MS, "week": 26 * 7 * DAY_MS}
"""Ranges up to this length are told by this period where none is asked for, longer ones by the next."""
MAX_COHORTS = 120


def retention(aggregate: PartitionAggregate, question: Question, period: str | None = None) -> Retention:
    """Cohorts by `period`; see `datalab.model.figures.Retention`. Raises Invalid for too many cohorts."""
    if period is not None and period not in PERIODS:
        raise Invalid(f"period {period[:40]!r} is not one of {', '.join(PERIODS)}")
    unit = period or usual_period(aggregate, question)
    chosen = beginning(aggregate, question.range)
    filtered = sessions_of(aggregate, question.segment)
    selection = Selection(aggregate, question, chosen if filtered is None else chosen & filtered)
    return Retention(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        segment=write_segment(question.segment),
        period=unit,
        cohorts=cohorts(selection, unit) if selection.bitmap else [],
    )


def beginning(aggregate: PartitionAggregate, range: Range) -> BitMap:
    """Sessions whose first event lies in a range."""
    begun, calendar, first = aggregate.sets["begun"], aggregate.calendar, aggregate.sessions.first
    whole, edges = [], []
    for day in begun.by_code:
        start, end = calendar.start(day), calendar.start(day + 1)
        from_ = range.from_ if range.from_ is not None else start
        to = range.to if range.to is not None else end
        if from_ <= start and end <= to:
            whole.append(day)
        elif from_ < end and start < to:
            edges.append(day)
    found = begun.union(whole)
    if edges:
        session = members(begun.union(edges))
        time = first.values[session]
        inside = np.ones(len(session), dtype=bool)
        if range.from_ is not None:
            inside &= time >= range.from_
        if range.to is not None:
            inside &= time < range.to
        found |= bitmap_of(session[inside])
    return found


def usual_period(aggregate: PartitionAggregate, question: Question) -> str:
    """By the range's length; an open end is where the partition's first or last event lies."""
    if not aggregate.alive:
        return PERIODS[0]
    first, last = first_and_last(aggregate, aggregate.alive)
    from_ = question.range.from_ if question.range.from_ is not None else first
    to = question.range.to if question.range.to is not None else last + 1
    return next((name for name, longest in UP_TO_MS.items() if to - from_ <= longest), "month")


def cohorts(selection: Selection, unit: str) -> list[Cohort]:
    """Visitors by their first session's period, and in which later ones they came."""
    cut = periods(selection, unit)
    edges = np.array(cut.edges[:-1], dtype=np.int64)
    count = len(edges)
    cells = selection.total(("retention", unit, count, cut.edges[0]), lambda part: cells_of(part, edges)).of.tolist()
    return [
        Cohort(
            start=cut.starts[c],
            visitors=cells[c][c],
            cells=[Cell(period=p - c, visitors=cells[c][p], share=cells[c][p] / cells[c][c]) for p in range(c, count)],
        )
        for c in range(count)
        if cells[c][c]
    ]


def periods(selection: Selection, unit: str) -> Buckets:
    """The range cut into periods; an open end is where the first or last of the sessions begins. Raises Invalid for too
    many."""
    range, zone = selection.range, selection.question.zone
    from_, to = range.from_, range.to
    if from_ is None or to is None:
        begin = selection.aggregate.sessions.first.values[selection.sessions]
        from_ = period_start(int(begin.min()), zone, unit) if from_ is None else from_
        to = int(begin.max()) + 1 if to is None else to
    cut = buckets(from_, to, zone, unit)
    if len(cut.starts) > MAX_COHORTS:
        raise Invalid(f"the range has {len(cut.starts)} {unit}s, {MAX_COHORTS} can be compared; choose a longer period")
    return cut


def cells_of(part: Selection, edges: NDArray[np.int64]) -> Counts:
    """By cohort and period, of some visitors' sessions."""
    aggregate, sessions, count = part.aggregate, part.aggregate.sessions, len(edges)
    first = members(part.bitmap & aggregate.flagged(Flag.FIRST))
    cohort = np.full(len(aggregate.visitors), -1, dtype=np.int16)
    cohort[sessions.visitor.values[first]] = np.searchsorted(edges, sessions.first.values[first], side="right") - 1
    visitor = sessions.visitor.values[part.sessions]
    kept = np.flatnonzero(cohort[visitor] >= 0)
    visitor = visitor[kept].astype(np.int64)
    period = np.searchsorted(edges, sessions.first.values[part.sessions[kept]], side="right") - 1
    pair = np.sort(visitor * count + period)
    pair = pair[np.append(True, pair[1:] != pair[:-1])] if len(pair) else pair
    cell = cohort[pair // count].astype(np.int64) * count + pair % count
    return Counts(np.bincount(cell, minlength=count * count).reshape(count, count))
