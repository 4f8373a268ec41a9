"""What each page shows, as typed structs made from model and figures; nothing here knows a request."""

import re
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from datalab.errors import Refusal
from datalab.model.accounts import User
from datalab.model.apps import App
from datalab.model.figures import Audience, FunnelFigures, Live, Overview, Pages
from datalab.server import next_steps, panels
from datalab.server.jobs import JobsCard
from datalab.server.next_steps import NextStep
from datalab.server.notation import counted, noun, number
from datalab.server.partition_picker import PartitionPicker
from datalab.server.range_picker import RangePicker
from datalab.server.sections import SECTIONS, Section

THEMES = ("auto", "light", "dark")
MAX_NEXT = 2048
LOCAL_PATH = re.compile(r"/[!-\[\]-~]*")
"""Printable ASCII without space and backslash; anything else arrives percent-encoded."""

WRONG_CREDENTIALS = "User name or password is wrong. Check both and try again."

ADVICE = {
    "missing": "It may have been removed, or you may not be a member. Check the address, or choose from the list.",
    "forbidden": "Ask the owner of the app or the admin of your organisation for access.",
    "invalid": "Go back, correct it and try again.",
    "malformed": "Go back, correct it and try again.",
    "unauthenticated": "Log in and open the page again.",
    "locked": "Unlock the app first, then change its configuration.",
    "too-many": "Wait a little, then try again.",
    "underway": "This page looks again by itself.",
    "unavailable": "Try again in a moment; if it stays like this, run “datalab doctor” on the appliance.",
}
HEADINGS = {
    401: "Please log in",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Conflict",
    413: "Too large",
    422: "That does not fit",
    429: "Too many attempts",
    500: "Something went wrong",
    503: "Not available right now",
}


class MenuEntry(Struct, frozen=True):
    """An app in the side menu."""

    name: str
    href: str
    current: bool


class Frame(Struct, frozen=True):
    """What surrounds every page; `person` is empty where nobody is logged in."""

    theme: str
    person: str = ""
    organisation: str = ""
    apps: list[MenuEntry] = []
    on_start: bool = False


class LoginPage(Struct, frozen=True):
    """`message` says why the last attempt failed, empty for the first."""

    next: str
    username: str = ""
    message: str = ""
    code: bool = False
    """Whether the code of a second factor is asked for."""
    register: bool = False
    """Whether there is a way to registration."""


class Badge(Struct, frozen=True):
    """State of an app's configuration."""

    locked: bool
    text: str
    meaning: str


class AppFigures(Struct, frozen=True):
    """The part of an app's page that changes while it is open."""

    events: int
    headline: list[panels.HeadlineFigure]
    series: panels.Series
    funnel: panels.FunnelCard | None
    funnel_step: NextStep | None
    compared: str
    """The days that the headline is compared with, empty for none."""
    routes: panels.RouteTable
    audience: list[panels.BarCard]
    attribution: str
    """Where countries are known from."""
    next_step: NextStep | None
    """Given where nothing was counted in the range; the panels are then left out."""


class AppCard(Struct, frozen=True):
    """One app in the list."""

    organisation: str
    name: str
    href: str
    description: str
    sites: str
    tags: list[str]
    badge: Badge
    present: str
    visitors: str
    visitors_label: str
    line: str
    waiting: str
    """What to do next where nothing was counted yet, empty otherwise."""


class AppsPage(Struct, frozen=True):
    """The apps a person may see."""

    summary: str
    apps: list[AppCard]
    next_step: NextStep
    """Shown where there is no app."""


class Tab(Struct, frozen=True):
    """A page of the app."""

    label: str
    href: str
    current: bool


class SegmentBar(Struct, frozen=True):
    """Whose visits are shown."""

    path: str
    text: str
    """As it was asked for."""
    fault: str
    """Why it could not be read, empty where it could."""
    saved: list[str]
    """Names of saved segments."""
    hidden: list[tuple[str, str]]
    """Parameters of the address that stay as they are."""
    clear: str
    """Address of the same page without a segment."""


class AppPage(Struct, frozen=True):
    """One app."""

    id: str
    organisation: str
    name: str
    description: str
    sites: list[str]
    tags: list[str]
    badge: Badge
    present: str
    present_noun: str
    partitions: PartitionPicker
    tabs: list[Tab]
    picker: RangePicker | None
    """None on a page that is about now."""
    segment: SegmentBar | None
    jobs: JobsCard
    figures: AppFigures | None = None
    """Of the first page; None where the segment is at fault."""
    section: Section | None = None
    """Of the others."""
    events: int = 0


class ErrorPage(Struct, frozen=True):
    """A refusal, and the way on."""

    status: int
    heading: str
    detail: str
    advice: str


