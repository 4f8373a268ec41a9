"""Journeys: routes in order, with the ends of sessions, and what lies around one route."""

from collections import Counter
from itertools import pairwise

from datalab.aggregate.question import Question
from datalab.model.figures import Edge, Journey, PathFigures, Step, Surroundings
from tests.aggregate.reference.partition import Reference, unrepeated
from tests.aggregate.reference.wall import show

ENTRY, EXIT, OTHER = "(entry)", "(exit)", "(other)"
PATH_STEPS = 10
STEPS = 5


def journey(reference: Reference, question: Question, top: int | None = None, paths: int = 50) -> Journey:
    sessions = [session for session in reference.selected(question) if session.views]
    views = Counter(str(view.route) for session in sessions for view in session.views)
    apart = sorted(views, key=lambda route: (-views[route], route))[:top]
    times: Counter[tuple[str, str]] = Counter()
    having: Counter[tuple[str, str]] = Counter()
    for session in sessions:
        routes = unrepeated([route if route in apart else OTHER for route in session.routes])
        edges = list(pairwise([ENTRY, *routes, EXIT]))
        times.update(edges)
        having.update(set(edges))
    walked = Counter(tuple(session.routes[:PATH_STEPS]) for session in sessions)
    return Journey(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        sessions=len(sessions),
        edges=[
            Edge(from_=edge[0], to=edge[1], sessions=having[edge], times=times[edge])
            for edge in sorted(having, key=lambda edge: (-having[edge], edge))
        ],
        paths=[
            PathFigures(routes=list(path), sessions=walked[path])
            for path in sorted(walked, key=lambda path: (-walked[path], path))
        ][:paths],
    )


def surroundings(
    reference: Reference, question: Question, route: str, direction: str, top: int | None = None
) -> Surroundings:
    walks = []
    for session in reference.selected(question):
        if route in session.routes:
            first = session.routes.index(route)
            after, before = [*session.routes[first:], EXIT], [*session.routes[first::-1], ENTRY]
            walks.append((after if direction == "after" else before)[: STEPS + 1])
    if top is not None:
        for step in range(1, STEPS + 1):
            there = [walk for walk in walks if len(walk) > step and walk[step] not in (ENTRY, EXIT)]
            counts = Counter(walk[step] for walk in there)
            apart = sorted(counts, key=lambda place: (-counts[place], place))[:top]
            for walk in there:
                if walk[step] not in apart:
                    walk[step] = OTHER
    links = Counter((step, *link) for walk in walks for step, link in enumerate(pairwise(walk), 1))
    return Surroundings(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        route=route,
        direction=direction,
        sessions=len(walks),
        steps=[
            Step(step=step, from_=from_, to=to, sessions=links[step, from_, to])
            for step, from_, to in sorted(links, key=lambda link: (link[0], -links[link], link))
        ],
    )
