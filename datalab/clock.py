"""The time, as an argument: milliseconds since the epoch."""

import time
from collections.abc import Callable

Clock = Callable[[], int]


def system_clock() -> int:
    """The machine's clock, ms."""
    return time.time_ns() // 1_000_000
