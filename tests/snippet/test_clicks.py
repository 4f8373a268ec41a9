import pytest
from playwright.async_api import Page

from datalab.model import wire
from tests.snippet.appliance import Appliance
from tests.snippet.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

BUY_BY_XPATH = "/html/body/main/button"


async def test_a_click_names_its_target_and_the_selectors_it_falls_under(
    page: Page, site: Site, appliance: Appliance
) -> None:
    watched = ["#buy", BUY_BY_XPATH, "//button[@id='buy']", "main", ".other", "//p", "[[broken", "//["]
    appliance.watch = wire.Watch(clicks=watched, hovers=[])
    await page.goto(site.address)
    await appliance.until(appliance.events)
    await page.click("#buy i")
    await page.locator(".other").nth(1).click()
    await page.mouse.click(5, 790)
    await appliance.until(lambda: len(appliance.events(wire.MouseClick)) == 3)
    inner, paragraph, ground = appliance.events(wire.MouseClick)
    assert (inner.target, inner.matched) == ("button#buy>b>i", ["#buy", BUY_BY_XPATH, "//button[@id='buy']", "main"])
    assert (paragraph.target, paragraph.matched) == ("main>p:nth-of-type(2)", ["main", ".other", "//p"])
    assert (ground.target, ground.matched) == ("html", [])


async def test_the_place_is_relative_to_the_target(page: Page, site: Site, appliance: Appliance) -> None:
    await page.goto(site.address)
    await appliance.until(appliance.events)
    box = await page.locator("#buy").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + 12, box["y"] + 8)
    # Where the event says it happened left of and above the element, the place is cut to the bounds.
    await page.evaluate("buy.dispatchEvent(new MouseEvent('click', {clientX: -500, clientY: 1e6, bubbles: true}))")
    await appliance.until(lambda: len(appliance.events(wire.MouseClick)) == 2)
    real, odd = appliance.events(wire.MouseClick)
    assert real.target == "button#buy"
    # The browser gives whole pixels of the window, the element may begin between two.
    assert abs(real.x - 12) <= 1
    assert abs(real.y - 8) <= 1
    assert (odd.x, odd.y) == (0, 65535)


async def test_a_click_before_the_server_has_answered_is_matched_afterwards(
    page: Page, site: Site, appliance: Appliance
) -> None:
    appliance.watch = wire.Watch(clicks=["#buy"], hovers=[])
    await page.add_init_script(
        """const send = window.fetch;
        const answered = new Promise(resolve => window.letGo = resolve);
        window.fetch = async (...request) => { await answered; return send(...request); }"""
    )
    await page.goto(site.address)
    await page.wait_for_function("window.datalab")
    await page.click("#buy")
    await page.evaluate("buy.remove(); letGo()")
    await appliance.until(lambda: len(appliance.events()) == 2)
    assert appliance.events(wire.MouseClick)[0].matched == ["#buy"]


async def test_clicks_that_the_page_keeps_to_itself_count(page: Page, site: Site, appliance: Appliance) -> None:
    await page.goto(site.address)
    await appliance.until(appliance.events)
    await page.evaluate("buy.addEventListener('click', event => event.stopImmediatePropagation())")
    await page.click("#buy")
    await appliance.until(lambda: appliance.events(wire.MouseClick))


async def test_a_click_in_a_shadow_root_reaches_its_host(page: Page, site: Site, appliance: Appliance) -> None:
    appliance.watch = wire.Watch(clicks=["#host"], hovers=[])
    await page.goto(site.address)
    await appliance.until(appliance.events)
    await page.evaluate(
        """const host = document.createElement('div'); host.id = 'host'; document.body.append(host);
        host.attachShadow({mode: 'open'}).innerHTML = '<section><em>inside</em></section>'"""
    )
    await page.click("#host em")
    await appliance.until(lambda: appliance.events(wire.MouseClick))
    [click] = appliance.events(wire.MouseClick)
    assert (click.target, click.matched) == ("section>em", ["#host"])


@pytest.mark.parametrize(
    ("markup", "target"),
    [
        ("<div id='r-18273645'><s>x</s></div>", "div>s"),
        ("<div id='odd id'><s>x</s></div>", "div>s"),
        ("<form id='order'><input name='id' type='hidden'><s>x</s></form>", "form#order>s"),
        ("<u>1</u><u><u><u><u><u><u><u><u><s>x</s></u></u></u></u></u></u></u></u>", "u>u>u>u>u>u>u>s"),
    ],
)
async def test_paths_are_short_and_stable(
    page: Page, site: Site, appliance: Appliance, markup: str, target: str
) -> None:
    await page.goto(site.address)
    await appliance.until(appliance.events)
    await page.evaluate("markup => { document.body.innerHTML = markup }", markup)
    await page.click("s")
    await appliance.until(lambda: appliance.events(wire.MouseClick))
    assert appliance.events(wire.MouseClick)[0].target == target


async def test_what_is_typed_never_leaves_the_page(page: Page, site: Site, appliance: Appliance) -> None:
    appliance.watch = wire.Watch(clicks=["#typed"], hovers=["#typed"])
    await page.goto(site.address)
    await appliance.until(appliance.events)
    await page.click("#typed")
    await page.keyboard.type("hunter2")
    await page.keyboard.press("Tab")
    await page.evaluate("datalab.track('after')")
    await appliance.until(lambda: appliance.events(wire.Custom))
    assert "hunter2" not in repr(appliance.messages)
    assert len(appliance.events(wire.MouseClick)) == 1
