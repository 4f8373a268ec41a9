"""Which stages of a funnel an event matches."""

import re
from collections.abc import Callable, Sequence

from datalab.model.configuration import Funnel, Stage
from datalab.model.routes import normal_path, path_of, wildcard


def glob_pattern(glob: str) -> re.Pattern[str]:
    """`*` for any characters, `/` included, `?` for one."""
    return wildcard([".".join(re.escape(text) for text in piece.split("?")) for piece in glob.split("*")])


def route_rule(stage: Stage, *, hash_routing: bool) -> Callable[[str], bool] | None:
    """How a stage is matched by a page view's route, None for a stage of clicks."""
    if stage.url is not None:
        whole = "://" in stage.url
        wanted = path_of(stage.url, hash_routing=hash_routing) if whole else normal_path(stage.url)
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

    def __init__(self, funnel: Funnel, *, hash_routing: bool = False) -> None:
        rules = [route_rule(stage, hash_routing=hash_routing) for stage in funnel.stage]
        self._routes = [(1 << k, rule) for k, rule in enumerate(rules) if rule]
        self._clicks = [(1 << k, stage.click) for k, stage in enumerate(funnel.stage) if stage.click is not None]

    def page_view(self, *names: str) -> int:
        """Stages that a view of a page matches which is known by these names: its route, its path."""
        mask = 0
        for bit, rule in self._routes:
            if any(map(rule, names)):
                mask |= bit
        return mask

    def click(self, selectors: Sequence[str]) -> int:
        """Stages that a click matches; `selectors` are its target and the watched selectors that fit it or a parent."""
        mask = 0
        for bit, selector in self._clicks:
            if selector in selectors:
                mask |= bit
        return mask
