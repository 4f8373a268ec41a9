"""Runs the benchmarks: one line each as they end, and a table."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import crowd
import ingest
import insights
import replay
from appliance import Appliance, Data
from result import Result, table


@contextmanager
def appliance() -> Iterator[Appliance]:
    """One of its own for each kind of load, so that none carries what another left."""
    with tempfile.TemporaryDirectory(prefix="datalab-bench-") as folder:
        running = Appliance(Data(Path(folder)))
        try:
            yield running
        finally:
            running.stop()


def idle(scale: float) -> Iterator[Result]:
    """An appliance to which nothing happens, then one with a crowd."""
    with appliance() as running:
        memory = running.memory_mb()
        yield Result("memory, idle", memory, "MB", "under 80 MB", memory < 80)
        yield from crowd.measure(running, scale)


def flood(scale: float) -> Iterator[Result]:
    """As many events as it takes."""
    with appliance() as running:
        yield from ingest.measure(running, scale)
        yield from replay.measure(running)


PARTS = {"crowd": idle, "ingest": flood, "insights": insights.measure}


def main() -> None:
    """Exit code 0 whatever the figures are: these machines are shared."""
    parser = argparse.ArgumentParser(description="datalab's benchmarks")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load")
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part; may be given several times")
    asked = parser.parse_args()
    results: list[Result] = []
    for part in asked.only or PARTS:
        for result in PARTS[part](0.1 if asked.quick else 1.0):
            print(result.line(), flush=True)
            results.append(result)
    print()
    print(table(results))


if __name__ == "__main__":
    main()
