"""Random questions to a history: ranges, segments, and the figures asked for."""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from datalab.aggregate import audience, campaigns, elements, funnel, journey, overview, pages, retention, surroundings
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.model.figures import Answer, Audience, Campaigns
from datalab.model.ranges import Range
from datalab.model.segments import EVERYBODY, Filter, Operator, Segment
from tests.aggregate.choices import Choices
from tests.aggregate.histories import STARTS, History
from tests.aggregate.reference import campaigns as slow_campaigns
from tests.aggregate.reference import elements as slow_elements
from tests.aggregate.reference import funnel as slow_funnel
from tests.aggregate.reference import journey as slow_journey
from tests.aggregate.reference import overview as slow_overview
from tests.aggregate.reference import retention as slow_retention
from tests.aggregate.reference.partition import MANY, SINGLE, Reference
from tests.aggregate.reference.wall import DAY

FAST: dict[str, Callable[..., Answer]] = {
    "overview": overview.overview,
    "pages": pages.pages,
    "audience": audience.audience,
    "campaigns": campaigns.campaigns,
    "elements": elements.elements,
    "funnel": funnel.funnel,
    "journey": journey.journey,
    "surroundings": surroundings.surroundings,
    "retention": retention.retention,
}
SLOW: dict[str, Callable[..., Answer]] = {
    "overview": slow_overview.overview,
    "pages": slow_overview.pages,
    "audience": slow_overview.audience,
    "campaigns": slow_campaigns.campaigns,
    "elements": slow_elements.elements,
    "funnel": slow_funnel.funnel,
    "journey": slow_journey.journey,
    "surroundings": slow_journey.surroundings,
    "retention": slow_retention.retention,
}
OPERATORS: list[Operator] = ["is", "is not", "contains", "glob"]
NOBODYS = ["Nobody's", "(other)", "(none)", "(direct)"]
LONGEST_BY_HOUR = 150 * DAY
"""More than 4,000 buckets are refused."""
LONGEST_BY_COHORTS_OF_DAYS = 100 * DAY
"""More than 120 cohorts are refused."""


class Ask(NamedTuple):
    """One figure of a question."""

    figure: str
    arguments: dict[str, Any]


class Asked(NamedTuple):
    """A question, and the figures asked for under it."""

    question: Question
    asks: list[Ask]

    def of_engine(self, aggregate: PartitionAggregate) -> list[tuple[Ask, Answer]]:
        return [(ask, plain(FAST[ask.figure](aggregate, self.question, **ask.arguments))) for ask in self.asks]

    def of_reference(self, reference: Reference) -> list[tuple[Ask, Answer]]:
        return [(ask, plain(SLOW[ask.figure](reference, self.question, **ask.arguments))) for ask in self.asks]


def plain(answer: Answer) -> Answer:
    """Without what is no figure, and campaign fields in the order of their names, since theirs is not defined."""
    if isinstance(answer, Campaigns):
        answer = replace(answer, fields=sorted(answer.fields, key=lambda field: field.field))
    if isinstance(answer, Audience):
        answer = replace(answer, attribution="")
    return replace(answer, segment="")


def make_asked(choices: Choices, history: History, reference: Reference) -> Asked:
    """A question of some, the segment taken from the values that somebody has."""
    question = Question(
        app="a1",
        range=make_range(choices, history),
        zone=history.zone,
        segment=make_segment(choices, reference),
    )
    return Asked(question, make_asks(choices, history, reference, question.range))


