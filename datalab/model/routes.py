"""From a URL to a route: what counts as the same page."""

import re
from urllib.parse import quote, unquote, urlsplit

from datalab.model.configuration import Configuration

OTHER = "(other)"
"""Where values beyond a dimension's cap are counted."""
SAFE = "/~!$&'()*+,;=:@-._"
"""Characters that stay as they are in a path (RFC 3986, pchar)."""
MAX_LENGTH = 512
PARAMETER = re.compile(r":[A-Za-z_][A-Za-z0-9_]*")


def path_of(url: str, *, hash_routing: bool) -> str:
    """The URL's path, or with hash routing the path after `#`, in its one normal form.

    Percent-decoding is normalised, so that `/caf%C3%A9` and `/café` are one path, spelled readably; `%2F`, `%3F`, `%23`
    and `%25` stay encoded, since decoded they would mean something else. The trailing slash is removed.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "/"
    path = parts.fragment.lstrip("!").partition("?")[0] if hash_routing else parts.path
    if "%" in path:
        path = "%2F".join(normal_segments(piece) for piece in re.split("%2[Ff]", path))
    path = "/" + path.strip("/") if not path.startswith("/") else path.rstrip("/") or "/"
    return path[:MAX_LENGTH]


def normal_segments(path: str) -> str:
    """Percent-decode what is plain text; encode again what would change the path's meaning or cannot be shown."""
    decoded = unquote(path, errors="replace")
    return "".join(
        character if character.isprintable() and character not in "?#% " else quote(character, safe=SAFE)
        for character in decoded
    )


class Router:
    """Folds paths into the app's route patterns; the first match wins."""

    def __init__(self, configuration: Configuration) -> None:
        self._hash_routing = configuration.hash_routing
        self._patterns = [(pattern_of(route), route) for route in configuration.routes]

    def route(self, url: str) -> str:
        """The route of a URL."""
        path = path_of(url, hash_routing=self._hash_routing)
        for pattern, route in self._patterns:
            if pattern.fullmatch(path):
                return route
        return path


def pattern_of(route: str) -> re.Pattern[str]:
    """`/products/:id` as an expression in which `:id` stands for one path segment and `*` for anything."""
    pieces, at = [], 0
    for parameter in PARAMETER.finditer(route):
        pieces += [literal(route[at : parameter.start()]), "[^/]+"]
        at = parameter.end()
    return re.compile("".join([*pieces, literal(route[at:])]))


def literal(text: str) -> str:
    """Text as it is, but for `*`."""
    return ".*".join(re.escape(piece) for piece in text.split("*"))
