"""The shop whose traffic is generated: its pages, what happens on them, who comes, and what its app watches."""

import json
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datalab.model.configuration import Campaign, Configuration, Element, Funnel, Stage
from datalab.model.events import SEPARATOR

ORIGIN = "http://shop.example"
ZONE = "Europe/Berlin"
HOSTS = 150
CAMPAIGNS = 30
SOURCES = ["newsletter", "search", "social", "affiliate", "partner", "display"]
MEDIUMS = ["email", "cpc", "post", "banner"]
WAYS = 3
"""Combinations of source, medium and content that each campaign is run with."""
COLOURS = 6
BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
ELEMENTS = {
    "Buy button": "#add-to-cart",
    "Menu": "nav#menu",
    "Hero": "a.hero",
    "Search field": "#search",
    "Newsletter": "#newsletter",
}
STAGES = [
    Stage(name="Product", glob="/products/*"),
    Stage(name="Cart", click="#add-to-cart"),
    Stage(name="Checkout", url="/checkout"),
    Stage(name="Payment", url="/checkout/payment"),
    Stage(name="Bought", url="/thanks"),
]
PRODUCTS = [f"/products/{kind}-{n}" for kind in ("tea", "pot", "cup", "tin") for n in range(25)]
STEPS = ["/cart", "/checkout", "/checkout/payment", "/thanks"]
FOLDED = {"/search/:term": "/search/term-{}", "/orders/:order": "/orders/{}"}
BROWSED = [
    "/",
    "/catalogue",
    *FOLDED,
    *(f"/catalogue/{kind}-{n}" for kind in ("tea", "pot") for n in range(11)),
    *(f"/blog/post-{n}" for n in range(50)),
    *(f"/help/topic-{n}" for n in range(20)),
]
"""With the products and the steps 200 routes."""
SCREENS = {
    "desktop": ["1920x1080", "1536x864", "1366x768", "2560x1440", "1440x900", "1280x720"],
    "mobile": ["390x844", "393x852", "412x915", "360x800", "375x667", "430x932"],
    "tablet": ["820x1180", "768x1024", "1280x800"],
}
LANGUAGES = ["de-DE", "en-GB", "en-US", "fr-FR", "nl-NL", "de-AT", "it-IT", "es-ES", "pl-PL", "sv-SE", "ja-JP", "pt-PT"]
COUNTRIES = ["DE", "GB", "US", "FR", "NL", "AT", "IT", "ES", "PL", "SE", "JP", "PT", "CH", "BE", "DK", "CZ", "IE", "CA"]


class Agent(NamedTuple):
    """A user agent, its device and its share."""

    text: str
    device: str
    weight: float


def agents() -> list[Agent]:
    """Families, versions and systems as they are met."""
    found = []
    for age, weight in enumerate((12, 5, 2, 1, 0.5)):
        chrome = f"{BLINK} Chrome/{142 - age}.0.0.0"
        windows, mac = "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7"
        fox = 145 - age
        iphone = f"iPhone; CPU iPhone OS 18_{7 - age} like Mac OS X"
        found += [
            Agent(f"Mozilla/5.0 ({windows}) {chrome} Safari/537.36", "desktop", 1.8 * weight),
            Agent(f"Mozilla/5.0 ({mac}) {chrome} Safari/537.36", "desktop", 0.7 * weight),
            Agent(f"Mozilla/5.0 (X11; Linux x86_64) {chrome} Safari/537.36", "desktop", 0.3 * weight),
            Agent(f"Mozilla/5.0 ({windows}) {chrome} Safari/537.36 Edg/{142 - age}.0.0.0", "desktop", 0.6 * weight),
            Agent(f"Mozilla/5.0 ({windows}; rv:{fox}.0) Gecko/20100101 Firefox/{fox}.0", "desktop", 0.6 * weight),
            Agent(
                f"Mozilla/5.0 (X11; Linux x86_64; rv:{fox}.0) Gecko/20100101 Firefox/{fox}.0", "desktop", 0.3 * weight
            ),
            Agent(f"Mozilla/5.0 ({mac}) {WEBKIT} Version/{26 - age}.1 Safari/605.1.15", "desktop", 0.7 * weight),
            Agent(f"Mozilla/5.0 ({iphone}) {WEBKIT} Version/{26 - age}.1 Mobile/15E148 Safari/604.1", "mobile", weight),
            Agent(f"Mozilla/5.0 (Linux; Android 10; K) {chrome} Mobile Safari/537.36", "mobile", 1.3 * weight),
            Agent(
                f"Mozilla/5.0 (iPad; CPU OS 17_{7 - age} like Mac OS X) {WEBKIT} Version/{26 - age}.1 Safari/604.1",
                "tablet",
                0.3 * weight,
            ),
        ]
    return found


