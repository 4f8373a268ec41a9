"""Seeded visits to the shop: a day at a time, in the order of the journal."""

import time
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from shop import COLOURS, COUNTRIES, LANGUAGES, SCREENS, Site

from datalab.model.events import Batch, Context, Events, Kind, Opening, Position

SESSIONS, EVENTS, VISITORS, DAYS = 1_000_000, 5_000_000, 600_000, 90
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
END_HOUR = 20
"""UTC, at which the last day breaks off."""
BATCH_EVENTS = 25_000
SPARE_VISITORS = 50_000
"""For those who come after the end."""
HOURS = np.array([9, 5, 3, 2, 2, 4, 10, 20, 30, 37, 42, 46, 50, 46, 42, 41, 43, 50, 60, 72, 78, 66, 40, 19])
"""Weight of each hour, UTC."""
WEEKDAYS = np.array([1.0, 0.96, 1.12, 1.3, 0.94, 0.9, 0.92])
"""Weight of each day, from Thursday on, as days are counted since the epoch."""
DIRECT, TAGGED = 0.6, 0.25
DEPTHS = np.array([0.45, 0.12, 0.05, 0.035, 0.025])
"""Shares of sessions that come at least this far."""
WENT_ON = 0.5
"""Of those who left a cart behind: how many take it up when they return."""
ALONE = 0.48
"""Of the sessions that see no product: how many see a single page."""
DELAY_MS = 4000
"""Longest time from an event to its arrival."""


def zipf(count: int) -> NDArray[np.float64]:
    """Shares that fall as 1/rank."""
    weights = 1 / np.arange(1, count + 1)
    return weights / weights.sum()


def last_end(now_ms: int) -> int:
    """The latest END_HOUR that is some hours ago: what comes live, comes later."""
    return (now_ms - (END_HOUR + 4) * HOUR_MS) // DAY_MS * DAY_MS + END_HOUR * HOUR_MS


class Columns(NamedTuple):
    """Events by column; `text` are places in the site's texts."""

    arrival: NDArray[np.int64]
    stream: NDArray[np.int64]
    sequence: NDArray[np.int64]
    time: NDArray[np.int64]
    kind: NDArray[np.uint8]
    text: NDArray[np.uint32]
    number: NDArray[np.uint32]

    def at(self, places: "NDArray[np.intp] | NDArray[np.bool_] | slice") -> "Columns":
        """Some of them."""
        return Columns(*(column[places] for column in self))


