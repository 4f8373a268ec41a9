"""How visitors move through the demo's two sites: places, and the moves between them with their weights."""

from msgspec import Struct

from datalab.demo.audience import GUIDE_SOURCES, SHOP_SOURCES, Source
from datalab.demo.catalogue import POSTS, PRODUCTS
from datalab.demo.content import GUIDE, SHOP

LEAVE = "leave"
"""The move that ends the visit."""


class Move(Struct, frozen=True):
    """From a place to the next: its weight among the moves there, and what is clicked on the way."""

    to: str
    weight: float
    clicks: tuple[str, ...] = ()


class Place(Struct, frozen=True, kw_only=True):
    """A kind of page: its paths with their weights, the median seconds of a stay, and where people go from it."""

    paths: dict[str, float]
    seconds: float
    moves: list[Move]
    hovers: tuple[str, ...] = ()
    """Elements of interest that a pointer may pass over and leave."""


class Site(Struct, frozen=True, kw_only=True):
    """A site with its visitors' habits; `returning` is the chance that somebody comes back after a visit."""

    origin: str
    sources: list[Source]
    places: dict[str, Place]
    returning: float
    watched: frozenset[str]
    """Selectors of the elements of interest."""


def zipf(paths: list[str], exponent: float = 0.85) -> dict[str, float]:
    """Weights by rank, the first path the most wanted."""
    return {path: 1 / rank**exponent for rank, path in enumerate(paths, 1)}


PRODUCT_PATHS = zipf([f"/products/{product.slug}" for product in PRODUCTS])
ARTICLE_PATHS = zipf([f"/blog/{post.slug}" for post in POSTS])
CATALOG_LINK = "header>nav>a:nth-of-type(1)"
JOURNAL_LINK = "header>nav>a:nth-of-type(2)"
CART_LINK = "#open-cart"
CARD = "main>ul#products>li>a"
RELATED_CARD = "main>section>ul>li>a"
NEWSLETTER = "#newsletter"
ADD = "#add-to-cart"

