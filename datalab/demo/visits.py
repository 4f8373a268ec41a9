"""History for the demo: the same seed and clock give the same visits, in the order of their time."""

import math
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import accumulate
from random import Random
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from datalab.demo.audience import (
    ABROAD,
    BROWSERS,
    COUNTRIES_ABROAD,
    GROWTH,
    HOURS,
    LANGUAGES,
    SCREENS,
    WEEKDAYS,
    Browser,
    Source,
)
from datalab.demo.journeys import GUIDE_SITE, LEAVE, SHOP_SITE, Move, Place, Site
from datalab.model.records import Record

HOUR = 3_600_000
DAY = 24 * HOUR
FIRST_WEEKDAY = 3
"""The epoch began on a Thursday."""

MAX_VISITORS = 1_000_000
MAX_DAYS = 3_650

VISITS_APART = 2 * HOUR
"""Two visits of one visitor are at least this far apart, so that they are two sessions."""
LONGEST_STAY = 20 * 60 * 1000
"""Nobody stays longer on a page, so that a visit is one session."""
MOST_PAGES = 30

LEAVES = {"desktop": 0.92, "mobile": 1.22, "tablet": 1.0}
LEAVES_WHEN_RETURNING = 0.72
"""Factors on the weight of leaving."""
PASSES_OVER = 0.4
"""Chance that a desktop pointer passes over an element of interest and leaves it."""
SAME_AGAIN = 0.45
"""Chance that a returning visitor lands on the page of that kind seen last."""
MEDIAN_DAYS_BETWEEN_VISITS = 3.0

T = TypeVar("T")


class Choice(Generic[T]):
    """A weighted choice that is made often."""

    def __init__(self, values: Sequence[T], weights: Sequence[float]) -> None:
        self._values = list(values)
        self._sums = list(accumulate(weights))

    def pick(self, random: Random) -> T:
        return random.choices(self._values, cum_weights=self._sums)[0]


BROWSER = Choice(BROWSERS, [browser.weight for browser in BROWSERS])
LANGUAGE = Choice(list(LANGUAGES), list(LANGUAGES.values()))
COUNTRY_ABROAD = Choice(list(COUNTRIES_ABROAD), list(COUNTRIES_ABROAD.values()))
SCREEN = {device: Choice(list(screens), list(screens.values())) for device, screens in SCREENS.items()}
HOUR_OF_DAY = Choice(range(24), HOURS)


class Visitor(Struct, kw_only=True):
    """One browser through all of its visits."""

    id: str
    browser: Browser
    language: str
    country: str
    screen: str
    visits: int = 0
    seen: dict[str, str] = {}
    """The path seen last of each place."""


