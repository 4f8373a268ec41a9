"""The pages people read: log in, the list of apps, one app. Handlers gather figures and hand them to a template."""

import asyncio
import math
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import aiohttp_jinja2
from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from datalab.errors import (
    Invalid,
    Missing,
    Refusal,
    SecondFactorNeeded,
    TooMany,
    Unauthenticated,
    Unavailable,
    Underway,
)
from datalab.model.accounts import User
from datalab.model.apps import App
from datalab.model.figures import Live, Overview
from datalab.model.permissions import Action, Actor, may
from datalab.model.ranges import Range, read_range, show
from datalab.model.segments import MAX_TEXT
from datalab.server import range_picker, views
from datalab.server.api.endpoint import demand_plain
from datalab.server.context import COOKIE, PERSON, SERVICES, SETTINGS, clear_cookie, set_cookie
from datalab.server.jobs import jobs_card
from datalab.server.panels import ROUTES, VALUES
from datalab.server.partition_picker import partition_picker
from datalab.server.sections import PARAMETERS, SECTIONS, Section
from datalab.services.insights import About

FRAGMENT = "x-datalab-fragment"
"""Request header: answer only the named part of the page."""
THEME_COOKIE = "datalab_theme"
MAX_USERNAME = 64
MAX_PASSWORD = 256
MAX_CODE = 64
MAX_FORM_BYTES = 16 * 1024
MAX_DATE = 40
RANGE_PARAMETERS = ("range", "from", "to", "partition")
MAX_DIGITS = 9
CARDS_WITH_FIGURES = 40
"""Apps in the list that show figures; the rest are links, so that the page stays quick."""


async def login_page(request: web.Request) -> web.Response:
    """`GET /login?next=...`; somebody logged in goes on at once."""
    goal = views.local_path(request.query.get("next", "/"))
    if request[PERSON] is not None:
        return see_other(goal)
    return page(request, "login.html", views.LoginPage(goal, register=may_register(request)))


async def log_in(request: web.Request) -> web.Response:
    """`POST /login` with username, password and next; a refused attempt shows the same page with its status."""
    form = await posted_form(request)
    goal = views.local_path(field(form, "next", views.MAX_NEXT) or "/")
    username = field(form, "username", MAX_USERNAME)
    password = field(form, "password", MAX_PASSWORD)
    code = field(form, "code", MAX_CODE)
    try:
        if not username or not password:
            raise Unauthenticated("user name or password is empty")
        cookie = await request.app[SERVICES].logins.log_in(
            username, password, request.remote or "", code, request.headers.get("User-Agent", "")
        )
    except (Unauthenticated, TooMany, Unavailable) as refusal:
        # One message for every wrong pair, so that nobody learns which user names exist.
        wanted = isinstance(refusal, SecondFactorNeeded)
        wrong = isinstance(refusal, Unauthenticated) and not wanted
        message = views.WRONG_CREDENTIALS if wrong else refusal.detail
        view = views.LoginPage(goal, username, message, code=wanted, register=may_register(request))
        response = page(request, "login.html", view, status=refusal.status)
        return with_retry(response, refusal)
    if old := request.cookies.get(COOKIE):
        await request.app[SERVICES].logins.log_out(old)
    response = see_other(goal)
    settings = request.app[SETTINGS]
    set_cookie(response, cookie, days=settings.accounts.login_days, secure=settings.server.secure_cookies)
    return response


def may_register(request: web.Request) -> bool:
    """Whether the log-in page leads to registration."""
    return request.app[SETTINGS].accounts.registration == "open"


async def log_out(request: web.Request) -> web.Response:
    """`POST /logout`."""
    cookie = request.cookies.get(COOKIE, "")
    if cookie:
        await request.app[SERVICES].logins.log_out(cookie)
    response = see_other("/login")
    clear_cookie(response)
    return response


async def apps_page(request: web.Request) -> web.Response:
    """`GET /`: the apps the person may see."""
    person = request[PERSON]
    if person is None:
        return to_login(request)
    apps = request.app[SERVICES].directory.visible_to(Actor(person))
    cards = await asyncio.gather(
        *(app_card(request, app, index < CARDS_WITH_FIGURES) for index, app in enumerate(apps))
    )
    return page(request, "apps.html", views.apps_page(cards, person), apps=apps)


async def app_card(request: web.Request, app: App, with_figures: bool) -> views.AppCard:
    """One entry of the list, with the visitors of the last seven days."""
    if not with_figures:
        return views.app_card(app, None, None)
    services = request.app[SERVICES]
    insights = services.insights
    week = preset_range("7d", app.time_zone, services.clock() / 1000)
    return views.app_card(app, await insights.overview(app, About(week)), insights.now(app))


async def app_page(request: web.Request) -> web.Response:
    """`GET /apps/{app}`: the app's first page."""
    return await show_app(request, "")


