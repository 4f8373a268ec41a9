"""Elements of interest: how often, how long and to what end visitors pointed at them."""

import math

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.meanings import CLICKED, LEFT
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.aggregate.selection import Selection, count_distinct
from datalab.aggregate.spread import Spread, spread
from datalab.aggregate.sums import Sum
from datalab.aggregate.trails import Trail, joined, trail
from datalab.model.events import Kind
from datalab.model.figures import ActionFigures, ElementFigures, Elements, HoverBand
from datalab.model.ranges import show
from datalab.model.segments import write_segment

AT_ONCE = 100_000
"""Sessions whose events are looked at together."""
BANDS_MS = [0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000]
"""Where the bands of an episode's length begin."""


class Pointed(Sum, frozen=True):
    """What was done on one element."""

    clicked: Spread
    """Lengths of the episodes that ended in a click, ms."""
    left: Spread
    clicks: int
    sessions: int
    visitors: int

    @property
    def episodes(self) -> int:
        """Of either ending."""
        return self.clicked.count + self.left.count


class PointedAt(Sum, frozen=True):
    """Each element, in the order of the configuration."""

    elements: list[Pointed]


def elements(aggregate: PartitionAggregate, question: Question) -> Elements:
    """In the order of the configuration."""
    found = Selection(aggregate, question).total("elements", pointed_at)
    return Elements(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        segment=write_segment(question.segment),
        elements=[
            element_figures(element.name, pointed)
            for element, pointed in zip(aggregate.rules.configuration.element, found.elements, strict=True)
        ],
    )


def pointed_at(part: Selection) -> PointedAt:
    """Of some of the sessions."""
    aggregate, meanings = part.aggregate, part.aggregate.meanings
    any_element = np.zeros(len(meanings), dtype=bool)
    for codes in meanings.on:
        any_element[codes] = True
    events = pointing(aggregate, part, any_element)
    ending, kind = meanings.ending.values[events.meaning], meanings.kind.values[events.meaning]
    found = []
    table = np.zeros(len(meanings), dtype=bool)
    for codes in meanings.on:
        table[:] = False
        table[codes] = True
        at = np.flatnonzero(table[events.meaning])
        some = events.chosen(at)
        session = part.sessions[distinct_owners(some.owner)]
        found.append(
            Pointed(
                clicked=spread(some.number[ending[at] == CLICKED]),
                left=spread(some.number[ending[at] == LEFT]),
                clicks=int(np.count_nonzero(kind[at] == Kind.MOUSECLICK)),
                sessions=len(session),
                visitors=count_distinct(aggregate, session),
            )
        )
    return PointedAt(found)


def pointing(aggregate: PartitionAggregate, part: Selection, wanted: NDArray[np.bool_]) -> Trail:
    """The events in the range whose meanings are wanted."""
    chosen = []
    for at in range(0, max(1, len(part.sessions)), AT_ONCE):
        some = trail(aggregate, part.sessions[at : at + AT_ONCE])
        chosen.append((at, some.chosen(np.flatnonzero(wanted[some.meaning]))))
    return joined(aggregate, part.sessions, chosen).within(part.range)


def distinct_owners(owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Without repeats, which stand together."""
    return owner[np.append(True, owner[1:] != owner[:-1])] if len(owner) else owner


def element_figures(name: str, pointed: Pointed) -> ElementFigures:
    """One element."""
    return ElementFigures(
        name=name,
        episodes=pointed.episodes,
        clicked=action(pointed.clicked, pointed.episodes),
        left=action(pointed.left, pointed.episodes),
        clicks=pointed.clicks,
        sessions=pointed.sessions,
        visitors=pointed.visitors,
        bands=bands(pointed),
        correlation=correlation(pointed),
    )


def action(lengths: Spread, total: int) -> ActionFigures:
    """Episodes of one ending among all."""
    return ActionFigures(
        count=lengths.count,
        share=lengths.count / total if total else None,
        seconds_mean=lengths.mean_seconds,
        seconds_median=lengths.median_seconds,
    )


def bands(pointed: Pointed) -> list[HoverBand]:
    """Episodes by length."""
    hits = [*pointed.clicked.below(BANDS_MS), pointed.clicked.count]
    misses = [*pointed.left.below(BANDS_MS), pointed.left.count]
    found = []
    for k, from_ in enumerate(BANDS_MS):
        last = k + 1 == len(BANDS_MS)
        ended, gone = hits[k + 1] - hits[k], misses[k + 1] - misses[k]
        found.append(
            HoverBand(
                from_seconds=from_ / 1000,
                to_seconds=None if last else BANDS_MS[k + 1] / 1000,
                episodes=ended + gone,
                clicked=ended,
                share=ended / (ended + gone) if ended + gone else None,
            )
        )
    return found


def correlation(pointed: Pointed) -> float | None:
    """Pearson's r of length and ending (1: a click), from whole sums; None where either never varies."""
    n, ones = pointed.episodes, pointed.clicked.count
    xy = pointed.clicked.total
    x = xy + pointed.left.total
    xx = pointed.clicked.squares + pointed.left.squares
    spread_x, spread_y = n * xx - x * x, n * ones - ones * ones
    if spread_x <= 0 or spread_y <= 0:
        return None
    return (n * xy - x * ones) / (math.sqrt(spread_x) * math.sqrt(spread_y))
