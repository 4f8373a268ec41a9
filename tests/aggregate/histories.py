"""Random histories of a site, and their cutting into the batches of a journal."""

import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.model.configuration import Campaign, Configuration, Element, Funnel, Stage
from datalab.model.events import Batch, Context, Events, Kind, Opening, Position
from tests.aggregate.choices import Choices, Rolled
from tests.aggregate.reference.happening import Described, Happening
from tests.aggregate.reference.partition import TIMEOUT, Reference

SITE = "https://www.shop.example"
OWN_HOSTS = frozenset({"shop.example"})
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
NEWER_FIREFOX = FIREFOX.replace("128", "140")
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36 Edg/126.0.0.0"
)
SLURP = "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)"
U = "(unknown)"
AGENTS = [
    ("", (U, U, U, U)),
    (FIREFOX, ("Firefox", "Firefox 128", "Linux", "desktop")),
    (NEWER_FIREFOX, ("Firefox", "Firefox 140", "Linux", "desktop")),
    (SAFARI, ("Mobile Safari", "Mobile Safari 17", "iOS", "mobile")),
    (EDGE, ("Edge", "Edge 126", "Windows", "desktop")),
    (SLURP, ("Yahoo! Slurp", "Yahoo! Slurp", U, U)),
]
LANGUAGES = [("", U), ("de-CH", "de"), ("en", "en"), ("EN-us,de;q=0.5", "en"), ("fr", "fr")]
SCREENS = [
    ("", U),
    ("390x844", "small"),
    ("575x900", "small"),
    ("576x900", "medium"),
    ("992x600", "large"),
    ("1400x900", "wide"),
]
COUNTRIES = [("", U), ("DE", "DE"), ("CH", "CH"), ("FR", "FR")]
REFERRERS = [
    ("", "(direct)"),
    (SITE + "/cart", "(direct)"),
    ("https://www.search.example/?q=1", "search.example"),
    ("http://news.example:8080/a", "news.example"),
]
PATHS = [
    "/",
    "/cart",
    "/products/1",
    "/cart/?step=2",
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
    "/?utm_source=mail",
    "/cart?utm_source=mail&utm_medium=letter&utm_campaign=spring#top",
    "/products/1?utm_source=ad&utm_term=red+shoes&utm_content=%C3%A9",
    "/?utm_source=&utm_medium=banner&ad=s24",
    "/checkout?ad=s24&utm_campaign=Spring&utm_campaign=autumn",
    "/?x=1&ad=s25&ad=s24",
    "/done?ad=unheard-of&utm_source=",
    "/#/cart?utm_source=fragment",
    "/cart?utm_content=" + "long" * 60,
    "/?UTM_SOURCE=shout&from=mail",
]
PAGES = [f"/page-{k}" for k in range(400)]
UNTAGGED = PATHS[:15]
SELDOM_TAGGED = [*UNTAGGED, *UNTAGGED, *PATHS[15:17]]
SITES = [UNTAGGED, PATHS, PATHS, SELDOM_TAGGED, ["/", "/?utm_source=a"], [*PATHS, *PAGES[:12]]]
CLICKS = ["main>a", "main>button#buy\x1f#buy", "#buy", "Buy button", "div\x1f.teaser\x1f#buy", "Teaser", "nav>a\x1fnav"]
HOVERED = ["#buy", "Buy button", ".teaser", "main>a", "nav"]
ELAPSED = [0, 99, 100, 101, 249, 250, 999, 1000, 4000, 31_999, 32_000, 86_400_000]
SIGNALS = ["signup\x1f{}", 'signup\x1f{"plan":"pro"}', "order\x1f{}", 'Search\x1f{"words":2}']
ELEMENTS = [
    Element(name="Buy button", selector="#buy"),
    Element(name="Teaser", selector=".teaser"),
    Element(name="Buy as well", selector="#buy"),
    Element(name="nav", selector="main>a"),
    Element(name="Never seen", selector="#never"),
]
CAMPAIGNS = [
    Campaign(name="Spring 24", parameter="ad", value="s24"),
    Campaign(name="Spring 25", parameter="ad", value="s25"),
    Campaign(name="By mail", parameter="utm_source", value="mail"),
    Campaign(name="From mail", parameter="from", value="mail"),
]
FUNNELS = [
    [Stage(name="Product", glob="/products/*"), Stage(name="Cart", url="/cart"), Stage(name="Done", url="/done")],
    [Stage(name="Anything", regex="^/"), Stage(name="Again", regex="."), Stage(name="Once more", glob="/*")],
    [Stage(name="Cart", glob="/ca*"), Stage(name="Buy", click="#buy"), Stage(name="Done", regex="(done|checkout)$")],
    [Stage(name="Teaser", click=".teaser"), Stage(name="Buy", click="#buy"), Stage(name="Cart", glob="/c??t")],
    [Stage(name="Only", url="/products/:id")],
    [
        Stage(name="One", url="/products/1"),
        Stage(name="Any", regex="^/products/[0-9]+$"),
        Stage(name="Page", url="/:page"),
    ],
    [Stage(name=f"Page {k}", regex="." if k % 3 else "/c") for k in range(9)],
    [Stage(name=f"Step {k}", glob="/*") if k % 7 else Stage(name=f"Click {k}", click="#buy") for k in range(1, 21)],
]
HOUR, DAY = 3_600_000, 86_400_000
GAPS = [0, 0, 1, 700, 5_000, 61_000, 899_999, 900_000, TIMEOUT - 1, TIMEOUT, TIMEOUT + 1, 2 * TIMEOUT, 2 * HOUR]
PALETTES = [
    GAPS,
    GAPS,
    [0, 1, 1000],
    [0],
    [TIMEOUT],
    [TIMEOUT - 1, 600_000],
    [5, HOUR, DAY],
    [1000, DAY, 7 * DAY],
    [60_000, HOUR, 6 * DAY, 30 * DAY],
]
STARTS = {
    "UTC": 1_764_546_300_000,  # a quarter before a day, a week and a month begin
    "Europe/Berlin": 1_761_426_000_000,  # the evening before the clocks go back
    "America/New_York": 1_772_949_600_000,  # the night before they go forward
    "Asia/Kathmandu": 1_764_006_300_000,  # a quarter before midnight
    "America/Havana": 1_762_048_800_000,  # three hours before a midnight that comes twice
    "America/Santiago": 1_757_206_800_000,  # three hours before a day that begins at one o'clock
}
MIXED = [Kind.URLCHANGE] * 6 + [Kind.MOUSECLICK] * 2 + [Kind.MOUSEHOVER] * 2 + [Kind.MOUSEMOVE, Kind.CUSTOM]
KINDS = [MIXED, MIXED, MIXED, [Kind.MOUSECLICK, Kind.MOUSEHOVER, Kind.MOUSEMOVE], [Kind.URLCHANGE]]


