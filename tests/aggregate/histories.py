"""Random histories of a site, and their cutting into the batches of a journal."""

import random
from typing import NamedTuple

import numpy as np

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.model.configuration import Configuration, Element, Funnel, Stage
from datalab.model.events import Batch, Context, Events, Kind, Opening, Position
from datalab.model.ranges import Range
from tests.aggregate.reference import TIMEOUT, Described, Happening, Reference

SITE = "https://www.shop.example"
OWN_HOSTS = frozenset({"shop.example"})
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36 Edg/126.0.0.0"
)
CONTEXTS = [
    (Context(), Described("(unknown)", "(unknown)", "(unknown)", "(unknown)", "(direct)")),
    (Context(user_agent=FIREFOX, language="de-CH"), Described("Firefox", "Linux", "desktop", "de", "(direct)")),
    (
        Context(user_agent=FIREFOX, language="en", referrer="https://www.search.example/?q=1"),
        Described("Firefox", "Linux", "desktop", "en", "search.example"),
    ),
    (
        Context(user_agent=SAFARI, language="fr", referrer=SITE + "/cart"),
        Described("Mobile Safari", "iOS", "mobile", "fr", "(direct)"),
    ),
    (
        Context(user_agent=EDGE, language="it", referrer="http://news.example:8080/a"),
        Described("Edge", "Windows", "desktop", "it", "news.example"),
    ),
]
LOST = CONTEXTS[0][1]
PATHS = [
    "/",
    "/cart",
    "/cart/?step=2",
    "/products/1",
    "/products/2/",
    "/products/2/reviews",
    "/caf%C3%A9",
    "/café#menu",
    "/a b",
    "/a%20b",
    "/checkout",
    "/#/cart",
    "/#!/products/7?from=mail",
    "/app#/checkout/",
    "/done",
]
CLICKS = ["main>a", "main>button#buy\x1f#buy", "#buy", "Buy button", "div\x1f.teaser\x1f#buy"]
FUNNELS = [
    [Stage(name="Product", glob="/products/*"), Stage(name="Cart", url="/cart"), Stage(name="Done", url="/done")],
    [Stage(name="Anything", regex="^/"), Stage(name="Again", regex="."), Stage(name="Once more", glob="/*")],
    [Stage(name="Cart", glob="/ca*"), Stage(name="Buy", click="#buy"), Stage(name="Done", regex="(done|checkout)$")],
    [Stage(name="Teaser", click=".teaser"), Stage(name="Buy", click="#buy"), Stage(name="Cart", glob="/c??t")],
    [Stage(name="Only", url="/products/:id")],
]
GAPS = [0, 0, 1, 700, 5_000, 61_000, 899_999, 900_000, TIMEOUT - 1, TIMEOUT, TIMEOUT + 1, 2 * TIMEOUT, 7_200_000]
STARTS = {
    "UTC": 1_764_000_000_000,
    "Europe/Berlin": 1_761_426_000_000,  # the evening before the clocks go back
    "America/New_York": 1_772_949_600_000,  # the night before they go forward
    "Asia/Kathmandu": 1_764_006_300_000,  # a quarter before midnight
}
KINDS = [Kind.URLCHANGE] * 5 + [Kind.MOUSECLICK] * 2 + [Kind.MOUSEHOVER, Kind.MOUSEMOVE, Kind.MOUSEMOVE, Kind.CUSTOM]


class History(NamedTuple):
    """A journal's content and the rules over it."""

    openings: list[Opening]
    happenings: list[Happening]
    described: list[Described]
    rules: Rules
    zone: str

    @property
    def reference(self) -> Reference:
        rules = self.rules
        return Reference(
            self.openings, self.happenings, self.described, rules.configuration, self.zone, rules.max_values
        )


