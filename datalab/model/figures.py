"""The answers: what the dashboard, the API and the CLI show. Every figure is defined in SEMANTICS.md."""

from msgspec import Struct, field


class Point(Struct, frozen=True, kw_only=True):
    """One bucket of a series; `start` is RFC 3339 in the app's time zone."""

    start: str
    page_views: int
    visitors: int


class Overview(Struct, frozen=True, kw_only=True):
    """Headline figures of a range; durations in seconds, rates in 0..1, None where nothing was counted."""

    app: str
    from_: str | None = field(name="from")
    to: str | None
    """RFC 3339 in the app's time zone; None for an open end."""
    visitors: int
    sessions: int
    page_views: int
    views_per_session: float | None
    bounce_rate: float | None
    duration_mean: float | None
    duration_median: float | None
    conversion_rate: float | None
    """None where no funnel is configured."""
    bucket: str
    """`hour` or `day`."""
    series: list[Point]


class Page(Struct, frozen=True, kw_only=True):
    """One route; `seconds_mean` is the mean time on it."""

    route: str
    views: int
    visitors: int
    entries: int
    exits: int
    seconds_mean: float | None


class Pages(Struct, frozen=True, kw_only=True):
    """Routes, most viewed first."""

    app: str
    from_: str | None = field(name="from")
    to: str | None
    page_views: int
    pages: list[Page]


class Share(Struct, frozen=True, kw_only=True):
    """One value of a dimension."""

    value: str
    visitors: int
    sessions: int


class Audience(Struct, frozen=True, kw_only=True):
    """Who came, and from where; each list is ordered by visitors."""

    app: str
    from_: str | None = field(name="from")
    to: str | None
    browsers: list[Share]
    systems: list[Share]
    devices: list[Share]
    languages: list[Share]
    referrers: list[Share]


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
    dropped: int
    next: list[NextRoute]
    seconds_mean: float | None
    seconds_median: float | None
    dropped_seconds_mean: float | None
    dropped_seconds_median: float | None


class FunnelFigures(Struct, frozen=True, kw_only=True):
    """A funnel over a range."""

    app: str
    funnel: str
    unit: str
    """`visitors` or `sessions`."""
    order: str
    """`ordered` or `any`."""
    from_: str | None = field(name="from")
    to: str | None
    visitors: int
    """All units in the range, whether or not they reached a stage."""
    stages: list[StageFigures]


class Live(Struct, frozen=True, kw_only=True):
    """What changes by the second."""

    app: str
    present: int
    """Visitors with an open socket now."""
    events: int
    """Events in the open partition."""
