"""A visitor buys in the demo shop with a real browser, on a wide and a narrow screen, light and dark."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, async_playwright, expect

from datalab.demo.shop_site import shop_application

pytestmark = pytest.mark.browser

SNIPPET_URL = "**/datalab.js"
SNIPPET = "window.seenToken = document.currentScript.dataset.token"


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with TestServer(shop_application("the-token", 1), host="127.0.0.1") as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        # Debian's browser where there is one, else the one Playwright keeps.
        chromium = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium
        await chromium.close()


@pytest.mark.parametrize("width", [1440, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_from_the_front_to_thank_you(
    browser: Browser, address: str, width: int, scheme: str, tmp_path: Path
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    )
    await context.route(SNIPPET_URL, lambda route: route.fulfill(body=SNIPPET, content_type="text/javascript"))
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)

    async def fits() -> None:
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url

    await page.goto(address)
    assert await page.evaluate("window.seenToken") == "the-token"
    await fits()
    await page.click("#see-catalog")
    await page.click("[data-filter=ware]")
    await expect(page.locator("#products > li:visible")).to_have_count(5)
    await fits()
    await page.click("text=River Teapot")
    await page.click("#add-to-cart")
    await page.click("#add-to-cart")
    await expect(page.locator("[data-cart-count]")).to_have_text("2")
    await fits()
    await page.click("#go-to-cart")
    await expect(page.locator("[data-cart-total]")).to_have_text("€136.00")
    await page.click("text=−")
    await expect(page.locator("[data-cart-total]")).to_have_text("€68.00")
    await fits()
    await page.click("#check-out")
    await page.evaluate("window.sameDocument = true")
    await fits()
    await page.click("#to-payment")
    await expect(page).to_have_url(f"{address}/checkout/payment")
    await expect(page.locator("h1:visible")).to_contain_text("pretend to pay")
    await fits()
    await page.click("#buy")
    await expect(page).to_have_url(f"{address}/thanks")
    await expect(page).to_have_title("Thank you · Teahouse")
    await expect(page.locator("[data-cart-count]")).to_be_hidden()
    await page.go_back()
    await expect(page.locator("#buy")).to_be_visible()
    assert await page.evaluate("window.sameDocument")
    await page.screenshot(path=tmp_path / "payment.png", full_page=True)
    assert faults == []
    await context.close()
