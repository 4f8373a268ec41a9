"""What a dashboard asks for: ranges, segments of real values, and each kind of answer."""

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from rivals import Filters
from shop import BROWSED, ELEMENTS, PRODUCTS, ZONE

from datalab.aggregate.partition import PartitionAggregate
from datalab.model.agents import audience
from datalab.model.events import Batch, Context

APP = "shop.example/shop"
HOST = "shop.example"
SAMPLED = 200
"""Every so many-th context is one that values are drawn from."""
PARTS = ["/blog", "/catalogue/tea", "/products/pot", "/help", "/products/cup"]


def ranges(end: int) -> dict[str, Any]:
    """Those a dashboard offers, of which the last day is not over yet."""
    from datalab.model.ranges import Range

    zone = ZoneInfo(ZONE)
    today = datetime.fromtimestamp(end / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today.replace(day=1)

    def between(since: datetime, until: datetime) -> Range:
        return Range(*(int(moment.timestamp()) * 1000 for moment in (since, until)))

    def back(days: int) -> Range:
        return between(today - timedelta(days=days - 1), today + timedelta(days=1))

    return {
        "today": back(1),
        "yesterday": between(today - timedelta(days=1), today),
        "7 days": back(7),
        "28 days": back(28),
        "90 days": back(90),
        "month": between((first - timedelta(days=1)).replace(day=1), first),
        "everything": Range(),
    }


class Values:
    """Of a sample of the sessions, so that frequent values are drawn often."""

    def __init__(self, batches: Iterable[Batch], seed: int = 4) -> None:
        openings = (opening for batch in batches for opening in batch.openings)
        self._contexts: list[Context] = [opening.context for opening in islice(openings, 0, None, SAMPLED)]
        self._chance = random.Random(seed)

    def segment(self) -> Any:
        """Three filters."""
        from datalab.model.segments import Filter, Segment

        chance = self._chance
        context = chance.choice(self._contexts)
        known = audience(context, frozenset([HOST]))._asdict()
        campaign = f"campaign-{int(chance.paretovariate(1)) % 30}"
        made = [
            (("device", "is"), ("browser", "is"), ("route", "contains", chance.choice(PARTS))),
            (("device", "is"), ("utm_campaign", "is", campaign), ("stage", "is", "2 of Purchase")),
            (("language", "is"), ("visit", "is", "returning"), ("route", "is", chance.choice(BROWSED[:40]))),
            (("system", "is"), ("referrer", "is not", "(direct)"), ("clicked", "is", chance.choice(list(ELEMENTS)))),
            (("browser", "is not"), ("entry", "glob", "/catalogue*"), ("event", "is", "search")),
            (("version", "is"), ("screen", "is"), ("utm_source", "is not", "(none)")),
            (("country", "is"), ("device", "is"), ("stage", "is not", "1 of Purchase")),
        ]
        return Segment(
            tuple(
                Filter(*filter) if len(filter) == 3 else Filter(*filter, known[filter[0]])
                for filter in chance.choice(made)
            )
        )

    def filters(self) -> Filters:
        """A segment that databases are asked for as well."""
        known = audience(self._chance.choice(self._contexts), frozenset([HOST]))
        return Filters(known.device, known.browser, self._chance.choice(PARTS))


class Drawn(NamedTuple):
    """What a kind of answer is asked besides the question."""

    end: int
    chance: random.Random

    def route(self) -> str:
        """Those in front are viewed most."""
        pages = [BROWSED, PRODUCTS][self.chance.random() < 0.5]
        return pages[min(int(self.chance.paretovariate(0.8)) - 1, len(pages) - 1)]


Kind = Callable[[PartitionAggregate, Any, Drawn], Any]


def kinds() -> dict[str, Kind]:
    """Every kind of answer, by name."""
    from datalab.aggregate import (
        audience,
        campaigns,
        elements,
        funnel,
        journey,
        overview,
        pages,
        retention,
        surroundings,
    )
    from datalab.model.ranges import period_before

    def compared(aggregate: PartitionAggregate, question: Any, drawn: Drawn) -> Any:
        return overview.overview(aggregate, question, period_before(question.range, ZONE, drawn.end))

    def split(aggregate: PartitionAggregate, question: Any, drawn: Drawn) -> Any:
        by = drawn.chance.choice(["browser", "device", "language", "referrer", "utm_campaign", "entry", "visit"])
        return funnel.funnel(aggregate, question, 0, "visitors", "ordered", by)

    def around(aggregate: PartitionAggregate, question: Any, drawn: Drawn) -> Any:
        direction = drawn.chance.choice(["after", "before"])
        return surroundings.surroundings(aggregate, question, drawn.route(), direction, 10)

    return {
        "overview with the period before": compared,
        "series by hour, today": lambda a, q, d: overview.overview(a, q, bucket="hour"),
        "pages": lambda a, q, d: pages.pages(a, q),
        "audience": lambda a, q, d: audience.audience(a, q),
        "campaigns": lambda a, q, d: campaigns.campaigns(a, q),
        "campaigns, last touch": lambda a, q, d: campaigns.campaigns(a, q, "last"),
        "elements": lambda a, q, d: elements.elements(a, q),
        "funnel by visitors": lambda a, q, d: funnel.funnel(a, q, 0, "visitors", "ordered"),
        "funnel by sessions": lambda a, q, d: funnel.funnel(a, q, 0, "sessions", "ordered"),
        "funnel in any order": lambda a, q, d: funnel.funnel(a, q, 0, "visitors", "any"),
        "funnel, split": split,
        "journey": lambda a, q, d: journey.journey(a, q, 20),
        "surroundings": around,
        "retention": lambda a, q, d: retention.retention(a, q),
    }


def asked(kind: str, count: int, values: Values | None, end: int) -> Iterator[Any]:
    """Questions of a kind, each with a segment of its own where there are values to draw from."""
    from datalab.aggregate.question import Question
    from datalab.model.segments import Segment

    offered = ranges(end)
    chosen = [offered["today"]] if kind.endswith("today") else list(offered.values())
    for number in range(count):
        segment = values.segment() if values else Segment()
        yield Question(app=APP, range=chosen[number % len(chosen)], zone=ZONE, segment=segment)
