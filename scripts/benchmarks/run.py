"""Runs the benchmarks: one line each as they end, and a table."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import crowd
import ingest
import replay
from appliance import Appliance
from result import Result, table


@contextmanager
def appliance() -> Iterator[Appliance]:
    """One of its own for each kind of load, so that none carries what another left."""
    with tempfile.TemporaryDirectory(prefix="datalab-bench-") as folder:
        running = Appliance(Path(folder))
        try:
            yield running
        finally:
            running.stop()


def main() -> None:
    """Exit code 0 whatever the figures are: these machines are shared."""
    parser = argparse.ArgumentParser(description="datalab's benchmarks")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load")
    scale = 0.1 if parser.parse_args().quick else 1.0
    results: list[Result] = []

    def say(more: list[Result]) -> None:
        for result in more:
            print(result.line(), flush=True)
        results.extend(more)

    with appliance() as idle:
        memory = idle.memory_mb()
        say([Result("memory, idle", memory, "MB", "under 80 MB", memory < 80)])
        say(crowd.measure(idle, scale))
    with appliance() as fresh:
        say(ingest.measure(fresh, scale))
        say(replay.measure(fresh))
    print()
    print(table(results))


if __name__ == "__main__":
    main()
