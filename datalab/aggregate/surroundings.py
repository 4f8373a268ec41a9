"""What sessions did after, or before, they first viewed a route."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from datalab.aggregate.bitmaps import members
from datalab.aggregate.funnel import EXIT
from datalab.aggregate.journey import ENTRY
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.aggregate.selection import Selection
from datalab.aggregate.steps import steps
from datalab.aggregate.sums import Sum, Table, table
from datalab.errors import Invalid
from datalab.model.figures import Step, Surroundings
from datalab.model.ranges import show
from datalab.model.routes import OTHER
from datalab.model.segments import write_segment

MAX_STEPS = 5
DIRECTIONS = ("after", "before")


class Links(Sum, frozen=True):
    """`(step * width + from) * width + to` with its sessions; places are route codes, the last one is the end."""

    table: Table
    viewing: int
    """Sessions that viewed the route."""


def links_of(
    aggregate: PartitionAggregate, session: NDArray[np.uint32], code: int, direction: str, width: int
) -> Links:
    """Of sessions that viewed the route."""
    found = steps(aggregate, session)
    there = np.flatnonzero(found.route == code)
    owner = found.owner[there]
    at = there[np.append(True, owner[1:] != owner[:-1])] if len(there) else there
    owner = found.owner[at]
    first = found.start[owner]
    last = first + found.length[owner] - 1
    sign, end = (1, last) if direction == "after" else (-1, first)
    links = []
    place = found.route[at]
    for step in range(MAX_STEPS):
        at = at + sign
        ended = at > end if sign > 0 else at < end
        to = np.full(len(at), width - 1, dtype=np.int64)
        to[~ended] = found.route[at[~ended]]
        links.append((step * width + place) * width + to)
        place, at, end = to[~ended], at[~ended], end[~ended]
    return Links(table(np.concatenate(links)), len(owner))


def surroundings(
    aggregate: PartitionAggregate, question: Question, route: str, direction: str, top: int | None = None
) -> Surroundings:
    """To five steps; `top` folds all but the most frequent places of each step into `(other)`. Raises Invalid."""
    if direction not in DIRECTIONS:
        raise Invalid(f"direction {direction[:40]!r} is not one of {', '.join(DIRECTIONS)}")
    selection = Selection(aggregate, question)
    names = aggregate.dimensions["route"].values
    code = aggregate.dimensions["route"].find(route)
    # Whatever routes there will be.
    width = aggregate.rules.max_values + 2
    having = aggregate.sets["route"][code] if code is not None else BitMap()
    total = selection.total(
        ("links", code, direction),
        lambda part: links_of(aggregate, members(part.bitmap & having), code or 0, direction, width),
    )
    label = {**dict(enumerate(names)), width - 1: EXIT if direction == "after" else ENTRY}
    named = {
        (link // width // width + 1, label[link // width % width], label[link % width]): sessions
        for link, (sessions,) in zip(total.table.key.tolist(), total.table.counts.tolist(), strict=True)
    }
    links = named if top is None else folded(named, route, label[width - 1], top)
    return Surroundings(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        segment=write_segment(question.segment),
        route=route,
        direction=direction,
        sessions=total.viewing,
        steps=[
            Step(step=step, from_=from_, to=to, sessions=sessions)
            for (step, from_, to), sessions in sorted(
                links.items(), key=lambda entry: (entry[0][0], -entry[1], entry[0][1], entry[0][2])
            )
        ],
    )


def folded(links: dict[tuple[int, str, str], int], route: str, end: str, top: int) -> dict[tuple[int, str, str], int]:
    """Only the most frequent places of each step by name."""
    places: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (step, _, to), sessions in links.items():
        if to != end:
            places[step][to] += sessions
    kept: dict[int, set[str]] = {0: {route}}
    for step, counts in places.items():
        kept[step] = set(sorted(counts, key=lambda name: (-counts[name], name))[:top])
    found: dict[tuple[int, str, str], int] = defaultdict(int)
    for (step, from_, to), sessions in links.items():
        before = from_ if from_ in kept.get(step - 1, ()) else OTHER
        after = to if to == end or to in kept.get(step, ()) else OTHER
        found[step, before, after] += sessions
    return found
