"""The aggregate of one partition: takes the journal's batches, keeps what figures are read from."""

from collections import deque
from enum import IntEnum
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from datalab.aggregate.arrival import Arrivals, Feed
from datalab.aggregate.bitmaps import Bitmaps, members
from datalab.aggregate.calendar import Calendar
from datalab.aggregate.changes import Changes
from datalab.aggregate.column import Column
from datalab.aggregate.dimension import Dimension
from datalab.aggregate.kept import Kept
from datalab.aggregate.lull import Lull
from datalab.aggregate.meanings import NONE, Meanings, Tags, is_noise
from datalab.aggregate.rows import GARBAGE_ROWS, Rows, spans, times
from datalab.aggregate.rules import Rules
from datalab.aggregate.sessions import Runs, Sessions, cut_runs, last_times
from datalab.aggregate.streams import AUDIENCE, CONTEXT, Streams
from datalab.aggregate.visitors import VisitorIndex
from datalab.model.events import NOISE_MS, Batch, Events, Kind, Position

IS_ACTION = np.array([kind in (Kind.MOUSECLICK, Kind.MOUSEHOVER, Kind.CUSTOM) for kind in range(256)])


class Flag(IntEnum):
    """What a session may be, one bitmap each."""

    ALIVE = 0
    FIRST = 1
    """Its visitor's first one."""
    ONLY = 2
    """Its visitor's only one."""
    BOUNCED = 3