def make_range(choices: Choices, history: History) -> Range:
    """Ends at events, beside them, at quarters of an hour, outside of everything, or open."""
    times = [each.time for each in history.happenings] or [STARTS[history.zone]]

    def end() -> int | None:
        if choices.number(0, 3) == 0:
            return None
        time = choices.pick(times)
        near = time + choices.number(-(10**7), 10**7)
        return choices.pick([time, time + 1, time // 900_000 * 900_000, near, time - 10**9])

    from_, to = end(), end()
    if from_ is not None and to is not None and from_ >= to:
        from_, to = to, from_ + 1
    return Range(from_, to)


def make_segment(choices: Choices, reference: Reference) -> Segment:
    count = choices.pick([0, 1, 1, 2, 3])
    return Segment(tuple(make_filter(choices, reference) for _ in range(count)))


def make_filter(choices: Choices, reference: Reference) -> Filter:
    funnels = reference.configuration.funnel
    dimension = choices.pick([*SINGLE, *MANY] if funnels else [*SINGLE, *MANY[:-1]])
    if dimension == "stage":
        funnel = choices.pick(funnels)
        stage = choices.number(1, len(funnel.stage))
        return Filter(dimension, choices.pick(OPERATORS[:2]), f"{stage} of {funnel.name}")
    values = sorted({value for session in reference.sessions for value in session.values(dimension)})
    value = choices.pick([*values, *values, *NOBODYS])
    operator = choices.pick(OPERATORS)
    if operator == "contains":
        begin = choices.number(0, len(value) - 1)
        value = value[begin : begin + choices.number(1, 5)].swapcase()
    elif operator == "glob":
        place = choices.number(0, len(value) - 1)
        value = value[:place] + choices.pick(["?" + value[place + 1 :], "*", "*" + value[place:]])
    return Filter(dimension, operator, value)


def make_asks(choices: Choices, history: History, reference: Reference, range: Range) -> list[Ask]:
    """Some figures, in any order, with any arguments."""
    times = [each.time for each in history.happenings] or [0]
    length = (max(times) if range.to is None else range.to) - (min(times) if range.from_ is None else range.from_)
    buckets = [None, None, "day", "week", "month", *(["hour"] if length < LONGEST_BY_HOUR else [])]
    routes = sorted({route for session in reference.sessions for route in session.routes})
    funnels = len(history.rules.configuration.funnel)

    def make_ask(choices: Choices) -> Ask:
        figure = choices.pick([name for name in FAST if name != "funnel"] + ["funnel"] * 3 * (funnels > 0))
        limit = choices.pick([None, None, 1, 2])
        arguments: dict[str, Any] = {}
        if figure == "overview":
            before = choices.pick([None, make_range(choices, history)])
            arguments = {"before": before, "bucket": choices.pick(buckets)}
        elif figure in ("pages", "audience"):
            arguments = {"limit": limit}
        elif figure == "campaigns":
            arguments = {"touch": choices.pick(["session", "last", "first"]), "limit": limit}
        elif figure == "funnel":
            arguments = {
                "number": choices.number(0, funnels - 1),
                "unit": choices.pick(["visitors", "sessions"]),
                "order": choices.pick(["ordered", "ordered", "any"]),
                "split": choices.pick([None, *SINGLE]),
                "limit": limit or 10,
            }
        elif figure == "journey":
            arguments = {"top": choices.pick([None, 0, 1, 2, 3]), "paths": limit or 50}
        elif figure == "surroundings":
            arguments = {
                "route": choices.pick([*routes, "/nowhere"]),
                "direction": choices.pick(["after", "before"]),
                "top": limit,
            }
        elif figure == "retention":
            days = ["day"] if length < LONGEST_BY_COHORTS_OF_DAYS else []
            arguments = {"period": choices.pick([None, "week", "month", *days])}
        return Ask(figure, arguments)

    return choices.some(make_ask, 1, 8)


def usual(range_: Range, zone: str, funnels: int, segment: Segment = EVERYBODY) -> Asked:
    """Every figure, as a dashboard asks for them; `/` and `/cart` are on every site."""
    asks = [
        *(Ask(figure, {}) for figure in ("overview", "pages", "audience", "elements", "journey", "retention")),
        *(Ask("campaigns", {"touch": touch}) for touch in ("session", "last", "first")),
        *(Ask("journey", {"top": top}) for top in (1, 2)),
        *(
            Ask("surroundings", {"route": route, "direction": direction, "top": top})
            for route, top in (("/", None), ("/cart", 1), ("/cart", 2))
            for direction in ("after", "before")
        ),
        *(
            Ask("funnel", {"number": number, "unit": unit, "order": order})
            for number in range(funnels)
            for unit in ("visitors", "sessions")
            for order in ("ordered", "any")
        ),
    ]
    return Asked(Question(app="a1", range=range_, zone=zone, segment=segment), asks)
