"""How far units (visitors or sessions) came in a funnel, over arrays."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray


class Matches(Struct, frozen=True):
    """Events that match any stage, in the order (unit, time); those of one time in the order of the journal."""

    unit: NDArray[np.integer]
    time: NDArray[np.int64]
    row: NDArray[np.int64]
    """Where the event stands in its trail."""
    mask: NDArray[np.uint32]
    """Bit k for stage k, from 0."""


def reach_in_order(matches: Matches, stages: int, window_ms: int | None) -> list[NDArray[np.intp]]:
    """For each stage, the matches at which units reached it, one a unit (SEMANTICS, funnel reach, ordered).

    Without a window the greedy earliest match decides. With one, every match of stage 1 is tried as a beginning: a unit
    reached stage k if any of its beginnings leads there within the window.
    """
    beginnings = np.flatnonzero(matches.mask & 1)
    if window_ms is None:
        beginnings = first_of_unit(matches, beginnings)
    reached = [first_of_unit(matches, beginnings)]
    at = beginnings
    for k in range(1, stages):
        candidates = np.flatnonzero(matches.mask >> np.uint32(k) & 1)
        following = np.searchsorted(candidates, at, side="right")
        there = following < len(candidates)
        beginnings, at = beginnings[there], at[there]
        following = candidates[following[there]]
        same = matches.unit[following] == matches.unit[at]
        if window_ms is not None:
            same &= matches.time[following] - matches.time[beginnings] <= window_ms
        beginnings, at = beginnings[same], following[same]
        reached.append(first_of_unit(matches, at))
    return reached


def first_of_unit(matches: Matches, at: NDArray[np.intp]) -> NDArray[np.intp]:
    """The earliest of each unit's matches among these."""
    if len(at) == 0:
        return at
    ordered = np.sort(at)
    units = matches.unit[ordered]
    first: NDArray[np.intp] = ordered[np.append(True, units[1:] != units[:-1])]
    return first


def last_of_unit(matches: Matches, at: NDArray[np.intp]) -> NDArray[np.intp]:
    """The last of each unit's matches among these, which are in order."""
    if len(at) == 0:
        return at
    units = matches.unit[at]
    last: NDArray[np.intp] = at[np.append(units[1:] != units[:-1], True)]
    return last
