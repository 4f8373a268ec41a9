"""Campaigns by every field, under one of three touches."""

from datalab.aggregate.question import Question
from datalab.model.figures import CampaignField, Campaigns, CampaignValue
from tests.aggregate.reference.funnel import reached_by, units_of
from tests.aggregate.reference.happening import TAGS
from tests.aggregate.reference.partition import Reference, Session, visitors
from tests.aggregate.reference.wall import show


def campaigns(reference: Reference, question: Question, touch: str = "session", limit: int | None = None) -> Campaigns:
    headline = reference.configuration.headline
    sessions = reference.selected(question)
    fields = []
    for field in TAGS:
        counted: dict[str, list[Session]] = {}
        for session in sessions:
            value = touched(reference, session, touch)[field]
            if value != "(none)":
                counted.setdefault(value, []).append(session)
        values = []
        for value in sorted(counted, key=lambda value: (-len(counted[value]), value)):
            reached: list[int] = []
            if headline is not None:
                units = units_of(counted[value], question.range, "visitors")
                reached = [len(here) for here in reached_by(reference, headline, units, "ordered")]
            people = visitors(counted[value])
            values.append(
                CampaignValue(
                    value=value,
                    sessions=len(counted[value]),
                    visitors=people,
                    reached=reached,
                    conversion=reached[-1] / people if reached else None,
                )
            )
        fields.append(CampaignField(field=field, values=values[:limit]))
    return Campaigns(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        touch=touch,
        funnel=None if headline is None else headline.name,
        stages=[] if headline is None else [stage.name for stage in headline.stage],
        fields=fields,
    )


def touched(reference: Reference, session: Session, touch: str) -> dict[str, str]:
    """The dimensions of the session whose campaign a session is counted for."""
    mine = [other for other in reference.sessions if other.visitor == session.visitor]
    if touch == "first":
        return next((other for other in mine if other.tagged), session).one
    if touch == "last" and plainly_direct(session):
        earlier = [other for other in mine[: mine.index(session)] if not plainly_direct(other)]
        return earlier[-1].one if earlier else session.one
    return session.one


def plainly_direct(session: Session) -> bool:
    return not session.tagged and session.one["referrer"] == "(direct)"
