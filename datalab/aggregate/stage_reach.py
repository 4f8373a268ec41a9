"""How far sessions came in a funnel by themselves, kept a day at a time, and visitors by several sessions together."""

from collections.abc import Hashable
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from pyroaring import BitMap

from datalab.aggregate.bitmaps import bitmap_of, members
from datalab.aggregate.meanings import NONE
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.reach import Matches, last_of_unit, reach_in_order
from datalab.aggregate.returning import lull_of, returned
from datalab.aggregate.sums import Sized
from datalab.aggregate.trails import Trail, inside, trail
from datalab.errors import Missing
from datalab.model.ranges import Range


class Outcomes(Sized, frozen=True):
    """Units that matched any stage, in their order; all arrays but `spent` have one entry a unit."""

    unit: NDArray[np.uint32]
    mask: NDArray[Any]
    """The stages it matched, in whatever order."""
    furthest: NDArray[np.uint8]
    """How many stages it reached, in order."""
    next: NDArray[np.uint32]
    """The route viewed after its last match of the furthest stage, NONE for none."""
    spent: NDArray[Any]
    """For each stage it reached, ms until it reached the next one; in the furthest, until the session's end."""

    @property
    def start(self) -> NDArray[np.int64]:
        """Where each unit's part of `spent` begins."""
        lengths = self.furthest.astype(np.int64)
        begin: NDArray[np.int64] = np.cumsum(lengths) - lengths
        return begin


NOBODY = Outcomes(
    np.empty(0, np.uint32), np.empty(0, np.uint8), np.empty(0, np.uint8), np.empty(0, np.uint32), np.empty(0, np.uint32)
)


def outcomes_of_sessions(
    aggregate: PartitionAggregate, number: int, session: NDArray[np.uint32], range: Range
) -> Outcomes:
    """Each session by itself; only events in the range match."""
    return outcomes(aggregate, number, trail(aggregate, session), None, session, range)


def outcomes(
    aggregate: PartitionAggregate,
    number: int,
    events: Trail,
    group: NDArray[np.int64] | None,
    names: NDArray[np.uint32],
    range: Range,
) -> Outcomes:
    """`group` tells for each session of the trail which unit it belongs to, rising; `names` what units are called."""
    funnel = aggregate.rules.configuration.funnel[number]
    stages = len(funnel.stage)
    mask = aggregate.meanings.stages[number].values[events.meaning]
    hits = np.flatnonzero(mask)
    matching = events.chosen(hits)
    if range != Range():
        chosen = np.flatnonzero(inside(matching.time, range))
        hits, matching = hits[chosen], matching.chosen(chosen)
    if len(hits) == 0:
        return NOBODY
    owner = matching.owner
    unit = owner if group is None else group[owner]
    matches = Matches(unit, matching.time, hits, mask[hits])
    heads = np.flatnonzero(np.append(True, unit[1:] != unit[:-1]))
    place = np.empty(len(names), dtype=np.int64)
    place[unit[heads]] = np.arange(len(heads))
    furthest = np.zeros(len(heads), dtype=np.uint8)
    reached = reach_in_order(matches, stages, funnel.window_ms)
    for k, at in enumerate(reached):
        furthest[place[unit[at]]] = k + 1
    lengths = furthest.astype(np.int64)
    start = np.cumsum(lengths) - lengths
    spent = np.zeros(int(lengths.sum()), dtype=np.int64)
    following = np.full(len(heads), NONE, dtype=np.uint32)
    left: list[NDArray[np.intp]] = []
    ends = aggregate.sessions.last.values[events.session]
    for k, at in enumerate(reached):
        where = place[unit[at]]
        until = ends[owner[at]]
        if k + 1 < stages:
            on = furthest[where] > k + 1
            # Both are in the order of units, and every unit at stage k + 1 was at stage k.
            until[on] = matches.time[reached[k + 1]]
        spent[start[where] + k] = until - matches.time[at]
        if k + 1 < stages:
            candidates = np.flatnonzero(matches.mask >> np.uint32(k) & 1)
            left.append(last_of_unit(matches, candidates[furthest[place[unit[candidates]]] == k + 1]))
    if left:
        last = np.concatenate(left)
        following[place[unit[last]]] = next_routes(events, matches.row[last])
    narrow = np.uint8 if stages <= 8 else np.uint32
    return Outcomes(
        names[unit[heads]],
        np.bitwise_or.reduceat(matches.mask, heads).astype(narrow),
        furthest,
        following,
        spent if len(spent) and int(spent.max()) > 0xFFFFFFFF else spent.astype(np.uint32),
    )


