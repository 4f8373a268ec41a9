"""The sessions that a question is about, and sums over them that need not be made anew with every event."""

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from pyroaring import BitMap

from datalab.aggregate.bitmaps import bitmap_of, members
from datalab.aggregate.filters import sessions_of
from datalab.aggregate.partition import Flag, PartitionAggregate
from datalab.aggregate.question import Question
from datalab.aggregate.returning import NEVER, Returned, lull_of, returned
from datalab.aggregate.sums import Number, Sized, Sum
from datalab.model.ranges import Range

S = TypeVar("S", bound=Sum)
P = TypeVar("P", bound=Sized)
FEW_SESSIONS = 1_500
"""So many are looked at anew each time."""
MANY_SESSIONS = 30_000
"""From here on, days that others may ask for as well are summed up one by one."""


class Selection:
    """A session is in a range when it has an event in it; a page view when its own time is (SEMANTICS, ranges)."""

    def __init__(
        self,
        aggregate: PartitionAggregate,
        question: Question,
        bitmap: BitMap | None = None,
        until: int | None = None,
        *,
        settled: bool = False,
    ) -> None:
        self.aggregate = aggregate
        self.question = question
        self.range = question.range
        self.bitmap = selected(aggregate, question) if bitmap is None else bitmap
        """What is given is a part of the question's sessions, or are those of a question of their own."""
        self.until = until
        """As if no session had begun from then on, ms."""
        self._settled = settled
        """These are all of the question's that began before `until`."""

    def __len__(self) -> int:
        return len(self.bitmap)

    @cached_property
    def sessions(self) -> NDArray[np.uint32]:
        """All of them, by number."""
        return members(self.bitmap)

    @cached_property
    def visitors(self) -> int:
        """Distinct visitors of the sessions."""
        return self.total("visitors", lambda part: Number(distinct(part.aggregate, part.bitmap))).count

    @cached_property
    def crossing(self) -> NDArray[np.uint32]:
        """The sessions with events outside of the range too."""
        sessions = self.aggregate.sessions
        outside = np.zeros(len(self.sessions), dtype=bool)
        if self.range.from_ is not None:
            outside |= sessions.first.values[self.sessions] < self.range.from_
        if self.range.to is not None:
            outside |= sessions.last.values[self.sessions] >= self.range.to
        return self.sessions[outside]

    def total(self, name: Hashable, make: Callable[["Selection"], S], *, looks_around: bool = False) -> S:
        """`make` of all sessions, for what can be added up over visitors.

        What the sessions that may well not change any more (see `Changes.settled`) come to is kept. Of the visitors who
        came back since, it is taken out again, and put in as it is now. `looks_around` tells that it makes a difference
        for a visitor's sessions which others there are outside of the selection.
        """
        aggregate = self.aggregate
        if len(self) <= FEW_SESSIONS or self.until is not None:
            return make(self)
        changes = aggregate.changes
        name = (name, self.range, self.question.zone, self.question.segment.filters)
        kept: Settled | None = aggregate.kept.get(name)
        until = changes.settled
        made: S
        if kept is None or kept.until > until or kept.version != changes.before(kept.until):
            came = returned(aggregate, until, None).fresh
            made = self._keep(
                name, make(Selection(aggregate, self.question, self.bitmap - came, until, settled=True)), until
            )
        elif kept.until < until:
            made = self._keep(name, self._onward(make, kept.made, kept.until, until, looks_around), until)
        else:
            made = kept.made
        return self._with_fresh(name, make, made, until, looks_around)

    def _keep(self, name: Hashable, made: S, until: int) -> S:
        made = made.compact()
        self.aggregate.kept.put(name, Settled(made, until, self.aggregate.changes.before(until)), made.size)
        return made

    def _onward(self, make: Callable[["Selection"], S], made: S, from_: int, to: int, looks_around: bool) -> S:
        """What was made of the sessions that began before `from_`, brought forward to `to`."""
        return self._plus(make, made, returned(self.aggregate, from_, to), from_, to, looks_around)

    def _plus(
        self, make: Callable[["Selection"], S], made: S, back: Returned, from_: int, to: int, looks_around: bool
    ) -> S:
        """The same for some visitors."""
        aggregate, question = self.aggregate, self.question
        fresh, earlier = self.bitmap & back.fresh, self.bitmap & back.earlier
        if not fresh and not (looks_around and earlier):
            return made
        made = made.plus(make(Selection(aggregate, question, fresh | earlier, to)))
        return made.plus(make(Selection(aggregate, question, earlier, from_)), -1) if earlier else made

    def _with_fresh(
        self, name: Hashable, make: Callable[["Selection"], S], made: S, until: int, looks_around: bool
    ) -> S:
        """What was made of the settled sessions, brought forward to now."""
        aggregate, back = self.aggregate, returned(self.aggregate, until, None)
        lull = lull_of(aggregate, until, back)
        if lull is None:
            return self._plus(make, made, back, until, NEVER, looks_around)
        kept: Quieted | None = aggregate.kept.get((name, "quiet"))
        if kept is None or kept.lull != lull.number:
            nobody = make(Selection(aggregate, self.question, BitMap(), until))
            kept = Quieted(nobody, lull.number, 0)
        if kept.steps < len(lull.steps):
            visitors = BitMap.union(*(step.visitors for step in lull.steps[kept.steps :]))
            more = self._plus(
                make, kept.made, back.of(aggregate, visitors, until), until, NEVER, looks_around
            ).compact()
            kept = Quieted(more, lull.number, len(lull.steps))
            aggregate.kept.put((name, "quiet"), kept, more.size)
        made = made.plus(kept.made)
        heard = back.of(aggregate, back.visitors - lull.visitors, until)
        return self._plus(make, made, heard, until, NEVER, looks_around)

    def parts(
        self,
        name: Hashable,
        make: Callable[[NDArray[np.uint32], Range], P],
        whole: Callable[[P], P] | None = None,
    ) -> list[P]:
        """`make` of all sessions, cut into sets of them: days that lie wholly in the range, each kept until it changes,
        and the rest, of whose events only those in the range count; of that, what is settled is kept as well.

        With `whole` there are no days: what is settled is one part, of which `whole` makes what is kept.
        """
        aggregate, kept = self.aggregate, self.aggregate.kept
        if self.until is not None and not self._settled:
            return [make(self.sessions, self.range)] if self.bitmap else []
        until = aggregate.changes.settled if self.until is None else self.until
        days = self._whole_days(until) if whole is None else []
        found = [
            kept.held(
                (name, day),
                aggregate.changes.of_day(day),
                lambda day=day: make(members(aggregate.sets["begun"][day]), Range()),  # type: ignore[misc]
            )
            for day in days
        ]
        rest = self.bitmap - aggregate.sets["begun"].union(days) if days else self.bitmap
        if len(rest) > FEW_SESSIONS:
            keep = whole or unchanged
            fresh = rest & returned(aggregate, until, None).fresh
            settled = rest - fresh
            found.append(
                kept.held(
                    (name, "rest", len(days), self.range, self.question.segment.filters),
                    (until, aggregate.changes.before(until)),
                    lambda: keep(make(members(settled), self.range)),
                )
            )
            rest = fresh
            lull = lull_of(aggregate, until, returned(aggregate, until, None)) if self.until is None else None
            if lull is not None:
                for number, step in enumerate(lull.steps):
                    quiet = rest & step.sessions
                    found.append(
                        kept.held(
                            (name, "quiet", number, len(days), self.range, self.question.segment.filters),
                            lull.number,
                            lambda quiet=quiet: make(members(quiet), self.range),  # type: ignore[misc]
                        )
                    )
                    rest = rest - step.sessions
        if rest:
            found.append(make(members(rest), self.range))
        return found

    def _whole_days(self, until: int) -> list[int]:
        """Days that are over, and whose sessions (those that began on them) are all selected and lie in the range."""
        if len(self) <= MANY_SESSIONS or self.question.segment.filters:
            return []
        calendar, chosen, ends = self.aggregate.calendar, self.range, self.aggregate.changes.ends
        return [
            day
            for day, sessions in self.aggregate.sets["begun"].by_code.items()
            if sessions
            and calendar.start(day + 1) <= until
            and (chosen.from_ is None or calendar.start(day) >= chosen.from_)
            and (chosen.to is None or ends[day] < chosen.to)
        ]