class Site:
    """`texts` are all that events can say; the arrays are places in it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.ways = [
            (
                f"utm_source={SOURCES[(c + way * way) % 6]}&utm_medium={MEDIUMS[(c + way) % 4]}"
                f"&utm_campaign=campaign-{c}"
                + (f"&utm_content=picture-{way}" if way else "")
                + (f"&utm_term=term+{c % 7}" if c % 4 == 1 else "")
            )
            for c, way in product(range(CAMPAIGNS), range(WAYS))
        ]
        self.products = np.array([self._page(path) for path in PRODUCTS])
        self.browsed = np.array([self._page(path) for path in BROWSED])
        self.steps = self._add([ORIGIN + path for path in STEPS])
        self.clicks = self._add([f"main>section>div>a.item-{n}" for n in range(300)])
        self.element_clicks = self._add([f"main>div>{at}{SEPARATOR}{at}" for at in ELEMENTS.values()])
        self.pay_click = self._add(["main>form>button#pay"])[0]
        self.left = self._add([f"{at}{SEPARATOR}hover-leave" for at in ELEMENTS.values()])
        self.clicked = self._add([f"{at}{SEPARATOR}hover-click" for at in ELEMENTS.values()])
        self.move = self._add([""])[0]
        self.customs = self._add(
            [f"search{SEPARATOR}{json.dumps({'term': f'term {n}', 'hits': n % 9})}" for n in range(60)]
            + [f"video{SEPARATOR}{json.dumps({'seconds': n})}" for n in range(90)]
            + [f"wishlist{SEPARATOR}{json.dumps({'product': path})}" for path in PRODUCTS]
        )
        self.purchases = self._add([f"purchase{SEPARATOR}{json.dumps({'value': 5 + n / 4})}" for n in range(400)])
        self.referrers = [""] + [f"https://www.site-{n}.example/" for n in range(HOSTS)]
        self.agents = agents()

    def _add(self, texts: list[str]) -> NDArray[np.uint32]:
        first = len(self.texts)
        self.texts += texts
        return np.arange(first, len(self.texts), dtype=np.uint32)

    def _page(self, path: str) -> NDArray[np.uint32]:
        """One place for each colour (or folded path), after them one for each way of each campaign."""
        paths = [FOLDED[path].format(n) for n in range(COLOURS)] if path in FOLDED else [path] * COLOURS
        urls = [ORIGIN + one + (f"?colour={n}" if n and path in PRODUCTS else "") for n, one in enumerate(paths)]
        return self._add(urls + [f"{ORIGIN}{paths[0]}?{way}" for way in self.ways])


def configuration() -> Configuration:
    """What the app watches."""
    return Configuration(
        routes=list(FOLDED),
        funnel=[Funnel(name="Purchase", window="14d", stage=STAGES)],
        element=[Element(name=name, selector=selector) for name, selector in ELEMENTS.items()],
        campaign=[
            Campaign(name=f"Campaign {c}", parameter="utm_campaign", value=f"campaign-{c}")
            for c in range(0, CAMPAIGNS, 2)
        ],
    )
