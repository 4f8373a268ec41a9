import random
from fnmatch import fnmatchcase

import pytest

from datalab.model.configuration import Funnel, Stage
from datalab.model.stages import StageMatcher, glob_pattern


def matches(stage: Stage, route: str, *, hash_routing: bool = False) -> bool:
    return StageMatcher(Funnel(name="f", stage=[stage]), hash_routing=hash_routing).page_view(route) == 1


@pytest.mark.parametrize(
    ("url", "route", "matched"),
    [
        ("/cart", "/cart", True),
        ("/cart/", "/cart", True),
        ("cart", "/cart", True),
        ("/", "/", True),
        ("/cart", "/cart/2", False),
        ("/cart", "/Cart", False),
        ("/caf%C3%A9", "/café", True),
        ("/a b", "/a%20b", True),
        ("/products/:id", "/products/:id", True),
        ("/products/:id", "/products/7", False),
        ("https://shop.example/cart/?x=1", "/cart", True),
    ],
)
def test_url(url: str, route: str, matched: bool) -> None:
    assert matches(Stage(name="s", url=url), route) is matched


def test_a_whole_url_is_read_as_the_app_routes() -> None:
    stage = Stage(name="s", url="https://shop.example/#/cart")
    assert matches(stage, "/cart", hash_routing=True)
    assert matches(stage, "/", hash_routing=False)


@pytest.mark.parametrize(
    ("glob", "route", "matched"),
    [
        ("/products/*", "/products/7", True),
        ("/products/*", "/products/7/reviews", True),
        ("/products/*", "/products", False),
        ("*", "/", True),
        ("/c??t", "/cart", True),
        ("/c??t", "/ct", False),
        ("/v1.0", "/v1x0", False),
        ("/[ab]", "/a", False),
        ("*a*b", "/xaxxb", True),
        ("*a*b", "/xbxa", False),
    ],
)
def test_glob(glob: str, route: str, matched: bool) -> None:
    assert matches(Stage(name="s", glob=glob), route) is matched


@pytest.mark.parametrize("seed", range(10))
def test_globs_match_as_file_names_do(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(500):
        glob = "".join(chance.choice("ab/*?*") for _ in range(chance.randint(1, 8)))
        text = "".join(chance.choice("ab/") for _ in range(chance.randint(0, 10)))
        assert (glob_pattern(glob).fullmatch(text) is not None) == fnmatchcase(text, glob), (glob, text)


def test_a_glob_of_many_stars_gives_up_at_once() -> None:
    assert not matches(Stage(name="s", glob="*a" * 200), "/" + "a" * 199 + "b" * 300)


@pytest.mark.parametrize(
    ("regex", "route", "matched"),
    [
        ("^/products/[0-9]+$", "/products/7", True),
        ("products", "/a/products/b", True),
        ("^products", "/products", False),
    ],
)
def test_regex_is_searched(regex: str, route: str, matched: bool) -> None:
    assert matches(Stage(name="s", regex=regex), route) is matched


def test_click_matches_the_target_or_a_watched_selector() -> None:
    matcher = StageMatcher(Funnel(name="f", stage=[Stage(name="a", click="#buy"), Stage(name="b", click="//a[1]")]))
    assert matcher.click(["main>button", "#buy"]) == 0b01
    assert matcher.click(["//a[1]"]) == 0b10
    assert matcher.click(["#buy", "//a[1]"]) == 0b11
    assert matcher.click(["#buyer", ""]) == 0
    assert matcher.page_view("#buy") == 0


def test_masks_name_every_stage_that_matches() -> None:
    stages = [
        Stage(name="a", url="/x"),
        Stage(name="b", click="/x"),
        Stage(name="c", glob="/*"),
        Stage(name="d", regex="x"),
    ]
    matcher = StageMatcher(Funnel(name="f", stage=stages))
    assert matcher.page_view("/x") == 0b1101
    assert matcher.page_view("/y") == 0b0100
    assert matcher.click(["/x"]) == 0b0010
