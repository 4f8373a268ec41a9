"""SEMANTICS.md over a list of events in plain Python, as slow and plain as can be; shares only structs with datalab."""

import re
from collections import Counter, defaultdict
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from datalab.model.configuration import Configuration, Funnel, Stage
from datalab.model.events import Kind, Opening
from datalab.model.figures import Audience, FunnelFigures, NextRoute, Overview, Page, Pages, Point, Share, StageFigures
from datalab.model.ranges import Range

TIMEOUT = 30 * 60 * 1000
QUARTER = 15 * 60 * 1000
DAY = 24 * 60 * 60 * 1000


class Happening(NamedTuple):
    """One event of the journal."""

    stream: int
    sequence: int
    time: int
    kind: Kind
    text: str


class Viewed(NamedTuple):
    """What the reference needs to know of one event."""

    place: int
    """In the journal."""
    time: int
    visitor: bytes
    stream: int
    kind: Kind
    path: str | None
    """A page view's route before the cap."""
    plain: str | None
    """The same before it is folded into the app's patterns: stages match either."""
    route: str | None
    text: str

    @property
    def order(self) -> tuple[int, int]:
        return self.time, self.place


class Described(NamedTuple):
    """The audience's dimensions of a context."""

    browser: str
    system: str
    device: str
    language: str
    referrer: str