class Visits:
    """The visits to one site that end at `now_ms`."""

    def __init__(self, site: Site, days: int, now_ms: int, seed: int) -> None:
        self._site = site
        self._days = days
        self._start = now_ms - days * DAY
        self._now = now_ms
        self._random = Random(seed)
        self._travels = Random(f"{seed} travels")
        """By itself, so that where people are changes nothing of what they do."""
        self._paths = {
            name: Choice(list(place.paths), list(place.paths.values())) for name, place in site.places.items()
        }
        self._moves: dict[tuple[str, str, bool], Choice[Move]] = {
            (name, device, returning): moves_of(place, leaves * (LEAVES_WHEN_RETURNING if returning else 1))
            for name, place in site.places.items()
            for device, leaves in LEAVES.items()
            for returning in (False, True)
        }

    def records(self, visitors: int) -> Iterator[Record]:
        """All records, ordered by time; only visits that are going on are held in memory."""
        first_visits = iter(self._first_visits(visitors))
        first = next(first_visits, None)
        again: list[tuple[int, str, Visitor]] = []
        waiting: list[tuple[int, int, Record]] = []
        made = 0
        while first is not None or again:
            if first is not None and (not again or first <= again[0][0]):
                start, visitor = first, self._newcomer()
                first = next(first_visits, None)
            else:
                start, _, visitor = heappop(again)
            while waiting and waiting[0][0] < start:
                yield heappop(waiting)[2]
            time = start
            for time, record in self._visit(visitor, start):
                if time <= self._now:
                    heappush(waiting, (time, made, record))
                    made += 1
            back = self._time_of_return(time)
            if self._random.random() < self._site.returning and back <= self._now:
                heappush(again, (back, visitor.id, visitor))
        while waiting:
            yield heappop(waiting)[2]

    def _first_visits(self, visitors: int) -> list[int]:
        """Start times in order, by the rhythm of day and week, growth, campaigns and a little chance."""
        luck = [self._random.lognormvariate(0, 0.09) for _ in range(self._days + 1)]
        weights = []
        for hour in range(self._days * 24):
            time, day = self._start + hour * HOUR, hour // 24
            weights.append(
                HOURS[time // HOUR % 24]
                * WEEKDAYS[(time // DAY + FIRST_WEEKDAY) % 7]
                * (1 + GROWTH * day / self._days)
                * sum(source.weight for source in self._sources(day))
                * luck[day]
            )
        hours = self._random.choices(range(len(weights)), weights, k=visitors)
        return sorted(self._start + hour * HOUR + self._random.randrange(HOUR) for hour in hours)

    def _sources(self, day: int) -> list[Source]:
        return [source for source in self._site.sources if source.from_day <= day < source.to_day]

    def _newcomer(self) -> Visitor:
        id, browser = f"{self._random.getrandbits(128):032x}", BROWSER.pick(self._random)
        language = LANGUAGE.pick(self._random)
        abroad = self._travels.random() < ABROAD
        country = COUNTRY_ABROAD.pick(self._travels) if abroad else language.partition("-")[2]
        screen = SCREEN[browser.device].pick(self._travels)
        return Visitor(id=id, browser=browser, language=language, country=country, screen=screen)

    def _time_of_return(self, end: int) -> int:
        days = self._random.lognormvariate(math.log(MEDIAN_DAYS_BETWEEN_VISITS), 1.0)
        midnight = int(end + days * DAY) // DAY * DAY
        time = midnight + HOUR_OF_DAY.pick(self._random) * HOUR + self._random.randrange(HOUR)
        return time if time >= end + VISITS_APART else time + DAY * (1 + (end + VISITS_APART - time) // DAY)

    def _visit(self, visitor: Visitor, start: int) -> Iterator[tuple[int, Record]]:
        """One visit's records with their times, in order."""
        random, returning, touch = self._random, visitor.visits > 0, visitor.browser.device != "desktop"
        visitor.visits += 1
        sources = self._sources((start - self._start) // DAY)
        weights = [source.returning_weight if returning else source.weight for source in sources]
        source = random.choices(sources, weights)[0]
        make = RecordMaker(visitor, source)
        place_name = random.choices(list(source.landings), list(source.landings.values()))[0]
        query = f"?{source.query}" if source.query else ""
        time = start
        for page in range(MOST_PAGES):
            place = self._site.places[place_name]
            path = self._path(visitor, place_name, landing=page == 0)
            yield time, make.page_view(time, f"{self._site.origin}{path}{query}")
            query = ""
            move = self._moves[place_name, visitor.browser.device, returning].pick(random)
            # The median of the log-normal is the place's; a stay has to be long enough for the hand.
            stay = int(1000 * random.lognormvariate(math.log(place.seconds), 0.85))
            stay = max(1_400, min(stay, LONGEST_STAY))
            leaving = time + stay
            if not touch and place.hovers and random.random() < PASSES_OVER:
                elapsed = min(int(random.lognormvariate(math.log(620), 0.9)), stay // 2)
                yield (seen := time + stay // 2), make.hover(seen, random.choice(place.hovers), "hover-leave", elapsed)
            for number, target in enumerate(move.clicks, 1):
                click = leaving - (len(move.clicks) - number) * min(stay // 8, 2_500)
                if target in self._site.watched:
                    elapsed = random.randint(60, 190) if touch else int(random.lognormvariate(math.log(780), 0.6))
                    yield click, make.hover(click, target, "hover-click", min(elapsed, stay // 4))
                yield click, make.click(click, target)
            if move.to == LEAVE:
                return
            place_name, time = move.to, leaving + random.randint(40, 700)

    def _path(self, visitor: Visitor, place: str, *, landing: bool) -> str:
        path = visitor.seen.get(place)
        if path is None or not landing or self._random.random() >= SAME_AGAIN:
            path = self._paths[place].pick(self._random)
        visitor.seen[place] = path
        return path


class RecordMaker:
    """Makes the records of one visit: all of them carry its visitor and context."""

    def __init__(self, visitor: Visitor, source: Source) -> None:
        self._visitor = visitor.id
        self._user_agent = visitor.browser.user_agent
        self._language = visitor.language
        self._country = visitor.country
        self._screen = visitor.screen
        self._referrer = source.referrer
        self._session = f"{visitor.id}-{visitor.visits}"

    def page_view(self, time: int, url: str) -> Record:
        return Record(
            visitor=self._visitor,
            time=time,
            kind="urlchange",
            url=url,
            referrer=self._referrer,
            user_agent=self._user_agent,
            language=self._language,
            country=self._country,
            screen=self._screen,
            session=self._session,
        )

    def click(self, time: int, target: str) -> Record:
        return Record(
            visitor=self._visitor,
            time=time,
            kind="click",
            target=target,
            referrer=self._referrer,
            user_agent=self._user_agent,
            language=self._language,
            country=self._country,
            screen=self._screen,
            session=self._session,
        )

    def hover(self, time: int, target: str, action: Literal["hover-click", "hover-leave"], elapsed: int) -> Record:
        return Record(
            visitor=self._visitor,
            time=time,
            kind="hover",
            target=target,
            action=action,
            elapsed=elapsed,
            referrer=self._referrer,
            user_agent=self._user_agent,
            language=self._language,
            country=self._country,
            screen=self._screen,
            session=self._session,
        )


def moves_of(place: Place, leaves: float) -> Choice[Move]:
    """The moves of a place, with the weight of leaving multiplied."""
    return Choice(place.moves, [move.weight * (leaves if move.to == LEAVE else 1) for move in place.moves])


def site_visits(site: Site, visitors: int, days: int, now_ms: int, seed: int) -> Iterator[Record]:
    """As `visits`, of any site."""
    if not 1 <= visitors <= MAX_VISITORS:
        raise ValueError(f"{visitors} visitors: a number from 1 to {MAX_VISITORS:,} is expected")
    if not 1 <= days <= MAX_DAYS:
        raise ValueError(f"{days} days: a number from 1 to {MAX_DAYS:,} is expected")
    return Visits(site, days, now_ms, seed).records(visitors)


def visits(visitors: int = 3_000, days: int = 90, *, now_ms: int, seed: int = 1) -> Iterator[Record]:
    """Visits to the shop, each record with a time in [now - days, now], all records in the order of their time.

    Raises ValueError where `visitors` is not in 1..MAX_VISITORS or `days` not in 1..MAX_DAYS.
    """
    return site_visits(SHOP_SITE, visitors, days, now_ms, seed)


def guide_visits(visitors: int = 700, days: int = 90, *, now_ms: int, seed: int = 2) -> Iterator[Record]:
    """Visits to the brewing guide, as `visits`."""
    return site_visits(GUIDE_SITE, visitors, days, now_ms, seed)
