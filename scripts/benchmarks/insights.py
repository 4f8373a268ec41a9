"""The insight engine over the shop's history: its figures in process, beside databases, and from a running server."""

import gc
import tempfile
from collections.abc import Iterator
from pathlib import Path

import answers
import compared
import dashboard
import history
from appliance import Data
from facts import Facts
from questions import Values
from result import Result
from rivals import rivals
from shop import ZONE
from traffic import Traffic

COLLECT_EVERY = 20_000


def say(line: str) -> None:
    """What is no figure."""
    print(line, flush=True)


def measure(scale: float) -> Iterator[Result]:
    """All on one history, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="datalab-bench-") as name:
        folder = Path(name)
        traffic = Traffic(scale)
        data = history.make(folder, traffic)
        events = traffic.position.events
        size = data.journal().stat().st_size / events
        yield Result(
            f"journal of {traffic.sessions:,} sessions, {events:,} events", size, "bytes/event", "under 25", size < 25
        )
        yield from inside(data, traffic, folder)
        yield from dashboard.measure(data, Values(history.replayed(data)), traffic.end, scale)


def inside(data: Data, traffic: Traffic, folder: Path) -> Iterator[Result]:
    """In this process, whose memory is free again afterwards."""
    values = Values(history.replayed(data))
    aggregate, rate = answers.replay(history.replayed(data))
    yield rate
    facts = Facts(history.replayed(data), ZONE)
    found = rivals(facts, folder, say)
    facts.forget()
    spare_collections()
    yield from compared.measure(aggregate, facts, found, values, traffic.end, say)
    yield from answers.measure(aggregate, traffic, values)


def spare_collections() -> None:
    """As `datalab serve` does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