class Reference:
    """Figures over `openings` and `happenings`; `described` tells the dimensions of each opening's context."""

    def __init__(
        self,
        openings: list[Opening],
        happenings: list[Happening],
        described: list[Described],
        configuration: Configuration,
        zone: str,
        cap: int,
    ) -> None:
        self.configuration = configuration
        self.zone = zone
        paths = [route(each.text, configuration) if each.kind == Kind.URLCHANGE else None for each in happenings]
        shown = capped([path for path in paths if path is not None], cap)
        self.events = [
            Viewed(
                place=place,
                time=each.time,
                visitor=openings[each.stream].visitor,
                stream=each.stream,
                kind=each.kind,
                path=path,
                plain=None if path is None else route(each.text, replace(configuration, routes=[])),
                route=None if path is None else shown.get(path, "(other)"),
                text=each.text,
            )
            for place, (each, path) in enumerate(zip(happenings, paths, strict=True))
        ]
        columns = []
        for name in Described._fields:
            values = [getattr(each, name) for each in described]
            kept = capped(["(direct)", *values] if name == "referrer" else values, cap)
            columns.append([kept.get(value, "(other)") for value in values])
        self.described = [Described(*values) for values in zip(*columns, strict=True)]
        self.sessions = self._cut()

    def _cut(self) -> list[list[Viewed]]:
        sessions: list[list[Viewed]] = []
        for visitor in dict.fromkeys(event.visitor for event in self.events):
            mine = sorted((event for event in self.events if event.visitor == visitor), key=lambda event: event.order)
            sessions.append([mine[0]])
            for before, event in pairwise(mine):
                if event.time - before.time >= TIMEOUT:
                    sessions.append([])
                sessions[-1].append(event)
        return sessions

    def chosen(self, range: Range) -> list[list[Viewed]]:
        return [session for session in self.sessions if any(inside(event, range) for event in session)]

    def overview(self, app: str, range: Range) -> Overview:
        sessions = self.chosen(range)
        views = [event for event in self.events if event.route is not None and inside(event, range)]
        durations = [session[-1].time - session[0].time for session in sessions]
        bounces = 0
        for session in sessions:
            kinds = Counter(event.kind for event in session)
            if kinds[Kind.URLCHANGE] == 1 and not kinds[Kind.MOUSECLICK] + kinds[Kind.MOUSEHOVER] + kinds[Kind.CUSTOM]:
                bounces += 1
        rate = None
        if self.configuration.funnel and sessions:
            figures = self.funnel(app, 0, range, "visitors", "ordered")
            rate = figures.stages[-1].reached / figures.visitors
        bucket, series = self.series(range)
        return Overview(
            app=app,
            from_=self.show(range.from_),
            to=self.show(range.to),
            visitors=len({session[0].visitor for session in sessions}),
            sessions=len(sessions),
            page_views=len(views),
            views_per_session=len(views) / len(sessions) if sessions else None,
            bounce_rate=bounces / len(sessions) if sessions else None,
            duration_mean=mean_seconds(durations),
            duration_median=median_seconds(durations),
            conversion_rate=rate,
            bucket=bucket,
            series=series,
        )

    def series(self, range: Range) -> tuple[str, list[Point]]:
        """Edges are found by looking at the wall clock every quarter of an hour."""
        if not self.events:
            return "day", []
        times = [event.time for event in self.events]
        info = ZoneInfo(self.zone)
        from_, to = range.from_, range.to
        if from_ is None:
            from_ = min(times) // QUARTER * QUARTER
            while self.wall(from_ - QUARTER, info).date() == self.wall(min(times), info).date():
                from_ -= QUARTER
        if to is None:
            to = max(*times, from_) + 1
        if to <= from_:
            return "day", []
        hourly = to - from_ <= 3 * DAY
        edges = [from_]
        quarter = from_ // QUARTER * QUARTER + QUARTER
        while quarter < to:
            now, before = self.wall(quarter, info), self.wall(quarter - QUARTER, info)
            if now.minute == 0 if hourly else now.date() != before.date():
                edges.append(quarter)
            quarter += QUARTER
        points = []
        for begin, end in pairwise([*edges, to]):
            within = [event for event in self.events if begin <= event.time < end]
            points.append(
                Point(
                    start=self.wall(begin, info).isoformat(),
                    page_views=sum(event.route is not None for event in within),
                    visitors=len({event.visitor for event in within}),
                )
            )
        return "hour" if hourly else "day", points

    @staticmethod
    def wall(time: int, info: ZoneInfo) -> datetime:
        return datetime.fromtimestamp(time / 1000, info)

    def show(self, time: int | None) -> str | None:
        return None if time is None else self.wall(time, ZoneInfo(self.zone)).isoformat()

    def pages(self, app: str, range: Range) -> Pages:
        sessions = self.chosen(range)
        views: Counter[str] = Counter()
        entries: Counter[str] = Counter()
        exits: Counter[str] = Counter()
        spent: defaultdict[str, list[int]] = defaultdict(list)
        visitors: defaultdict[str, set[bytes]] = defaultdict(set)
        for session in sessions:
            viewed = [event for event in session if event.route is not None]
            if viewed:
                entries[str(viewed[0].route)] += 1
                exits[str(viewed[-1].route)] += 1
            for place, view in enumerate(viewed):
                if inside(view, range):
                    until = viewed[place + 1] if place + 1 < len(viewed) else session[-1]
                    views[str(view.route)] += 1
                    spent[str(view.route)].append(until.time - view.time)
                    visitors[str(view.route)].add(view.visitor)
        return Pages(
            app=app,
            from_=self.show(range.from_),
            to=self.show(range.to),
            page_views=views.total(),
            pages=[
                Page(
                    route=name,
                    views=views[name],
                    visitors=len(visitors[name]),
                    entries=entries[name],
                    exits=exits[name],
                    seconds_mean=mean_seconds(spent[name]),
                )
                for name in sorted(views, key=lambda name: (-views[name], name))
            ],
        )

    def audience(self, app: str, range: Range) -> Audience:
        sessions = self.chosen(range)
        found: dict[str, defaultdict[str, list[bytes]]] = {name: defaultdict(list) for name in Described._fields}
        for session in sessions:
            for name in Described._fields[:-1]:
                found[name][getattr(self.described[session[0].stream], name)].append(session[0].visitor)
            referrers = [self.described[event.stream].referrer for event in session]
            external = [host for host in referrers if host != "(direct)"]
            found["referrer"][external[0] if external else "(direct)"].append(session[0].visitor)
        shares = {
            name: [
                Share(value=value, sessions=len(visitors), visitors=len(set(visitors)))
                for value, visitors in sorted(values.items(), key=lambda entry: (-len(entry[1]), entry[0]))
            ]
            for name, values in found.items()
        }
        return Audience(
            app=app,
            from_=self.show(range.from_),
            to=self.show(range.to),
            browsers=shares["browser"],
            systems=shares["system"],
            devices=shares["device"],
            languages=shares["language"],
            referrers=shares["referrer"],
        )

    def funnel(self, app: str, number: int, range: Range, unit: str, order: str) -> FunnelFigures:
        configured = self.configuration.funnel[number]
        session_of = {event.place: session for session in self.sessions for event in session}
        units: dict[object, list[Viewed]] = {}
        for session in self.chosen(range):
            key = session[0].visitor if unit == "visitors" else session[0].place
            units.setdefault(key, []).extend(event for event in session if inside(event, range))
        reached: list[dict[object, Viewed]] = [{} for _ in configured.stage]
        matched: dict[object, list[list[Viewed]]] = {}
        for key, events in units.items():
            events.sort(key=lambda event: event.order)
            matched[key] = [[event for event in events if self.matches(stage, event)] for stage in configured.stage]
            reach = reach_in_order if order == "ordered" else reach_in_any_order
            for k, event in enumerate(reach(matched[key], window_of(configured))):
                if event is not None:
                    reached[k][key] = event
        stages = []
        for k, stage in enumerate(configured.stage):
            here = reached[k]
            after = reached[k + 1] if k + 1 < len(reached) else None
            gone = [key for key in here if after is not None and key not in after]
            on, off = [], []
            if order == "ordered" and after is not None:
                on = [after[key].time - here[key].time for key in here if key in after]
                off = [session_of[here[key].place][-1].time - here[key].time for key in gone]
            went: Counter[str] = Counter()
            for key in gone:
                last = matched[key][k][-1]
                later = [
                    event for event in session_of[last.place] if event.route is not None and event.order > last.order
                ]
                went[str(later[0].route) if later else "(exit)"] += 1
            stages.append(
                StageFigures(
                    name=stage.name,
                    reached=len(here),
                    step_conversion=len(here) / len(reached[k - 1]) if k and reached[k - 1] else None,
                    conversion=len(here) / len(reached[0]) if reached[0] else None,
                    dropped=len(gone),
                    next=[
                        NextRoute(route=name, count=count)
                        for name, count in sorted(went.items(), key=lambda entry: (-entry[1], entry[0]))
                    ],
                    seconds_mean=mean_seconds(on),
                    seconds_median=median_seconds(on),
                    dropped_seconds_mean=mean_seconds(off),
                    dropped_seconds_median=median_seconds(off),
                )
            )
        return FunnelFigures(
            app=app,
            funnel=configured.name,
            unit=unit,
            order=order,
            from_=self.show(range.from_),
            to=self.show(range.to),
            visitors=len(units),
            stages=stages,
        )

    def matches(self, stage: Stage, event: Viewed) -> bool:
        if stage.click is not None:
            if event.kind != Kind.MOUSECLICK:
                return False
            named = {element.name: element.selector for element in self.configuration.element}
            parts = event.text.split("\x1f")
            return stage.click in parts or stage.click in [named.get(part) for part in parts]
        if event.path is None:
            return False
        return any(page is not None and viewed(stage, page) for page in (event.path, event.plain))


