"""One event, and what it says by itself."""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from msgspec.structs import replace

from datalab.model.configuration import Configuration, Stage
from datalab.model.events import Kind

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
TAGS = (*UTM, "campaign")
NOISE = 100
LONGEST_TAG = 200


class Happening(NamedTuple):
    """One event of the journal."""

    stream: int
    sequence: int
    time: int
    kind: Kind
    text: str
    number: int = 0
    """Milliseconds of a hover."""

    @property
    def parts(self) -> list[str]:
        return self.text.split("\x1f")

    @property
    def noise(self) -> bool:
        return self.kind == Kind.MOUSEHOVER and self.parts[1] == "hover-leave" and self.number < NOISE


class Known(NamedTuple):
    """An event of a known visitor and what it means; values beyond a dimension's cap are `(other)`."""

    place: int
    """In the journal."""
    time: int
    visitor: bytes
    stream: int
    kind: Kind
    text: str
    number: int
    path: str | None
    """A page view's route before the cap."""
    plain: str | None
    """The same before it is folded into the app's patterns: stages match either."""
    route: str | None
    tags: dict[str, str]
    """Of a page view: campaign fields, those it has."""
    name: str | None
    """Of a custom event."""
    clicked: list[str]
    """Names of the elements it clicks."""

    @property
    def order(self) -> tuple[int, int]:
        return self.time, self.place

    @property
    def parts(self) -> list[str]:
        return self.text.split("\x1f")


class Described(NamedTuple):
    """The audience's dimensions of a context."""

    browser: str
    version: str
    system: str
    device: str
    language: str
    screen: str
    country: str
    referrer: str


def route(url: str, configuration: Configuration) -> str:
    """Enough of SEMANTICS' route for the URLs of these tests."""
    rest = url.partition("://")[2]
    rest = rest[rest.index("/") :] if "/" in rest else "/"
    before, _, fragment = rest.partition("#")
    path = (fragment.removeprefix("!") if configuration.hash_routing else before).partition("?")[0]
    path = re.sub("(?:%[0-9A-Fa-f]{2})+", lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), path)
    path = "/" + path.strip("/").replace(" ", "%20")
    for pattern in configuration.routes:
        wanted, have = pattern.split("/"), path.split("/")
        if len(wanted) == len(have) and all(
            part == other or (part.startswith(":") and other) for part, other in zip(wanted, have, strict=True)
        ):
            return pattern
    return path


def plain_route(url: str, configuration: Configuration) -> str:
    return route(url, replace(configuration, routes=[]))


def tags(url: str, configuration: Configuration) -> dict[str, str]:
    """The campaign fields that a page view has; with any of them it is tagged."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(urlsplit(url).query):
        query.setdefault(name, value)
    found = {field: query[field][:LONGEST_TAG] for field in UTM if field in query}
    for campaign in configuration.campaign:
        if query.get(campaign.parameter) == campaign.value:
            found["campaign"] = campaign.name
            break
    return found


def clicked(event: Happening, configuration: Configuration) -> list[str]:
    """The elements that a click, or a hover that ends in one, is on."""
    if event.kind == Kind.MOUSECLICK:
        on = event.parts
    elif event.kind == Kind.MOUSEHOVER and event.parts[1] == "hover-click":
        on = event.parts[:1]
    else:
        return []
    return [element.name for element in configuration.element if element.selector in on or element.name in on]


def matches(stage: Stage, event: Known, configuration: Configuration) -> bool:
    """Whether an event is one that the stage waits for; values are compared before the cap."""
    if stage.click is not None:
        if event.kind != Kind.MOUSECLICK:
            return False
        selectors = [element.selector for element in configuration.element if element.name in event.parts]
        return stage.click in event.parts or stage.click in selectors
    return any(page is not None and viewed(stage, page) for page in (event.path, event.plain))


def viewed(stage: Stage, page: str) -> bool:
    if stage.url is not None:
        return page == stage.url
    if stage.glob is not None:
        return fits(stage.glob, page)
    assert stage.regex is not None
    return re.search(stage.regex, page) is not None


def fits(glob: str, text: str) -> bool:
    if not glob:
        return not text
    if glob[0] == "*":
        return any(fits(glob[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and glob[0] in ("?", text[0]) and fits(glob[1:], text[1:])
