"""The aggregate of one partition: takes the journal's batches, keeps what figures are read from."""

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from datalab.aggregate.bitmaps import Bitmaps, bitmap_of
from datalab.aggregate.column import Column
from datalab.aggregate.dimension import Dimension
from datalab.aggregate.rules import Rules
from datalab.aggregate.sessions import Runs, Sessions, cut_runs, last_times
from datalab.aggregate.streams import AUDIENCE, REFERRER, Streams
from datalab.aggregate.texts import NONE, Texts
from datalab.aggregate.visitors import VisitorIndex
from datalab.model.events import Batch, Events, Kind, Position

IS_ACTION = np.array([kind in (Kind.MOUSECLICK, Kind.MOUSEHOVER, Kind.CUSTOM) for kind in range(256)])
SLOT_MS = 900_000
"""A quarter of an hour: every time zone's hours begin at one."""


class Rows:
    """One row an event, in the order of the journal."""

    COLUMNS = (
        ("time", np.int64),
        ("stream", np.uint32),
        ("kind", np.uint8),
        ("route", np.uint32),
        ("session", np.uint32),
        ("dwell", np.uint32),
    )

    def __init__(self) -> None:
        self.time = Column(np.int64)
        self.stream = Column(np.uint32)
        self.kind = Column(np.uint8)
        self.route = Column(np.uint32)
        """Route code of a page view, NONE for other events."""
        self.session = Column(np.uint32)
        self.dwell = Column(np.uint32)
        """Time on route of a page view, ms."""

    def __len__(self) -> int:
        return len(self.time)


class Marks:
    """The events of one funnel that match any of its stages, by rising row."""

    def __init__(self) -> None:
        self.row = Column(np.uint32)
        self.mask = Column(np.uint32)


