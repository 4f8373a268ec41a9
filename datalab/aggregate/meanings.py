"""What an event means for the figures: its route, campaign tags, elements, stages. Equal meanings have one code."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.column import Column
from datalab.aggregate.dimension import Dimension
from datalab.aggregate.rules import Rules
from datalab.model.events import SEPARATOR, Events, Kind
from datalab.model.routes import Router
from datalab.model.stages import StageMatcher
from datalab.model.tags import FIELDS, UNTAGGED, read_tags

NONE = 0xFFFFFFFF
"""No route, no session."""
KNOWN_TEXTS = 20_000
"""Texts whose meaning is remembered; beyond it the memory starts afresh."""
FOLDED_PATHS = 20
"""Kept of each route pattern."""
NO_EPISODE, CLICKED, LEFT = 0, 1, 2
"""How a hover ended."""
TEXTUAL = {Kind.URLCHANGE, Kind.MOUSECLICK, Kind.MOUSEHOVER, Kind.CUSTOM}
"""Kinds whose text matters."""


class Meaning(NamedTuple):
    """All that figures ask of an event besides its time and number."""

    kind: int
    route: int = NONE
    """Route code of a page view."""
    tag: int = 0
    """Its campaign tags, 0 for none (see Tags)."""
    name: int = NONE
    """Code of a custom event's name."""
    elements: tuple[int, ...] = ()
    """Elements of interest that a click or a hover is on, by their place in the configuration."""
    ending: int = NO_EPISODE
    stages: tuple[int, ...] = ()
    """For each funnel the mask of the stages it matches."""


class Tags:
    """Distinct combinations of campaign tags; 0 is none."""

    def __init__(self, cap: int) -> None:
        self.fields = {name: Dimension(cap + 1, "(none)") for name in FIELDS}
        self.codes = [Column(np.uint32) for _ in FIELDS]
        """For each combination the code in each field."""
        self._known: dict[tuple[int, ...], int] = {}
        self._code((0,) * len(FIELDS))

    def code(self, values: tuple[str, ...]) -> int:
        """The combination's integer."""
        if values == UNTAGGED:
            return 0
        dimensions = self.fields.values()
        return self._code(
            tuple(each.code(value) if value else 0 for each, value in zip(dimensions, values, strict=True))
        )

    def restored(self) -> None:
        """Build what is derived, after the columns came from a snapshot."""
        rows = zip(*(column.values.tolist() for column in self.codes), strict=True)
        self._known = {codes: number for number, codes in enumerate(rows)}

    def _code(self, codes: tuple[int, ...]) -> int:
        known = self._known.setdefault(codes, len(self._known))
        if known == len(self.codes[0]):
            for column, code in zip(self.codes, codes, strict=True):
                column.fill(1, code)
        return known