class Traffic:
    """`batches` once, then `live` as often as wanted."""

    def __init__(self, scale: float = 1.0, end: int | None = None, seed: int = 4) -> None:
        self.sessions, self.events, self.visitors = (int(count * scale) for count in (SESSIONS, EVENTS, VISITORS))
        self.end = last_end(time.time_ns() // 1_000_000) if end is None else end
        self.start = (self.end - (DAYS - 1) * DAY_MS) // DAY_MS * DAY_MS
        self.site = Site()
        self.position = Position()
        self._chance = np.random.default_rng(seed)
        self._ids = self._chance.bytes(16 * (self.visitors + SPARE_VISITORS))
        self._profiles = np.zeros((self.visitors + SPARE_VISITORS, 4), dtype=np.uint8)
        self._loyalty = self._chance.beta(0.6, 2.0, self.visitors + SPARE_VISITORS)
        self._stage = np.zeros(self.visitors + SPARE_VISITORS, dtype=np.uint8)
        """How far a visitor has come whose cart is left behind."""
        self._known = 0
        self._now = self.end
        weights = np.array([agent.weight for agent in self.site.agents])
        self._agents = weights / weights.sum()

    def batches(self) -> Iterator[Batch]:
        """The whole history."""
        count, fresh = self._plan()
        held: Columns | None = None
        for day in range(DAYS):
            begin = self.start + day * DAY_MS
            end = min(begin + DAY_MS, self.end)
            openings, columns = self._visits(begin, end, int(count[day]), int(fresh[day]), self._share(day, count))
            if held is not None:
                columns = Columns(*(np.concatenate(pair) for pair in zip(held, columns, strict=True)))
            columns = columns.at(np.argsort(columns.arrival, kind="stable"))
            now = int(np.searchsorted(columns.arrival, end)) if day < DAYS - 1 else len(columns.time)
            held, columns = columns.at(slice(now, None)), columns.at(slice(now))
            self._now = max(self._now, int(columns.arrival[-1]))
            parts = -(-len(columns.time) // BATCH_EVENTS)
            edges = np.linspace(0, len(columns.time), parts + 1, dtype=int)
            for first, last in pairwise(edges.tolist()):
                yield self._batch(openings, columns.at(slice(first, last)))

    def live(self, sessions: int = 5) -> Batch:
        """A few visits after the history, all their events at once."""
        fresh = min(round(sessions * 0.6), len(self._stage) - self._known)
        openings, columns = self._visits(self._now, self._now + DELAY_MS + 1000, sessions, fresh, 5 * sessions)
        self._now += 1000
        return self._batch(openings, columns.at(np.argsort(columns.arrival, kind="stable")))

    def _plan(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sessions of each day, and how many of them are first visits."""
        day = np.arange(DAYS)
        weights = WEEKDAYS[((self.start // DAY_MS + day) % 7)] * (1 + 0.3 * day / DAYS)
        weights[-1] *= HOURS[:END_HOUR].sum() / HOURS.sum()
        count = spread(self.sessions, weights)
        returning = np.minimum(spread(self.sessions - self.visitors, count * (1 - np.exp(-day / 8))), count - 1)
        fresh = count - returning
        fresh[-1] += self.visitors - fresh.sum()
        return count, fresh

    def _share(self, day: int, count: NDArray[np.int64]) -> int:
        """Events of the day's sessions, so that all days together have as many as planned."""
        done = count.cumsum() * self.events // self.sessions
        return int(done[day] - (done[day - 1] if day else 0))

    def _who(self, count: int, fresh: int) -> NDArray[np.int64]:
        """The visitor of each session; nobody comes twice."""
        chance, known = self._chance, self._known
        new = np.arange(known, known + fresh)
        agent = chance.choice(len(self._agents), fresh, p=self._agents)
        country = np.minimum(chance.geometric(0.25, fresh) - 1, len(COUNTRIES) - 1)
        foreign = np.minimum(chance.geometric(0.3, fresh) - 1, len(LANGUAGES) - 1)
        language = np.where(chance.random(fresh) < 0.8, np.minimum(country, len(LANGUAGES) - 1), foreign)
        self._profiles[new] = np.column_stack([agent, language, chance.integers(0, 252, fresh), country])
        self._known += fresh
        found = np.empty(0, dtype=np.int64)
        while len(found) < count - fresh:
            drawn = (known * chance.random(4 * count) ** 0.8).astype(np.int64)
            drawn = drawn[chance.random(len(drawn)) < self._loyalty[drawn]]
            found = np.unique(np.concatenate([found, drawn]))
        return chance.permutation(np.concatenate([new, chance.permutation(found)[: count - fresh]]))

    def _visits(self, begin: int, end: int, count: int, fresh: int, events: int) -> tuple[list[Opening], Columns]:
        """Sessions that begin in [begin, end), by their first arrival."""
        chance = self._chance
        who = self._who(count, fresh)
        arrival = np.sort(self._starts(begin, end, count))
        delay = chance.integers(50, DELAY_MS, count)
        referrer = np.where(chance.random(count) < DIRECT, 0, 1 + chance.choice(150, count, p=zipf(150)))
        openings = self._openings(who, arrival - delay, referrer)
        session, kind, text, number = self._happenings(who, events)
        changes = np.diff(session, prepend=-1) != 0
        first = np.flatnonzero(changes)
        sequence = np.arange(len(session)) - np.repeat(first, np.diff(np.append(first, len(session)))) + 1
        gap = np.where(kind == Kind.URLCHANGE, 25_000, 7_000) * chance.standard_exponential(len(session))
        gap[1:][text_is_clicked(self.site, text[:-1])] = 3
        gap = np.minimum(gap, 1_500_000).astype(np.int64)
        gap[changes] = 0
        total = gap.cumsum()
        at = (arrival - delay)[session] + total - np.repeat(total[first], np.diff(np.append(first, len(session))))
        stream = session + self._opened
        self._opened += count
        return openings, Columns(at + delay[session], stream, sequence, at, kind, text, number)

    _opened = 0
    """Streams so far, those of batches still to come included."""

    def _starts(self, begin: int, end: int, count: int) -> NDArray[np.int64]:
        """First arrivals."""
        if end - begin < DAY_MS // 2:
            return self._chance.integers(begin + DELAY_MS, end, count)
        hours = HOURS[: (end - begin) // HOUR_MS]
        hour = self._chance.choice(len(hours), count, p=hours / hours.sum())
        return np.maximum(begin + hour * HOUR_MS + self._chance.integers(0, HOUR_MS, count), begin + DELAY_MS)

    def _depths(self, who: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """From which stage (0: none) to which each session goes."""
        chance = self._chance
        begun = self._stage[who].astype(np.int64)
        begun[(begun < 2) | (chance.random(len(who)) > WENT_ON)] = 0
        depth = (chance.random(len(who))[:, None] < DEPTHS).sum(axis=1)
        further = np.minimum(begun + chance.geometric(0.5, len(who)) - 1, len(DEPTHS))
        depth = np.where(begun > 0, further, depth)
        self._stage[who] = np.where(depth == len(DEPTHS), 0, np.maximum(depth, self._stage[who]))
        return begun, depth

    def _happenings(
        self, who: NDArray[np.int64], events: int
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint32], NDArray[np.uint32]]:
        """Session, kind, text and number of all events, session by session in order."""
        chance, site, count = self._chance, self.site, len(who)
        begun, depth = self._depths(who)
        product = (depth >= 1) & (begun == 0)
        views = np.where(product, chance.geometric(0.32, count), chance.geometric(ALONE, count))
        session = np.repeat(np.arange(count), views)
        first = np.cumsum(views) - views
        place = np.arange(len(session)) - np.repeat(first, views)
        is_product = product[session] & ((chance.random(len(session)) < 0.5) | (place == views[session] - 1))
        text = self._pages(session, place, is_product)
        parts = [(session, place + 0.0, np.uint8(Kind.URLCHANGE), text, 0)]
        numbers = chance.integers(0, 60, count).astype(np.uint32)
        for stage, key, kind, what, number in (
            (2, 0.1, Kind.MOUSEHOVER, site.clicked[:1], 300 + 40 * numbers),
            (2, 0.2, Kind.MOUSECLICK, site.element_clicks[:1], numbers),
            (2, 0.3, Kind.URLCHANGE, site.steps[:1], 0 * numbers),
            (3, 0.4, Kind.URLCHANGE, site.steps[1:2], 0 * numbers),
            (4, 0.5, Kind.URLCHANGE, site.steps[2:3], 0 * numbers),
            (5, 0.6, Kind.MOUSECLICK, np.array([site.pay_click]), numbers),
            (5, 0.7, Kind.URLCHANGE, site.steps[3:4], 0 * numbers),
            (5, 0.8, Kind.CUSTOM, site.purchases, 0 * numbers),
        ):
            there = np.flatnonzero((begun < stage) & (stage <= depth))
            parts.append((there, views[there] + key, np.uint8(kind), chance.choice(what, len(there)), number[there]))
        left = events - sum(len(part[0]) for part in parts)
        lively = np.flatnonzero((views[session] > 1) | (depth[session] > 0) | (chance.random(len(session)) < 0.15))
        if not len(lively):
            lively = np.arange(len(session))
        parts += self._actions(session[lively], place[lively], max(0, left))
        return in_order(parts)

    def _pages(
        self, session: NDArray[np.int64], place: NDArray[np.int64], is_product: NDArray[np.bool_]
    ) -> NDArray[np.uint32]:
        """The text of each page view."""
        chance, site = self._chance, self.site
        text = np.empty(len(session), dtype=np.uint32)
        way = np.where(chance.random(len(session)) < 0.7, 0, chance.integers(0, COLOURS, len(session)))
        tagged = (place == 0) & (chance.random(len(session)) < TAGGED)
        campaign = chance.choice(30, len(session), p=zipf(30))
        way = np.where(tagged, COLOURS + 3 * campaign + chance.choice(3, len(session), p=[0.7, 0.2, 0.1]), way)
        for those, pages in ((is_product, site.products), (~is_product, site.browsed)):
            at = np.flatnonzero(those)
            text[at] = pages[chance.choice(len(pages), len(at), p=zipf(len(pages))), way[at]]
        return text

    def _actions(self, session: NDArray[np.int64], place: NDArray[np.int64], events: int) -> "list[Part]":
        """Clicks, hovers, moves and custom events on some of the page views."""
        chance, site = self._chance, self.site
        pairs, left, moves, customs = (int(events * share) for share in (0.08, 0.3, 0.1, 0.14))
        clicks = events - 2 * pairs - left - moves - customs

        def some(count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
            at = chance.integers(0, len(session), count)
            return session[at], place[at] + 0.02 + 0.07 * chance.random(count)

        def spot(count: int, width: int, height: int) -> NDArray[np.uint32]:
            return (chance.integers(0, width, count) * 65536 + chance.integers(0, height, count)).astype(np.uint32)

        element = 1 + chance.choice(4, pairs, p=zipf(4))
        who, when = some(pairs)
        long = (100 + chance.lognormal(6.8, 0.8, pairs)).astype(np.uint32)
        short = (100 + chance.lognormal(6.2, 1.0, left)).astype(np.uint32)
        return [
            (who, when, np.uint8(Kind.MOUSEHOVER), site.clicked[element], long),
            (who, when + 1e-7, np.uint8(Kind.MOUSECLICK), site.element_clicks[element], spot(pairs, 200, 40)),
            (*some(left), np.uint8(Kind.MOUSEHOVER), site.left[chance.choice(5, left, p=zipf(5))], short),
            (*some(moves), np.uint8(Kind.MOUSEMOVE), np.full(moves, site.move), spot(moves, 1400, 900)),
            (*some(customs), np.uint8(Kind.CUSTOM), chance.choice(site.customs, customs), 0),
            (*some(clicks), np.uint8(Kind.MOUSECLICK), chance.choice(site.clicks, clicks), spot(clicks, 400, 60)),
        ]

    def _openings(
        self, who: NDArray[np.int64], started: NDArray[np.int64], referrer: NDArray[np.int64]
    ) -> list[Opening]:
        contexts = [self._context(*one) for one in np.column_stack([self._profiles[who], referrer]).tolist()]
        return [
            Opening(visitor=self._ids[16 * number : 16 * number + 16], started=begin, context=context)
            for number, begin, context in zip(who.tolist(), started.tolist(), contexts, strict=True)
        ]

    @lru_cache(maxsize=100_000)  # noqa: B019  (there is one of these in a process)
    def _context(self, agent: int, language: int, screen: int, country: int, referrer: int) -> Context:
        text, device, _ = self.site.agents[agent]
        known = {
            "user_agent": text,
            "language": LANGUAGES[language],
            "screen": SCREENS[device][screen % len(SCREENS[device])],
            "referrer": self.site.referrers[referrer],
            "country": COUNTRIES[country],
        }
        return Context(**{name: value for name, value in known.items() if name in Context.__struct_fields__})

    def _batch(self, openings: list[Opening], columns: Columns) -> Batch:
        """Takes the openings of the streams that begin in it from the list's front."""
        start = self.position
        count = max(0, int(columns.stream.max()) + 1 - start.streams)
        mine = openings[:count]
        del openings[:count]
        texts, text = np.unique(columns.text, return_inverse=True)
        events = Events(
            stream=columns.stream.astype(np.uint32),
            sequence=columns.sequence.astype(np.uint32),
            time=columns.time,
            kind=columns.kind,
            text=text.astype(np.uint32),
            number=columns.number,
            texts=[self.site.texts[place] for place in texts.tolist()],
        )
        batch = Batch(start=start, openings=mine, events=events)
        self.position = batch.end
        return batch


Part = tuple[NDArray[np.int64], NDArray[np.float64], np.uint8, NDArray[np.uint32], "NDArray[np.uint32] | int"]
"""Sessions, places in them, the kind, texts and numbers of some events."""


def in_order(parts: list[Part]) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint32], NDArray[np.uint32]]:
    """All parts, by session and place."""
    session = np.concatenate([part[0] for part in parts])
    order = np.lexsort((np.concatenate([part[1] for part in parts]), session))
    kind = np.concatenate([np.full(len(part[0]), part[2], dtype=np.uint8) for part in parts])
    text = np.concatenate([part[3] for part in parts]).astype(np.uint32)
    number = np.concatenate([np.broadcast_to(np.asarray(part[4], dtype=np.uint32), len(part[0])) for part in parts])
    return session[order], kind[order], text[order], number[order]


def text_is_clicked(site: Site, text: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Whether these end a hover in a click, which comes at once."""
    return (text >= site.clicked[0]) & (text <= site.clicked[-1])


def spread(total: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers in proportion, that sum up exactly."""
    done = np.rint(np.cumsum(weights) / weights.sum() * total).astype(np.int64)
    return np.diff(done, prepend=0)
