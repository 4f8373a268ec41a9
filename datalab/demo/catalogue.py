"""What the demo shop sells and writes about. Slugs are the last part of the page's path and the picture's name."""

from typing import Literal

from msgspec import Struct


class Product(Struct, frozen=True, kw_only=True):
    """Something for sale; `cents` is the price in euro cents."""

    slug: str
    name: str
    kind: Literal["tea", "ware"]
    line: str
    """One line under the name."""
    cents: int
    unit: str
    story: str
    facts: list[tuple[str, str]]

    @property
    def price(self) -> str:
        """As printed on the page."""
        return f"€{self.cents // 100}.{self.cents % 100:02}"


class Post(Struct, frozen=True, kw_only=True):
    """An article of the shop's blog; `product` is the slug of the product it leads to."""

    slug: str
    title: str
    summary: str
    minutes: int
    paragraphs: list[str]
    product: str


PRODUCTS = [
    Product(
        slug="morning-sencha",
        name="Morning Sencha",
        kind="tea",
        line="Bright, grassy, gone before the second meeting",
        cents=1400,
        unit="100 g tin",
        story="Steamed within a day of picking and rolled into fine needles. Brew it cool and short and it tastes "
        "of young peas and sea air; brew it hot and it forgives nothing.",
        facts=[("Water", "70 °C"), ("Time", "2 minutes"), ("Leaf", "5 g to 250 ml"), ("Infusions", "Three")],
    ),
    Product(
        slug="river-teapot",
        name="River Teapot",
        kind="ware",
        line="Red stoneware under a running blue glaze",
        cents=6800,
        unit="600 ml",
        story="Thrown in one piece and glazed by pouring, so the blue runs where it likes and no two pots agree. "
        "The spout cuts cleanly and the lid stays on until the last drop.",
        facts=[
            ("Holds", "600 ml"),
            ("Clay", "Red stoneware"),
            ("Strainer", "Ceramic, built in"),
            ("Care", "By hand"),
        ],
    ),
    Product(
        slug="quiet-cup",
        name="Quiet Cup",
        kind="ware",
        line="A cup that makes no sound on the table",
        cents=2400,
        unit="220 ml",
        story="The foot is left unglazed and polished, so the cup lands softly. Thin at the lip, heavy at the base, "
        "and warm for about as long as a good chapter.",
        facts=[
            ("Holds", "220 ml"),
            ("Clay", "White stoneware"),
            ("Foot", "Polished, bare"),
            ("Care", "Dishwasher"),
        ],
    ),
    Product(
        slug="high-mountain-oolong",
        name="High Mountain Oolong",
        kind="tea",
        line="Rolled tight, opens over six cups",
        cents=1850,
        unit="75 g tin",
        story="Grown above the cloud line where leaves take their time. The first cup is lilac and cream; by the "
        "fourth it is closer to warm bread. Do not throw the leaves away early.",
        facts=[
            ("Water", "90 °C"),
            ("Time", "40 seconds, then longer"),
            ("Leaf", "6 g to 150 ml"),
            ("Infusions", "Six"),
        ],
    ),
    Product(
        slug="night-bowl",
        name="Night Bowl",
        kind="ware",
        line="A black bowl with weather in it",
        cents=4200,
        unit="450 ml",
        story="An iron glaze that spots like stars when the kiln cools slowly. Wide enough to whisk in, deep enough "
        "for soup, and nobody will tell you which to choose.",
        facts=[("Holds", "450 ml"), ("Clay", "Dark stoneware"), ("Glaze", "Iron spot"), ("Care", "By hand")],
    ),
    Product(
        slug="smoked-black",
        name="Smoked Black",
        kind="tea",
        line="Pinewood, cocoa, a little campfire",
        cents=1250,
        unit="100 g tin",
        story="Whole leaves dried over a pine fire by people who know when to stop. Takes milk without complaint and "
        "improves a rainy afternoon more than is reasonable.",
        facts=[("Water", "95 °C"), ("Time", "3 minutes"), ("Leaf", "4 g to 250 ml"), ("Infusions", "Two")],
    ),
    Product(
        slug="bamboo-whisk",
        name="Bamboo Whisk",
        kind="ware",
        line="Eighty tines from a single piece",
        cents=1900,
        unit="One whisk",
        story="Split by knife from one stem and curled over steam. Soak it for a minute before the first bowl and it "
        "will see you through a year of mornings.",
        facts=[
            ("Tines", "80"),
            ("Length", "11 cm"),
            ("Material", "White bamboo"),
            ("Care", "Rinse, dry upright"),
        ],
    ),
    Product(
        slug="oak-tray",
        name="Oak Tray",
        kind="ware",
        line="Carries two cups and one good intention",
        cents=5500,
        unit="38 × 24 cm",
        story="Oiled oak with a lip just high enough to catch a spill. The handles are cut from the same board, so "
        "the grain runs through from end to end.",
        facts=[
            ("Size", "38 × 24 cm"),
            ("Wood", "Oak, oiled"),
            ("Weight", "900 g"),
            ("Care", "Wipe, oil yearly"),
        ],
    ),
]

POSTS = [
    Post(
        slug="two-minutes-for-sencha",
        title="Two minutes for sencha",
        summary="Cooler water, fewer seconds, a better cup. What we tell everybody who says green tea is bitter.",
        minutes=3,
        paragraphs=[
            "Most bitter green tea is not bad tea. It is good tea that met boiling water. The leaf holds sweetness and "
            "sharpness side by side, and the sharp half wants heat to come out. Leave the heat away and it stays in.",
            "So let the kettle stand. Five minutes with the lid off is about right, or pour the water once into a cold "
            "cup and from there into the pot. You are aiming for seventy degrees, and you do not need a thermometer: "
            "when you can hold the cup, the water is ready.",
            "Then two minutes, no longer, and pour to the last drop. What stays in the pot keeps brewing and spoils "
            "the second cup. The second cup, by the way, needs ten seconds, and many of us like it more.",
        ],
        product="morning-sencha",
    ),
    Post(
        slug="the-glaze-we-almost-threw-away",
        title="The glaze we almost threw away",
        summary="One bucket, mixed wrongly, on a Friday. It is now on half of what we make.",
        minutes=4,
        paragraphs=[
            "The recipe asked for four parts of ash and somebody, who still works here, read fourteen. The bucket came "
            "out thin and grey and ran off the test tiles like water. It was late, so we glazed three pots with it to "
            "be able to say that we had tried.",
            "On Monday the kiln was still warm and the three pots were the colour of a river in March. The glaze had "
            "run, as we feared, and stopped by itself just above the foot, as we had not dared to hope.",
            "We have since learned why it stops, and it is a dull reason that has to do with how fast our kiln cools. "
            "We prefer to think that it knows. Every River Teapot carries it, and every one of them ran differently.",
        ],
        product="river-teapot",
    ),
]

PRODUCT = {product.slug: product for product in PRODUCTS}
POST = {post.slug: post for post in POSTS}