def local_path(text: str) -> str:
    """The path to go to after logging in: `text` where it can only mean a page of this appliance, else `/`."""
    path = text.partition("?")[0].partition("#")[0]
    if len(text) > MAX_NEXT or not LOCAL_PATH.fullmatch(text):
        return "/"
    if "//" in path or any(part in {".", ".."} for part in path.split("/")):
        return "/"
    return "/" if path in {"/login", "/logout"} else text


def theme(text: str) -> str:
    """The remembered theme, `auto` for anything unknown."""
    return text if text in THEMES else "auto"


def frame(user: User | None, theme: str, apps: Sequence[App] = (), current: str = "") -> Frame:
    """The frame for a person, `current` being the id of the app shown."""
    if user is None:
        return Frame(theme)
    name = f"{user.first_name} {user.last_name}".strip() or user.username
    entries = [MenuEntry(app.name, app_path(app), app.id == current) for app in apps]
    return Frame(theme, name, user.organisation, entries, not current)


def app_path(app: App) -> str:
    """Address of the app's page."""
    return f"/apps/{app.id}"


def badge(app: App) -> Badge:
    """Locked or unlocked, with what it means."""
    if app.locked:
        return Badge(True, "Locked", "A token is in use, so the configuration cannot change")
    return Badge(False, "Unlocked", "The configuration can be changed; issuing a token locks it")


def apps_page(cards: Sequence[AppCard], person: User) -> AppsPage:
    """The list, in the order given."""
    return AppsPage(
        summary=f"{counted(len(cards), 'app', 'apps')} in {person.organisation}",
        apps=list(cards),
        next_step=next_steps.first_app(person),
    )


def app_card(app: App, week: Overview | None, live: Live | None) -> AppCard:
    """One entry of the list; without figures it is a plain link."""
    return AppCard(
        organisation=app.organisation,
        name=app.name,
        href=app_path(app),
        description=app.description,
        sites=", ".join(site(origin) for origin in app.origins),
        tags=app.tags,
        badge=badge(app),
        present=number(live.present) if live else "",
        visitors=number(week.visitors) if week else "",
        visitors_label=f"{noun(week.visitors, 'visitor', 'visitors')} in 7 days" if week else "",
        line=panels.sparkline(week.series) if week and week.visitors else "",
        waiting=next_steps.waiting(app, live),
    )


def site(origin: str) -> str:
    """An origin without its scheme."""
    return origin.partition("://")[2] or origin


def app_page(
    app: App,
    partitions: PartitionPicker,
    tabs: list[Tab],
    picker: RangePicker | None,
    segment: SegmentBar | None,
    jobs: JobsCard,
    live: Live,
    shown: AppFigures | Section | None,
) -> AppPage:
    """One app's page."""
    return AppPage(
        id=app.id,
        organisation=app.organisation,
        name=app.name,
        description=app.description,
        sites=app.origins,
        tags=app.tags,
        badge=badge(app),
        present=number(live.present),
        present_noun=noun(live.present, "visitor", "visitors"),
        partitions=partitions,
        tabs=tabs,
        picker=picker,
        segment=segment,
        jobs=jobs,
        figures=shown if isinstance(shown, AppFigures) else None,
        section=shown if isinstance(shown, Section) else None,
        events=live.events,
    )


def tabs(path: str, query: str, current: str) -> list[Tab]:
    """The app's pages; `query` is what all of them have in common."""
    pages = {"": "Overview", **{name: label for name, (label, _) in SECTIONS.items()}}
    return [
        Tab(label, f"{path}{'/' if name else ''}{name}{'?' if query else ''}{query}", name == current)
        for name, label in pages.items()
    ]


def app_figures(
    app: App,
    *,
    overview: Overview,
    pages: Pages,
    audience: Audience,
    funnel: FunnelFigures | None,
    live: Live,
    now: datetime,
    address: str,
    segmented: bool,
) -> AppFigures:
    """The changing part; `address` is the appliance's own, for the snippet to paste."""
    counted_any = overview.sessions > 0
    missing = next_steps.nobody_in_segment() if segmented else next_steps.first_visit(app, live, address)
    return AppFigures(
        events=live.events,
        headline=panels.headline(overview, funnel.funnel if funnel else None),
        series=panels.series(overview, app.time_zone, now),
        funnel=panels.funnel_card(funnel) if funnel else None,
        funnel_step=None if funnel else next_steps.first_funnel(app),
        compared=panels.period_compared(overview),
        routes=panels.route_table(pages),
        audience=panels.audience_cards(audience, overview.visitors),
        attribution=audience.attribution,
        next_step=None if counted_any else missing,
    )


def error_page(refusal: Refusal) -> ErrorPage:
    """A refusal in words."""
    heading = HEADINGS.get(refusal.status, "That did not work")
    return ErrorPage(refusal.status, heading, refusal.detail, ADVICE.get(refusal.code, "Go back and try again."))
