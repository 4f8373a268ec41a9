"""The demo shop as an aiohttp application: pages, pictures, and the snippet of the appliance that measures it.

The appliance is taken to answer on the host the visitor asked the shop for, at its own port, so that the same
shop works under `localhost`, an address of the LAN and `pi.local`.
"""

import hashlib
import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from typing import Final

from aiohttp import web
from jinja2 import DictLoader, Environment, StrictUndefined
from msgspec import Struct

from datalab.demo.catalogue import POST, POSTS, PRODUCT, PRODUCTS

CHECKOUT_STEPS: Final = {"/checkout/shipping": "Shipping", "/checkout/payment": "Payment", "/thanks": "Thank you"}
MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
RELATED = 4

HOST = re.compile(r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class Asset(Struct, frozen=True, kw_only=True):
    """A file of the shop, in memory; `version` is part of its address, so that browsers may keep it for ever."""

    body: bytes
    media_type: str
    version: str


class Shop:
    """The shop's templates and assets, read from the package once."""

    def __init__(self, token: str, appliance_port: int) -> None:
        self.token: Final = token
        self.appliance_port: Final = appliance_port
        folder = resources.files("datalab.demo") / "shop"
        self.assets: Final = {
            entry.name: read_asset(entry.name, entry.read_bytes())
            for place in (folder, folder / "images")
            for entry in place.iterdir()
            if entry.is_file() and suffix(entry.name) in MEDIA_TYPES
        }
        templates = {entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".html")}
        self._templates: Final = Environment(
            loader=DictLoader(templates),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(token=token, products=PRODUCTS, posts=POSTS, asset=self.address_of)

    def address_of(self, name: str) -> str:
        """The path of an asset, with its version."""
        return f"/assets/{name}?v={self.assets[name].version}"

    def page(self, request: web.Request, template: str, *, status: int = 200, **view: object) -> web.Response:
        """A page with the appliance of the request's host in it."""
        name = f"{host_name(request)}:{self.appliance_port}"
        view = {"here": "", "appliance": f"http://{name}", "appliance_name": name, **view}
        text = self._templates.get_template(template).render(view)
        return web.Response(text=text, content_type="text/html", status=status, headers={"Cache-Control": "no-cache"})


SHOP: Final = web.AppKey("shop", Shop)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def suffix(name: str) -> str:
    """The file name's ending, dot included."""
    return name[name.rfind(".") :]


def read_asset(name: str, body: bytes) -> Asset:
    """The asset of a file's name and content."""
    return Asset(body=body, media_type=MEDIA_TYPES[suffix(name)], version=hashlib.sha256(body).hexdigest()[:12])


def host_name(request: web.Request) -> str:
    """The host the visitor asked for, without the port; raises HTTPBadRequest where it is none."""
    hosts = request.headers.getall("Host", [])
    match = HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if match is None or not is_address_if_bracketed(match["name"]):
        raise web.HTTPBadRequest(text="The Host header is missing or not a host name. Open the shop by its address.")
    return match["name"].lower()


def is_address_if_bracketed(name: str) -> bool:
    """False for brackets around anything but an IPv6 address."""
    if not name.startswith("["):
        return True
    try:
        ipaddress.IPv6Address(name[1:-1])
    except ValueError:
        return False
    return True


def security_headers(name: str, appliance_port: int) -> Mapping[str, str]:
    """What every answer carries; scripts and connections are allowed to the shop and its appliance only."""
    # A source expression of a policy cannot hold an IPv6 address, so there the port alone tells the appliance.
    appliance = f"{'*' if name.startswith('[') else name}:{appliance_port}"
    policy = (
        "default-src 'none'",
        f"script-src 'self' http://{appliance}",
        f"connect-src 'self' http://{appliance} ws://{appliance}",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a host that is none, put the security headers on every answer, show missing pages as a page."""
    shop = request.app[SHOP]
    headers = security_headers(host_name(request), shop.appliance_port)
    try:
        response = await handler(request)
    except web.HTTPNotFound:
        response = shop.page(request, "missing.html", status=404)
    except web.HTTPException as refusal:
        refusal.headers.update(headers)
        raise
    response.headers.update(headers)
    return response


async def home(request: web.Request) -> web.Response:
    return request.app[SHOP].page(request, "home.html")


async def catalog(request: web.Request) -> web.Response:
    return request.app[SHOP].page(request, "catalog.html", here="catalog")


async def product(request: web.Request) -> web.Response:
    shown = PRODUCT.get(request.match_info["slug"])
    if shown is None:
        raise web.HTTPNotFound
    others = [other for other in PRODUCTS if other is not shown]
    # Teaware is shown beside tea and the other way round; the sort keeps the catalogue's order within each.
    related = sorted(others, key=lambda other: other.kind == shown.kind)[:RELATED]
    return request.app[SHOP].page(request, "product.html", here="catalog", product=shown, related=related)


async def cart(request: web.Request) -> web.Response:
    return request.app[SHOP].page(request, "cart.html", here="cart")


async def checkout(request: web.Request) -> web.Response:
    """Every step is the same document with another step in view: the page's script goes on from any of them."""
    return request.app[SHOP].page(
        request, "checkout.html", here="cart", path=request.path, title=CHECKOUT_STEPS[request.path]
    )


async def post(request: web.Request) -> web.Response:
    shown = POST.get(request.match_info["slug"])
    if shown is None:
        raise web.HTTPNotFound
    return request.app[SHOP].page(request, "post.html", here="blog", post=shown, product=PRODUCT[shown.product])


async def asset(request: web.Request) -> web.Response:
    found = request.app[SHOP].assets.get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    kept = request.query.get("v") == found.version
    caching = "public, max-age=31536000, immutable" if kept else "no-cache"
    return web.Response(
        body=found.body, content_type=found.media_type, charset="utf-8", headers={"Cache-Control": caching}
    )


def shop_application(token: str, appliance_port: int) -> web.Application:
    """The demo shop, carrying the snippet with this app token from the appliance on this port of the same host."""
    app = web.Application(middlewares=[guard])
    app[SHOP] = Shop(token, appliance_port)
    app.add_routes(
        [
            web.get("/", home),
            web.get("/catalog", catalog),
            web.get("/products/{slug}", product),
            web.get("/cart", cart),
            *(web.get(path, checkout) for path in CHECKOUT_STEPS),
            web.get("/blog/{slug}", post),
            web.get("/assets/{name}", asset),
        ]
    )
    return app
