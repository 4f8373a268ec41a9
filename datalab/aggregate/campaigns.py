"""Campaigns: sessions and visitors by every field of their tags, and how far those came in the headline funnel."""

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.funnel import pick, reached_by_code, sessions_alone
from datalab.aggregate.meanings import NONE
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.aggregate.selection import Selection, visitors_by_code
from datalab.aggregate.stage_reach import NOBODY
from datalab.aggregate.sums import Sum
from datalab.errors import Invalid
from datalab.model.figures import CampaignField, Campaigns, CampaignValue
from datalab.model.ranges import show
from datalab.model.segments import write_segment
from datalab.model.tags import FIELDS

TOUCHES = ("session", "last", "first")


class FieldSums(Sum, frozen=True):
    """One field, by code; 0 is none."""

    sessions: NDArray[np.int64]
    visitors: NDArray[np.int64]
    reached: NDArray[np.int64]
    """By code and stage of the headline funnel."""


class TagSums(Sum, frozen=True):
    """All fields."""

    fields: list[FieldSums]


def campaigns(
    aggregate: PartitionAggregate, question: Question, touch: str = "session", limit: int | None = None
) -> Campaigns:
    """Each field's values by sessions, equal ones by name; at most `limit` of each. Raises Invalid."""
    if touch not in TOUCHES:
        raise Invalid(f"touch {touch[:40]!r} is not one of {', '.join(TOUCHES)}")
    headline = aggregate.rules.configuration.headline
    # A first touch that comes in late changes what all of a visitor's sessions count for.
    total = Selection(aggregate, question).total(
        ("campaigns", touch), lambda part: tag_sums(part, touch), looks_around=touch == "first"
    )
    fields = [
        CampaignField(field=name, values=values_of_field(sums, aggregate.tags.fields[name].values, limit))
        for name, sums in zip(FIELDS, total.fields, strict=True)
    ]
    return Campaigns(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        segment=write_segment(question.segment),
        touch=touch,
        funnel=headline.name if headline is not None else None,
        stages=[stage.name for stage in headline.stage] if headline is not None else [],
        # The app's own campaigns first.
        fields=[fields[-1], *fields[:-1]],
    )


def tag_sums(part: Selection, touch: str) -> TagSums:
    """Of some of the sessions."""
    aggregate = part.aggregate
    has_funnel = aggregate.rules.configuration.headline is not None
    tag = tags_of(aggregate, part.sessions, touch, part.until)
    tagged = np.flatnonzero(tag)
    session, tag = part.sessions[tagged], tag[tagged]
    alone = sessions_alone(part, 0) if has_funnel else NOBODY
    # Both are in the order of sessions, but for days looked at one by one.
    tag_of_outcome = np.zeros(len(alone.unit), dtype=np.int64)
    if len(session):
        place = np.minimum(np.searchsorted(session, alone.unit), len(session) - 1)
        there = session[place] == alone.unit
        tag_of_outcome[there] = tag[place[there]]
    matched = np.flatnonzero(tag_of_outcome)
    alone, tag_of_outcome = pick(alone, matched), tag_of_outcome[matched]
    fields = []
    for at, name in enumerate(FIELDS):
        codes = aggregate.tags.codes[at].values
        count = len(aggregate.tags.fields[name].values)
        code, code_of_outcome = codes[tag].astype(np.int64), codes[tag_of_outcome].astype(np.int64)
        having = np.flatnonzero(code_of_outcome)
        fields.append(
            FieldSums(
                sessions=np.bincount(code, minlength=count),
                visitors=visitors_by_code(aggregate, session, code, count),
                reached=reached_by_code(part, 0, pick(alone, having), code_of_outcome[having], count)
                if has_funnel
                else np.zeros((count, 0), dtype=np.int64),
            )
        )
    return TagSums(fields)


def values_of_field(sums: FieldSums, names: list[str], limit: int | None) -> list[CampaignValue]:
    """The values of one field."""
    sessions = sums.sessions.tolist()
    tagged = [code for code in np.flatnonzero(sums.sessions).tolist() if code]
    codes = sorted(tagged, key=lambda code: (-sessions[code], names[code]))
    found = []
    for code in codes[:limit]:
        visitors, stages = int(sums.visitors[code]), sums.reached[code].tolist()
        found.append(
            CampaignValue(
                value=names[code],
                sessions=sessions[code],
                visitors=visitors,
                reached=stages,
                conversion=stages[-1] / visitors if stages else None,
            )
        )
    return found


def tags_of(
    aggregate: PartitionAggregate, session: NDArray[np.uint32], touch: str, until: int | None
) -> NDArray[np.int64]:
    """The tags that sessions count for (SEMANTICS, campaign), as if no session had begun from `until` on."""
    sessions = aggregate.sessions
    if touch == "session":
        return sessions.tag.values[session].astype(np.int64)
    if touch == "first":
        visitor = sessions.visitor.values[session]
        visitors, place = np.unique(visitor, return_inverse=True)
        return first_tags(aggregate, visitors, until)[place]
    direct = aggregate.streams.direct
    at = session.copy()
    searching = np.flatnonzero((sessions.tag.values[at] == 0) & (sessions.referrer.values[at] == direct))
    while len(searching):
        before = sessions.previous.values[at[searching]]
        going = before != NONE
        searching, before = searching[going], before[going]
        at[searching] = before
        searching = searching[(sessions.tag.values[before] == 0) & (sessions.referrer.values[before] == direct)]
    return sessions.tag.values[at].astype(np.int64)


def first_tags(aggregate: PartitionAggregate, visitor: NDArray[np.integer], until: int | None) -> NDArray[np.int64]:
    """The tags of visitors' first sessions that have any, 0 for none."""
    sessions = aggregate.sessions
    found = np.zeros(len(visitor), dtype=np.int64)
    place = np.arange(len(visitor))
    at = aggregate.last_session.values[visitor]
    while len(at):
        known = at != NONE
        place, at = place[known], at[known]
        tag = sessions.tag.values[at].astype(np.int64)
        counts = tag != 0
        if until is not None:
            counts &= sessions.first.values[at] < until
        # From the last one to the first: the first one found last stays.
        found[place[counts]] = tag[counts]
        at = sessions.previous.values[at]
    return found
