"""The running server on the history: start, memory, answers over HTTP, and answers while events come in."""

import http.client
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import ingest
import sender
from answers import timing
from appliance import Appliance, Data
from questions import Values, ranges
from result import Result
from websocket import event_frames

VIEWS = [("28 days", False), ("7 days", True), ("90 days", False)]
"""What three people look at: a range, and whether through a segment."""
ROUNDS = 12
"""So often each of them sees every kind of answer, after the first time."""
LOADED_SECONDS = 10.0
FEW_EVENTS = 100.0
"""A second, of a site that is well visited."""
MAX_EVENTS = 200_000
"""That the highest rate is measured with, on each socket."""
KINDS: dict[str, dict[str, str]] = {
    "overview": {},
    "pages": {},
    "audience": {},
    "funnel": {},
    "elements": {},
    "campaigns": {},
    "journey": {},
    "retention": {},
    "surroundings": {"route": "/", "direction": "after"},
}


class Dashboard:
    """Asks the API on one connection, with a key."""

    def __init__(self, appliance: Appliance, key: str, values: Values, end: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", appliance.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}"}
        self._path = f"/api/v1/apps/{quote(appliance.data.app)}/insights"
        offered = ranges(end)
        self.questions: list[str] = []
        for name, with_segment in VIEWS:
            asked = moments(offered[name])
            if with_segment:
                asked["segment"] = written(values.segment())
            self.questions += [f"{self._path}/{kind}?{urlencode({**more, **asked})}" for kind, more in KINDS.items()]

    def ask(self, rounds: int, seconds: float = 120.0) -> list[float]:
        """Milliseconds of each answer, until all were asked for so often or time is up."""
        times: list[float] = []
        end = time.perf_counter() + seconds
        for address in self.questions * rounds:
            begin = time.perf_counter()
            self._connection.request("GET", address, headers=self._headers)
            response = self._connection.getresponse()
            body = response.read()
            times.append(1000 * (time.perf_counter() - begin))
            if response.status != 200:
                raise SystemExit(f"{address}: {response.status} {body[:300]!r}")
            if time.perf_counter() > end:
                break
        return times

    def close(self) -> None:
        """The connection."""
        self._connection.close()


def moments(range: Any) -> dict[str, str]:
    """A range as the API takes it."""
    from datalab.model.ranges import show

    return {
        name: shown
        for name, shown in (("from", show(range.from_, "UTC")), ("to", show(range.to, "UTC")))
        if shown is not None
    }


def written(segment: Any) -> str:
    """A segment as the API takes it."""
    from datalab.model import segments

    return str(segments.write_segment(segment))


def measure(data: Data, values: Values, end: int, scale: float) -> Iterator[Result]:
    """Starts it twice: first the journal is replayed, then there is a snapshot."""
    key = data.key()
    # Asking for a key opened the data, and left one.
    for snapshot in data.path.rglob("*.snapshot"):
        snapshot.unlink()
    first = Appliance(data)
    yield Result("first start, the journal replayed", first.start_seconds, "s", "")
    yield memory("memory after replay", first)
    begin = time.perf_counter()
    first.stop()
    yield Result("stop with a snapshot", time.perf_counter() - begin, "s", "")
    appliance = Appliance(data)
    try:
        took = appliance.start_seconds
        yield Result("start with a snapshot", took, "s", "under 2 s", took < 2)
        yield memory("memory after start", appliance)
        yield from loaded(appliance, Dashboard(appliance, key, values, end), scale)
    finally:
        appliance.stop()


def loaded(appliance: Appliance, dashboard: Dashboard, scale: float) -> Iterator[Result]:
    """Answers of an idle server, then of one that takes events at half the highest rate."""
    yield timing("answer over HTTP, asked for the first time", dashboard.ask(1), 300)
    visitor = sender.start(appliance.port, appliance.token, FEW_EVENTS, LOADED_SECONDS)
    dashboard.ask(1)
    yield timing("answer over HTTP, while some events come in", dashboard.ask(ROUNDS, LOADED_SECONDS - 1), 10)
    sender.rate_of(visitor)
    yield memory("memory after answers", appliance)
    count = int(MAX_EVENTS * scale)
    frames = event_frames(count, sender.BATCH, time.time_ns() // 1_000_000)
    highest = max(ingest.full(appliance, frames, count) for _ in range(2))
    yield Result("highest ingest beside the history", highest, "events/s", "")
    child = sender.start(appliance.port, appliance.token, highest / 2, LOADED_SECONDS)
    time.sleep(0.5)
    dashboard.ask(1)
    times = dashboard.ask(1000, LOADED_SECONDS - 2)
    reached = sender.rate_of(child)
    yield Result("ingest meanwhile", reached, "events/s", "half of the highest", reached > 0.45 * highest)
    yield timing(f"answer over HTTP while ingesting ({len(times)} answers)", times, 50)
    yield Result("memory after ingest", appliance.memory_mb(), "MB", "")
    dashboard.close()


def memory(name: str, appliance: Appliance) -> Result:
    """Resident."""
    used = appliance.memory_mb()
    return Result(name, used, "MB", "under 250 MB", used < 250)
