"""Elements of interest: what pointing at them ended in, and after how long."""

import math
from itertools import pairwise

from datalab.aggregate.question import Question
from datalab.model.configuration import Element
from datalab.model.events import Kind
from datalab.model.figures import ActionFigures, ElementFigures, Elements, HoverBand
from tests.aggregate.reference.averages import mean, median
from tests.aggregate.reference.happening import Known
from tests.aggregate.reference.partition import Reference
from tests.aggregate.reference.wall import show

BANDS = [0, 0.25, 0.5, 1, 2, 4, 8, 16, 32, None]


def elements(reference: Reference, question: Question) -> Elements:
    events = [event for session in reference.selected(question) for event in session.within(question.range)]
    session_of = {event.place: session.events[0].place for session in reference.sessions for event in session.events}
    return Elements(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        elements=[figures(element, events, session_of) for element in reference.configuration.element],
    )


def figures(element: Element, events: list[Known], session_of: dict[int, int]) -> ElementFigures:
    names = {element.selector, element.name}
    episodes = [event for event in events if event.kind == Kind.MOUSEHOVER and event.parts[0] in names]
    clicks = [event for event in events if event.kind == Kind.MOUSECLICK and names & set(event.parts)]

    def action(name: str) -> ActionFigures:
        times = [event.number for event in episodes if event.parts[1] == name]
        return ActionFigures(
            count=len(times),
            share=len(times) / len(episodes) if episodes else None,
            seconds_mean=mean(times),
            seconds_median=median(times),
        )

    return ElementFigures(
        name=element.name,
        episodes=len(episodes),
        clicked=action("hover-click"),
        left=action("hover-leave"),
        clicks=len(clicks),
        sessions=len({session_of[event.place] for event in episodes + clicks}),
        visitors=len({event.visitor for event in episodes + clicks}),
        bands=[band(episodes, from_ or 0, to) for from_, to in pairwise(BANDS)],
        correlation=correlation(
            [event.number for event in episodes], [int(event.parts[1] == "hover-click") for event in episodes]
        ),
    )


def band(episodes: list[Known], from_: float, to: float | None) -> HoverBand:
    lasted = [event for event in episodes if from_ * 1000 <= event.number and (to is None or event.number < to * 1000)]
    clicked = sum(event.parts[1] == "hover-click" for event in lasted)
    return HoverBand(
        from_seconds=from_,
        to_seconds=to,
        episodes=len(lasted),
        clicked=clicked,
        share=clicked / len(lasted) if lasted else None,
    )


def correlation(xs: list[int], ys: list[int]) -> float | None:
    """Pearson's r out of whole sums."""
    n, sx, sy = len(xs), sum(xs), sum(ys)
    sxx, sxy, syy = sum(x * x for x in xs), sum(x * y for x, y in zip(xs, ys, strict=True)), sum(y * y for y in ys)
    if n * sxx == sx * sx or n * syy == sy * sy:
        return None
    return (n * sxy - sx * sy) / (math.sqrt(n * sxx - sx * sx) * math.sqrt(n * syy - sy * sy))