async def section_page(request: web.Request) -> web.Response:
    """`GET /apps/{app}/{section}`: another one; see `datalab.server.sections`."""
    section = request.match_info["section"]
    if section not in SECTIONS:
        raise Missing("an app has no page of this name")
    return await show_app(request, section)


async def show_app(request: web.Request, section: str) -> web.Response:
    """A page of an app, or only its figures where the fragment is asked for."""
    person = request[PERSON]
    fragment = request.headers.get(FRAGMENT) == "figures"
    if person is None:
        if fragment:
            raise Unauthenticated("nobody is logged in; reload the page")
        return to_login(request)
    services = request.app[SERVICES]
    current = services.directory.find(Actor(person), request.match_info["app"])
    path = f"{views.app_path(current)}/{section}".rstrip("/")
    if "through" in request.query:
        return see_other(canonical(request.query, path))
    app = await services.archive.as_it_was(current, partition_number(request.query))
    archived = app.partition if app.partition != current.partition else None
    clock = services.clock() / 1000
    preset, chosen = chosen_range(request.query, app.time_zone, clock, archived=archived is not None)
    text, fault = request.query.get("segment", "").strip(), ""
    shown: views.AppFigures | Section | None = None
    live = services.insights.now(app)
    starts: list[str] = []
    try:
        about = About(chosen, await services.segments.read(app, text))
    except (Invalid, Missing) as refusal:
        # Figures of somebody else than was asked for would mislead.
        fault = refusal.detail
    else:
        if section:
            made = await SECTIONS[section][1](services.insights, app, about, request.query)
            shown = replace(made, hidden=chosen_parameters(request.query, *RANGE_PARAMETERS, "segment"))
        else:
            overview, shown = await first_page(
                request, app, about, live, archived is None and owner_of(person, current)
            )
            starts = [point.start for point in overview.series]
    if fragment:
        if shown is None:
            raise Invalid(fault)
        template, name = ("app_section.html", "section") if section else ("app_figures.html", "figures")
        response = aiohttp_jinja2.render_template(template, request, {name: shown, "events": live.events})
        response.headers["Cache-Control"] = "private, no-store"
        response.headers["Vary"] = FRAGMENT
        return response
    today = datetime.fromtimestamp(clock, ZoneInfo(app.time_zone)).date()
    zone = app.time_zone
    common = urlencode(chosen_parameters(request.query, *RANGE_PARAMETERS, "segment"))
    days = range_picker.first_and_last_day(show(chosen.from_, zone), show(chosen.to, zone), starts)
    shown_page = views.app_page(
        current,
        partition_picker(path, await services.archive.all(current), current, archived),
        views.tabs(views.app_path(app), common, section),
        None if section == "now" else range_picker.range_picker(path, zone, preset, days, today, archived, text),
        None if section == "now" else await segment_bar(request, current, path, text, fault),
        jobs_card(services.jobs.of(current.id), views.app_path(current)),
        live,
        shown,
    )
    apps = services.directory.visible_to(Actor(person))
    return page(request, "app.html", shown_page, apps=apps, current=app.id, status=422 if fault else 200)


async def first_page(
    request: web.Request, app: App, about: About, live: Live, tell_token: bool
) -> tuple[Overview, views.AppFigures]:
    """Headline, line, headline funnel, routes, audience."""
    insights = request.app[SERVICES].insights
    overview, pages, audience, funnel = await asyncio.gather(
        insights.overview(app, about),
        insights.pages(app, about, limit=ROUTES),
        insights.audience(app, about, limit=VALUES),
        insights.funnel(app, about) if app.configuration.headline else nothing(),
    )
    return overview, views.app_figures(
        app,
        overview=overview,
        pages=pages,
        audience=audience,
        funnel=funnel,
        live=live,
        now=datetime.fromtimestamp(request.app[SERVICES].clock() / 1000, ZoneInfo(app.time_zone)),
        address=str(request.url.origin()) if tell_token else "",
        segmented=bool(about.segment.filters),
    )


async def segment_bar(request: web.Request, app: App, path: str, text: str, fault: str) -> views.SegmentBar:
    """Of the page at `path`."""
    services, person = request.app[SERVICES], request[PERSON]
    saved = await services.segments.all(Actor(person), app)
    hidden = chosen_parameters(request.query, *RANGE_PARAMETERS, *PARAMETERS)
    return views.SegmentBar(
        path=path,
        text=text,
        fault=fault,
        saved=[segment.name for segment in saved],
        hidden=hidden,
        clear=f"{path}?{urlencode(hidden)}" if hidden else path,
    )


def chosen_parameters(query: Mapping[str, str], *names: str) -> list[tuple[str, str]]:
    """Those of these names that are there."""
    return [(name, value) for name, value in query.items() if name in names]


