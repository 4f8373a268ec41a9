"""What happens now: where the visitors are who are present, and the last events."""

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.filters import NO_VALUE
from datalab.aggregate.meanings import NONE
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.stage_reach import outcomes_of_sessions
from datalab.model.events import Kind
from datalab.model.figures import LiveCount, LiveEvent, LiveFigures
from datalab.model.ranges import Range, show
from datalab.model.records import KINDS

FEED_MS = 300_000
NAMES = {kind: name for name, kind in KINDS.items()}


def live(aggregate: PartitionAggregate, app: str, zone: str, present: list[str], now_ms: int) -> LiveFigures:
    """`present` are the ids of visitors with an open socket, in hexadecimal digits."""
    numbers = [aggregate.visitors.find(bytes.fromhex(visitor)) for visitor in present]
    known = np.array([number for number in numbers if number is not None], dtype=np.int64)
    session = aggregate.last_session.values[known]
    session = np.sort(session[session != NONE])
    unseen = len(present) - len(session)
    return LiveFigures(
        app=app,
        present=len(present),
        events=aggregate.position.events,
        routes=routes(aggregate, session, unseen),
        stages=stages(aggregate, session, unseen),
        feed=feed(aggregate, zone, now_ms),
    )


def routes(aggregate: PartitionAggregate, session: NDArray[np.uint32], unseen: int) -> list[LiveCount]:
    """By the route viewed last; `unseen` visitors had no event yet."""
    names = [NO_VALUE, *aggregate.dimensions["route"].values]
    counts = np.bincount(aggregate.sessions.exit.values[session], minlength=1)
    counts[0] += unseen
    found = [LiveCount(name=names[code], visitors=int(counts[code])) for code in np.flatnonzero(counts).tolist()]
    return sorted(found, key=lambda count: (-count.visitors, count.name))


def stages(aggregate: PartitionAggregate, session: NDArray[np.uint32], unseen: int) -> list[LiveCount]:
    """By the furthest stage of the headline funnel."""
    headline = aggregate.rules.configuration.headline
    if headline is None:
        return []
    furthest = outcomes_of_sessions(aggregate, 0, session, Range()).furthest
    counts = np.bincount(furthest, minlength=len(headline.stage) + 1).tolist()
    counts[0] += len(session) - len(furthest) + unseen
    found = [
        LiveCount(name=stage.name, visitors=count) for stage, count in zip(headline.stage, counts[1:], strict=True)
    ]
    return [*found, LiveCount(name=NO_VALUE, visitors=counts[0])]


def feed(aggregate: PartitionAggregate, zone: str, now_ms: int) -> list[LiveEvent]:
    """The last events, newest first."""
    meanings, elements = aggregate.meanings, aggregate.rules.configuration.element
    found = []
    for event in sorted(aggregate.feed, key=lambda event: event.time, reverse=True):
        if event.time <= now_ms - FEED_MS:
            break
        on = meanings.elements[event.meaning]
        what = meanings.route_name(event.text) if event.kind == Kind.URLCHANGE else event.text
        found.append(
            LiveEvent(
                time=show(event.time, zone) or "",
                kind=NAMES[Kind(event.kind)],
                what=elements[on[0]].name if on else what,
            )
        )
    return found
