"""Events, sessions and what is known of them, and the sessions that a question selects."""

from collections.abc import Iterable
from itertools import pairwise

from datalab.aggregate.question import Question
from datalab.model.configuration import Configuration
from datalab.model.events import Kind, Opening
from datalab.model.ranges import Range
from datalab.model.segments import Filter
from tests.aggregate.reference.happening import (
    TAGS,
    Described,
    Happening,
    Known,
    clicked,
    fits,
    plain_route,
    route,
    tags,
)
from tests.aggregate.reference.reach import reach, window_of

TIMEOUT = 30 * 60 * 1000
SINGLE = (*Described._fields, "visit", "entry", "exit", *TAGS)
"""Dimensions of which a session has one value."""
MANY = ("route", "clicked", "event", "stage")


class Session:
    """All of a visitor's events without a long gap, by time."""

    def __init__(self, events: list[Known]) -> None:
        self.events = events
        self.one: dict[str, str] = {}
        """The value of each of SINGLE."""
        self.many: dict[str, set[str]] = {}
        """The values of each of MANY."""

    @property
    def visitor(self) -> bytes:
        return self.events[0].visitor

    @property
    def begin(self) -> int:
        return self.events[0].time

    @property
    def end(self) -> int:
        return self.events[-1].time

    @property
    def views(self) -> list[Known]:
        return [event for event in self.events if event.route is not None]

    @property
    def routes(self) -> list[str]:
        """In order, immediate repeats removed."""
        return unrepeated([str(event.route) for event in self.views])

    @property
    def tagged(self) -> bool:
        return any(self.one[field] != "(none)" for field in TAGS)

    def values(self, dimension: str) -> set[str]:
        return {self.one[dimension]} if dimension in self.one else self.many[dimension]

    def within(self, range: Range) -> list[Known]:
        return [event for event in self.events if inside(event.time, range)]


class Reference:
    """The partition of `openings` and `happenings`; `described` tells the dimensions of each opening's context."""

    def __init__(
        self,
        openings: list[Opening],
        happenings: list[Happening],
        described: list[Described],
        configuration: Configuration = Configuration(),  # noqa: B008
        cap: int = 10_000,
        timeout: int = TIMEOUT,
    ) -> None:
        self.configuration = configuration
        heard = [(place, each) for place, each in enumerate(happenings) if not each.noise]
        self.events = self._known(openings, heard, cap)
        self.described = cap_described(described, cap)
        self.sessions: list[Session] = []
        """Each visitor's by time."""
        for visitor in dict.fromkeys(event.visitor for event in self.events):
            mine = sorted((event for event in self.events if event.visitor == visitor), key=lambda event: event.order)
            sessions = [Session(mine[:1])]
            for before, event in pairwise(mine):
                if event.time - before.time >= timeout:
                    sessions.append(Session([]))
                sessions[-1].events.append(event)
            for session in sessions:
                session.one = self._one(session, "new" if session is sessions[0] else "returning")
                session.many = self._many(session)
            self.sessions += sessions

    def _known(self, openings: list[Opening], heard: list[tuple[int, Happening]], cap: int) -> list[Known]:
        configuration = self.configuration
        views = [each.text for _, each in heard if each.kind == Kind.URLCHANGE]
        routes = capped((route(url, configuration) for url in views), cap)
        kept = {
            field: capped((found[field] for url in views if field in (found := tags(url, configuration))), cap)
            for field in TAGS
        }
        names = capped((each.parts[0] for _, each in heard if each.kind == Kind.CUSTOM), cap)
        known = []
        for place, each in heard:
            view = each.kind == Kind.URLCHANGE
            path = route(each.text, configuration) if view else None
            found = tags(each.text, configuration) if view else {}
            known.append(
                Known(
                    place=place,
                    time=each.time,
                    visitor=openings[each.stream].visitor,
                    stream=each.stream,
                    kind=each.kind,
                    text=each.text,
                    number=each.number,
                    path=path,
                    plain=plain_route(each.text, configuration) if view else None,
                    route=None if path is None else routes.get(path, "(other)"),
                    tags={field: kept[field].get(value, "(other)") for field, value in found.items()},
                    name=names.get(each.parts[0], "(other)") if each.kind == Kind.CUSTOM else None,
                    clicked=clicked(each, configuration),
                )
            )
        return known

    def _one(self, session: Session, visit: str) -> dict[str, str]:
        hosts = [self.described[event.stream].referrer for event in session.events]
        routes = session.routes or ["(none)"]
        tagged = [event.tags for event in session.events if event.tags]
        return {
            **self.described[session.events[0].stream]._asdict(),
            "referrer": next((host for host in hosts if host != "(direct)"), "(direct)"),
            "visit": visit,
            "entry": routes[0],
            "exit": routes[-1],
            **{field: tagged[0].get(field, "(none)") if tagged else "(none)" for field in TAGS},
        }

    def _many(self, session: Session) -> dict[str, set[str]]:
        stages = set()
        for funnel in self.configuration.funnel:
            reached = reach(self.configuration, funnel.stage, session.events, "ordered", window_of(funnel))
            stages |= {f"{k} of {funnel.name}" for k, event in enumerate(reached, 1) if event is not None}
        return {
            "route": set(session.routes),
            "clicked": {name for event in session.events for name in event.clicked},
            "event": {event.name for event in session.events if event.name is not None},
            "stage": stages,
        }

    def selected(self, question: Question) -> list[Session]:
        """Sessions with an event in the range, for which all filters hold; filters look at the whole session."""
        return [
            session
            for session in self.sessions
            if session.within(question.range)
            and all(holds(filter, session.values(filter.dimension)) for filter in question.segment.filters)
        ]


def cap_described(described: list[Described], cap: int) -> list[Described]:
    columns = []
    for name in Described._fields:
        values = [getattr(each, name) for each in described]
        kept = capped(["(direct)", *values] if name == "referrer" else values, cap)
        columns.append([kept.get(value, "(other)") for value in values])
    return [Described(*values) for values in zip(*columns, strict=True)]


def holds(filter: Filter, values: set[str]) -> bool:
    wanted = filter.value
    if filter.operator == "is":
        return wanted in values
    if filter.operator == "is not":
        return wanted not in values
    if filter.operator == "contains":
        return any(wanted.lower() in value.lower() for value in values)
    return any(fits(wanted.lower(), value.lower()) for value in values)


def capped(values: Iterable[str], cap: int) -> dict[str, str]:
    """The first `cap` distinct values; the others are `(other)`."""
    return {value: value for value in list(dict.fromkeys(values))[:cap]}


def inside(time: int, range: Range) -> bool:
    return (range.from_ is None or range.from_ <= time) and (range.to is None or time < range.to)


def unrepeated(routes: list[str]) -> list[str]:
    return [route for place, route in enumerate(routes) if place == 0 or routes[place - 1] != route]


def visitors(sessions: Iterable[Session]) -> int:
    return len({session.visitor for session in sessions})
