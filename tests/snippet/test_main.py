import json
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright

from datalab.model import wire
from tests.snippet.appliance import Appliance
from tests.snippet.conftest import CHROMIUM, CHROMIUM_ARGUMENTS, Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

DO_NOT_TRACK = "Object.defineProperty(navigator, 'doNotTrack', {get: () => '1'})"
PRIVACY_CONTROL = "Object.defineProperty(navigator, 'globalPrivacyControl', {get: () => true})"


@pytest.mark.parametrize("wish", [DO_NOT_TRACK, PRIVACY_CONTROL])
async def test_who_asks_not_to_be_followed_is_not(page: Page, site: Site, appliance: Appliance, wish: str) -> None:
    await page.add_init_script(wish)
    await page.goto(site.address)
    await page.wait_for_function("window.datalab")
    await page.evaluate("datalab.track('unheard')")
    await page.click("#buy")
    await page.wait_for_timeout(500)
    assert appliance.hellos == []
    assert await page.evaluate("localStorage.length + sessionStorage.length") == 0


async def test_a_site_may_say_that_the_wish_does_not_apply(page: Page, site: Site, appliance: Appliance) -> None:
    site.attributes += ' data-dnt="off"'
    await page.add_init_script(DO_NOT_TRACK)
    await page.goto(site.address)
    await appliance.until(appliance.events)


async def test_included_twice_it_counts_once(page: Page, site: Site, appliance: Appliance) -> None:
    site.times_included = 2
    async with page.expect_event("load"):
        await page.goto(site.address)
    await appliance.until(appliance.events)
    await page.click("#buy")
    await page.evaluate("history.pushState({}, '', '/next')")
    await appliance.until(lambda: "next" in appliance.urls())
    assert [type(event) for event in appliance.events()] == [wire.UrlChange, wire.MouseClick, wire.UrlChange]
    assert len(appliance.hellos) == 1


async def test_without_a_token_it_sends_nothing(page: Page, site: Site, appliance: Appliance) -> None:
    site.attributes = ""
    await page.goto(site.address)
    await page.wait_for_function("window.datalab")
    await page.evaluate("datalab.track('unheard')")
    await page.wait_for_timeout(300)
    assert appliance.hellos == []


async def test_it_speaks_on_the_console_only_when_asked(page: Page, site: Site, appliance: Appliance) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    appliance.hello_refusals = [{"status": 403, "code": "token-refused"}, {"status": 403, "code": "token-refused"}]
    async with page.expect_response("**/hello"):
        await page.goto(site.address)
    assert not [text for text in said if "datalab:" in text]
    site.attributes += " data-debug"
    async with page.expect_console_message(lambda message: "datalab: refused token-refused" in message.text):
        await page.goto(site.address)


async def test_the_visitor_is_kept_in_first_party_storage(
    context: BrowserContext, page: Page, site: Site, appliance: Appliance
) -> None:
    await page.goto(site.address)
    await appliance.until(appliance.events)
    assert await page.evaluate("Object.keys(localStorage)") == ["datalab-visitor"]
    assert await context.cookies() == []
    await page.evaluate("localStorage.setItem('datalab-visitor', 'spoilt')")
    await page.goto(site.address)
    await appliance.until(lambda: len(appliance.hellos) == 2)
    assert appliance.hellos[1].visitor is None


async def test_where_storage_is_denied_the_visitor_lasts_as_long_as_the_page(
    site: Site, appliance: Appliance, tmp_path: Path
) -> None:
    block = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default/Preferences").write_text(json.dumps(block))
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            tmp_path, executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS
        )
        faults: list[str] = []
        page = await context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(site.address)
        denied = await page.evaluate("(() => { try { return !localStorage } catch (error) { return error.name } })()")
        assert denied == "SecurityError"
        await appliance.until(appliance.events)
        await appliance.drop_sockets()
        await page.evaluate("datalab.track('again')")
        await appliance.until(lambda: appliance.events(wire.Custom))
        assert appliance.hellos[1].visitor is not None
        await page.goto("about:blank")
        await appliance.until(lambda: appliance.goodbyes)
        assert faults == []
        await context.close()


@pytest.mark.parametrize(
    ("call", "properties"),
    [
        (
            "datalab.track('signup', {plan: 'pro', seats: 3, trial: true, code: null})",
            {"plan": "pro", "seats": 3, "trial": True, "code": None},
        ),
        ("datalab.track('signup')", {}),
    ],
)
async def test_custom_events(
    page: Page, site: Site, appliance: Appliance, call: str, properties: dict[str, object]
) -> None:
    await page.goto(site.address)
    await appliance.until(appliance.events)
    await page.evaluate(call)
    await appliance.until(lambda: appliance.events(wire.Custom))
    [custom] = appliance.events(wire.Custom)
    assert custom.name == "signup"
    assert custom.properties == properties


async def test_odd_custom_events_never_harm(page: Page, site: Site, appliance: Appliance) -> None:
    await page.goto(site.address)
    await appliance.until(appliance.events)
    await page.evaluate(
        """const loop = {}; loop.loop = loop;
        datalab.track('nested', {inner: {a: 1}, list: [1], call() {}, nothing: undefined, kept: 1, odd: NaN});
        datalab.track(Symbol('s')); datalab.track('big', {n: 10n}); datalab.track('loop', loop); datalab.track();
        datalab.track('many', Object.fromEntries(Array.from({length: 100}, (_, n) => ['k' + n, '語'.repeat(900)])));"""
    )
    await page.evaluate("datalab.track('after')")
    await appliance.until(lambda: [event for event in appliance.events(wire.Custom) if event.name == "after"])
    nested, *_, many, _after = appliance.events(wire.Custom)
    assert nested.properties == {"kept": 1, "odd": None}
    assert 1 <= len(many.properties) <= 32
    assert set(many.properties.values()) == {"語" * 512}
