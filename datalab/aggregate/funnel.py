"""A funnel's figures: who reached which stage, how long it took, where the others went."""

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.reach import Matches, last_of_unit, reach_in_any_order, reach_in_order, sort_matches
from datalab.aggregate.selection import Selection
from datalab.aggregate.texts import NONE
from datalab.model.figures import FunnelFigures, NextRoute, StageFigures
from datalab.model.ranges import Range, show

EXIT = "(exit)"


def funnel(
    aggregate: PartitionAggregate, app: str, number: int, range: Range, zone: str, unit: str, order: str
) -> FunnelFigures:
    """Figures of the `number`-th funnel; `unit` is visitors or sessions, `order` ordered or any."""
    configured = aggregate.rules.configuration.funnel[number]
    selection = Selection(aggregate, range)
    matches = find_matches(aggregate, number, range, unit)
    count = len(configured.stage)
    if order == "ordered":
        reached = reach_in_order(matches, count, configured.window_ms)
    else:
        reached = reach_in_any_order(matches, count)
    everybody = selection.visitors if unit == "visitors" else len(selection.sessions)
    return FunnelFigures(
        app=app,
        funnel=configured.name,
        unit=unit,
        order=order,
        from_=show(range.from_, zone),
        to=show(range.to, zone),
        visitors=everybody,
        stages=[
            stage_figures(aggregate, matches, reached, k, stage.name, order) for k, stage in enumerate(configured.stage)
        ],
    )


def conversion_rate(aggregate: PartitionAggregate, selection: Selection) -> float | None:
    """Visitors who reached the headline funnel's last stage / all visitors; None without a funnel or a visitor."""
    headline = aggregate.rules.configuration.headline
    everybody = selection.visitors
    if headline is None or not everybody:
        return None
    matches = find_matches(aggregate, 0, selection.range, "visitors")
    return len(reach_in_order(matches, len(headline.stage), headline.window_ms)[-1]) / everybody


def find_matches(aggregate: PartitionAggregate, number: int, range: Range, unit: str) -> Matches:
    """The events of a range that match any stage, by unit and time."""
    marks = aggregate.marks[number]
    row, mask = marks.row.values, marks.mask.values
    time = aggregate.rows.time.values[row]
    chosen = np.ones(len(row), dtype=bool)
    if range.from_ is not None:
        chosen &= time >= range.from_
    if range.to is not None:
        chosen &= time < range.to
    row, mask, time = row[chosen], mask[chosen], time[chosen]
    session = aggregate.rows.session.values[row]
    units = aggregate.sessions.visitor.values[session] if unit == "visitors" else session
    return sort_matches(units, time, row, mask)


def stage_figures(
    aggregate: PartitionAggregate, matches: Matches, reached: list[NDArray[np.intp]], k: int, name: str, order: str
) -> StageFigures:
    """One stage; times are of the ordered funnel only, since without an order there is no way from stage to stage."""
    here, first = reached[k], len(reached[0])
    before = len(reached[k - 1]) if k else 0
    last = k + 1 == len(reached)
    went_on = np.isin(matches.unit[here], matches.unit[reached[k + 1]]) if not last else np.ones(len(here), dtype=bool)
    left = here[~went_on]
    on_seconds, left_seconds = times(aggregate, matches, reached, k, here[went_on], left, order)
    return StageFigures(
        name=name,
        reached=len(here),
        step_conversion=(len(here) / before if before else None) if k else None,
        conversion=len(here) / first if first else None,
        dropped=len(left),
        next=next_routes(aggregate, matches, k, matches.unit[left]),
        seconds_mean=mean(on_seconds),
        seconds_median=median(on_seconds),
        dropped_seconds_mean=mean(left_seconds),
        dropped_seconds_median=median(left_seconds),
    )


def times(
    aggregate: PartitionAggregate,
    matches: Matches,
    reached: list[NDArray[np.intp]],
    k: int,
    went_on: NDArray[np.intp],
    left: NDArray[np.intp],
    order: str,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Milliseconds in stage k: to stage k + 1, or for those who left to the end of their session."""
    none = np.empty(0, dtype=np.int64)
    if order != "ordered" or k + 1 == len(reached):
        return none, none
    # Both are ordered by unit, and every unit at stage k + 1 was at stage k.
    on = matches.time[reached[k + 1]] - matches.time[went_on]
    session = aggregate.rows.session.values[matches.row[left]]
    return on, aggregate.sessions.last.values[session] - matches.time[left]


def mean(milliseconds: NDArray[np.int64]) -> float | None:
    """Seconds."""
    return int(milliseconds.sum()) / (len(milliseconds) * 1000) if len(milliseconds) else None


def median(milliseconds: NDArray[np.int64]) -> float | None:
    """Seconds."""
    return float(np.median(milliseconds)) / 1000 if len(milliseconds) else None


def next_routes(
    aggregate: PartitionAggregate, matches: Matches, stage: int, units: NDArray[np.uint32]
) -> list[NextRoute]:
    """What these units viewed directly after their last match of a stage, in the same session."""
    if len(units) == 0:
        return []
    row = matches.row[last_of_unit(matches, stage, units)]
    rows, session = aggregate.rows, aggregate.rows.session.values
    views = np.flatnonzero((rows.route.values != NONE) & np.isin(session, session[row]))
    # Views and matches in one order (session, time, row): the next view stands directly behind its match.
    everything = np.concatenate([views, row])
    is_match = np.arange(len(everything)) >= len(views)
    order = np.lexsort((is_match, everything, rows.time.values[everything], session[everything]))
    ordered, from_match = everything[order], is_match[order]
    places = np.arange(len(ordered))
    following = np.minimum.accumulate(np.where(from_match, len(ordered), places)[::-1])[::-1]
    after = following[np.flatnonzero(from_match)]
    start = ordered[from_match]
    found = after < len(ordered)
    found[found] = session[ordered[after[found]]] == session[start[found]]
    counts = np.bincount(rows.route.values[ordered[after[found]]], minlength=1)
    values = aggregate.dimensions["route"].values
    named = [(int(counts[code]), values[code]) for code in np.flatnonzero(counts).tolist()]
    if len(start) > int(found.sum()):
        named.append((len(start) - int(found.sum()), EXIT))
    named.sort(key=lambda entry: (-entry[0], entry[1]))
    return [NextRoute(route=route, count=count) for count, route in named]