def context(
    agent: tuple[str, tuple[str, str, str, str]] = AGENTS[0],
    language: tuple[str, str] = LANGUAGES[0],
    screen: tuple[str, str] = SCREENS[0],
    country: tuple[str, str] = COUNTRIES[0],
    referrer: tuple[str, str] = REFERRERS[0],
) -> tuple[Context, Described]:
    given = Context(
        user_agent=agent[0], language=language[0], screen=screen[0], country=country[0], referrer=referrer[0]
    )
    return given, Described(*agent[1], language[1], screen[1], country[1], referrer[1])


CONTEXTS = [
    context(),
    context(AGENTS[1], LANGUAGES[1]),
    context(AGENTS[1], LANGUAGES[2], SCREENS[4], COUNTRIES[2], REFERRERS[2]),
    context(AGENTS[3], LANGUAGES[4], SCREENS[1], COUNTRIES[3], REFERRERS[1]),
    context(AGENTS[4], LANGUAGES[1], SCREENS[5], COUNTRIES[1], REFERRERS[3]),
]
LOST = CONTEXTS[0][1]


class History(NamedTuple):
    """A journal's content and the rules over it."""

    openings: list[Opening]
    happenings: list[Happening]
    described: list[Described]
    rules: Rules

    @property
    def zone(self) -> str:
        return self.rules.zone

    @property
    def reference(self) -> Reference:
        rules = self.rules
        return Reference(
            self.openings,
            self.happenings,
            self.described,
            rules.configuration,
            rules.max_values,
            rules.session_timeout_ms,
        )

    def until(self, end: Position) -> "History":
        """The history as far as a position in its journal."""
        return self._replace(
            openings=self.openings[: end.streams],
            described=self.described[: end.streams],
            happenings=self.happenings[: end.events],
        )


class Extent(NamedTuple):
    """How much is in a history, at most or to choose from."""

    visitors: int
    streams: int
    deeds: list[int]
    sites: list[list[str]]
    palettes: list[list[int]]
    favourite: Sequence[int | None] = (None,)
    """Visitors that do what they choose from; None for anybody."""
    delays: Sequence[int] = (0, 0, 0, HOUR, 5_000_000, 10**12)
    """How late events come, at most, ms."""
    zones: Sequence[str] = tuple(STARTS)


SMALL = Extent(3, 2, [0, 1, 12, 30], SITES, PALETTES)
LARGE = Extent(300, 2, [900], [[*PATHS, *PAGES]], [GAPS, [0, 1, 1000], [1000, DAY]], [0, None, None])
"""More than 255 of everything, and a session of more than 255 events."""
LATE = Extent(
    visitors=3,
    streams=3,
    deeds=[20],
    sites=[PATHS, SELDOM_TAGGED],
    palettes=[
        [0, 1000, 60_000, 599_999, 900_000, TIMEOUT - 1],
        [1000, 900_000, 2 * TIMEOUT - 1, TIMEOUT],
        [HOUR, 60_000, 6 * HOUR],
    ],
    delays=[HOUR, 4 * HOUR, DAY],
    zones=["UTC", "Asia/Kathmandu", "Europe/Berlin"],
)
"""Sessions that late events change, join and make begin on an earlier day."""


