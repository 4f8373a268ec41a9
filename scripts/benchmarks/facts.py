"""The same events as tables of a database: cut into sessions here, without the engine."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from shop import FOLDED, STAGES

from datalab.model.agents import agent
from datalab.model.events import SEPARATOR, Batch, Kind

TIMEOUT_MS = 1_800_000
Table = dict[str, NDArray[Any]]
STAGE_OF_ROUTE = {stage.url: number for number, stage in enumerate(STAGES, 1) if stage.url}
STAGE_OF_CLICK = {stage.click: number for number, stage in enumerate(STAGES, 1) if stage.click}


class Names:
    """Small numbers for texts, by first appearance."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The text's."""
        return self.numbers.setdefault(name, len(self.numbers))

    def table(self) -> tuple[list[int], list[str]]:
        """Numbers and texts."""
        return list(self.numbers.values()), list(self.numbers)


class Facts:
    """`events` and `sessions` by column, times in ms; `events.id` rises with (visitor, time, arrival)."""

    def __init__(self, batches: Iterable[Batch], zone: str) -> None:
        self.routes, self.browsers, self.devices = Names(), Names(), Names()
        visitors: dict[bytes, int] = {}
        streams: list[tuple[int, int, int]] = []
        parts = []
        for batch in batches:
            for opening in batch.openings:
                found = agent(opening.context.user_agent)
                visitor = visitors.setdefault(opening.visitor, len(visitors))
                streams.append((visitor, self.browsers.number(found.browser), self.devices.number(found.device)))
            parts.append(self._read(batch))
        stream, time, kind, route, stage = (np.concatenate(column) for column in zip(*parts, strict=True))
        columns = np.array(streams, dtype=np.int32).T
        visitor = columns[0][stream]
        order = np.lexsort((np.arange(len(time)), time, visitor))
        visitor, time, kind, route, stage = (column[order] for column in (visitor, time, kind, route, stage))
        begins = (np.diff(visitor, prepend=-1) != 0) | (np.diff(time, prepend=0) >= TIMEOUT_MS)
        session = (begins.cumsum() - 1).astype(np.int32)
        self.events: Table = {
            "id": np.arange(len(time), dtype=np.int32),
            "session": session,
            "visitor": visitor,
            "time": time,
            "kind": kind.astype(np.int32),
            "route": route,
            "stage": stage,
        }
        first = np.flatnonzero(begins)
        last = np.append(first[1:], len(time)) - 1
        view = kind == Kind.URLCHANGE
        entry = np.full(len(first), -1, dtype=np.int32)
        entered, at = np.unique(session[view], return_index=True)
        entry[entered] = route[view][at]
        mondays = weeks(int(time.min()), int(time.max()), zone)
        self.mondays = [monday.date().isoformat() for monday in mondays]
        edges = np.array([int(monday.timestamp() * 1000) for monday in mondays])
        self.sessions: Table = {
            "id": np.arange(len(first), dtype=np.int32),
            "visitor": visitor[first],
            "start": time[first],
            "last": time[last],
            "views": np.bincount(session[view], minlength=len(first)).astype(np.int32),
            "actions": np.bincount(
                session[np.isin(kind, (Kind.MOUSECLICK, Kind.MOUSEHOVER, Kind.CUSTOM))], minlength=len(first)
            ).astype(np.int32),
            "browser": columns[1][stream[order[first]]],
            "device": columns[2][stream[order[first]]],
            "entry": entry,
            "week": (np.searchsorted(edges, time[first], side="right") - 1).astype(np.int32),
            "new": (np.diff(visitor[first], prepend=-1) != 0).astype(np.int32),
        }

    def forget(self) -> None:
        """Let go of the tables, once they are where they are asked for."""
        self.events, self.sessions = {}, {}

    def _read(self, batch: Batch) -> tuple[NDArray[Any], ...]:
        events = batch.events
        views = [self._view(text) if is_url(text) else (-1, 0) for text in events.texts]
        clicks = [
            max((STAGE_OF_CLICK.get(part, 0) for part in text.split(SEPARATOR)), default=0) for text in events.texts
        ]
        route, stage = np.array(views, dtype=np.int32)[events.text].T
        stage = np.where(events.kind == Kind.MOUSECLICK, np.array(clicks, dtype=np.int32)[events.text], stage)
        return events.stream, events.time, events.kind, route, stage

    @cache  # noqa: B019  (there is one of these in a process)
    def _view(self, url: str) -> tuple[int, int]:
        path = urlsplit(url).path.rstrip("/") or "/"
        for pattern in FOLDED:
            if path.startswith(pattern.partition(":")[0]):
                path = pattern
        stage = 1 if path.startswith("/products/") else STAGE_OF_ROUTE.get(path, 0)
        return self.routes.number(path), stage


def is_url(text: str) -> bool:
    """Only page views have one in this traffic."""
    return text.startswith("http://")


def weeks(first_ms: int, last_ms: int, zone: str) -> list[datetime]:
    """The Mondays from before the first to the last."""
    day = datetime.fromtimestamp(first_ms / 1000, ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    found = [day - timedelta(days=day.weekday())]
    while (following := found[-1] + timedelta(days=7)).timestamp() * 1000 <= last_ms:
        found.append(following)
    return found
