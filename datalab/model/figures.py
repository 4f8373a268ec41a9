"""The answers: what the dashboard, the API and the CLI show. Every figure is defined in SEMANTICS.md.

Durations are in seconds, rates and shares in 0..1; None stands where nothing was counted. Moments are RFC 3339 in the
app's time zone. Lists are ordered by their first count, highest first, equal ones by name.
"""

from msgspec import Struct, field


class Answer(Struct, frozen=True, kw_only=True):
    """What every answer says of its question."""

    app: str
    from_: str | None = field(name="from")
    to: str | None
    """None for an open end."""
    segment: str = ""
    """The filters as text (see `datalab.model.segments`), empty for everybody."""


class Totals(Struct, frozen=True, kw_only=True):
    """Headline figures."""

    visitors: int
    sessions: int
    page_views: int
    views_per_session: float | None
    bounce_rate: float | None
    duration_mean: float | None
    duration_median: float | None
    conversion_rate: float | None
    """None where no funnel is configured."""


class Point(Struct, frozen=True, kw_only=True):
    """One bucket of a series: what happened between its start and the next one's."""

    start: str
    page_views: int
    visitors: int
    sessions: int


class Overview(Answer, frozen=True, kw_only=True):
    """Headline figures of a range, those of the period before it, and their line."""

    visitors: int
    sessions: int
    page_views: int
    views_per_session: float | None
    bounce_rate: float | None
    duration_mean: float | None
    duration_median: float | None
    conversion_rate: float | None
    previous_from: str | None = None
    previous_to: str | None = None
    previous: Totals | None = None
    """Of the period before (see `datalab.model.ranges.period_before`), None for a range with an open beginning."""
    bucket: str
    """`hour`, `day`, `week` or `month`."""
    series: list[Point]


class Page(Struct, frozen=True, kw_only=True):
    """One route; `seconds_mean` is the mean time on it."""

    route: str
    views: int
    visitors: int
    entries: int
    exits: int
    seconds_mean: float | None


class Pages(Answer, frozen=True, kw_only=True):
    """Routes, most viewed first."""

    page_views: int
    pages: list[Page]


class Share(Struct, frozen=True, kw_only=True):
    """One value of a dimension."""

    value: str
    visitors: int
    sessions: int


class Audience(Answer, frozen=True, kw_only=True):
    """Who came, and from where; each list by sessions."""

    browsers: list[Share]
    versions: list[Share]
    """Browser and its major version, `Firefox 128`."""
    systems: list[Share]
    devices: list[Share]
    languages: list[Share]
    screens: list[Share]
    """Classes by width in CSS pixels (see `datalab.model.agents.screen_class`)."""
    countries: list[Share]
    """ISO 3166-1 codes of two letters."""
    visits: list[Share]
    """`new`: a visitor's first session in the partition, `returning`: later ones."""
    referrers: list[Share]
    attribution: str = ""
    """Where countries are known from, to be shown beside them; empty for nowhere."""


class CampaignValue(Struct, frozen=True, kw_only=True):
    """One value of a campaign field; `reached` counts, for each stage of the headline funnel, the visitors who reached
    it in sessions of this value."""

    value: str
    sessions: int
    visitors: int
    reached: list[int]
    conversion: float | None
    """Visitors that reached the last stage / visitors; None without a funnel."""


class CampaignField(Struct, frozen=True, kw_only=True):
    """The values of one field: `campaign` (the configured ones, by name) or `utm_source` and so on."""

    field: str
    values: list[CampaignValue]
    """Without sessions that have none."""


class Campaigns(Answer, frozen=True, kw_only=True):
    """Campaigns by every field, and how far their visitors came."""

    touch: str
    """Which campaign a session is counted for. `session`: that of its own first tagged page view; `last`: where it has
    none and came directly, that of the visitor's last session before it that was not direct; `first`: that of the
    visitor's first session that had one."""
    funnel: str | None
    stages: list[str]
    fields: list[CampaignField]


class ActionFigures(Struct, frozen=True, kw_only=True):
    """How often pointing at an element ended in this action, and after how long."""

    count: int
    share: float | None
    seconds_mean: float | None
    seconds_median: float | None


class HoverBand(Struct, frozen=True, kw_only=True):
    """Episodes that lasted at least `from_seconds` and less than `to_seconds` (None: without end)."""

    from_seconds: float
    to_seconds: float | None
    episodes: int
    clicked: int
    share: float | None
    """Clicked / episodes."""


class ElementFigures(Struct, frozen=True, kw_only=True):
    """An element of interest. An episode begins when the pointer enters and ends in a click or in leaving."""

    name: str
    episodes: int
    clicked: ActionFigures
    left: ActionFigures
    clicks: int
    """Clicks on the element or something within it, of mouse, finger or keyboard."""
    sessions: int
    visitors: int
    """With an episode or a click in the range."""
    bands: list[HoverBand]
    correlation: float | None
    """Pearson's r of an episode's length and whether it ended in a click (0 or 1); None where either never varies."""


