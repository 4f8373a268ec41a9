"""Headline figures, pages and audience."""

from collections import Counter, defaultdict

from datalab.aggregate.question import Question
from datalab.model.events import Kind
from datalab.model.figures import Audience, Overview, Page, Pages, Point, Share, Totals
from datalab.model.ranges import Range
from tests.aggregate.reference.averages import mean, median
from tests.aggregate.reference.funnel import reached_by, units_of
from tests.aggregate.reference.partition import Reference, Session, inside, visitors
from tests.aggregate.reference.wall import DAY, cuts, period, period_start, show

USUAL_UP_TO_DAYS = {"hour": 3, "day": 400, "week": 2800}


def overview(
    reference: Reference, question: Question, before: Range | None = None, bucket: str | None = None
) -> Overview:
    zone, range = question.zone, question.range
    now = totals(reference, question)
    previous = None
    if before is not None:
        previous = totals(reference, Question(app=question.app, range=before, zone=zone, segment=question.segment))
    unit, series = line(reference, question, bucket)
    return Overview(
        app=question.app,
        from_=show(range.from_, zone),
        to=show(range.to, zone),
        visitors=now.visitors,
        sessions=now.sessions,
        page_views=now.page_views,
        views_per_session=now.views_per_session,
        bounce_rate=now.bounce_rate,
        duration_mean=now.duration_mean,
        duration_median=now.duration_median,
        conversion_rate=now.conversion_rate,
        previous_from=None if before is None else show(before.from_, zone),
        previous_to=None if before is None else show(before.to, zone),
        previous=previous,
        bucket=unit,
        series=series,
    )


def totals(reference: Reference, question: Question) -> Totals:
    sessions = reference.selected(question)
    count = len(sessions)
    views = sum(inside(view.time, question.range) for session in sessions for view in session.views)
    durations = [session.end - session.begin for session in sessions]
    rate = None
    if reference.configuration.funnel and sessions:
        units = units_of(sessions, question.range, "visitors")
        rate = len(reached_by(reference, reference.configuration.funnel[0], units, "ordered")[-1]) / len(units)
    return Totals(
        visitors=visitors(sessions),
        sessions=count,
        page_views=views,
        views_per_session=views / count if count else None,
        bounce_rate=sum(bounced(session) for session in sessions) / count if count else None,
        duration_mean=mean(durations),
        duration_median=median(durations),
        conversion_rate=rate,
    )


def bounced(session: Session) -> bool:
    """Moves are no actions."""
    actions = (Kind.MOUSECLICK, Kind.MOUSEHOVER, Kind.CUSTOM)
    return len(session.views) == 1 and not any(event.kind in actions for event in session.events)


def span(reference: Reference, range: Range, zone: str) -> tuple[int, int]:
    """A range whose open ends are the midnight before the partition's first event and the end of its last."""
    times = [event.time for event in reference.events]
    from_, to = range.from_, range.to
    if from_ is None:
        from_ = period_start(period(min(times), zone, "day"), min(times), zone, "day")
    if to is None:
        to = max(*times, from_) + 1
    return from_, to


def line(reference: Reference, question: Question, bucket: str | None) -> tuple[str, list[Point]]:
    """Of the selected sessions, what happened in each bucket."""
    zone = question.zone
    if not reference.events:
        return bucket or "day", []
    from_, to = span(reference, question.range, zone)
    if to <= from_:
        return bucket or "day", []
    usual = next((name for name, days in USUAL_UP_TO_DAYS.items() if to - from_ <= days * DAY), "month")
    unit = bucket or usual
    sessions = reference.selected(question)
    points = []
    for begin, end in cuts(from_, to, zone, unit):
        part = Range(begin, end)
        there = [session for session in sessions if session.within(part)]
        points.append(
            Point(
                start=str(show(begin, zone)),
                page_views=sum(inside(view.time, part) for session in there for view in session.views),
                visitors=visitors(there),
                sessions=len(there),
            )
        )
    return unit, points


def pages(reference: Reference, question: Question, limit: int | None = None) -> Pages:
    views: Counter[str] = Counter()
    entries: Counter[str] = Counter()
    exits: Counter[str] = Counter()
    spent: defaultdict[str, list[int]] = defaultdict(list)
    seen: defaultdict[str, set[bytes]] = defaultdict(set)
    for session in reference.selected(question):
        viewed = session.views
        if viewed:
            entries[str(viewed[0].route)] += 1
            exits[str(viewed[-1].route)] += 1
        for place, view in enumerate(viewed):
            if inside(view.time, question.range):
                until = viewed[place + 1].time if place + 1 < len(viewed) else session.end
                views[str(view.route)] += 1
                spent[str(view.route)].append(until - view.time)
                seen[str(view.route)].add(view.visitor)
    listed = [
        Page(
            route=name,
            views=views[name],
            visitors=len(seen[name]),
            entries=entries[name],
            exits=exits[name],
            seconds_mean=mean(spent[name]),
        )
        for name in sorted(views, key=lambda name: (-views[name], name))
    ]
    return Pages(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        page_views=views.total(),
        pages=listed[:limit],
    )


def audience(reference: Reference, question: Question, limit: int | None = None) -> Audience:
    sessions = reference.selected(question)

    def shares(dimension: str) -> list[Share]:
        found: defaultdict[str, list[Session]] = defaultdict(list)
        for session in sessions:
            found[session.one[dimension]].append(session)
        return [
            Share(value=value, visitors=visitors(having), sessions=len(having))
            for value, having in sorted(found.items(), key=lambda entry: (-len(entry[1]), entry[0]))
        ][:limit]

    return Audience(
        app=question.app,
        from_=show(question.range.from_, question.zone),
        to=show(question.range.to, question.zone),
        browsers=shares("browser"),
        versions=shares("version"),
        systems=shares("system"),
        devices=shares("device"),
        languages=shares("language"),
        screens=shares("screen"),
        countries=shares("country"),
        visits=shares("visit"),
        referrers=shares("referrer"),
    )