def random_history(chance: random.Random) -> History:
    """Several visitors with several streams each; events arrive in order, a little late, or in any order."""
    zone = chance.choice(list(STARTS))
    paths = [*PATHS, *(f"/page-{number}" for number in range(12))] if chance.random() < 0.3 else PATHS
    kinds = chance.choice([KINDS, KINDS, KINDS, [Kind.MOUSECLICK, Kind.MOUSEMOVE], [Kind.URLCHANGE]])
    gaps = chance.choice([GAPS, GAPS, [0, 1, 1000], [0], [TIMEOUT], [TIMEOUT - 1, 600_000], [86_400_000, 5, 3_600_000]])
    told: list[tuple[int, tuple[int, int], Kind, str]] = []
    for visitor in range(chance.randint(1, 4)):
        streams, time = chance.randint(1, 3), STARTS[zone] + chance.choice([0, 0, 1, chance.randrange(20_000_000)])
        for _ in range(chance.choice([0, 1, 2, 8, 20])):
            time += chance.choice(gaps)
            kind = chance.choice(kinds)
            told.append((time, (visitor, chance.randrange(streams)), kind, text_of(chance, kind, paths)))
    told.sort(key=lambda entry: entry[0])
    delay = chance.choice([0, 0, 3_600_000, 5_000_000, 10**12])
    told.sort(key=lambda entry: entry[0] + chance.randint(0, delay))
    numbers: dict[tuple[int, int], int] = {}
    sequences: dict[int, int] = {}
    happenings = []
    for time, key, kind, text in told:
        stream = numbers.setdefault(key, len(numbers))
        sequences[stream] = sequences.get(stream, 0) + 1
        happenings.append(Happening(stream, sequences[stream], time, kind, text))
    numbers.setdefault((99, 0), len(numbers))
    contexts = [chance.choice(CONTEXTS) for _ in numbers]
    openings = [
        Opening(visitor=visitor.to_bytes(16, "little"), started=STARTS[zone], context=context)
        for (visitor, _), (context, _) in zip(numbers, contexts, strict=True)
    ]
    rules = Rules(
        configuration=random_configuration(chance),
        own_hosts=OWN_HOSTS,
        max_values=chance.choice([1, 2, 3, 5, 10_000, 10_000]),
    )
    return History(openings, happenings, [described for _, described in contexts], rules, zone)


def text_of(chance: random.Random, kind: Kind, paths: list[str]) -> str:
    if kind == Kind.URLCHANGE:
        return SITE + chance.choice(paths)
    if kind == Kind.MOUSECLICK:
        return chance.choice(CLICKS)
    return {Kind.MOUSEHOVER: "#buy\x1fhover-leave", Kind.CUSTOM: "signup\x1f{}"}.get(kind, "")


def random_configuration(chance: random.Random) -> Configuration:
    funnels = chance.sample(FUNNELS, chance.choice([0, 1, 2]))
    return Configuration(
        hash_routing=chance.random() < 0.2,
        routes=chance.choice([[], [], ["/products/:id"], ["/products/:any/reviews", "/:page", "/products/:id"]]),
        funnel=[
            Funnel(name=str(k), window=chance.choice([None, None, "1s", "30m", "1h", "1d"]), stage=stages)
            for k, stages in enumerate(funnels)
        ],
        element=[Element(name="Buy button", selector="#buy")],
    )


def random_range(chance: random.Random, history: History) -> Range:
    """Ends at events, beside them, at quarters of an hour, outside of everything, or open."""
    times = [each.time for each in history.happenings] or [STARTS[history.zone]]

    def end() -> int | None:
        time = chance.choice(times)
        return chance.choice(
            [None, time, time + 1, time // 900_000 * 900_000, time + chance.randint(-(10**7), 10**7), time - 10**9]
        )

    from_, to = end(), end()
    if from_ is not None and to is not None and from_ >= to:
        from_, to = to, from_ + 1
    return Range(from_, to)


def cut(history: History, chance: random.Random, sizes: list[int]) -> list[Batch]:
    """The history as a journal's batches, whose numbers of events are drawn from `sizes`."""
    batches, start, events = [], Position(), 0
    total = len(history.happenings)
    while True:
        stop = min(total, events + chance.choice(sizes))
        streams = max([start.streams, *(each.stream + 1 for each in history.happenings[events:stop])])
        if stop == total:
            streams = len(history.openings)
        batch = Batch(
            start=start,
            openings=history.openings[start.streams : streams],
            events=columns(history.happenings[events:stop], chance),
        )
        batches.append(batch)
        start, events = batch.end, stop
        if stop == total:
            return batches


def columns(happenings: list[Happening], chance: random.Random) -> Events:
    """As arrays; the texts stand in no particular order."""
    texts = sorted({each.text for each in happenings})
    chance.shuffle(texts)
    return Events(
        stream=np.array([each.stream for each in happenings], dtype=np.uint32),
        sequence=np.array([each.sequence for each in happenings], dtype=np.uint32),
        time=np.array([each.time for each in happenings], dtype=np.int64),
        kind=np.array([each.kind for each in happenings], dtype=np.uint8),
        text=np.array([texts.index(each.text) for each in happenings], dtype=np.uint32),
        number=np.zeros(len(happenings), dtype=np.uint32),
        texts=texts,
    )


def aggregate_of(rules: Rules, batches: list[Batch]) -> PartitionAggregate:
    aggregate = PartitionAggregate(rules)
    for batch in batches:
        aggregate.take(batch)
    return aggregate
