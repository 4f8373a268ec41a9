"""What sessions did after, or before, they first viewed a route."""

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
    # The fold and the end have places of their own, whatever routes there will be.
    width = aggregate.rules.max_values + 3
    having = aggregate.sets["route"][code] if code is not None else BitMap()
    total = selection.total(
        ("links", code, direction),
        lambda part: links_of(aggregate, members(part.bitmap & having), code or 0, direction, width),
    )
    links = total.table if top is None else folded(total.table, names, width, top)
    label = {**dict(enumerate(names)), width - 2: OTHER, width - 1: EXIT if direction == "after" else ENTRY}
    found = [
        Step(
            step=link // width // width + 1,
            from_=label[link // width % width],
            to=label[link % width],
            sessions=sessions,
        )
        for link, (sessions,) in zip(links.key.tolist(), links.counts.tolist(), strict=True)
    ]
    return Surroundings(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        segment=write_segment(question.segment),
        route=route,
        direction=direction,
        sessions=total.viewing,
        steps=sorted(found, key=lambda step: (step.step, -step.sessions, step.from_, step.to)),
    )


def folded(links: Table, names: list[str], width: int, top: int) -> Table:
    """Only the most frequent places of each step; the others, and where they are left for, are one."""
    # A route that is (other) already, since the dimension was full, is the same as the fold.
    other = names.index(OTHER) if OTHER in names else width - 2
    step, pair = np.divmod(links.key, width * width)
    from_, to = np.divmod(pair, width)
    for each in range(MAX_STEPS):
        at = np.flatnonzero((step == each) & (to < width - 1))
        counts = np.bincount(to[at], weights=links.counts[at, 0], minlength=1)
        places = sorted(np.flatnonzero(counts).tolist(), key=lambda place: (-counts[place], names[place]))
        kept = np.zeros(width, dtype=bool)
        kept[places[:top]] = True
        to[at] = np.where(kept[to[at]], to[at], other)
        following = np.flatnonzero(step == each + 1)
        from_[following] = np.where(kept[from_[following]], from_[following], other)
    key, place = np.unique((step * width + from_) * width + to, return_inverse=True)
    return Table(key, np.bincount(place, weights=links.counts[:, 0], minlength=len(key)).astype(np.int64)[:, None])
