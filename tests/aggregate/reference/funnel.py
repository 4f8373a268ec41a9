"""Funnels: reach, where those who left went, and how long it took."""

from collections import Counter
from collections.abc import Hashable

from datalab.aggregate.question import Question
from datalab.model.configuration import Funnel
from datalab.model.figures import FunnelFigures, FunnelSplit, NextRoute, StageFigures
from datalab.model.ranges import Range
from tests.aggregate.reference.averages import mean, median, p90
from tests.aggregate.reference.happening import Known
from tests.aggregate.reference.partition import Reference, Session
from tests.aggregate.reference.reach import matching, reach, window_of
from tests.aggregate.reference.wall import show

Units = dict[Hashable, list[Known]]
"""The events in the range of each visitor or session, by time."""


def funnel(
    reference: Reference,
    question: Question,
    number: int,
    unit: str,
    order: str,
    split: str | None = None,
    limit: int = 10,
) -> FunnelFigures:
    configured = reference.configuration.funnel[number]
    sessions = reference.selected(question)
    units = units_of(sessions, question.range, unit)
    reached = reached_by(reference, configured, units, order)
    return FunnelFigures(
        app=question.app,
        funnel=configured.name,
        unit=unit,
        order=order,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        visitors=len(units),
        stages=[stage(reference, configured, units, reached, order, k) for k in range(len(reached))],
        split_by=split,
        split=[]
        if split is None
        else splits(reference, configured, question.range, sessions, unit, order, split)[:limit],
    )


def units_of(sessions: list[Session], range: Range, unit: str) -> Units:
    units: Units = {}
    for session in sessions:
        key = session.visitor if unit == "visitors" else session.events[0].place
        units.setdefault(key, []).extend(session.within(range))
    return units


def reached_by(reference: Reference, configured: Funnel, units: Units, order: str) -> list[dict[Hashable, Known]]:
    """For each stage the units that reached it, and the event by which they did."""
    reached: list[dict[Hashable, Known]] = [{} for _ in configured.stage]
    for key, events in units.items():
        found = reach(reference.configuration, configured.stage, events, order, window_of(configured))
        for k, event in enumerate(found):
            if event is not None:
                reached[k][key] = event
    return reached


def stage(
    reference: Reference,
    configured: Funnel,
    units: Units,
    reached: list[dict[Hashable, Known]],
    order: str,
    k: int,
) -> StageFigures:
    session_of = {event.place: session for session in reference.sessions for event in session.events}
    here = reached[k]
    after = reached[k + 1] if k + 1 < len(reached) else None
    gone = [key for key in here if after is not None and key not in after]
    on, off = [], []
    if order == "ordered" and after is not None:
        on = [after[key].time - here[key].time for key in here if key in after]
        off = [session_of[here[key].place].end - here[key].time for key in gone]
    went: Counter[str] = Counter()
    for key in gone:
        last = matching(reference.configuration, configured.stage, units[key])[k][-1]
        later = [event for event in session_of[last.place].views if event.order > last.order]
        went[str(later[0].route) if later else "(exit)"] += 1
    return StageFigures(
        name=configured.stage[k].name,
        reached=len(here),
        step_conversion=len(here) / len(reached[k - 1]) if k and reached[k - 1] else None,
        conversion=len(here) / len(reached[0]) if reached[0] else None,
        overall=len(here) / len(units) if units else None,
        dropped=len(gone),
        next=[
            NextRoute(route=name, count=count)
            for name, count in sorted(went.items(), key=lambda entry: (-entry[1], entry[0]))
        ],
        seconds_mean=mean(on),
        seconds_median=median(on),
        seconds_p90=p90(on),
        dropped_seconds_mean=mean(off),
        dropped_seconds_median=median(off),
        dropped_seconds_p90=p90(off),
    )


def splits(
    reference: Reference,
    configured: Funnel,
    range: Range,
    sessions: list[Session],
    unit: str,
    order: str,
    dimension: str,
) -> list[FunnelSplit]:
    """The same funnel over the sessions with each value, those with most sessions first."""
    counts = Counter(session.one[dimension] for session in sessions)
    found = []
    for value in sorted(counts, key=lambda value: (-counts[value], value)):
        units = units_of([session for session in sessions if session.one[dimension] == value], range, unit)
        reached = [len(here) for here in reached_by(reference, configured, units, order)]
        found.append(
            FunnelSplit(value=value, visitors=len(units), reached=reached, conversion=reached[-1] / len(units))
        )
    return found