class Meanings:
    """Reads each distinct text once per batch, and usually once at all."""

    def __init__(self, rules: Rules, routes: Dimension, names: Dimension, tags: Tags) -> None:
        configuration = rules.configuration
        self._configuration = configuration
        self._router = Router(configuration)
        self._matchers = [
            StageMatcher(funnel, hash_routing=configuration.hash_routing) for funnel in configuration.funnel
        ]
        self._no_stages = (0,) * len(self._matchers)
        self._selectors = {element.name: element.selector for element in configuration.element}
        self._routes, self._names, self._tags = routes, names, tags
        self._texts: dict[tuple[int, str], int] = {}
        self._codes: dict[Meaning, int] = {}
        self._fresh: list[Meaning] = []
        self.folded: dict[str, list[str]] = {}
        """Some of the paths that were folded into each route pattern, to try stages on."""
        self.kind = Column(np.uint8)
        self.route = Column(np.uint32)
        self.tag = Column(np.uint32)
        self.name = Column(np.uint32)
        self.ending = Column(np.uint8)
        self.stages = [Column(np.uint32) for _ in self._matchers]
        self.elements: list[tuple[int, ...]] = []
        self.on: list[list[int]] = [[] for _ in configuration.element]
        """The meanings on each element of interest."""
        self.clicks: list[list[int]] = [[] for _ in configuration.element]
        """Those of them that click it, at a hover's end too."""

    def __len__(self) -> int:
        return len(self.kind)

    def columns(self) -> dict[str, Column]:
        """By name, for snapshots."""
        return {
            "kind": self.kind,
            "route": self.route,
            "tag": self.tag,
            "name": self.name,
            "ending": self.ending,
            **{f"stages.{k}": column for k, column in enumerate(self.stages)},
        }

    def read(self, events: Events) -> NDArray[np.uint32]:
        """The code of each event's meaning."""
        # Which values a full dimension keeps apart hangs on the order of their first events.
        key = events.text.astype(np.uint64) << np.uint64(8) | events.kind
        distinct, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        codes = np.empty(len(distinct), dtype=np.uint32)
        for place in np.argsort(first).tolist():
            at = first[place]
            kind = int(events.kind[at])
            codes[place] = self._read(kind, events.texts[events.text[at]] if kind in TEXTUAL else "")
        self._enter_fresh()
        found: NDArray[np.uint32] = codes[inverse]
        return found

    def forget(self) -> None:
        """Let go the memory of texts."""
        self._texts.clear()

    def route_name(self, url: str) -> str:
        """The route of a page's URL."""
        return self._router.fold(self._router.path(url))

    def restored(self) -> None:
        """Build what is derived, after the columns came from a snapshot."""
        stages = zip(*(column.values.tolist() for column in self.stages), strict=True)
        plain = (self.kind, self.route, self.tag, self.name)
        rows = zip(*(column.values.tolist() for column in plain), strict=True)
        masks = list(stages) if self.stages else [()] * len(self)
        self._codes = {
            Meaning(kind, route, tag, name, elements, ending, mask): number
            for number, ((kind, route, tag, name), elements, ending, mask) in enumerate(
                zip(rows, self.elements, self.ending.values.tolist(), masks, strict=True)
            )
        }
        for meaning, code in self._codes.items():
            self._point(code, meaning)

    def _read(self, kind: int, text: str) -> int:
        known = self._texts.get((kind, text))
        if known is None:
            if len(self._texts) >= KNOWN_TEXTS:
                self._texts.clear()
            known = self._texts[kind, text] = self._code(self._meaning(kind, text))
        return known

    def _meaning(self, kind: int, text: str) -> Meaning:
        if kind == Kind.URLCHANGE:
            return self._page(text)
        if kind == Kind.MOUSECLICK:
            parts = text.split(SEPARATOR)
            # Imported history may name an element instead of its selector.
            selectors = parts + [self._selectors[name] for name in parts if name in self._selectors]
            stages = tuple(matcher.click(selectors) for matcher in self._matchers)
            return Meaning(kind, elements=self._on(parts), stages=stages)
        if kind == Kind.MOUSEHOVER:
            target, _, action = text.partition(SEPARATOR)
            ending = CLICKED if action == "hover-click" else LEFT
            return Meaning(kind, elements=self._on([target]), ending=ending, stages=self._no_stages)
        if kind == Kind.CUSTOM:
            name = self._names.code(text.partition(SEPARATOR)[0])
            return Meaning(kind, name=name, stages=self._no_stages)
        return Meaning(kind, stages=self._no_stages)

    def _page(self, url: str) -> Meaning:
        path = self._router.path(url)
        route = self._router.fold(path)
        if route != path:
            paths = self.folded.setdefault(route, [])
            if len(paths) < FOLDED_PATHS and path not in paths:
                paths.append(path)
        # Stages see the page's own route, also where the dimension counts it under (other), and its path, so that
        # /products/[0-9]+ and /products/:id both find it.
        names = {route, path}
        return Meaning(
            Kind.URLCHANGE,
            route=self._routes.code(route),
            tag=self._tags.code(read_tags(url, self._configuration.campaign)),
            stages=tuple(matcher.page_view(*names) for matcher in self._matchers),
        )

    def _on(self, parts: list[str]) -> tuple[int, ...]:
        named = enumerate(self._configuration.element)
        return tuple(k for k, element in named if element.selector in parts or element.name in parts)

    def _code(self, meaning: Meaning) -> int:
        code = self._codes.setdefault(meaning, len(self._codes))
        if code == len(self) + len(self._fresh):
            self._fresh.append(meaning)
            self.elements.append(meaning.elements)
            self._point(code, meaning)
        return code

    def _enter_fresh(self) -> None:
        fresh, self._fresh = self._fresh, []
        if not fresh:
            return
        for name in ("kind", "route", "tag", "name", "ending"):
            column: Column = getattr(self, name)
            column.append(np.array([getattr(meaning, name) for meaning in fresh], dtype=np.uint32))
        for column, masks in zip(self.stages, zip(*(meaning.stages for meaning in fresh), strict=True), strict=True):
            column.append(np.array(masks, dtype=np.uint32))

    def _point(self, code: int, meaning: Meaning) -> None:
        for element in meaning.elements:
            self.on[element].append(code)
            if meaning.kind == Kind.MOUSECLICK or meaning.ending == CLICKED:
                self.clicks[element].append(code)


def is_noise(events: Events, noise_ms: int) -> NDArray[np.bool_]:
    """Hovers shorter than this that ended in leaving: the pointer only passed (SEMANTICS, element action)."""
    short: NDArray[np.bool_] = (events.kind == Kind.MOUSEHOVER) & (events.number < noise_ms)
    for at in np.flatnonzero(short).tolist():
        short[at] = events.texts[events.text[at]].endswith(f"{SEPARATOR}hover-leave")
    return short
