import pytest
import pytest_asyncio
from playwright.async_api import Page

from datalab.model import wire
from tests.snippet.appliance import Appliance
from tests.snippet.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

BUY_BY_XPATH = "//button[@id='buy']"


@pytest_asyncio.fixture(loop_scope="package")
async def watching(page: Page, site: Site, appliance: Appliance) -> Page:
    """The page, its hovers watched, with the pointer on none of the watched elements."""
    appliance.watch = wire.Watch(clicks=[], hovers=["#buy", BUY_BY_XPATH, ".other"])
    await page.mouse.move(900, 700)
    await page.goto(site.address)
    await appliance.until(appliance.events)
    return page


async def hovers(page: Page, appliance: Appliance) -> list[tuple[str, str]]:
    """Target and action of all hovers up to now."""
    before = len(appliance.events(wire.Custom))
    await page.evaluate("datalab.track('now')")
    await appliance.until(lambda: len(appliance.events(wire.Custom)) > before)
    return [(hover.target, hover.action) for hover in appliance.events(wire.MouseHover)]


async def test_leaving_ends_an_episode_with_its_time(watching: Page, appliance: Appliance) -> None:
    await watching.hover("#buy")
    await watching.wait_for_timeout(250)
    await watching.hover("#buy i")
    assert await hovers(watching, appliance) == [], "moving on to a child is no leaving"
    await watching.mouse.move(900, 700)
    assert await hovers(watching, appliance) == [("#buy", "hover-leave"), (BUY_BY_XPATH, "hover-leave")]
    assert all(hover.elapsed >= 250 for hover in appliance.events(wire.MouseHover))


async def test_a_click_ends_an_episode_once(watching: Page, appliance: Appliance) -> None:
    await watching.hover("#buy")
    await watching.wait_for_timeout(150)
    await watching.click("#buy")
    await watching.click("#buy")
    await watching.mouse.move(900, 700)
    assert await hovers(watching, appliance) == [("#buy", "hover-click"), (BUY_BY_XPATH, "hover-click")]
    await watching.click("#buy")
    assert len(await hovers(watching, appliance)) == 4, "coming back begins a new episode"


async def test_a_short_episode_counts_only_if_it_ends_in_a_click(watching: Page, appliance: Appliance) -> None:
    passing = """for (const type of ['mouseover', CLICK, 'mouseout'].filter(Boolean))
        buy.dispatchEvent(new MouseEvent(type, {bubbles: true, composed: true}))"""
    await watching.evaluate(passing.replace("CLICK", "null"))
    assert await hovers(watching, appliance) == []
    await watching.evaluate(passing.replace("CLICK", "'click'"))
    assert await hovers(watching, appliance) == [("#buy", "hover-click"), (BUY_BY_XPATH, "hover-click")]


async def test_going_from_one_element_to_the_next_of_the_same_selector(watching: Page, appliance: Appliance) -> None:
    await watching.locator(".other").nth(0).hover()
    await watching.wait_for_timeout(150)
    await watching.locator(".other").nth(1).hover()
    await watching.wait_for_timeout(150)
    await watching.mouse.move(900, 700)
    assert await hovers(watching, appliance) == [(".other", "hover-leave")] * 2


async def test_a_page_that_ends_under_the_pointer_ends_the_episode(
    watching: Page, site: Site, appliance: Appliance
) -> None:
    await watching.hover("#buy")
    await watching.wait_for_timeout(150)
    await watching.goto(f"{site.address}/second")
    await appliance.until(lambda: len(appliance.events(wire.MouseHover)) == 2)
    assert {hover.action for hover in appliance.events(wire.MouseHover)} == {"hover-leave"}


async def test_elements_that_come_later_are_watched(watching: Page, appliance: Appliance) -> None:
    await watching.evaluate("document.body.insertAdjacentHTML('beforeend', '<p class=other id=new>New</p>')")
    await watching.hover("#new")
    await watching.wait_for_timeout(150)
    await watching.evaluate("document.getElementById('new').remove()")
    await watching.hover("#title")
    assert await hovers(watching, appliance) == [(".other", "hover-leave")]