def error_page(request: web.Request, refusal: Refusal) -> web.Response:
    """A refusal as a page, with its status and, where given, `Retry-After`."""
    response = page(request, "error.html", views.error_page(refusal), status=refusal.status)
    return with_retry(response, refusal)


async def nothing() -> None:
    """Stands in for the funnel of an app that has none."""


def partition_number(query: Mapping[str, str]) -> int | None:
    """The partition that a query asks for; raises Invalid."""
    text = query.get("partition", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > MAX_DIGITS:
        raise Invalid(f"partition {text[:20]!r} is no number")
    return int(text)


def owner_of(person: User, app: App) -> bool:
    """Whether the person is told the token, to paste the snippet."""
    return may(Actor(person), app, Action.TOKEN)


def chosen_range(
    query: Mapping[str, str], zone: str, clock: float, *, archived: bool = False
) -> tuple[str | None, Range]:
    """The preset (None for two dates) and the range that a query asks for, by default all of an archived partition.

    Raises Invalid.
    """
    from_text, to_text = query.get("from"), query.get("to")
    if from_text or to_text:
        if len(from_text or "") > MAX_DATE or len(to_text or "") > MAX_DATE:
            raise Invalid("a date of the range is too long; give dates like 2026-11-24")
        return None, read_range(from_text, to_text, zone, round(clock * 1000))
    preset = query.get("range", "all" if archived else range_picker.DEFAULT_PRESET)
    if preset not in range_picker.PRESETS:
        raise Invalid(f"range {preset[:20]!r} is not one of {', '.join(range_picker.PRESETS)}")
    return preset, preset_range(preset, zone, clock)


def preset_range(preset: str, zone: str, clock: float) -> Range:
    """The range of a preset in the app's time zone; `clock` is in seconds since the epoch."""
    today = datetime.fromtimestamp(clock, ZoneInfo(zone)).date()
    return read_range(*range_picker.preset_dates(preset, today), zone, round(clock * 1000))


def canonical(query: Mapping[str, str], path: str) -> str:
    """Address for the range form, whose last day is included, while `to` in an address is not."""
    dates = {"from": query.get("from", ""), "to": range_picker.day_after(query.get("through", ""))}
    given = {name: text[:MAX_DATE] for name, text in dates.items() if text} or {"range": "all"}
    if number := partition_number(query):
        given["partition"] = str(number)
    if segment := query.get("segment"):
        given["segment"] = segment[:MAX_TEXT]
    return f"{path}?{urlencode(given)}"


async def posted_form(request: web.Request) -> Mapping[str, object]:
    """The fields of a form; raises Invalid where it is too large, packed otherwise or not in UTF-8."""
    if (request.content_length or 0) > MAX_FORM_BYTES:
        raise Invalid(f"the form is larger than {MAX_FORM_BYTES} bytes")
    if request.content_type != "application/x-www-form-urlencoded":
        raise Invalid(f"the form came as {request.content_type[:60]!r}; send application/x-www-form-urlencoded")
    demand_plain(request)
    try:
        return await request.post()
    except (LookupError, UnicodeError):
        raise Invalid("the form is not in UTF-8") from None


def field(form: Mapping[str, object], name: str, longest: int) -> str:
    """A text field of a form, empty where it is missing; raises Invalid where it is a file or too long."""
    value = form.get(name, "")
    if not isinstance(value, str):
        raise Invalid(f"{name} is a file; it must be text")
    if len(value) > longest:
        raise Invalid(f"{name} is longer than {longest} characters")
    return value


def page(
    request: web.Request,
    template: str,
    view: Struct,
    *,
    status: int = 200,
    apps: list[App] | None = None,
    current: str = "",
) -> web.Response:
    """Render a whole page; it is never kept by a cache between browser and appliance."""
    person: User | None = request.get(PERSON)
    remembered = views.theme(request.cookies.get(THEME_COOKIE, "auto"))
    frame = views.frame(person, remembered, apps or [], current)
    response = aiohttp_jinja2.render_template(template, request, {"frame": frame, "page": view}, status=status)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = FRAGMENT
    return response


def to_login(request: web.Request) -> web.Response:
    """To the login page, and back to where the person wanted to go."""
    goal = views.local_path(request.path_qs)
    return see_other("/login" if goal == "/" else f"/login?{urlencode({'next': goal})}")


def see_other(path: str) -> web.Response:
    """303, so that a reload does not send the form again."""
    return web.Response(status=303, headers={"Location": path})


def with_retry(response: web.Response, refusal: Refusal) -> web.Response:
    """Tell when trying again makes sense; a page that waits for its figures does so by itself."""
    if isinstance(refusal, Underway):
        response.headers["Refresh"] = str(math.ceil(refusal.retry_after or 1))
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    return response