def unchanged(part: P) -> P:
    """As it is."""
    return part


class Settled(Struct, frozen=True):
    """A sum over the sessions that began before `until`, right as long as nothing of them changes."""

    made: Any
    """A Sum."""
    until: int
    version: int


class Quieted(Struct, frozen=True):
    """What the visitors of so many steps of a lull make of a difference."""

    made: Any
    """A Sum."""
    lull: int
    steps: int


def selected(aggregate: PartitionAggregate, question: Question) -> BitMap:
    """The sessions in the question's range that are in its segment."""
    found = sessions_between(aggregate, question.range)
    filtered = sessions_of(aggregate, question.segment)
    return found if filtered is None else found & filtered


def sessions_between(aggregate: PartitionAggregate, range: Range) -> BitMap:
    """Sessions with an event in [from, to), ms: whole days by their bitmaps, the two edges by looking closer."""
    from_, to = range.from_, range.to
    if from_ is None and to is None:
        return aggregate.alive
    calendar, active = aggregate.calendar, aggregate.sets["active"]
    whole: list[int] = []
    edges: list[int] = []
    first = calendar.day(from_) if from_ is not None else None
    last = calendar.day(to) if to is not None else None
    for day in active.by_code:
        if (first is not None and day < first) or (last is not None and day > last):
            continue
        cut = (day == first and from_ is not None and calendar.start(day) < from_) or day == last
        (edges if cut else whole).append(day)
    found = active.union(whole)
    if edges:
        candidates = members(active.union(edges) - found)
        found |= bitmap_of(candidates[has_event(aggregate, candidates, range)])
    return found