class PartitionAggregate:
    """`take` it batch by batch, in order; how the events were cut into batches makes no difference."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.calendar = Calendar(rules.zone)
        self.position = Position()
        self.lost_events = 0
        """Events in damaged stretches of the journal."""
        self.dimensions = {name: Dimension(rules.max_values) for name in (*AUDIENCE, "route", "event")}
        self.tags = Tags(rules.max_values)
        self.sets = {
            name: Bitmaps()
            for name in (*AUDIENCE, "route", "event", "entry", "exit", "clicked", "tag", "active", "begun", "flag")
        }
        """Sessions by code: of a dimension, an element's place, a combination of tags, a day with an event of theirs,
        the day they began on, a Flag."""
        self.rows = Rows()
        self.sessions = Sessions()
        self.visitors = VisitorIndex()
        self.last_session = Column(np.uint32)
        """Each visitor's latest session."""
        self.feed: deque[Feed] = deque(maxlen=50)
        """The last events, as long as the server runs."""
        self.streams = Streams(self.rules, self.dimensions, self.visitors)
        self.meanings = Meanings(self.rules, self.dimensions["route"], self.dimensions["event"], self.tags)
        self.changes = Changes(rules.session_timeout_ms)
        self.lull: Lull | None = None
        self.kept = Kept()
        """Parts of answers, as long as they hold."""

    def restored(self) -> None:
        """Build what is derived, after the parts came from a snapshot."""
        self.streams.restored()
        self.tags.restored()
        self.meanings.restored()
        self._touch(members(self.alive))

    def forget_texts(self) -> None:
        """Let go what was remembered of texts and contexts, after very many of them came."""
        self.meanings.forget()
        self.streams.forget()

    def flagged(self, flag: Flag) -> BitMap:
        """Sessions that have a flag."""
        return self.sets["flag"][flag]

    @property
    def alive(self) -> BitMap:
        """Every session."""
        return self.flagged(Flag.ALIVE)

    def take(self, batch: Batch) -> None:
        """Apply a batch; what is missing before it (damage in the journal) is counted as lost."""
        if batch.end.streams <= self.position.streams and batch.end.events <= self.position.events:
            return
        batch = batch.after(self.position)
        if (lost := batch.start.streams - self.position.streams) > 0:
            self.streams.open_lost(lost)
        self.lost_events += batch.start.events - self.position.events
        self.streams.open(batch.openings)
        self.last_session.fill(len(self.visitors) - len(self.last_session), NONE)
        if len(batch.events):
            self.streams.note(batch.events.stream, batch.events.sequence)
            self._add(batch.events)
        self.position = batch.end

    def _add(self, events: Events) -> None:
        noise = is_noise(events, NOISE_MS)
        chosen = np.flatnonzero(~noise) if noise.any() else slice(None)
        stream = events.stream[chosen]
        if len(stream) == 0:
            return
        meaning = self.meanings.read(events)[chosen]
        context = self.streams.context.values[stream]
        arrivals = Arrivals(
            visitor=self.streams.visitor.values[stream],
            time=events.time[chosen],
            meaning=meaning,
            number=np.where(self.meanings.kind.values[meaning] == Kind.MOUSEHOVER, events.number[chosen], 0).astype(
                np.uint32
            ),
            context=context,
            referrer=self.streams.referrer.values[stream].astype(np.uint32),
        )
        self._place(arrivals)
        self.feed.extend(arrivals.feed(events, chosen, self.feed.maxlen or 0))

    def _place(self, arrivals: Arrivals) -> None:
        """Put events into sessions. Sessions that late events touch are taken apart and placed anew with them."""
        late = arrivals.time < last_times(self.sessions, self.last_session.values[arrivals.visitor])
        if late.any():
            # What was there before stays first among events of one time.
            arrivals = self._take_apart(arrivals.visitor[late], arrivals.time[late]).joined(arrivals)
        before = last_times(self.sessions, self.last_session.values[arrivals.visitor])
        runs = cut_runs(arrivals.visitor, arrivals.time, before, self.rules.session_timeout_ms)
        self._enter(runs, arrivals.ordered(runs.order))

    def _enter(self, runs: Runs, events: Arrivals) -> None:
        """Add runs of events to their sessions; a session has one run at most."""
        sessions, start, end = self.sessions, runs.start, runs.end
        session_of_run = self._begin(runs, events)
        length = end - start + 1
        session = np.repeat(session_of_run, length)
        before = sessions.count.values[session_of_run].astype(np.int64)
        self._write(runs.fresh, session_of_run, before, length, events)
        sessions.last.put(session_of_run, events.time[end])
        route = self.meanings.route.values[events.meaning]
        views = np.add.reduceat(route != NONE, start, dtype=np.int64) + sessions.views.values[session_of_run]
        is_action = IS_ACTION[self.meanings.kind.values[events.meaning]]
        acted = np.logical_or.reduceat(is_action, start) | (sessions.acted.values[session_of_run] > 0)
        sessions.views.put(session_of_run, views)
        sessions.acted.put(session_of_run, acted.astype(np.uint8))
        bounced = (views == 1) & ~acted
        self.sets["flag"].remove_all(Flag.BOUNCED, session_of_run[~bounced & ~runs.fresh])
        self.sets["flag"].add_all(Flag.BOUNCED, session_of_run[bounced])
        self._set_ends(runs, session_of_run, route)
        self._set_referrers(runs, session_of_run, before, events.referrer)
        self._set_tags(runs, session_of_run, self.meanings.tag.values[events.meaning])
        self._mark(events, session, route, add=True)
        self._touch(session_of_run)
        # Where a visitor has several runs, the last one written is the latest.
        self.last_session.put(events.visitor[end], session_of_run)

    def _begin(self, runs: Runs, events: Arrivals) -> NDArray[np.uint32]:
        """The session of each run; rows for the new ones."""
        sessions, fresh = self.sessions, runs.fresh
        begin = runs.start[fresh]
        run_visitor = events.visitor[runs.start]
        session = self.last_session.values[run_visitor]
        first_run = np.append(True, run_visitor[1:] != run_visitor[:-1])
        new = np.arange(len(sessions), len(sessions) + len(begin), dtype=np.uint32)
        session[fresh] = new
        previous = np.where(
            first_run, self.last_session.values[run_visitor], np.append(np.uint32(NONE), session[:-1])
        ).astype(np.uint32)[fresh]
        time, context = events.time[begin], events.context[begin]
        sessions.visitor.append(events.visitor[begin])
        sessions.first.append(time)
        sessions.last.append(time)
        for empty in (
            sessions.start, sessions.count, sessions.room, sessions.views, sessions.acted, sessions.entry,
            sessions.exit, sessions.referrer_at, sessions.tag,
        ):  # fmt: skip
            empty.fill(len(begin), 0)
        sessions.context.append(context)
        sessions.referrer.fill(len(begin), self.streams.direct)
        sessions.previous.append(previous)
        self.sets["referrer"].add_all(self.streams.direct, new)
        for name, codes in zip(CONTEXT, self.streams.contexts, strict=True):
            self.sets[name].add(codes.values[context], new)
        flags = self.sets["flag"]
        flags.add_all(Flag.ALIVE, new)
        flags.add_all(Flag.FIRST, new[previous == NONE])
        flags.add_all(Flag.ONLY, new[previous == NONE])
        flags.remove_all(Flag.ONLY, previous[previous != NONE])
        days = self.calendar.days(time)
        self.sets["begun"].add(days, new)
        return session

    def _write(
        self,
        fresh: NDArray[np.bool_],
        session: NDArray[np.uint32],
        before: NDArray[np.int64],
        length: NDArray[np.int64],
        events: Arrivals,
    ) -> None:
        """Write events behind those of their sessions; sessions without room move to the end."""
        sessions, rows = self.sessions, self.rows
        after = before + length
        room = sessions.room.values[session].astype(np.int64)
        capacity = np.where(room > 0, np.int64(1) << room, before)
        moving = np.flatnonzero(after > capacity)
        # A session that goes on gets room for twice as much, so that each event is copied once or twice at most.
        doubled = np.ceil(np.log2(after[moving])).astype(np.int64) + 1
        wanted = np.where(fresh[moving], length[moving], np.int64(1) << doubled)
        target = rows.grow(int(wanted.sum())) + np.cumsum(wanted) - wanted
        moved = session[moving]
        old = spans(sessions.start.values[moved], before[moving])
        rows.copy(old, spans(target, before[moving]))
        rows.garbage += int(capacity[moving].sum())
        sessions.start.put(moved, target)
        sessions.room.put(moved, np.where(fresh[moving], 0, doubled))
        sessions.count.put(session, after)
        rows.write(spans(sessions.start.values[session] + before, length), events.time, events.meaning, events.number)
        if rows.garbage > max(GARBAGE_ROWS, len(rows) // 4):
            self._compact()

    def _compact(self) -> None:
        """Leave out the rows that nobody owns."""
        sessions = self.sessions
        count = sessions.count.values.astype(np.int64)
        source = spans(sessions.start.values, count)
        rows = Rows()
        rows.grow(len(source))
        for column, old in zip(rows.columns().values(), self.rows.columns().values(), strict=True):
            column.put(np.arange(len(source)), old.values[source])
        self.rows = rows
        everybody = np.arange(len(sessions))
        sessions.start.put(everybody, np.cumsum(count) - count)
        sessions.room.put(everybody, np.zeros(len(sessions), dtype=np.uint8))

    def _set_ends(self, runs: Runs, session_of_run: NDArray[np.uint32], route: NDArray[np.uint32]) -> None:
        """Entry and exit routes."""
        sessions, place = self.sessions, np.arange(len(route))
        last = np.maximum.reduceat(np.where(route != NONE, place, -1), runs.start)
        viewing = last >= 0
        first = np.minimum.reduceat(np.where(route != NONE, place, len(route)), runs.start)[viewing]
        session, last = session_of_run[viewing], last[viewing]
        entering = sessions.entry.values[session] == 0
        sessions.entry.put(session[entering], route[first[entering]] + np.uint32(1))
        self.sets["entry"].add(route[first[entering]], session[entering])
        old, new = sessions.exit.values[session].astype(np.int64) - 1, route[last].astype(np.int64)
        had = (old >= 0) & (old != new)
        self.sets["exit"].remove(old[had], session[had])
        self.sets["exit"].add(new[old != new], session[old != new])
        sessions.exit.put(session, new + 1)

    def _set_referrers(
        self,
        runs: Runs,
        session_of_run: NDArray[np.uint32],
        before: NDArray[np.int64],
        referrer: NDArray[np.uint32],
    ) -> None:
        """The first external referrer of each session (SEMANTICS, referrer)."""
        direct = self.streams.direct
        first = first_of_run(referrer != direct, runs)
        found = (first < len(referrer)) & (self.sessions.referrer.values[session_of_run] == direct)
        session, first = session_of_run[found], first[found]
        self.sets["referrer"].remove_all(direct, session)
        self.sets["referrer"].add(referrer[first], session)
        self.sessions.referrer.put(session, referrer[first])
        self.sessions.referrer_at.put(session, first - runs.start[found] + before[found])

    def _set_tags(self, runs: Runs, session_of_run: NDArray[np.uint32], tag: NDArray[np.uint32]) -> None:
        """The tags of each session's first tagged page view (SEMANTICS, campaign)."""
        first = first_of_run(tag != 0, runs)
        found = (first < len(tag)) & (self.sessions.tag.values[session_of_run] == 0)
        session, first = session_of_run[found], first[found]
        self.sets["tag"].add(tag[first], session)
        self.sessions.tag.put(session, tag[first])

    def _mark(self, events: Arrivals, session: NDArray[np.uint32], route: NDArray[np.uint32], *, add: bool) -> None:
        """Enter what sessions may have several of: days, routes, clicked elements, names of custom events."""
        days = self.calendar.days(events.time)
        viewing = route != NONE
        names = self.meanings.name.values[events.meaning]
        named = names != NONE
        pairs = [
            ("active", days, session),
            ("route", route[viewing], session[viewing]),
            ("event", names[named], session[named]),
        ]
        clicked = self._clicked(events.meaning)
        if len(clicked[0]):
            pairs.append(("clicked", clicked[1], session[clicked[0]]))
        for name, codes, sessions in pairs:
            (self.sets[name].add if add else self.sets[name].remove)(codes, sessions)

    def _clicked(self, meaning: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of events that click elements of interest, and the elements."""
        at, elements = [], []
        table = np.zeros(len(self.meanings), dtype=bool)
        for element, codes in enumerate(self.meanings.clicks):
            if codes:
                table[:] = False
                table[codes] = True
                places = np.flatnonzero(table[meaning])
                at.append(places)
                elements.append(np.full(len(places), element))
        if not at:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        return np.concatenate(at), np.concatenate(elements)

    def _touch(self, session: NDArray[np.uint32]) -> None:
        """Tell that these sessions changed."""
        sessions = self.sessions
        first = sessions.first.values[session]
        self.changes.note(
            sessions.visitor.values[session], self.calendar.days(first), first, sessions.last.values[session]
        )

    def _take_apart(self, visitor: NDArray[np.uint32], time: NDArray[np.int64]) -> Arrivals:
        """Undo the sessions that events of these times may belong to or join; their events."""
        earliest: dict[int, int] = {}
        for who, when in zip(visitor.tolist(), time.tolist(), strict=True):
            earliest[who] = min(when, earliest.get(who, when))
        sessions = self.sessions
        chosen: list[list[int]] = []
        left = []
        for who, when in earliest.items():
            session = int(self.last_session.values[who])
            mine: list[int] = []
            while session != NONE and int(sessions.last.values[session]) > when - self.rules.session_timeout_ms:
                mine.append(session)
                session = int(sessions.previous.values[session])
            left.append(session)
            chosen.append(mine[::-1])
        self.last_session.put(np.array(list(earliest)), np.array(left, dtype=np.uint32))
        gone = np.array(list(chain.from_iterable(chosen)), dtype=np.uint32)
        events = self.events_of(gone)
        self._undo(gone, events)
        only = np.array([each for each in left if each != NONE], dtype=np.uint32)
        self.sets["flag"].add_all(Flag.ONLY, only[sessions.previous.values[only] == NONE])
        return events

    def events_of(self, session: NDArray[np.uint32]) -> Arrivals:
        """The events of sessions, as they arrived."""
        sessions, rows = self.sessions, self.rows
        count = sessions.count.values[session].astype(np.int64)
        at = spans(sessions.start.values[session], count)
        owner = np.repeat(session, count)
        start = np.cumsum(count) - count
        referrer = np.full(len(at), self.streams.direct, dtype=np.uint32)
        referrer[start + sessions.referrer_at.values[session]] = sessions.referrer.values[session]
        return Arrivals(
            visitor=sessions.visitor.values[owner],
            time=times(sessions.first.values[session], rows.time.values[at], count),
            meaning=rows.meaning.values[at].astype(np.uint32),
            number=rows.number.values[at].astype(np.uint32),
            # Of a session's events only the first one's is ever asked for, and that stays the first of these.
            context=sessions.context.values[owner].astype(np.uint32),
            referrer=referrer,
        )

    def _undo(self, gone: NDArray[np.uint32], events: Arrivals) -> None:
        sessions = self.sessions
        self._touch(gone)
        count = sessions.count.values[gone].astype(np.int64)
        self._mark(events, np.repeat(gone, count), self.meanings.route.values[events.meaning], add=False)
        context = sessions.context.values[gone]
        self.sets["referrer"].remove(sessions.referrer.values[gone], gone)
        for name, codes in zip(CONTEXT, self.streams.contexts, strict=True):
            self.sets[name].remove(codes.values[context], gone)
        for name, column in (("entry", sessions.entry), ("exit", sessions.exit)):
            viewing = gone[column.values[gone] != 0]
            self.sets[name].remove(column.values[viewing].astype(np.int64) - 1, viewing)
        tagged = gone[sessions.tag.values[gone] != 0]
        self.sets["tag"].remove(sessions.tag.values[tagged], tagged)
        self.sets["begun"].remove(self.calendar.days(sessions.first.values[gone]), gone)
        for flag in Flag:
            self.sets["flag"].remove_all(flag, gone)
        room = sessions.room.values[gone].astype(np.int64)
        self.rows.garbage += int(np.where(room > 0, np.int64(1) << room, count).sum())
        sessions.count.put(gone, np.zeros(len(gone), dtype=np.uint8))
        sessions.room.put(gone, np.zeros(len(gone), dtype=np.uint8))


def first_of_run(wanted: NDArray[np.bool_], runs: Runs) -> NDArray[np.int64]:
    """For each run the place of its first wanted event, the number of events where there is none."""
    found: NDArray[np.int64] = np.minimum.reduceat(np.where(wanted, np.arange(len(wanted)), len(wanted)), runs.start)
    return found
