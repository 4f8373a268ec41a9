from datetime import UTC, datetime

import pytest

from datalab.errors import Invalid, Missing, TooMany
from datalab.model.accounts import User
from datalab.model.apps import App, IssuedToken
from datalab.model.figures import Audience, Live, Overview, Pages, Point
from datalab.server import views
from datalab.server.jobs import jobs_card
from datalab.server.partition_picker import PartitionPicker

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TODAY = NOW.date()
NO_ARCHIVE = PartitionPicker("", [], False)
NO_JOBS = jobs_card([], "/apps/a1")
TOKEN = IssuedToken(text="abc.def", generation=1, issued=0, expires=None)
ADA = User(id="adalovelace", username="adalovelace", organisation="shop.example", password_hash="", created=0)


def app(name: str = "Shop", token: IssuedToken | None = None, locked: bool = False) -> App:
    return App(
        id="a1",
        organisation="shop.example",
        name=name,
        owner="adalovelace",
        origins=["https://shop.example"],
        created=0,
        locked=locked,
        token=token,
    )


def overview(
    from_: str | None = None, to: str | None = None, starts: tuple[str, ...] = (), sessions: int = 0
) -> Overview:
    return Overview(
        app="a1",
        from_=from_,
        to=to,
        visitors=sessions,
        sessions=sessions,
        page_views=sessions,
        views_per_session=None,
        bounce_rate=None,
        duration_mean=None,
        duration_median=None,
        conversion_rate=None,
        bucket="day",
        series=[Point(start=start, page_views=0, visitors=0, sessions=0) for start in starts],
    )


def figures(of: App, events: int, sessions: int = 0, *, segmented: bool = False) -> views.AppFigures:
    return views.app_figures(
        of,
        overview=overview(sessions=sessions),
        pages=Pages(app="a1", from_=None, to=None, page_views=0, pages=[]),
        audience=Audience(
            app="a1",
            from_=None,
            to=None,
            browsers=[],
            versions=[],
            systems=[],
            devices=[],
            languages=[],
            screens=[],
            countries=[],
            visits=[],
            referrers=[],
        ),
        funnel=None,
        live=Live(app="a1", present=0, events=events),
        now=NOW,
        address="http://pi.local:8080",
        segmented=segmented,
    )


@pytest.mark.parametrize(
    "path", ["/", "/apps/a1", "/apps/a1?from=2026-11-01&to=2026-11-02", "/a?next=//other.example", "/a%20b"]
)
def test_local_paths_are_kept(path: str) -> None:
    assert views.local_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "apps",
        "//other.example",
        "///other.example",
        "/\\other.example",
        "\\\\other.example",
        "/a\\..\\b",
        "https://other.example/",
        "javascript:alert(1)",
        "/\t/other.example",
        "/a\r\nSet-Cookie: x=1",
        "/.//other.example",
        "/..//other.example",
        "/a/../b",
        " /apps",
        "/apps/é",
        "/login?next=/login",
        "/logout",
        "/" + "a" * 2048,
    ],
)
def test_everything_else_leads_to_the_start(text: str) -> None:
    assert views.local_path(text) == "/"


@pytest.mark.parametrize(("text", "kept"), [("dark", "dark"), ("light", "light"), ("", "auto"), ('"><script>', "auto")])
def test_unknown_themes_are_automatic(text: str, kept: str) -> None:
    assert views.theme(text) == kept


def test_an_app_without_token_is_told_to_issue_one() -> None:
    step = figures(app("Landing pages"), events=0).next_step
    assert step is not None
    assert step.commands[0] == "datalab token issue 'shop.example/Landing pages'"


def test_an_app_with_token_is_given_its_snippet() -> None:
    step = figures(app(token=TOKEN, locked=True), events=0).next_step
    assert step is not None
    assert step.commands == ['<script async src="http://pi.local:8080/datalab.js" data-token="abc.def"></script>']


def test_an_empty_range_of_an_app_with_events_leads_to_all_of_them() -> None:
    step = figures(app(token=TOKEN), events=7).next_step
    assert step is not None
    assert (step.link, step.commands) == ("/apps/a1?range=all", [])


def test_figures_with_sessions_have_no_next_step_but_ask_for_a_funnel() -> None:
    shown = figures(app(), events=7, sessions=1)
    assert shown.next_step is None
    assert shown.funnel is None
    assert shown.funnel_step is not None


def test_cards_count_in_words_and_wait_for_a_first_event() -> None:
    card = views.app_card(app(), overview(sessions=1), Live(app="a1", present=1, events=5))
    assert (card.visitors, card.visitors_label, card.waiting) == ("1", "visitor in 7 days", "")
    silent = Live(app="a1", present=0, events=0)
    assert views.app_card(app(), overview(), silent).waiting == "Next: issue a token and paste the snippet"
    assert views.app_card(app(token=TOKEN), overview(), silent).waiting == "Waiting for the first event"
    assert views.app_card(app(), None, None).visitors == ""
    assert views.apps_page([card], ADA).summary == "1 app in shop.example"


def test_present_is_plural_but_for_one() -> None:
    for present, noun in ((0, "visitors"), (1, "visitor"), (2, "visitors")):
        live = Live(app="a1", present=present, events=0)
        assert views.app_page(app(), NO_ARCHIVE, [], None, None, NO_JOBS, live, figures(app(), 0)).present_noun == noun


def test_the_frame_names_the_person_and_marks_the_app() -> None:
    frame = views.frame(ADA, "dark", [app()], "a1")
    assert (frame.person, frame.on_start, frame.apps[0].current) == ("adalovelace", False, True)
    assert views.frame(None, "auto").person == ""


def test_badges_tell_the_lock() -> None:
    assert (views.badge(app()).text, views.badge(app(locked=True)).text) == ("Unlocked", "Locked")


def test_refusals_say_what_to_do() -> None:
    page = views.error_page(Missing("there is no app 'x'"))
    assert (page.status, page.heading, page.detail) == (404, "Not found", "there is no app 'x'")
    assert "list" in page.advice
    assert views.error_page(Invalid("range")).status == 422
    assert views.error_page(TooMany("wait")).heading == "Too many attempts"


def test_the_pages_of_an_app_keep_what_was_chosen() -> None:
    tabs = views.tabs("/apps/a1", "range=7d&segment=x", "funnels")
    assert [tab.href for tab in tabs[:2]] == ["/apps/a1?range=7d&segment=x", "/apps/a1/funnels?range=7d&segment=x"]
    assert [tab.label for tab in tabs if tab.current] == ["Funnels"]
    assert views.tabs("/apps/a1", "", "")[0].href == "/apps/a1"


def test_nobody_in_a_segment_is_told_so() -> None:
    step = figures(app(), events=5, segmented=True).next_step
    assert step is not None
    assert "No visit in this range fits the segment" in step.text
