"""How far a visitor or a session came in a funnel."""

from datalab.model.configuration import Configuration, Funnel, Stage
from tests.aggregate.reference.happening import Known, matches

UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def window_of(funnel: Funnel) -> int | None:
    return None if funnel.window is None else int(funnel.window[:-1]) * UNITS[funnel.window[-1]]


def matching(configuration: Configuration, stages: list[Stage], events: list[Known]) -> list[list[Known]]:
    return [[event for event in events if matches(stage, event, configuration)] for stage in stages]


def reach(
    configuration: Configuration, stages: list[Stage], events: list[Known], order: str, window: int | None
) -> list[Known | None]:
    """The event by which each stage was reached, None where it was not; `events` are one unit's, by time."""
    matched = matching(configuration, stages, events)
    return in_order(matched, window) if order == "ordered" else in_any_order(matched)


def in_order(matched: list[list[Known]], window: int | None) -> list[Known | None]:
    """For each stage the earliest end of any chain of different events that leads to it; every chain is followed."""
    ends: list[list[Known]] = [[] for _ in matched]
    for beginning in matched[0]:
        frontier = [beginning]
        for k, candidates in enumerate(matched):
            if k and frontier:
                first = min(event.order for event in frontier)
                frontier = [
                    event
                    for event in candidates
                    if event.order > first and (window is None or event.time - beginning.time <= window)
                ]
            ends[k] += frontier
    return [min(events, key=lambda event: event.order) if events else None for events in ends]


def in_any_order(matched: list[list[Known]]) -> list[Known | None]:
    return [events[0] if events else None for events in matched]
