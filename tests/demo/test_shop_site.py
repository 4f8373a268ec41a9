"""The demo shop: its pages, its links, the snippet in each, and whom it believes."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from datalab.demo.catalogue import POSTS, PRODUCTS
from datalab.demo.content import SHOP
from datalab.demo.shop_site import shop_application

TOKEN = 'a"b<script>&c'
APPLIANCE_PORT = 8123
PAGES = [
    "/",
    "/catalog",
    *(f"/products/{product.slug}" for product in PRODUCTS),
    "/cart",
    "/checkout/shipping",
    "/checkout/payment",
    "/thanks",
    *(f"/blog/{post.slug}" for post in POSTS),
]

Client = TestClient[web.Request, web.Application]


class Document(HTMLParser):
    """The addresses, scripts and ids of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.scripts: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.inline = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses |= {value for key in ("href", "src", "data-image") if (value := found.get(key))}
        if tag == "script":
            self.scripts.append(found)
        if identity := found.get("id"):
            self.ids.append(identity)
        self.inline |= tag == "style" or "style" in found or any(key.startswith("on") for key in found)


@pytest.fixture
async def shop() -> AsyncIterator[Client]:
    async with TestClient(TestServer(shop_application(TOKEN, APPLIANCE_PORT))) as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
async def test_page_carries_the_snippet_and_nothing_inline(shop: Client, path: str) -> None:
    answer = await shop.get(path, headers={"Host": "pi.local:9000"})
    assert answer.status == 200
    page = Document(await answer.text())
    snippet = {"async": None, "src": "http://pi.local:8123/datalab.js", "data-token": TOKEN}
    assert snippet in page.scripts
    assert not page.inline
    assert all(script.get("src") for script in page.scripts)
    assert len(page.ids) == len(set(page.ids))


async def test_every_link_and_picture_resolves(shop: Client) -> None:
    waiting, seen = set(PAGES), set[str]()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = await shop.get(path)
        assert answer.status == 200, path
        if answer.content_type != "text/html":
            continue
        for address in Document(await answer.text()).addresses:
            if address.startswith("#") or urlsplit(address).port == APPLIANCE_PORT:
                continue
            assert address.startswith("/"), f"{path} links to {address}"
            waiting |= {address} - seen
    assert len(seen) > len(PAGES) + len(PRODUCTS)


async def test_every_id_of_the_configuration_is_somewhere_in_the_shop(shop: Client) -> None:
    ids = {f"#{each}" for path in PAGES for each in Document(await (await shop.get(path)).text()).ids}
    assert {element.selector for element in SHOP.configuration.element} <= ids
    clicks = {stage.click for funnel in SHOP.configuration.funnel for stage in funnel.stage if stage.click}
    assert clicks <= ids


@pytest.mark.parametrize(
    ("host", "appliance", "source"),
    [
        ("localhost:9000", "http://localhost:8123", "localhost:8123"),
        ("127.0.0.1:9000", "http://127.0.0.1:8123", "127.0.0.1:8123"),
        ("Pi.Local", "http://pi.local:8123", "pi.local:8123"),
        ("[::1]:9000", "http://[::1]:8123", "*:8123"),
    ],
)
async def test_appliance_is_looked_for_where_the_shop_was(shop: Client, host: str, appliance: str, source: str) -> None:
    answer = await shop.get("/", headers={"Host": host})
    assert f'src="{appliance}/datalab.js"' in await answer.text()
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert f"script-src 'self' http://{source}" in policy
    assert f"connect-src 'self' http://{source} ws://{source}" in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize(
    "host",
    [
        '"><script>alert(1)</script>',
        "shop.example; script-src *",
        "shop.example *",
        "user@shop.example",
        "shop.example/path",
        "shop.example:port",
        "-",
        "[nothing]",
        "[1:2]",
        "a" * 254,
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", "/assets/shop.css", "/nowhere"])
async def test_host_that_is_none_is_refused(shop: Client, host: str, path: str) -> None:
    answer = await shop.get(path, headers={"Host": host})
    text = await answer.text()
    assert answer.status == 400
    assert "Host header" in text
    assert answer.content_type == "text/plain"
    assert not host or host not in text or host == "-"


@pytest.mark.parametrize(
    "path", ["/nowhere", "/products/nothing", "/blog/nothing", "/assets/nothing.css", "/assets/home.html"]
)
async def test_missing_page_is_a_page(shop: Client, path: str) -> None:
    answer = await shop.get(path)
    assert answer.status == 404
    assert "This shelf is empty" in await answer.text()
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/assets/shop.js", "/nowhere"])
async def test_security_headers_are_on_every_answer(shop: Client, path: str) -> None:
    for answer in (await shop.get(path), await shop.post(path)):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


async def test_assets_are_kept_for_ever_under_their_version_only(shop: Client) -> None:
    page = await (await shop.get("/")).text()
    found = re.search(r"/assets/shop\.css\?v=[0-9a-f]{12}", page)
    assert found
    assert "immutable" in (await shop.get(found[0])).headers["Cache-Control"]
    assert (await shop.get("/assets/shop.css?v=old")).headers["Cache-Control"] == "no-cache"
