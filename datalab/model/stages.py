"""Which stages of a funnel an event matches."""

import re
from collections.abc import Callable, Sequence

from datalab.model.configuration import Funnel, Stage
from datalab.model.routes import path_of


def glob_pattern(glob: str) -> re.Pattern[str]:
    """`*` for any characters, `/` included, `?` for one."""
    return re.compile("".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in glob), re.DOTALL)


def route_rule(stage: Stage) -> Callable[[str], bool] | None:
    """How a stage is matched by a page view's route, None for a stage of clicks."""
    if stage.url is not None:
        # A route pattern such as /products/:id is a route too and has to survive as it is.
        wanted = (
            path_of(stage.url, hash_routing=False)
            if "://" in stage.url or "%" in stage.url
            else stage.url.rstrip("/") or "/"
        )
        return lambda route: route == wanted
    if stage.glob is not None:
        glob = glob_pattern(stage.glob)
        return lambda route: glob.fullmatch(route) is not None
    if stage.regex is not None:
        pattern = re.compile(stage.regex)
        return lambda route: pattern.search(route) is not None
    return None


class StageMatcher:
    """Matches one funnel; masks have bit k set where stage k (from 0) matches."""

    def __init__(self, funnel: Funnel) -> None:
        self._routes = [(1 << k, rule) for k, stage in enumerate(funnel.stage) if (rule := route_rule(stage))]
        self._clicks = [(1 << k, stage.click) for k, stage in enumerate(funnel.stage) if stage.click is not None]

    def page_view(self, route: str) -> int:
        """Stages that a view of this route matches."""
        mask = 0
        for bit, rule in self._routes:
            if rule(route):
                mask |= bit
        return mask

    def click(self, selectors: Sequence[str]) -> int:
        """Stages that a click matches; `selectors` are its target and the watched selectors that fit it or a parent."""
        mask = 0
        for bit, selector in self._clicks:
            if selector in selectors:
                mask |= bit
        return mask