def viewed(stage: Stage, page: str) -> bool:
    if stage.url is not None:
        return page == stage.url
    if stage.glob is not None:
        return fits(stage.glob, page)
    assert stage.regex is not None
    return re.search(stage.regex, page) is not None


def inside(event: Viewed, range: Range) -> bool:
    return (range.from_ is None or range.from_ <= event.time) and (range.to is None or event.time < range.to)


def capped(values: list[str], cap: int) -> dict[str, str]:
    """The first `cap` distinct values; the others are `(other)`."""
    return {value: value for value in list(dict.fromkeys(values))[:cap]}


def route(url: str, configuration: Configuration) -> str:
    """Enough of SEMANTICS' route for the URLs of these tests."""
    rest = url.partition("://")[2]
    rest = rest[rest.index("/") :] if "/" in rest else "/"
    before, _, fragment = rest.partition("#")
    path = (fragment.removeprefix("!") if configuration.hash_routing else before).partition("?")[0]
    path = re.sub("(?:%[0-9A-Fa-f]{2})+", lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), path)
    path = "/" + path.strip("/").replace(" ", "%20")
    for pattern in configuration.routes:
        wanted, have = pattern.split("/"), path.split("/")
        if len(wanted) == len(have) and all(
            part == other or (part.startswith(":") and other) for part, other in zip(wanted, have, strict=True)
        ):
            return pattern
    return path


def fits(glob: str, text: str) -> bool:
    if not glob:
        return not text
    if glob[0] == "*":
        return any(fits(glob[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and glob[0] in ("?", text[0]) and fits(glob[1:], text[1:])


def window_of(funnel: Funnel) -> int | None:
    if funnel.window is None:
        return None
    return int(funnel.window[:-1]) * {"s": 1000, "m": 60_000, "h": 3_600_000, "d": DAY, "w": 7 * DAY}[funnel.window[-1]]


def reach_in_order(matched: list[list[Viewed]], window: int | None) -> list[Viewed | None]:
    """For each stage the earliest end of any chain of different events that leads to it; every chain is followed."""
    ends: list[list[Viewed]] = [[] for _ in matched]
    for beginning in matched[0]:
        frontier = [beginning]
        for k, candidates in enumerate(matched):
            if k:
                frontier = [
                    event
                    for event in candidates
                    if any(event.order > earlier.order for earlier in frontier)
                    and (window is None or event.time - beginning.time <= window)
                ]
            ends[k] += frontier
    return [min(events, key=lambda event: event.order) if events else None for events in ends]


def reach_in_any_order(matched: list[list[Viewed]], window: int | None) -> list[Viewed | None]:
    return [events[0] if events else None for events in matched]


def mean_seconds(milliseconds: list[int]) -> float | None:
    return float(Fraction(sum(milliseconds), len(milliseconds) * 1000)) if milliseconds else None


def median_seconds(milliseconds: list[int]) -> float | None:
    if not milliseconds:
        return None
    ordered, middle = sorted(milliseconds), len(milliseconds) // 2
    pair = ordered[middle] + (ordered[middle] if len(ordered) % 2 else ordered[middle - 1])
    return float(Fraction(pair, 2000))
