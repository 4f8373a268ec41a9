import random
import re

import pytest

from datalab.model.configuration import Configuration
from datalab.model.routes import MAX_LENGTH, Router, normal_path, path_of, pattern_of

SITE = "https://shop.example"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (SITE, "/"),
        (SITE + "/", "/"),
        (SITE + "?q=1", "/"),
        (SITE + "/cart/", "/cart"),
        (SITE + "/cart//", "/cart"),
        (SITE + "/cart?step=2#top", "/cart"),
        (SITE + ":8443/cart;v=1", "/cart;v=1"),
        ("/cart/?x", "/cart"),
        ("cart", "/cart"),
        (SITE + "/caf%C3%A9", "/café"),
        (SITE + "/caf%c3%a9", "/café"),
        (SITE + "/café", "/café"),
        (SITE + "/%61%2D%7E", "/a-~"),
        (SITE + "/a b", "/a%20b"),
        (SITE + "/a%20b", "/a%20b"),
        (SITE + "/a%2fb", "/a%2Fb"),
        (SITE + "/a%2F", "/a%2F"),
        (SITE + "/a%3Fb%23c", "/a%3Fb%23c"),
        (SITE + "/100%", "/100%25"),
        (SITE + "/100%25", "/100%25"),
        (SITE + "/%252F", "/%252F"),
        (SITE + "/%zz", "/%25zz"),
        (SITE + "/%FF", "/\ufffd"),
        (SITE + "/%00%0A", "/%00%0A"),
        (SITE + "/%E2%80%8B", "/%E2%80%8B"),
        ("http://[broken/a", "/"),
    ],
)
def test_path(url: str, path: str) -> None:
    assert path_of(url, hash_routing=False) == path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (SITE + "/app#/cart/", "/cart"),
        (SITE + "/app#!/cart?step=2", "/cart"),
        (SITE + "/app#cart", "/cart"),
        (SITE + "/app#/cart#total", "/cart"),
        (SITE + "/app#/caf%C3%A9", "/café"),
        (SITE + "/app", "/"),
        (SITE + "/app#", "/"),
        (SITE + "/app#?q", "/"),
    ],
)
def test_path_with_hash_routing(url: str, path: str) -> None:
    assert path_of(url, hash_routing=True) == path


@pytest.mark.parametrize("seed", range(20))
def test_a_normal_path_is_its_own(seed: int) -> None:
    chance = random.Random(seed)
    pieces = [
        "/",
        "a",
        "%",
        "%2",
        "%2F",
        "%2f",
        "%25",
        "%C3%A9",
        "%C3",
        "é",
        " ",
        "?",
        "#",
        "%20",
        "%E2%80%8B",
        "\u200b",
    ]
    for _ in range(300):
        path = "".join(chance.choice(pieces) for _ in range(chance.choice([1, 3, 10, 200, 400])))
        normal = normal_path(path)
        assert normal_path(normal) == normal
        assert path_of(SITE + normal, hash_routing=False) == normal
        assert path_of(f"{SITE}/#{normal}", hash_routing=True) == normal
        assert len(normal) <= MAX_LENGTH
        assert normal == "/" or not normal.endswith("/")


@pytest.mark.parametrize("end", ["%E2%80%8B", "%2F", "/", "é"])
@pytest.mark.parametrize("room", range(11))
def test_a_long_path_is_cut_between_characters(end: str, room: int) -> None:
    normal = normal_path("/" + "a" * (MAX_LENGTH - 1 - room) + end * 100)
    assert MAX_LENGTH - 12 < len(normal) <= MAX_LENGTH
    assert normal_path(normal) == normal


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/products/7", "/products/:id"),
        ("/products/7/", "/products/:id"),
        ("/products/new", "/products/new"),
        ("/products/7/reviews", "/products/7/reviews"),
        ("/products", "/products"),
        ("/blog/2026/11/a", "/blog/*"),
        ("/blog", "/blog"),
        ("/de/about", "/:language/about"),
        ("/v1.0", "/v1.0"),
        ("/v1x0", "/v1x0"),
        ("/café/3", "/café/:n"),
        ("/item-7-a", "/item-:id-a"),
        ("/item--a", "/item--a"),
    ],
)
def test_the_first_pattern_that_matches_names_the_route(path: str, route: str) -> None:
    patterns = [
        "/products/new",
        "/products/:id/",
        "/products/:late",
        "/blog/*",
        "/:language/about",
        "/v1.0",
        "/caf%C3%A9/:n",
        "/item-:id-a",
    ]
    assert Router(Configuration(routes=patterns)).route(SITE + path) == route


def test_patterns_fold_hash_routes() -> None:
    router = Router(Configuration(hash_routing=True, routes=["/products/:id"]))
    assert router.route(SITE + "/#!/products/7?from=mail") == "/products/:id"


@pytest.mark.parametrize("seed", range(10))
def test_patterns_match_what_plain_backtracking_matches(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(300):
        route = "/" + "".join(chance.choice("ab/*") for _ in range(chance.randint(0, 6)))
        if chance.random() < 0.5:
            route += chance.choice(["/:x", "/a:x/b", "/:x*", "/:x/*a"])
        plain = re.escape(route).replace(r"\*", ".*").replace(":x", "[^/]+")
        path = "/" + "".join(chance.choice("ab/") for _ in range(chance.randint(0, 10)))
        assert (pattern_of(route).fullmatch(path) is None) == (re.fullmatch(plain, path) is None), (route, path)


def test_a_pattern_of_many_stars_gives_up_at_once() -> None:
    """Tried in all places, it would not end."""
    assert pattern_of("/" + "*a" * 150).fullmatch("/" + "a" * 149 + "b" * 300) is None
