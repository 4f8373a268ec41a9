"""What an event's text says about it: its route, and the stages it matches."""

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.dimension import Dimension
from datalab.aggregate.rules import Rules
from datalab.model.events import SEPARATOR, Events, Kind
from datalab.model.routes import Router
from datalab.model.stages import StageMatcher

NONE = 0xFFFFFFFF
"""No route, no session."""
KNOWN_TEXTS = 50_000
"""Texts whose meaning is remembered; beyond it the memory starts afresh."""

FOLDED_PATHS = 20
"""Kept of each route pattern."""


class Texts:
    """Reads each distinct text once per batch, and usually once at all."""

    def __init__(self, rules: Rules, routes: Dimension, folded: dict[str, list[str]]) -> None:
        self._router = Router(rules.configuration)
        hash_routing = rules.configuration.hash_routing
        self._matchers = [StageMatcher(funnel, hash_routing=hash_routing) for funnel in rules.configuration.funnel]
        self._click_stages = any(stage.click for funnel in rules.configuration.funnel for stage in funnel.stage)
        self._selectors = {element.name: element.selector for element in rules.configuration.element}
        self._routes = routes
        self._folded = folded
        self._pages: dict[str, tuple[int, ...]] = {}
        self._clicks: dict[str, tuple[int, ...]] = {}

    def read(self, events: Events) -> tuple[NDArray[np.uint32], list[NDArray[np.uint32]]]:
        """Route codes (NONE but for page views), and for each funnel the masks of matched stages."""
        count = len(events.texts)
        routes = np.full(len(events), NONE, dtype=np.uint32)
        masks = [np.zeros(len(events), dtype=np.uint32) for _ in self._matchers]
        views = np.flatnonzero(events.kind == Kind.URLCHANGE)
        table = np.zeros((count, 1 + len(masks)), dtype=np.uint32)
        for text in in_order(events.text[views]):
            table[text] = self._page(events.texts[text])
        routes[views] = table[events.text[views], 0]
        for k, mask in enumerate(masks):
            mask[views] = table[events.text[views], 1 + k]
        if self._click_stages:
            clicks = np.flatnonzero(events.kind == Kind.MOUSECLICK)
            for text in in_order(events.text[clicks]):
                table[text, 1:] = self._click(events.texts[text])
            for k, mask in enumerate(masks):
                mask[clicks] = table[events.text[clicks], 1 + k]
        return routes, masks

    def _page(self, url: str) -> tuple[int, ...]:
        found = self._pages.get(url)
        if found is None:
            path = self._router.path(url)
            route = self._router.fold(path)
            names = {route, path}
            if route != path:
                paths = self._folded.setdefault(route, [])
                if len(paths) < FOLDED_PATHS and path not in paths:
                    paths.append(path)
            # Stages see the page's own route, also where the dimension counts it under (other), and its path, so that
            # /products/[0-9]+ and /products/:id both find it.
            found = (
                self._routes.code(route),
                *(matcher.page_view(*names) for matcher in self._matchers),
            )
            if len(self._pages) >= KNOWN_TEXTS:
                self._pages.clear()
            self._pages[url] = found
        return found

    def _click(self, text: str) -> tuple[int, ...]:
        found = self._clicks.get(text)
        if found is None:
            selectors = text.split(SEPARATOR)
            # Imported history may name an element instead of its selector.
            selectors += [self._selectors[name] for name in selectors if name in self._selectors]
            found = tuple(matcher.click(selectors) for matcher in self._matchers)
            if len(self._clicks) >= KNOWN_TEXTS:
                self._clicks.clear()
            self._clicks[text] = found
        return found


def in_order(texts: NDArray[np.uint32]) -> list[int]:
    """The distinct ones by their first event: which values a full dimension keeps apart hangs on the order."""
    distinct, first = np.unique(texts, return_index=True)
    ordered: list[int] = distinct[np.argsort(first)].tolist()
    return ordered
