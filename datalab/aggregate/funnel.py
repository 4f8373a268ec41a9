"""A funnel's figures: who reached which stage, how long it took, where the others went."""

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.dimensions import code_of_sessions, values_of
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.aggregate.selection import Selection
from datalab.aggregate.spread import NOTHING, Spread, spread
from datalab.aggregate.stage_reach import (
    NOBODY,
    Outcomes,
    Together,
    joined,
    next_routes,
    outcomes_name,
    outcomes_of_sessions,
    together,
)
from datalab.aggregate.sums import Counts, Number, Sum
from datalab.aggregate.trails import inside, trail
from datalab.model.figures import FunnelFigures, FunnelSplit, NextRoute, StageFigures
from datalab.model.ranges import Range, show
from datalab.model.segments import write_segment

EXIT = "(exit)"
FEW = 16
"""Where a part has one in so many of the visitors, or fewer, they are numbered anew."""


class StageSum(Sum, frozen=True):
    """One stage: units that reached it, ms until the next one, ms until the others left, and where they went."""

    reached: int
    on: Spread
    left: Spread
    next: NDArray[np.int64]
    """By route code plus 1; 0 is the exit."""


class StageSums(Sum, frozen=True):
    """All stages."""

    stages: list[StageSum]


def funnel(
    aggregate: PartitionAggregate,
    question: Question,
    number: int,
    unit: str,
    order: str,
    split: str | None = None,
    limit: int = 10,
) -> FunnelFigures:
    """Figures of the `number`-th funnel; `unit` is visitors or sessions, `order` ordered or any; `split` names a
    dimension with one value a session, of which the `limit` values with most sessions are told apart."""
    configured = aggregate.rules.configuration.funnel[number]
    selection = Selection(aggregate, question)
    everybody = selection.visitors if unit == "visitors" else len(selection)
    sums = stage_sums if order == "ordered" else sums_in_any_order
    total = selection.total(("funnel", number, unit, order), lambda part: sums(part, number, unit))
    first = total.stages[0].reached
    return FunnelFigures(
        app=question.app,
        funnel=configured.name,
        unit=unit,
        order=order,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        segment=write_segment(question.segment),
        visitors=everybody,
        stages=[
            stage_figures(aggregate, stage.name, each, total.stages[k - 1].reached if k else None, first, everybody)
            for k, (stage, each) in enumerate(zip(configured.stage, total.stages, strict=True))
        ],
        split_by=split,
        split=split_figures(selection, number, unit, order, split, limit) if split else [],
    )


def sessions_alone(part: Selection, number: int) -> Outcomes:
    """How far each of some sessions came by itself."""
    aggregate = part.aggregate
    return joined(
        part.parts(
            outcomes_name(number), lambda session, range: outcomes_of_sessions(aggregate, number, session, range)
        )
    )


def stage_sums(part: Selection, number: int, unit: str) -> StageSums:
    """Of units that pass the stages in order."""
    stages = len(part.aggregate.rules.configuration.funnel[number].stage)
    alone = sessions_alone(part, number)
    if unit == "sessions":
        everything = np.arange(len(alone.unit))
        both = Together(everything, everything, NOBODY)
    else:
        both = visitors_together(part, number, alone)
    sources = [(alone, both.known, both.leaving), (both.deep, None, None)]
    starts = [source.start for source, _, _ in sources]
    found = []
    for k in range(stages):
        reached, on, left, following = 0, NOTHING, NOTHING, []
        for (source, known, leaving), start in zip(sources, starts, strict=True):
            furthest = source.furthest if known is None else source.furthest[known]
            begin = start if known is None else start[known]
            here = furthest > k
            spent = source.spent[begin[here] + k]
            went_on = furthest[here] > k + 1
            reached += int(np.count_nonzero(here))
            if k + 1 < stages:
                on = on.plus(spread(spent[went_on]))
                left = left.plus(spread(spent[~went_on]))
                all_next, all_furthest = source.next, source.furthest
                if leaving is not None:
                    all_next, all_furthest = all_next[leaving], all_furthest[leaving]
                following.append(all_next[all_furthest == k + 1])
        found.append(StageSum(reached, on, left, count_routes(following)))
    return StageSums(found)