class Deed(NamedTuple):
    """What somebody does some time after the visitor's deed before."""

    visitor: int
    stream: int
    gap: int
    late: int
    kind: Kind
    text: str
    number: int


def random_history(chance: random.Random, extent: Extent = SMALL) -> History:
    return make_history(Rolled(chance), extent)


def make_history(choices: Choices, extent: Extent = SMALL) -> History:
    """Several visitors with several streams each; events arrive in order, a little late, or in any order."""
    zone = choices.pick(extent.zones)
    gaps, kinds, paths = choices.pick(extent.palettes), choices.pick(KINDS), choices.pick(extent.sites)
    visitors, streams = choices.number(extent.visitors // 4, extent.visitors), choices.number(0, extent.streams)
    delay = choices.pick(extent.delays)
    starts = [
        STARTS[zone] + choices.pick([0, 0, 1, 20_000_000, choices.number(0, 60_000)]) for _ in range(visitors + 1)
    ]

    def make_deed(choices: Choices) -> Deed:
        kind, favourite = choices.pick(kinds), choices.pick(extent.favourite)
        return Deed(
            visitor=choices.number(0, visitors) if favourite is None else favourite,
            stream=choices.number(0, streams),
            gap=choices.pick(gaps),
            late=choices.number(0, delay) if delay else 0,
            kind=kind,
            text=text_of(choices, kind, paths),
            number=number_of(choices, kind),
        )

    least = choices.pick(extent.deeds)
    deeds = choices.some(make_deed, least, least + 24)
    told = []
    for deed in deeds:
        starts[deed.visitor] += deed.gap
        told.append((starts[deed.visitor], deed))
    told.sort(key=lambda entry: entry[0])
    told.sort(key=lambda entry: entry[0] + entry[1].late)
    numbers: dict[tuple[int, int], int] = {}
    sequences: dict[int, int] = {}
    happenings = []
    for time, deed in told:
        stream = numbers.setdefault((deed.visitor, deed.stream), len(numbers))
        sequences[stream] = sequences.get(stream, 0) + 1
        happenings.append(Happening(stream, sequences[stream], time, deed.kind, deed.text, deed.number))
    numbers.setdefault((99, 0), len(numbers))
    contexts = [
        context(
            choices.pick(AGENTS),
            choices.pick(LANGUAGES),
            choices.pick(SCREENS),
            choices.pick(COUNTRIES),
            choices.pick(REFERRERS),
        )
        for _ in numbers
    ]
    openings = [
        Opening(visitor=visitor.to_bytes(16, "little"), started=STARTS[zone], context=context)
        for (visitor, _), (context, _) in zip(numbers, contexts, strict=True)
    ]
    rules = Rules(
        configuration=make_configuration(choices),
        own_hosts=OWN_HOSTS,
        session_timeout_ms=choices.pick([TIMEOUT, TIMEOUT, TIMEOUT, 60_000, DAY]),
        max_values=choices.pick([10_000, 10_000, 1, 2, 3, 5]),
        zone=zone,
    )
    return History(openings, happenings, [described for _, described in contexts], rules)


def text_of(choices: Choices, kind: Kind, paths: Sequence[str]) -> str:
    if kind == Kind.URLCHANGE:
        return SITE + choices.pick(paths)
    if kind == Kind.MOUSECLICK:
        return choices.pick(CLICKS)
    if kind == Kind.MOUSEHOVER:
        return f"{choices.pick(HOVERED)}\x1fhover-{choices.pick(['leave', 'click'])}"
    return choices.pick(SIGNALS) if kind == Kind.CUSTOM else ""


def number_of(choices: Choices, kind: Kind) -> int:
    if kind == Kind.MOUSEHOVER:
        return choices.pick(ELAPSED)
    return choices.pick([0, 65_537, 2**32 - 1]) if kind in (Kind.MOUSECLICK, Kind.MOUSEMOVE) else 0


def make_configuration(choices: Choices) -> Configuration:
    funnels = choices.pick(
        [[], FUNNELS[:1], FUNNELS[1:2], FUNNELS[2:4], FUNNELS[4:6], [FUNNELS[3], FUNNELS[1]], FUNNELS[6:7], FUNNELS[7:]]
    )
    return Configuration(
        hash_routing=choices.pick([False, False, False, False, True]),
        routes=choices.pick([[], [], ["/products/:id"], ["/products/:any/reviews", "/:page", "/products/:id"]]),
        funnel=[
            Funnel(name=f"F{k}", window=choices.pick([None, None, "1s", "30m", "1h", "1d"]), stage=stages)
            for k, stages in enumerate(funnels)
        ],
        element=choices.pick([ELEMENTS[:1], [], ELEMENTS[:2], ELEMENTS]),
        campaign=choices.pick([[], CAMPAIGNS[:1], CAMPAIGNS, CAMPAIGNS[::-1]]),
    )


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
        number=np.array([each.number for each in happenings], dtype=np.uint32),
        texts=texts,
    )


def aggregate_of(rules: Rules, batches: list[Batch]) -> PartitionAggregate:
    aggregate = PartitionAggregate(rules)
    for batch in batches:
        aggregate.take(batch)
    return aggregate