SHOP_SITE = Site(
    origin=SHOP.origin,
    sources=SHOP_SOURCES,
    returning=0.43,
    watched=frozenset(element.selector for element in SHOP.configuration.element),
    places={
        "home": Place(
            paths={"/": 1},
            seconds=11,
            hovers=("#see-catalog", NEWSLETTER),
            moves=[
                Move("catalog", 34, ("#see-catalog",)),
                Move("catalog", 14, (CATALOG_LINK,)),
                Move("product", 16, (RELATED_CARD,)),
                Move("article", 8, (JOURNAL_LINK,)),
                Move(LEAVE, 1.5, (NEWSLETTER,)),
                Move(LEAVE, 46),
            ],
        ),
        "catalog": Place(
            paths={"/catalog": 1},
            seconds=17,
            moves=[
                Move("product", 64, (CARD,)),
                Move("catalog", 2, (CATALOG_LINK,)),
                Move("home", 3, ("header>a.brand",)),
                Move("article", 3, (JOURNAL_LINK,)),
                Move(LEAVE, 40),
            ],
        ),
        "product": Place(
            paths=PRODUCT_PATHS,
            seconds=27,
            hovers=(ADD, ADD, ADD, NEWSLETTER),
            moves=[
                Move("cart", 7.2, (ADD, "#go-to-cart")),
                Move("full product", 1.8, (ADD, RELATED_CARD)),
                Move("full catalog", 1.8, (ADD, CATALOG_LINK)),
                Move(LEAVE, 1.2, (ADD,)),
                Move("product", 19, (RELATED_CARD,)),
                Move("catalog", 24, (CATALOG_LINK,)),
                Move("home", 3, ("header>a.brand",)),
                Move("article", 2, (JOURNAL_LINK,)),
                Move(LEAVE, 1, (NEWSLETTER,)),
                Move(LEAVE, 58),
            ],
        ),
        "article": Place(
            paths=ARTICLE_PATHS,
            seconds=74,
            hovers=(NEWSLETTER,),
            moves=[
                Move("product", 15, ("main>article>aside>a",)),
                Move("article", 13, ("main>section>ul>li>a",)),
                Move("catalog", 11, (CATALOG_LINK,)),
                Move("home", 5, ("header>a.brand",)),
                Move(LEAVE, 4, (NEWSLETTER,)),
                Move(LEAVE, 64),
            ],
        ),
        "full product": Place(
            paths=PRODUCT_PATHS,
            seconds=24,
            hovers=(ADD, ADD),
            moves=[
                Move("cart", 30, (ADD, "#go-to-cart")),
                Move("cart", 22, (CART_LINK,)),
                Move("full catalog", 26, (CATALOG_LINK,)),
                Move(LEAVE, 20),
            ],
        ),
        "full catalog": Place(
            paths={"/catalog": 1},
            seconds=15,
            moves=[Move("full product", 50, (CARD,)), Move("cart", 30, (CART_LINK,)), Move(LEAVE, 20)],
        ),
        "cart": Place(
            paths={"/cart": 1},
            seconds=15,
            hovers=("#check-out", "#gift-wrap"),
            moves=[
                Move("shipping", 40, ("#check-out",)),
                Move("shipping", 9, ("#gift-wrap", "#check-out")),
                Move("full catalog", 14, ("main>div>div>p>a.text",)),
                Move(LEAVE, 30),
            ],
        ),
        "shipping": Place(
            paths={"/checkout/shipping": 1},
            seconds=34,
            moves=[
                Move("payment", 62, ("#to-payment",)),
                Move("payment", 14, ("#delivery-fast", "#to-payment")),
                Move("cart", 4, ("main>div>section>p>a.text",)),
                Move(LEAVE, 22),
            ],
        ),
        "payment": Place(
            paths={"/checkout/payment": 1},
            seconds=41,
            hovers=("#buy",),
            moves=[
                Move("thanks", 80, ("#buy",)),
                Move("shipping", 4, ("main>div>section>p>a.text",)),
                Move(LEAVE, 16),
            ],
        ),
        "thanks": Place(
            paths={"/thanks": 1},
            seconds=12,
            hovers=(NEWSLETTER,),
            moves=[
                Move("home", 10, ("main>div>section>p>a.button",)),
                Move("article", 8, ("main>div>section>p>a.text",)),
                Move(LEAVE, 5, (NEWSLETTER,)),
                Move(LEAVE, 77),
            ],
        ),
    },
)

GUIDE_SITE = Site(
    origin=GUIDE.origin,
    sources=GUIDE_SOURCES,
    returning=0.3,
    watched=frozenset(element.selector for element in GUIDE.configuration.element),
    places={
        "contents": Place(
            paths={"/": 1},
            seconds=9,
            hovers=("#subscribe",),
            moves=[
                Move("guide", 60, ("main>ul>li>a",)),
                Move("letter", 6, ("#subscribe",)),
                Move(LEAVE, 34),
            ],
        ),
        "guide": Place(
            paths=zipf(
                [f"/guides/{name}" for name in ("green", "oolong", "matcha", "black", "white", "cold", "water")]
            ),
            seconds=96,
            hovers=("#subscribe",),
            moves=[
                Move("guide", 27, ("main>nav>a",)),
                Move("contents", 8, ("header>a",)),
                Move("letter", 6, ("#subscribe",)),
                Move(LEAVE, 59),
            ],
        ),
        "letter": Place(
            paths={"/letter": 1},
            seconds=21,
            moves=[Move("welcome", 58, ("#send-letter",)), Move("contents", 8, ("header>a",)), Move(LEAVE, 34)],
        ),
        "welcome": Place(
            paths={"/letter/welcome": 1},
            seconds=8,
            moves=[Move("guide", 25, ("main>p>a",)), Move(LEAVE, 75)],
        ),
    },
)
