"""Retention: who came back how many days, weeks or months after the first session."""

from datalab.aggregate.question import Question
from datalab.model.figures import Cell, Cohort, Retention
from tests.aggregate.reference.partition import Reference, inside
from tests.aggregate.reference.wall import DAY, period, period_start, show


def retention(reference: Reference, question: Question, period: str | None = None) -> Retention:
    unit = period or default_period(reference, question)
    return Retention(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        period=unit,
        cohorts=cohorts(reference, question, unit),
    )


def default_period(reference: Reference, question: Question) -> str:
    times = [event.time for event in reference.events]
    if not times and (question.range.from_ is None or question.range.to is None):
        return "day"
    from_ = min(times) if question.range.from_ is None else question.range.from_
    to = max(times) + 1 if question.range.to is None else question.range.to
    return "day" if to - from_ <= 31 * DAY else "week" if to - from_ <= 26 * 7 * DAY else "month"


def cohorts(reference: Reference, question: Question, unit: str) -> list[Cohort]:
    zone, range_ = question.zone, question.range
    begun = [session for session in reference.selected(question) if inside(session.begin, range_)]
    if not begun:
        return []
    end = max(session.begin for session in begun) if range_.to is None else range_.to - 1
    last = period(end, zone, unit)
    members: dict[int, list[bytes]] = {}
    for session in begun:
        if session.one["visit"] == "new":
            members.setdefault(period(session.begin, zone, unit), []).append(session.visitor)
    found = []
    for number, people in sorted(members.items()):
        near = next(session.begin for session in begun if period(session.begin, zone, unit) == number)
        cells = []
        for later in range(last - number + 1):
            came = {session.visitor for session in begun if period(session.begin, zone, unit) == number + later}
            count = len(came & set(people))
            cells.append(Cell(period=later, visitors=count, share=count / len(people)))
        # As everywhere, the range's first bucket begins with the range.
        start = show(max(period_start(number, near, zone, unit), range_.from_ or 0), zone)
        found.append(Cohort(start=str(start), visitors=len(people), cells=cells))
    return found