def has_event(aggregate: PartitionAggregate, session: NDArray[np.uint32], range: Range) -> NDArray[np.bool_]:
    """Whether sessions have an event in a range."""
    sessions = aggregate.sessions
    from_ = range.from_ if range.from_ is not None else -NEVER
    to = range.to if range.to is not None else NEVER
    first, last = sessions.first.values[session], sessions.last.values[session]
    found: NDArray[np.bool_] = ((first >= from_) & (first < to)) | ((last >= from_) & (last < to))
    around = np.flatnonzero((first < from_) & (last >= to))
    if len(around):
        events = aggregate.events_of(session[around])
        inside = (events.time >= from_) & (events.time < to)
        count = sessions.count.values[session[around]].astype(np.int64)
        found[around] = np.logical_or.reduceat(inside, np.cumsum(count) - count)
    return found


def first_and_last(aggregate: PartitionAggregate, bitmap: BitMap) -> tuple[int, int]:
    """When the first of some sessions begins and the last one ends, ms; there must be any."""
    sessions, begun = aggregate.sessions, aggregate.sets["begun"]
    days = sorted(day for day, mine in begun.by_code.items() if mine.intersect(bitmap))
    first = int(sessions.first.values[members(begun[days[0]] & bitmap)].min())
    last = 0
    # Sessions of the days before may go on for longer than the last one.
    for day in reversed(days):
        if aggregate.changes.ends[day] > last:
            last = max(last, int(sessions.last.values[members(begun[day] & bitmap)].max()))
    return first, last


def distinct(aggregate: PartitionAggregate, sessions: BitMap) -> int:
    """Distinct visitors of sessions: those of only one session need no looking at."""
    only = sessions.intersection_cardinality(aggregate.flagged(Flag.ONLY))
    rest = members(sessions - aggregate.flagged(Flag.ONLY)) if only else members(sessions)
    return only + count_distinct(aggregate, rest)


def count_distinct(aggregate: PartitionAggregate, sessions: NDArray[np.uint32]) -> int:
    """Distinct visitors of sessions, by number."""
    visitors = aggregate.sessions.visitor.values.take(sessions)
    if len(visitors) * 256 < len(aggregate.visitors):
        visitors.sort()
        return int(np.count_nonzero(visitors[1:] != visitors[:-1])) + (len(visitors) > 0)
    seen = np.zeros(len(aggregate.visitors), dtype=bool)
    seen[visitors] = True
    return int(np.count_nonzero(seen))


def visitors_by_code(
    aggregate: PartitionAggregate, session: NDArray[np.uint32], code: NDArray[np.integer], codes: int
) -> NDArray[np.int64]:
    """For each code, of so many, the distinct visitors of the sessions that have it."""
    pair = aggregate.sessions.visitor.values[session].astype(np.int64) * codes + code
    pair.sort()
    pair = pair[np.append(True, pair[1:] != pair[:-1])] if len(pair) else pair
    return np.bincount(pair % codes, minlength=codes)
