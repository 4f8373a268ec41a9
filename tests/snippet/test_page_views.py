import pytest
from playwright.async_api import Page

from datalab.model import wire
from tests.snippet.appliance import VISITOR, Appliance
from tests.snippet.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def test_a_page_load_is_one_view_and_says_hello_with_what_it_knows(
    page: Page, site: Site, appliance: Appliance
) -> None:
    await page.goto(f"{site.address}/start?utm_source=mail#details", referer="https://search.example/q")
    await appliance.until(appliance.events)
    assert appliance.urls() == ["start?utm_source=mail"]
    assert appliance.tokens == ["the-token"]
    [hello] = appliance.hellos
    assert hello.page == f"{site.address}/start?utm_source=mail"
    assert hello.referrer.startswith("https://search.example/")
    assert hello.screen == await page.evaluate("screen.width + 'x' + screen.height")
    assert hello.language == await page.evaluate("navigator.language")
    assert (hello.visitor, hello.session) == (None, None)
    [view] = appliance.events()
    assert abs(view.time - hello.session_start) < 60_000
    assert view.sequence == 1


async def test_the_next_page_load_is_the_same_visitor_in_a_new_session(
    page: Page, site: Site, appliance: Appliance
) -> None:
    await page.goto(f"{site.address}/first")
    await appliance.until(lambda: len(appliance.events()) == 1)
    await page.goto(f"{site.address}/second")
    await appliance.until(lambda: len(appliance.events()) == 2)
    assert [(hello.visitor, hello.session) for hello in appliance.hellos] == [(None, None), (VISITOR, None)]
    assert list(appliance.stored) == ["session-1", "session-2"]


@pytest.mark.parametrize(
    ("action", "views"),
    [
        ("history.pushState({}, '', '/next')", ["start", "next"]),
        ("history.pushState({}, '', '/start')", ["start", "start"]),
        ("history.pushState({opened: true}, '')", ["start"]),
        ("history.pushState({}, '', '#part')", ["start"]),
        ("history.replaceState({}, '', '/next')", ["start", "next"]),
        ("history.replaceState({}, '', '/start')", ["start"]),
        ("history.replaceState({}, '', '/start?page=2')", ["start", "start?page=2"]),
        ("location.hash = 'part'", ["start"]),
        ("history.pushState({}, '', '/a'); history.pushState({}, '', '/b')", ["start", "a", "b"]),
    ],
)
async def test_navigation_within_the_page(
    page: Page, site: Site, appliance: Appliance, action: str, views: list[str]
) -> None:
    await page.goto(f"{site.address}/start")
    await appliance.until(appliance.events)
    await page.evaluate(action)
    await page.evaluate("datalab.track('after')")
    await appliance.until(lambda: appliance.events(wire.Custom))
    assert appliance.urls() == views


async def test_back_and_forward_are_views(page: Page, site: Site, appliance: Appliance) -> None:
    await page.goto(f"{site.address}/start")
    await appliance.until(appliance.events)
    await page.evaluate("history.pushState({}, '', '/next')")
    await page.go_back()
    await appliance.until(lambda: len(appliance.events()) == 3)
    await page.go_forward()
    await appliance.until(lambda: len(appliance.events()) == 4)
    assert appliance.urls() == ["start", "next", "start", "next"]


async def test_with_hash_routing_the_fragment_is_part_of_the_route(
    page: Page, site: Site, appliance: Appliance
) -> None:
    appliance.hash_routing = True
    await page.goto(f"{site.address}/#/start")
    await appliance.until(appliance.events)
    await page.evaluate("location.hash = '#/next'")
    await appliance.until(lambda: len(appliance.events()) == 2)
    await page.evaluate("history.replaceState({}, '', '#/next')")
    await page.evaluate("history.pushState({}, '', '#/last')")
    await appliance.until(lambda: len(appliance.events()) == 3)
    assert appliance.urls() == ["#/start", "#/next", "#/last"]


async def test_a_history_call_that_fails_fails_as_without_the_snippet(
    page: Page, site: Site, appliance: Appliance
) -> None:
    await page.goto(f"{site.address}/start")
    await appliance.until(appliance.events)
    name = await page.evaluate(
        "try { history.pushState({}, '', 'https://elsewhere.example/') } catch (error) { error.name }"
    )
    assert name == "SecurityError"
    assert await page.evaluate("history.pushState({kept: 1}, '', '/kept'); history.state.kept") == 1


async def test_a_page_from_the_browsers_cache_is_a_view_in_a_new_session(
    page: Page, site: Site, appliance: Appliance
) -> None:
    await page.goto(f"{site.address}/first")
    await appliance.until(lambda: len(appliance.events()) == 1)
    await page.evaluate("addEventListener('pageshow', event => datalab.track('shown', {kept: event.persisted}))")
    await page.goto(f"{site.address}/second")
    await appliance.until(lambda: len(appliance.events()) == 2)
    # Playwright sees no load, since there is none.
    await page.go_back(wait_until="commit")
    await appliance.until(lambda: appliance.events(wire.Custom))
    assert appliance.events(wire.Custom)[0].properties == {"kept": True}
    assert appliance.urls() == ["first", "second", "first"]
    assert len(appliance.stored) == 3


async def test_control_characters_and_length_stay_within_the_bounds(
    page: Page, site: Site, appliance: Appliance
) -> None:
    await page.goto(f"{site.address}/start")
    await appliance.until(appliance.events)
    await page.evaluate("history.pushState({}, '', '/' + 'x'.repeat(5000))")
    await page.evaluate(
        r"datalab.track('a\n\x1f' + 'é'.repeat(600) + '\ud83d', {['k\t']: '\u0001v\ud83d\ude00\ud83d'})"
    )
    await appliance.until(lambda: appliance.events(wire.Custom))
    assert len(appliance.events(wire.UrlChange)[1].url) == 2048
    [custom] = appliance.events(wire.Custom)
    assert custom.name == "a" + "é" * 509
    assert custom.properties == {"k": "v😀"}