def next_routes(events: Trail, at: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The route of the page view after each of these events in its session, NONE where there is none."""
    views = np.flatnonzero(events.route != NONE)
    found = np.full(len(at), NONE, dtype=np.uint32)
    if len(views):
        following = np.searchsorted(views, at, side="right")
        there = np.flatnonzero(following < len(views))
        view = views[following[there]]
        same = events.owner[view] == events.owner[at[there]]
        found[there[same]] = events.route[view[same]]
    return found


def joined(parts: list[Outcomes]) -> Outcomes:
    """One after the other."""
    if not parts:
        return NOBODY
    if len(parts) == 1:
        return parts[0]
    return Outcomes(*(np.concatenate([getattr(part, name) for part in parts]) for name in Outcomes.__struct_fields__))


def sessions_that_reached(aggregate: PartitionAggregate, funnel: str, stage: int) -> BitMap:
    """Sessions that reached a stage (from 1) by their own events, in order. Raises Missing for an unknown one."""
    names = [each.name for each in aggregate.rules.configuration.funnel]
    if funnel not in names or not 1 <= stage <= len(aggregate.rules.configuration.funnel[names.index(funnel)].stage):
        raise Missing(f"there is no stage {stage} of a funnel {funnel[:80]!r}")
    number = names.index(funnel)
    begun, calendar, kept = aggregate.sets["begun"], aggregate.calendar, aggregate.kept
    until = aggregate.changes.settled
    days = [day for day in begun.by_code if calendar.start(day + 1) <= until]
    found = [
        kept.held(
            ("reached", number, stage, day),
            aggregate.changes.of_day(day),
            lambda day=day: reached_on(aggregate, number, stage, day),  # type: ignore[misc]
        )
        for day in days
    ]
    back = returned(aggregate, until, None)
    settled = begun.union(day for day in begun.by_code if day not in set(days)) - back.fresh
    found.append(
        kept.held(
            ("reached", number, stage, "rest"),
            (until, aggregate.changes.before(until)),
            lambda: reached_by(aggregate, number, stage, settled),
        )
    )
    fresh, lull = back.fresh, lull_of(aggregate, until, back)
    for place, step in enumerate(lull.steps if lull is not None else []):
        found.append(
            kept.held(
                ("reached", number, stage, "quiet", place),
                lull.number if lull is not None else 0,
                lambda step=step: reached_by(aggregate, number, stage, step.sessions),  # type: ignore[misc]
            )
        )
        fresh = fresh - step.sessions
    return BitMap.union(*found, reached_by(aggregate, number, stage, fresh))


def reached_by(aggregate: PartitionAggregate, number: int, stage: int, sessions: BitMap) -> BitMap:
    """Of some sessions."""
    part = outcomes_of_sessions(aggregate, number, members(sessions), Range())
    return bitmap_of(part.unit[part.furthest >= stage])


def reached_on(aggregate: PartitionAggregate, number: int, stage: int, day: int) -> BitMap:
    """Of the sessions that began on a day."""
    part = aggregate.kept.held(
        (outcomes_name(number), day),
        aggregate.changes.of_day(day),
        lambda: outcomes_of_sessions(aggregate, number, members(aggregate.sets["begun"][day]), Range()),
    )
    return bitmap_of(part.unit[part.furthest >= stage])


def outcomes_name(number: int) -> Hashable:
    """What outcomes of sessions are kept under, by the day."""
    return "funnel", number


class Together(Struct, frozen=True):
    """Units made of several sessions: what is known of them without looking at their events again, and the others."""

    known: NDArray[np.intp]
    """Outcomes of sessions that are their unit's, but for `next`."""
    leaving: NDArray[np.intp]
    """Outcomes of sessions whose `next` is their unit's, in no particular order."""
    deep: Outcomes
    """Of the units whose sessions have to be seen together; they are called by number."""


def together(
    aggregate: PartitionAggregate, number: int, alone: Outcomes, unit: NDArray[np.integer], units: int, range: Range
) -> Together:
    """How far units came; `unit` tells for each session's outcome which of `units` it belongs to.

    A unit of one session is as that session is. Where all sessions of a unit matched stage 1 only, the first one tells
    when it was reached and the last one where the unit went. All others are followed event by event.
    """
    count = np.bincount(unit, minlength=units)
    several = count[unit] > 1
    single = np.flatnonzero(~several)
    several_at = np.flatnonzero(several)
    if len(several_at) == 0:
        return Together(single, single, NOBODY)
    is_deep = np.zeros(units, dtype=bool)
    is_deep[unit[several_at[alone.mask[several_at] != 1]]] = True
    deep_here = is_deep[unit[several_at]]
    shallow = several_at[~deep_here]
    of, session = unit[shallow], alone.unit[shallow].astype(np.int64)
    # A visitor's sessions have rising numbers in the order of time.
    earliest = np.full(units, NONE, dtype=np.int64)
    latest = np.full(units, -1, dtype=np.int64)
    np.minimum.at(earliest, of, session)
    np.maximum.at(latest, of, session)
    known = shallow[earliest[of] == session]
    leaving = shallow[latest[of] == session]
    deep_at = several_at[deep_here]
    key = np.sort(unit[deep_at].astype(np.int64) << 32 | alone.unit[deep_at])
    sessions, of_unit = (key & 0xFFFFFFFF).astype(np.uint32), key >> 32
    heads = np.append(True, of_unit[1:] != of_unit[:-1]) if len(key) else np.empty(0, dtype=bool)
    deep = (
        outcomes(
            aggregate,
            number,
            trail(aggregate, sessions),
            np.cumsum(heads) - 1,
            of_unit[heads].astype(np.uint32),
            range,
        )
        if len(key)
        else NOBODY
    )
    return Together(np.append(single, known), np.append(single, leaving), deep)
