"""Origins: scheme, host and port of a site, as browsers write them."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from datalab.errors import Invalid

PORTS = {"http": 80, "https": 443}
MAX_ORIGIN = 255
HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


def normal_origins(urls: Iterable[str]) -> list[str]:
    """The origins of URLs, each once, in their order; raises Invalid."""
    return list(dict.fromkeys(normal_origin(url) for url in urls))


def normal_origin(url: str) -> str:
    """Scheme, host and port of a URL as browsers write an origin; raises Invalid."""
    try:
        if not url.strip().isprintable():
            raise ValueError("a character that cannot be seen")
        parts = urlsplit(url.strip().lower())
        port = parts.port
        host = normal_host(parts.hostname or "")
    except ValueError:
        raise Invalid(f"{url[:200]!r} is no URL; write one like https://shop.example") from None
    if parts.scheme not in PORTS or parts.username is not None or port == 0:
        raise Invalid(f"{url[:200]!r} is no URL of a site; write one like https://shop.example")
    origin = f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, PORTS[parts.scheme]) else "")
    if len(origin) > MAX_ORIGIN:
        raise Invalid(f"the origin {origin[:60]!r}... is longer than {MAX_ORIGIN} characters")
    return origin


def normal_host(host: str) -> str:
    """A host as browsers write it: other scripts in Punycode, IPv6 short and in brackets. Raises ValueError."""
    if ":" in host:
        return f"[{ipaddress.IPv6Address(host).compressed}]"
    name = host if host.isascii() else host.encode("idna").decode()
    if not HOST.fullmatch(name):
        raise ValueError(f"{host!r} is no host")
    return name