class Elements(Answer, frozen=True, kw_only=True):
    """Elements of interest in the order of the configuration."""

    elements: list[ElementFigures]


class NextRoute(Struct, frozen=True, kw_only=True):
    """Where units that left a funnel went: a route, or `(exit)`."""

    route: str
    count: int


class StageFigures(Struct, frozen=True, kw_only=True):
    """One stage of a funnel; `seconds_*` are of those who went on, `dropped_seconds_*` of those who did not."""

    name: str
    reached: int
    step_conversion: float | None
    conversion: float | None
    overall: float | None
    """Reached / all units in the range."""
    dropped: int
    next: list[NextRoute]
    seconds_mean: float | None
    seconds_median: float | None
    seconds_p90: float | None
    """The smallest time that at least 90 % of them did not exceed (nearest rank)."""
    dropped_seconds_mean: float | None
    dropped_seconds_median: float | None
    dropped_seconds_p90: float | None


class FunnelSplit(Struct, frozen=True, kw_only=True):
    """The funnel of the sessions that have one value of a dimension."""

    value: str
    visitors: int
    """All units with this value."""
    reached: list[int]
    conversion: float | None
    """The last stage's / `visitors`."""


class FunnelFigures(Answer, frozen=True, kw_only=True):
    """A funnel over a range."""

    funnel: str
    unit: str
    """`visitors` or `sessions`."""
    order: str
    """`ordered` or `any`."""
    visitors: int
    """All units in the range, whether or not they reached a stage."""
    stages: list[StageFigures]
    split_by: str | None = None
    split: list[FunnelSplit] = []
    """The values with most sessions."""


class Edge(Struct, frozen=True, kw_only=True):
    """From one route to the next; `(entry)` and `(exit)` stand for the ends of sessions, `(other)` for folded ones."""

    from_: str = field(name="from")
    to: str
    sessions: int
    times: int


class PathFigures(Struct, frozen=True, kw_only=True):
    """The routes of sessions in order, immediate repeats removed, cut at 10 steps."""

    routes: list[str]
    sessions: int


class Journey(Answer, frozen=True, kw_only=True):
    """How sessions went through the site."""

    sessions: int
    """With at least one page view."""
    edges: list[Edge]
    paths: list[PathFigures]
    """The most frequent ones."""


class Step(Struct, frozen=True, kw_only=True):
    """Sessions that went from one place to another between two steps: routes, `(exit)` or `(entry)`, `(other)`."""

    step: int
    """1..5, counted away from the route asked for."""
    from_: str = field(name="from")
    to: str
    sessions: int


class Surroundings(Answer, frozen=True, kw_only=True):
    """What happened after, or before, each session's first view of a route."""

    route: str
    direction: str
    """`after` or `before`."""
    sessions: int
    """That viewed the route."""
    steps: list[Step]
    """By step; `from` is nearer to the route asked for."""


class Cell(Struct, frozen=True, kw_only=True):
    """Visitors of a cohort with a session in the period that lies `period` periods after the cohort's own, 0 in it."""

    period: int
    visitors: int
    share: float


class Cohort(Struct, frozen=True, kw_only=True):
    """Visitors whose first session of the partition began in one period."""

    start: str
    visitors: int
    cells: list[Cell]
    """From period 0 to the last period of the range, those without anybody too."""


class Retention(Answer, frozen=True, kw_only=True):
    """Who came back, by the time since the first session. Only sessions that begin in the range count."""

    period: str
    """`day`, `week` or `month`."""
    cohorts: list[Cohort]
    """In the order of time; those without visitors are left out."""


class LiveCount(Struct, frozen=True, kw_only=True):
    """Visitors present on a route or in a stage."""

    name: str
    visitors: int


class LiveEvent(Struct, frozen=True, kw_only=True):
    """One of the last events."""

    time: str
    kind: str
    """As in an export's record: `urlchange`, `click`, `hover`, `move`, `custom`."""
    what: str
    """A page view's route, a click's or hover's element or target, a custom event's name."""


class Live(Struct, frozen=True, kw_only=True):
    """What changes by the second."""

    app: str
    present: int
    """Visitors with an open socket now."""
    events: int
    """Events in the open partition."""


class LiveFigures(Struct, frozen=True, kw_only=True):
    """What happens now."""

    app: str
    present: int
    events: int
    routes: list[LiveCount]
    """Present visitors by the route they viewed last."""
    stages: list[LiveCount]
    """Present visitors by the furthest stage of the headline funnel that their current session reached, in the
    funnel's order, after them `(none)`."""
    feed: list[LiveEvent]
    """Events of the last five minutes, newest first, 50 at most."""
