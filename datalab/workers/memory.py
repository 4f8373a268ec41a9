"""What the process lets go goes back to the system: glibc's allocator by itself keeps much of it (mallopt(3)).

Elsewhere there is nothing to be done, and nothing is.
"""

import ctypes
from contextlib import suppress

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LARGE_BYTES = 256 * 1024
"""Arrays from this size on are returned as soon as nobody has them."""


def arrange() -> None:
    """Once, before threads are there."""
    with suppress(OSError, AttributeError):
        allocator = ctypes.CDLL(None)
        allocator.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        # Threads share what they let go.
        allocator.mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Return what lies between things still in use; takes some milliseconds."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
