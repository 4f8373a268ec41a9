"""The routes of sessions in order, immediate repeats removed: what journeys are made of."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datalab.aggregate.meanings import NONE
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.trails import trail


class Steps(Struct, frozen=True):
    """One entry a step, session by session; sessions without page views have none."""

    session: NDArray[np.uint32]
    """The sessions with page views."""
    owner: NDArray[np.int64]
    """For each step the place of its session among them."""
    start: NDArray[np.int64]
    """For each session its first step."""
    route: NDArray[np.int64]

    @property
    def length(self) -> NDArray[np.int64]:
        """Of each session."""
        return np.diff(np.append(self.start, len(self.route)))


def steps(
    aggregate: PartitionAggregate, session: NDArray[np.uint32], folding: NDArray[np.int64] | None = None
) -> Steps:
    """Of sessions; `folding` gives each route's code another one before repeats are removed."""
    events = trail(aggregate, session)
    at = np.flatnonzero(events.route != NONE)
    owner, codes = events.owner[at], events.route[at].astype(np.int64)
    if folding is not None:
        codes = folding[codes]
    if len(codes) == 0:
        nothing = np.empty(0, dtype=np.int64)
        return Steps(session[:0], nothing, nothing, nothing)
    new = np.append(True, owner[1:] != owner[:-1])
    kept = np.flatnonzero(new | np.append(True, codes[1:] != codes[:-1]))
    owner, codes = owner[kept], codes[kept]
    start = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    viewing = owner[start]
    length = np.diff(np.append(start, len(codes)))
    return Steps(session[viewing], np.repeat(np.arange(len(start)), length), start, codes)
