"""Visitors who came lately: their sessions that may well go on, and the earlier ones."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from pyroaring import BitMap

from datalab.aggregate.bitmaps import bitmap_of, members
from datalab.aggregate.lull import QUIET_SECONDS, STEP_EVENTS, Lull, Step
from datalab.aggregate.meanings import NONE
from datalab.aggregate.partition import PartitionAggregate

NEVER = 2**62
"""Later than any time, ms."""


class Returned(Struct, frozen=True):
    """Sessions that began in a stretch of time, and the earlier ones of their visitors."""

    sessions: NDArray[np.uint32]
    """The fresh ones again."""
    fresh: BitMap
    earlier: BitMap
    visitors: BitMap
    """Whose they are."""
    events: int
    """Of the fresh ones."""

    def of(self, aggregate: PartitionAggregate, visitors: BitMap, from_: int) -> "Returned":
        """Those of some visitors."""
        wanted = np.zeros(len(aggregate.visitors), dtype=bool)
        wanted[members(visitors)] = True
        owner = aggregate.sessions.visitor.values[self.sessions]
        return returned_of(aggregate, self.sessions[wanted[owner]], from_)


def returned(aggregate: PartitionAggregate, from_: int, to: int | None) -> Returned:
    """The sessions that began in [from_, to), ms."""
    return aggregate.kept.held(
        ("returned", from_, to), aggregate.changes.total, lambda: find_returned(aggregate, from_, to)
    )


def find_returned(aggregate: PartitionAggregate, from_: int, to: int | None) -> Returned:
    """Anew."""
    begun, calendar = aggregate.sets["begun"], aggregate.calendar
    first_day, last_day = calendar.day(from_), None if to is None else calendar.day(to)
    days = [day for day in begun.by_code if day >= first_day and (last_day is None or day <= last_day)]
    fresh = members(begun.union(days))
    time = aggregate.sessions.first.values[fresh]
    return returned_of(aggregate, fresh[(time >= from_) & (time < (NEVER if to is None else to))], from_)


def returned_of(aggregate: PartitionAggregate, fresh: NDArray[np.uint32], from_: int) -> Returned:
    """With the earlier ones of their visitors."""
    sessions = aggregate.sessions
    chain = [np.empty(0, dtype=np.uint32)]
    at = sessions.previous.values[fresh]
    at = at[at != NONE]
    at = at[sessions.first.values[at] < from_]
    while len(at):
        chain.append(at)
        at = sessions.previous.values[at]
        at = at[at != NONE]
    return Returned(
        fresh,
        bitmap_of(fresh),
        bitmap_of(np.concatenate(chain)),
        bitmap_of(sessions.visitor.values[fresh]),
        int(sessions.count.values[fresh].sum(dtype=np.int64)),
    )


def lull_of(aggregate: PartitionAggregate, until: int, back: Returned) -> Lull | None:
    """Which of the visitors who came back are quiet; None where they are too few to matter."""
    changes, lull = aggregate.changes, aggregate.lull
    if back.events < STEP_EVENTS:
        return None
    if lull is None or not lull.holds(until, changes):
        lull = aggregate.lull = Lull(until, changes.total)
    heard = changes.visitors_since(changes.number_before(QUIET_SECONDS))
    if heard is not None:
        quiet = back.of(aggregate, back.visitors - lull.visitors - heard, until)
        if quiet.events >= STEP_EVENTS:
            lull.add(Step(quiet.visitors, quiet.fresh))
    return lull if lull.steps else None
