"""The click stream's shop: its clicks as a journal, and what plain Python needs to count them."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.aggregate.rules import Rules
from datalab.model.events import Batch, Events, Kind, Opening, Position
from datalab.model.ranges import Range
from datalab.model.segments import Filter, Segment
from tests.clickstream import Click

STAGES = ["product_view", "add_to_cart", "shipping_details", "payment_details", "purchase"]
SESSION_TIMEOUT = 30 * 60 * 1000
DAY = 24 * 60 * 60 * 1000
ZONE = "Europe/Berlin"
"""Whose clocks go forward on one of the file's days."""
History = list[Click]


class Visit(NamedTuple):
    """A session."""

    clicks: list[Click]
    is_first: bool
    """Whether it is its visitor's first one."""

    @property
    def user(self) -> str:
        return self.clicks[0].user

    @property
    def begin(self) -> int:
        return self.clicks[0].time

    @property
    def end(self) -> int:
        return self.clicks[-1].time

    @property
    def routes(self) -> list[str]:
        """In order, immediate repeats removed."""
        routes = [f"/{click.event}" for click in self.clicks]
        return [route for k, route in enumerate(routes) if k == 0 or routes[k - 1] != route]

    def within(self, range: Range) -> list[Click]:
        return [click for click in self.clicks if inside(click.time, range)]


def histories_of(clicks: list[Click]) -> dict[str, History]:
    """Each visitor's clicks by time, in file order where times tie."""
    found: dict[str, History] = {}
    for click in clicks:
        found.setdefault(click.user, []).append(click)
    return {user: sorted(mine, key=lambda click: click.time) for user, mine in found.items()}


def visits_of(histories: dict[str, History]) -> list[Visit]:
    """Sessions: a visitor's clicks without a gap of 30 minutes or more."""
    found: list[Visit] = []
    for mine in histories.values():
        parts = [mine[:1]]
        for before, click in pairwise(mine):
            if click.time - before.time >= SESSION_TIMEOUT:
                parts.append([])
            parts[-1].append(click)
        found += [Visit(part, is_first=number == 0) for number, part in enumerate(parts)]
    return found


def aggregate_of_clicks(clicks: list[Click], rules: Rules) -> PartitionAggregate:
    """As a journal of batches of 5,000 page views, one stream a visitor."""
    aggregate = PartitionAggregate(rules)
    streams: dict[str, int] = {}
    lengths: Counter[str] = Counter()
    for first in range(0, len(clicks), 5000):
        part, known = clicks[first : first + 5000], len(streams)
        stream, sequence, text, texts = [], [], [], dict[str, int]()
        for click in part:
            lengths[click.user] += 1
            stream.append(streams.setdefault(click.user, len(streams)))
            sequence.append(lengths[click.user])
            text.append(texts.setdefault(f"https://shop.example/{click.event}", len(texts)))
        events = Events(
            stream=np.array(stream, dtype=np.uint32),
            sequence=np.array(sequence, dtype=np.uint32),
            time=np.array([click.time for click in part], dtype=np.int64),
            kind=np.full(len(part), Kind.URLCHANGE, dtype=np.uint8),
            text=np.array(text, dtype=np.uint32),
            number=np.zeros(len(part), dtype=np.uint32),
            texts=list(texts),
        )
        openings = [
            Opening(visitor=blake2b(user.encode(), digest_size=16).digest(), started=0)
            for user in list(streams)[known:]
        ]
        aggregate.take(Batch(start=Position(known, first), openings=openings, events=events))
    return aggregate


def inside(moment: int, range: Range) -> bool:
    return (range.from_ is None or range.from_ <= moment) and (range.to is None or moment < range.to)


def people(visits: Iterable[Visit]) -> int:
    return len({visit.user for visit in visits})


def midnight(day: date) -> int:
    """The first instant of a day, ms."""
    return int(datetime.combine(day, time(), ZoneInfo(ZONE)).timestamp() * 1000)


def bucket(moment: int, unit: str) -> date:
    """The first day of the day, the week (from Monday) or the month in which a moment lies."""
    day = datetime.fromtimestamp(moment / 1000, ZoneInfo(ZONE)).date()
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day


def buckets_between(first: date, last: date, unit: str) -> list[date]:
    """All of them, by their first days."""
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if bucket(midnight(day), unit) == day]


def between(first: str, last: str) -> Range:
    """From the first instant of one day to that of another."""
    return Range(midnight(date.fromisoformat(first)), midnight(date.fromisoformat(last)))


def shown(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, ZoneInfo(ZONE)).isoformat()


def count_edges(ways: list[list[str]]) -> list[tuple[str, str, int, int]]:
    """Each with the ways it is on and how often it is on them; most ways first, then by name."""
    times: Counter[tuple[str, str]] = Counter()
    having: Counter[tuple[str, str]] = Counter()
    for way in ways:
        edges = list(pairwise(["(entry)", *way, "(exit)"]))
        times.update(edges)
        having.update(set(edges))
    return [(*edge, having[edge], times[edge]) for edge in sorted(having, key=lambda edge: (-having[edge], edge))]


def units_of(visits: list[Visit], unit: str) -> list[list[Visit]]:
    """Sessions one by one, or those of each visitor."""
    if unit == "sessions":
        return [[visit] for visit in visits]
    by_user: dict[str, list[Visit]] = {}
    for visit in visits:
        by_user.setdefault(visit.user, []).append(visit)
    return list(by_user.values())


def reach_in_order(clicks: History, window: int | None) -> list[Click]:
    """For each stage reached, the click that did: stages in order, each by a later click, from any beginning within
    the window; the earliest one counts."""
    reached: list[Click] = []
    for start, beginning in enumerate(clicks):
        if beginning.event != STAGES[0]:
            continue
        way = [beginning]
        for click in clicks[start + 1 :]:
            late = window is not None and click.time - beginning.time > window
            if late or len(way) == len(STAGES):
                break
            if click.event == STAGES[len(way)]:
                way.append(click)
        for k, click in enumerate(way):
            if k == len(reached):
                reached.append(click)
            elif click.time < reached[k].time:
                reached[k] = click
        if window is None:
            break
    return reached


def cohorts(visits: list[Visit], range: Range, unit: str) -> list[tuple[str, int, list[tuple[int, int, float]]]]:
    """Start, visitors and cells (period, visitors, share) of those whose first session began in one day, week (from
    Monday) or month; a cell counts those of them with a session that began so many later. Only sessions that begin in
    the range count."""
    begun = [visit for visit in visits if inside(visit.begin, range)]
    came: defaultdict[date, set[str]] = defaultdict(set)
    cohort: defaultdict[date, set[str]] = defaultdict(set)
    for visit in begun:
        came[bucket(visit.begin, unit)].add(visit.user)
        if visit.is_first:
            cohort[bucket(visit.begin, unit)].add(visit.user)
    end = range.to - 1 if range.to is not None else max(visit.begin for visit in begun)
    found = []
    for day, members in sorted(cohort.items()):
        counts = [len(members & came[then]) for then in buckets_between(day, bucket(end, unit), unit)]
        start = shown(max(midnight(day), range.from_ or 0))
        found.append((start, len(members), [(k, count, count / len(members)) for k, count in enumerate(counts)]))
    return found


def ask(range: Range, *filters: Filter) -> Question:
    return Question(app="shop", range=range, zone=ZONE, segment=Segment(filters))


WHOLE = Range()
SPRING = between("2024-02-10", "2024-04-20")
CUT = Range(1_708_000_000_500, 1_713_000_123_000)
"""Neither end is a full hour."""
