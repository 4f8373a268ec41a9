"""Who and what the demo shows: one organisation, three people, two apps with their configurations."""

from msgspec import Struct

from datalab.model.configuration import Campaign, Configuration, Element, Funnel, Stage

ORGANISATION = "teahouse.example"


class DemoUser(Struct, frozen=True, kw_only=True):
    """A login of the throw-away data directory; the password is printed, and means nothing anywhere else."""

    username: str
    password: str
    first_name: str
    last_name: str
    position: str


class DemoApp(Struct, frozen=True, kw_only=True):
    """An app to create; `origin` is the public address its replayed history carries."""

    name: str
    owner: str
    origin: str
    description: str
    tags: list[str]
    time_zone: str
    configuration: Configuration


USERS = [
    DemoUser(
        username="mira.okafor",
        password="jasmine-pearl-41",  # noqa: S106
        first_name="Mira",
        last_name="Okafor",
        position="Head of shop",
    ),
    DemoUser(
        username="jonas.feld",
        password="smoked-black-87",  # noqa: S106
        first_name="Jonas",
        last_name="Feld",
        position="Analyst",
    ),
    DemoUser(
        username="priya.raman",
        password="quiet-cup-2036",  # noqa: S106
        first_name="Priya",
        last_name="Raman",
        position="Editor",
    ),
]
"""The first is the organisation's admin."""

SHOP = DemoApp(
    name="shop",
    owner="mira.okafor",
    origin="https://shop.teahouse.example",
    description="Tea and teaware: the shop that customers see.",
    tags=["shop", "live"],
    time_zone="Europe/Berlin",
    configuration=Configuration(
        routes=["/blog/:slug"],
        funnel=[
            Funnel(
                name="Purchase",
                stage=[
                    Stage(name="Catalog", url="/catalog"),
                    Stage(name="Product", glob="/products/*"),
                    Stage(name="Cart", click="#add-to-cart"),
                    Stage(name="Shipping", url="/checkout/shipping"),
                    Stage(name="Payment", url="/checkout/payment"),
                    Stage(name="Bought", url="/thanks"),
                ],
            ),
            Funnel(
                name="Readers who buy",
                window="14d",
                stage=[
                    Stage(name="Article", glob="/blog/*"),
                    Stage(name="Product", glob="/products/*"),
                    Stage(name="Bought", url="/thanks"),
                ],
            ),
        ],
        element=[
            Element(name="Add to cart", selector="#add-to-cart"),
            Element(name="Check out", selector="#check-out"),
            Element(name="Buy", selector="#buy"),
            Element(name="See the catalog", selector="#see-catalog"),
            Element(name="Newsletter", selector="#newsletter"),
            Element(name="Gift wrap", selector="#gift-wrap"),
        ],
        campaign=[
            Campaign(name="First flush", parameter="utm_campaign", value="first-flush"),
            Campaign(name="Gift guide", parameter="utm_campaign", value="gift-guide"),
            Campaign(name="Studio letter", parameter="utm_campaign", value="studio-letter"),
        ],
    ),
)

GUIDE = DemoApp(
    name="guide",
    owner="priya.raman",
    origin="https://guide.teahouse.example",
    description="The brewing guide: how to make each tea, and the letter readers can ask for.",
    tags=["articles"],
    time_zone="Europe/Berlin",
    configuration=Configuration(
        funnel=[
            Funnel(
                name="Letter",
                stage=[
                    Stage(name="Guide", glob="/guides/*"),
                    Stage(name="Letter", url="/letter"),
                    Stage(name="Subscribed", url="/letter/welcome"),
                ],
            ),
        ],
        element=[Element(name="Subscribe", selector="#subscribe")],
        campaign=[Campaign(name="Studio letter", parameter="utm_campaign", value="studio-letter")],
    ),
)

APPS = [SHOP, GUIDE]