def count_routes(codes: list[NDArray[np.uint32]]) -> NDArray[np.int64]:
    """How often each route is there, by code plus 1; NONE counts at 0."""
    # NONE is the highest number there is: one more is 0.
    places = np.concatenate(codes) + np.uint32(1) if codes else np.empty(0, dtype=np.uint32)
    return np.bincount(places, minlength=1)


def visitors_together(part: Selection, number: int, alone: Outcomes) -> Together:
    """Visitors over all their sessions of the part."""
    return together(part.aggregate, number, alone, *visitors_of(part.aggregate, alone), part.range)


def visitors_of(aggregate: PartitionAggregate, alone: Outcomes) -> tuple[NDArray[np.integer], int]:
    """For each outcome its visitor, and how many visitors there may be: few by numbers of their own."""
    visitor = aggregate.sessions.visitor.values[alone.unit]
    if len(visitor) * FEW < len(aggregate.visitors):
        distinct, place = np.unique(visitor, return_inverse=True)
        return place, len(distinct)
    return visitor, len(aggregate.visitors)


def sums_in_any_order(part: Selection, number: int, unit: str) -> StageSums:
    """Of units that match the stages in any order; without one there are no times."""
    aggregate = part.aggregate
    stages = len(aggregate.rules.configuration.funnel[number].stage)
    alone = sessions_alone(part, number)
    of: NDArray[np.integer]
    of, units = (np.arange(len(alone.unit)), len(alone.unit)) if unit == "sessions" else visitors_of(aggregate, alone)
    masks = np.zeros(units, dtype=np.uint32)
    np.bitwise_or.at(masks, of, alone.mask.astype(np.uint32))
    found = []
    for k in range(stages):
        here = masks >> np.uint32(k) & 1 > 0
        gone = []
        if k + 1 < stages:
            dropped = here & (masks >> np.uint32(k + 1) & 1 == 0)
            at = np.flatnonzero(dropped[of] & (alone.mask >> np.uint8(k) & 1 > 0))
            latest = np.full(units, -1, dtype=np.int64)
            np.maximum.at(latest, of[at], alone.unit[at])
            gone.append(next_after_stage(part, number, k, np.sort(latest[dropped]).astype(np.uint32)))
        found.append(StageSum(int(np.count_nonzero(here)), NOTHING, NOTHING, count_routes(gone)))
    return StageSums(found)


