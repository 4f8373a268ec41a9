"""From a URL to a route: what counts as the same page."""

import re
from urllib.parse import quote, unquote, urlsplit

from datalab.model.configuration import PARAMETER, Configuration

OTHER = "(other)"
"""Where values beyond a dimension's cap are counted."""
SAFE = "/~!$&'()*+,;=:@-._"
"""Characters that stay as they are in a path (RFC 3986, pchar)."""
MAX_LENGTH = 512
ENCODED_SLASH = re.compile("%2[Ff]")
CUT_ESCAPE = re.compile("%.?$")


def path_of(url: str, *, hash_routing: bool) -> str:
    """The URL's path, or with hash routing the path after `#`, in its one normal form."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "/"
    return normal_path(re.split("[?#]", parts.fragment.removeprefix("!"))[0] if hash_routing else parts.path)


def normal_path(path: str) -> str:
    """The one form of a path; a normal path is its own.

    Percent-decoding is normalised, so that `/caf%C3%A9` and `/café` are one path, spelled readably; `%2F`, `%3F`, `%23`
    and `%25` stay encoded, since decoded they would mean something else. The trailing slash is removed.
    """
    path = "%2F".join(normal_segments(piece) for piece in ENCODED_SLASH.split(path))
    path = "/" + path if not path.startswith("/") else path
    path = path.rstrip("/") or "/"
    # What the cut leaves of an encoded character is none any more, so the rest is normalised again.
    return path if len(path) <= MAX_LENGTH else normal_path(CUT_ESCAPE.sub("", path[:MAX_LENGTH]))


def normal_segments(path: str) -> str:
    """Percent-decode what is plain text; encode again what would change the path's meaning or cannot be shown."""
    decoded = unquote(path, errors="replace") if "%" in path else path
    return "".join(
        character if character.isprintable() and character not in "?#% " else quote(character, safe=SAFE)
        for character in decoded
    )


class Router:
    """Folds paths into the app's route patterns; the first match wins."""

    def __init__(self, configuration: Configuration) -> None:
        self._hash_routing = configuration.hash_routing
        routes = [normal_path(route) for route in configuration.routes]
        self._patterns = [(pattern_of(route), route) for route in routes]

    def path(self, url: str) -> str:
        """The path of a URL, before it is folded."""
        return path_of(url, hash_routing=self._hash_routing)

    def route(self, url: str) -> str:
        """The route of a URL."""
        return self.fold(self.path(url))

    def fold(self, path: str) -> str:
        """The route of a path."""
        for pattern, route in self._patterns:
            if pattern.fullmatch(path):
                return route
        return path


def pattern_of(route: str) -> re.Pattern[str]:
    """`/products/:id` as an expression in which `:id` stands for one path segment and `*` for anything."""
    return wildcard(["[^/]+?".join(re.escape(text) for text in PARAMETER.split(piece)) for piece in route.split("*")])


def wildcard(pieces: list[str]) -> re.Pattern[str]:
    """Expressions with anything between them.

    Each is taken where it comes first, and for good: trying all places would take hours where there are many of them.
    """
    first, *rest = pieces
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1] if piece)
    return re.compile(first + middle + (f".*{rest[-1]}" if rest else ""), re.DOTALL)