class PartitionAggregate:
    """`take` it batch by batch, in order; how the events were cut into batches makes no difference."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.position = Position()
        self.lost_events = 0
        """Events in damaged stretches of the journal."""
        self.dimensions = {name: Dimension(rules.max_values) for name in (*AUDIENCE, "route")}
        self.entries = Bitmaps()
        self.exits = Bitmaps()
        """By route code."""
        self.slots = Bitmaps()
        """Sessions with an event in each SLOT_MS since the epoch."""
        self.all = BitMap()
        """Every session."""
        self.rows = Rows()
        self.sessions = Sessions()
        self.marks = [Marks() for _ in rules.configuration.funnel]
        self.visitors = VisitorIndex()
        self.last_session = Column(np.uint32)
        """Each visitor's latest session."""
        self.folded: dict[str, list[str]] = {}
        """Some of the paths that were folded into each route pattern, to try stages on."""
        self.attach()

    def attach(self) -> None:
        """Build what is derived from the parts, at first and after a snapshot is loaded."""
        self.streams = Streams(self.rules, self.dimensions, self.visitors)
        self.texts = Texts(self.rules, self.dimensions["route"], self.folded)

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
        first = len(self.rows)
        routes, masks = self.texts.read(events)
        self.rows.time.append(events.time)
        self.rows.stream.append(events.stream)
        self.rows.kind.append(events.kind)
        self.rows.route.append(routes)
        self.rows.session.fill(len(events), NONE)
        self.rows.dwell.fill(len(events), 0)
        for marks, mask in zip(self.marks, masks, strict=True):
            hits = np.flatnonzero(mask)
            marks.row.append(hits + first)
            marks.mask.append(mask[hits])
        self._place(np.arange(first, first + len(events), dtype=np.uint32))

    def _place(self, rows: NDArray[np.uint32]) -> None:
        """Put events into sessions. Sessions that late events touch are taken apart and placed anew with them."""
        visitor = self.streams.visitor.values[self.rows.stream.values[rows]]
        time = self.rows.time.values[rows]
        late = time < last_times(self.sessions, self.last_session.values[visitor])
        if late.any():
            rows = np.concatenate([rows, self._take_apart(visitor[late], time[late])])
            visitor = self.streams.visitor.values[self.rows.stream.values[rows]]
            time = self.rows.time.values[rows]
        before = last_times(self.sessions, self.last_session.values[visitor])
        runs = cut_runs(visitor, time, rows, before, self.rules.session_timeout_ms)
        self._enter(runs, rows[runs.order], visitor[runs.order], time[runs.order])

    def _enter(
        self, runs: Runs, rows: NDArray[np.uint32], visitor: NDArray[np.uint32], time: NDArray[np.int64]
    ) -> None:
        """Add runs of events to their sessions; a session has one run at most."""
        sessions, start, end = self.sessions, runs.start, runs.end
        route, stream = self.rows.route.values[rows], self.rows.stream.values[rows]
        is_action = IS_ACTION[self.rows.kind.values[rows]]
        session_of_run = self._begin(runs, rows, visitor, time, stream)
        session = np.repeat(session_of_run, end - start + 1)
        is_view = route != NONE
        self.rows.session.values[rows] = session
        self._spend_time(runs, rows, session_of_run, session, time, is_view)
        sessions.last.values[session_of_run] = time[end]
        sessions.views.values[session_of_run] += np.add.reduceat(is_view, start, dtype=np.uint32)
        sessions.actions.values[session_of_run] += np.add.reduceat(is_action, start, dtype=np.uint32)
        np.minimum.at(sessions.first_row.values, session_of_run, np.minimum.reduceat(rows, start))
        self._set_ends(runs, rows, session_of_run, route, is_view)
        self._set_referrers(runs, session_of_run, stream)
        self.slots.add(time // SLOT_MS, session)
        self.dimensions["route"].sessions.add(route[is_view], session[is_view])
        # Where a visitor has several runs, the last one written is the latest.
        self.last_session.values[visitor[end]] = session_of_run

    def _begin(
        self,
        runs: Runs,
        rows: NDArray[np.uint32],
        visitor: NDArray[np.uint32],
        time: NDArray[np.int64],
        stream: NDArray[np.uint32],
    ) -> NDArray[np.uint32]:
        """The session of each run; rows for the new ones."""
        sessions, fresh = self.sessions, runs.fresh
        begin = runs.start[fresh]
        run_visitor = visitor[runs.start]
        session = self.last_session.values[run_visitor]
        first_run = np.append(True, run_visitor[1:] != run_visitor[:-1])
        new = np.arange(len(sessions), len(sessions) + len(begin), dtype=np.uint32)
        session[fresh] = new
        previous = np.where(
            first_run, self.last_session.values[run_visitor], np.append(np.uint32(NONE), session[:-1])
        ).astype(np.uint32)
        context = self.streams.context.values[stream[begin]]
        sessions.visitor.append(visitor[begin])
        sessions.first.append(time[begin])
        sessions.last.append(time[begin])
        for column in (sessions.views, sessions.actions):
            column.fill(len(begin), 0)
        for column in (sessions.entry, sessions.exit, sessions.last_view):
            column.fill(len(begin), NONE)
        sessions.context.append(context)
        sessions.referrer.fill(len(begin), self.streams.direct)
        sessions.previous.append(previous[fresh])
        sessions.first_row.append(rows[begin])
        for name, codes in zip(AUDIENCE, self.streams.contexts, strict=True):
            if name == "referrer":
                self.dimensions[name].sessions.add(sessions.referrer.values[new], new)
            else:
                self.dimensions[name].sessions.add(codes.values[context], new)
        self.all |= bitmap_of(new)
        return session

    def _spend_time(
        self,
        runs: Runs,
        rows: NDArray[np.uint32],
        session_of_run: NDArray[np.uint32],
        session: NDArray[np.uint32],
        time: NDArray[np.int64],
        is_view: NDArray[np.bool_],
    ) -> None:
        """Give the time between two events of a session to the page view current then (SEMANTICS, time on route)."""
        place = np.arange(len(rows))
        current = np.maximum.accumulate(np.where(is_view, place, -1))
        current[1:] = current[:-1]
        current[0] = -1
        run_start = np.repeat(runs.start, runs.end - runs.start + 1)
        view = np.where(current >= run_start, rows[current], self.sessions.last_view.values[session])
        before = np.empty_like(time)
        before[1:] = time[:-1]
        before[runs.start] = self.sessions.last.values[session_of_run]
        spent = view != NONE
        np.add.at(self.rows.dwell.values, view[spent], (time - before)[spent].astype(np.uint32))

    def _set_ends(
        self,
        runs: Runs,
        rows: NDArray[np.uint32],
        session_of_run: NDArray[np.uint32],
        route: NDArray[np.uint32],
        is_view: NDArray[np.bool_],
    ) -> None:
        """Entry and exit routes."""
        sessions, place = self.sessions, np.arange(len(rows))
        last = np.maximum.reduceat(np.where(is_view, place, -1), runs.start)
        viewing = last >= 0
        first = np.minimum.reduceat(np.where(is_view, place, len(rows)), runs.start)[viewing]
        session, last = session_of_run[viewing], last[viewing]
        entering = sessions.entry.values[session] == NONE
        sessions.entry.values[session[entering]] = route[first[entering]]
        self.entries.add(route[first[entering]], session[entering])
        move(self.exits, sessions.exit, session, route[last])
        sessions.last_view.values[session] = rows[last]

    def _set_referrers(self, runs: Runs, session_of_run: NDArray[np.uint32], stream: NDArray[np.uint32]) -> None:
        """The first external referrer of each session (SEMANTICS, referrer)."""
        referrer = self.streams.contexts[REFERRER].values[self.streams.context.values[stream]]
        external = np.where(referrer != self.streams.direct, np.arange(len(stream)), len(stream))
        first = np.minimum.reduceat(external, runs.start)
        found = (first < len(stream)) & (self.sessions.referrer.values[session_of_run] == self.streams.direct)
        move(
            self.dimensions["referrer"].sessions, self.sessions.referrer, session_of_run[found], referrer[first[found]]
        )

    def _take_apart(self, visitor: NDArray[np.uint32], time: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Undo the sessions that events of these times may belong to or join; their rows."""
        earliest: dict[int, int] = {}
        for who, when in zip(visitor.tolist(), time.tolist(), strict=True):
            earliest[who] = min(when, earliest.get(who, when))
        sessions, chosen = self.sessions, []
        for who, when in earliest.items():
            session = int(self.last_session.values[who])
            while session != NONE and int(sessions.last.values[session]) > when - self.rules.session_timeout_ms:
                chosen.append(session)
                session = int(sessions.previous.values[session])
            self.last_session.values[who] = session
        gone = np.array(chosen, dtype=np.uint32)
        first_row = int(sessions.first_row.values[gone].min())
        recent = self.rows.session.values[first_row:]
        # Few sessions are touched at a time: a table of all would cost more than comparing with a short sorted list.
        rows = (np.flatnonzero(np.isin(recent, gone)) + first_row).astype(np.uint32)
        self._undo(gone, rows)
        return rows

    def _undo(self, gone: NDArray[np.uint32], rows: NDArray[np.uint32]) -> None:
        sessions = self.sessions
        session, route = self.rows.session.values[rows], self.rows.route.values[rows]
        is_view = route != NONE
        self.dimensions["route"].sessions.remove(route[is_view], session[is_view])
        self.slots.remove(self.rows.time.values[rows] // SLOT_MS, session)
        context = sessions.context.values[gone]
        for name, codes in zip(AUDIENCE, self.streams.contexts, strict=True):
            self.dimensions[name].sessions.remove(
                sessions.referrer.values[gone] if name == "referrer" else codes.values[context], gone
            )
        for ends, column in ((self.entries, sessions.entry), (self.exits, sessions.exit)):
            viewing = gone[column.values[gone] != NONE]
            ends.remove(column.values[viewing], viewing)
        self.all -= bitmap_of(gone)
        self.rows.dwell.values[rows] = 0
        self.rows.session.values[rows] = NONE


def move(bitmaps: Bitmaps, column: Column[np.uint32], session: NDArray[np.uint32], code: NDArray[np.uint32]) -> None:
    """Change the code of sessions in a column and in its bitmaps."""
    old = column.values[session]
    changed = old != code
    session, old, code = session[changed], old[changed], code[changed]
    had = old != NONE
    bitmaps.remove(old[had], session[had])
    bitmaps.add(code, session)
    column.values[session] = code