def next_after_stage(part: Selection, number: int, stage: int, session: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The route viewed after the last match of a stage in each of these sessions."""
    aggregate = part.aggregate
    events = trail(aggregate, session)
    mask = aggregate.meanings.stages[number].values[events.meaning]
    at = np.flatnonzero(mask >> np.uint32(stage) & 1)
    if part.range != Range():
        at = at[inside(events.chosen(at).time, part.range)]
    owner = events.owner[at]
    return next_routes(events, at[np.append(owner[1:] != owner[:-1], True)] if len(at) else at)


def stage_figures(
    aggregate: PartitionAggregate, name: str, stage: StageSum, before: int | None, first: int, everybody: int
) -> StageFigures:
    """One stage; `before` is how many reached the one before it."""
    return StageFigures(
        name=name,
        reached=stage.reached,
        step_conversion=stage.reached / before if before else None,
        conversion=stage.reached / first if first else None,
        overall=stage.reached / everybody if everybody else None,
        dropped=int(stage.next.sum()),
        next=named_routes(aggregate, stage.next),
        seconds_mean=stage.on.mean_seconds,
        seconds_median=stage.on.median_seconds,
        seconds_p90=stage.on.p90_seconds,
        dropped_seconds_mean=stage.left.mean_seconds,
        dropped_seconds_median=stage.left.median_seconds,
        dropped_seconds_p90=stage.left.p90_seconds,
    )


def named_routes(aggregate: PartitionAggregate, counts: NDArray[np.int64]) -> list[NextRoute]:
    """Routes by how often they are there."""
    names = [EXIT, *aggregate.dimensions["route"].values]
    found = [NextRoute(route=names[at], count=int(counts[at])) for at in np.flatnonzero(counts).tolist()]
    return sorted(found, key=lambda next: (-next.count, next.route))


def conversions(selection: Selection, number: int) -> int:
    """Visitors who reached the last stage."""
    stages = len(selection.aggregate.rules.configuration.funnel[number].stage)

    def converted(part: Selection) -> Number:
        alone = sessions_alone(part, number)
        both = visitors_together(part, number, alone)
        known = np.count_nonzero(alone.furthest[both.known] == stages)
        return Number(int(known + np.count_nonzero(both.deep.furthest == stages)))

    return selection.total(("conversions", number), converted).count


def conversion_rate(selection: Selection) -> float | None:
    """Visitors who reached the headline funnel's last stage / all visitors; None without a funnel or a visitor."""
    if selection.aggregate.rules.configuration.headline is None or not selection.visitors:
        return None
    return conversions(selection, 0) / selection.visitors


def reached_by_code(
    part: Selection,
    number: int,
    alone: Outcomes,
    code: NDArray[np.int64],
    codes: int,
    unit: str = "visitors",
    order: str = "ordered",
) -> NDArray[np.int64]:
    """For each code and stage the units that reached it; `code` tells which one each session's outcome counts for."""
    aggregate = part.aggregate
    stages = len(aggregate.rules.configuration.funnel[number].stage)
    found = np.zeros((codes, stages), dtype=np.int64)
    if len(code) == 0:
        return found
    if unit == "sessions":
        of, units = np.arange(len(code)), len(code)
        code_of_unit = code
    else:
        pair = aggregate.sessions.visitor.values[alone.unit].astype(np.int64) * codes + code
        distinct_pairs, of = np.unique(pair, return_inverse=True)
        units = len(distinct_pairs)
        code_of_unit = distinct_pairs % codes
    if order == "any":
        masks = np.zeros(units, dtype=np.uint32)
        np.bitwise_or.at(masks, of, alone.mask.astype(np.uint32))
        for k in range(stages):
            found[:, k] = np.bincount(code_of_unit[masks >> np.uint32(k) & 1 > 0], minlength=codes)
        return found
    furthest = np.zeros(units, dtype=np.uint8)
    if unit == "sessions":
        furthest = alone.furthest
    else:
        both = together(aggregate, number, alone, of, units, part.range)
        furthest[of[both.known]] = alone.furthest[both.known]
        furthest[both.deep.unit] = both.deep.furthest
    for k in range(stages):
        found[:, k] = np.bincount(code_of_unit[furthest > k], minlength=codes)
    return found


def split_figures(
    selection: Selection, number: int, unit: str, order: str, split: str, limit: int
) -> list[FunnelSplit]:
    """The funnel by the values of a dimension."""

    def reached(part: Selection) -> Counts:
        alone = sessions_alone(part, number)
        code = code_of_sessions(part.aggregate, split, alone.unit)
        return Counts(reached_by_code(part, number, alone, code, int(code.max(initial=0)) + 1, unit, order))

    values = values_of(selection, split)[:limit]
    counts = selection.total(("split", number, unit, order, split), reached).of
    nobody = [0] * counts.shape[1]
    return [
        FunnelSplit(
            value=each.value,
            visitors=count,
            reached=stages,
            conversion=stages[-1] / count if count else None,
        )
        for each in values
        for count in [each.visitors if unit == "visitors" else each.sessions]
        for stages in [counts[each.code].tolist() if each.code < len(counts) else nobody]
    ]


def pick(alone: Outcomes, at: NDArray[np.intp]) -> Outcomes:
    """Some of the outcomes, without the times."""
    return Outcomes(alone.unit[at], alone.mask[at], alone.furthest[at], alone.next[at], alone.spent[:0])
