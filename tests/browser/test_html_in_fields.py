"""HTML in every field that people, sites and visitors fill: the dashboard's pages show it as text and nothing runs."""

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, DummyCookieJar
from msgspec import Struct
from playwright.async_api import Browser, Page, async_playwright

from datalab.model.wire import Custom, MouseClick, MouseHover, UrlChange
from tests.browser.test_demo import ARGUMENTS
from tests.conftest import Server
from tests.server.api.place import COOKIE, ENVIRONMENT, AppMade, Client, Place
from tests.server.client import Page as Visit

pytestmark = pytest.mark.browser

SITE = "http://shop.example"
SCRIPT = "<script>window.hacked=1</script>"
IMAGE = '"><img src=x onerror=window.hacked=1>'
TEMPLATE = "{{7*7}}${7*7}{%print(7*7)%}"
ADDRESS = "javascript:window.hacked=1"
QUOTES = "' onmouseover='window.hacked=1' x='"
ENTITY = "&lt;script&gt;&#60;/title&#62;"
END = "</title></style></textarea></script><svg onload=window.hacked=1>"
MADE_OF_TEXT = "script:not([src]), img[src=x], svg[onload], [onerror], [onmouseover], [href^=javascript]"
"""What there would be if text became elements."""
ALL = [SCRIPT, IMAGE, TEMPLATE, ADDRESS, QUOTES, ENTITY, END]
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield chromium
        await chromium.close()


async def fill(place: Place) -> tuple[Client, AppMade, str]:
    """People, an app with all sections of its configuration, and a visit, with HTML wherever a text can be."""
    ada = await place.person("ada.l")
    await ada.done("PUT", "/me", {"first_name": SCRIPT, "last_name": IMAGE, "position": END})
    who = {"first_name": IMAGE, "last_name": END, "position": SCRIPT}
    await place.register("ben.m", **who)
    app = await ada.app(
        IMAGE, description=f"{SCRIPT} {IMAGE} {TEMPLATE} {END}", tags=[SCRIPT[:30], QUOTES[:30], IMAGE[:30]]
    )
    sections = {
        "routes": {"routes": [f"/:id/{SCRIPT.replace('/', '')}"]},
        "funnels": [
            {
                "name": f"{name} funnel",
                "stage": [
                    {"name": name, "url": "/start"},
                    {"name": f"{name} 2", "glob": f"/*{name}*"},
                    {"name": f"{name} 3", "click": name},
                ],
            }
            for name in ALL
        ],
        "elements": [{"name": name, "selector": name} for name in ALL],
        "campaigns": [{"name": name, "parameter": "utm_campaign", "value": name} for name in ALL],
    }
    for section, value in sections.items():
        await ada.done("PUT", f"/apps/{app.id}/configuration/{section}", {"revision": 0, "value": value})
    token = await ada.token(app)
    await visit(place, token)
    return ada, app, token


async def visit(place: Place, token: str) -> None:
    """One visitor for each piece of HTML."""
    for text in ALL:
        page = Visit(place.http, place.server.url, token, SITE)
        agent = {"User-Agent": f"{text} Firefox/1.0", "Accept-Language": text}
        opened = await page.ask_hello(
            agent,
            page=f"{SITE}/start?utm_campaign={text}&utm_source={text}",
            referrer=f"https://{text}/{text}",
            language=text[:64],
        )
        assert opened.status == 200, opened
        session = opened.read(Opened).session
        now = time.time_ns() // 1_000_000
        sent = await page.post(
            UrlChange(1, now, f"{SITE}/start"),
            UrlChange(2, now, f"{SITE}/{text}?q={text}#{text}"),
            MouseClick(3, now, text, [text], 1, 1),
            MouseHover(4, now, text, "hover-leave", 700),
            Custom(5, now, text[:40], {text[:40]: text}),
            session=session,
        )
        assert sent.status in (200, 204), sent


class Opened(Struct):
    """What hello answers."""

    session: str


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield session


async def look(page: Page, url: str) -> str:
    """Open an address; the text that is shown. Nothing of what was filled in may have become more than text."""
    answer = await page.goto(url)
    assert answer is not None
    await nothing_ran(page)
    return await page.locator(":root").inner_text()


async def nothing_ran(page: Page) -> None:
    assert await page.evaluate("window.hacked") is None, page.url
    assert await page.evaluate("window.violations") == [], page.url
    assert await page.locator(MADE_OF_TEXT).count() == 0, page.url


async def test_no_page_of_the_dashboard_runs_what_is_in_a_field(
    browser: Browser, start_server: Callable[..., Server], http: ClientSession
) -> None:
    place = Place(await asyncio.to_thread(start_server, environment=ENVIRONMENT), http)
    ada, app, token = await fill(place)
    url = place.server.url
    context = await browser.new_context()
    await context.add_init_script(WATCH)
    await context.add_cookies([{"name": COOKIE, "value": ada.cookie, "url": url}])
    dialogs: list[str] = []
    page = await context.new_page()
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))

    listed = await look(page, url)
    assert IMAGE in listed
    shown = await look(page, f"{url}/apps/{app.id}?range=all")
    for text in (IMAGE, SCRIPT, END, TEMPLATE):
        assert text in shown, f"{text} is not shown as it is"
    assert "49" not in re.sub(r"7\*7", "", await page.locator(".app-description").inner_text())
    # The figures are put into the page anew when something comes in.
    async with page.expect_response(lambda answer: "/apps/" in answer.url):
        await visit(place, token)
    await page.wait_for_load_state("networkidle")
    await nothing_ran(page)

    for text in ALL:
        filled = quote(text, safe="")
        for path in (
            f"/apps/{filled}",
            f"/{filled}",
            f"/apps/{app.id}?range=all&funnel={filled}",
            f"/apps/{app.id}?from={filled}&to={filled}",
            f"/apps/{app.id}?range={filled}&unit={filled}&partition={filled}",
            f"/register?join={filled}",
            f"/api/v1/apps/{filled}",
            f"/api/v1/organisation/people/{filled}/avatar",
        ):
            await look(page, url + path)
    for path in (
        "/me",
        "/organisation/people",
        "/me/notifications",
        f"/apps/{app.id}",
        f"/apps/{app.id}/configuration",
    ):
        await look(page, f"{url}/api/v1{path}")
    for username in ("ada.l", "ben.m"):
        picture = await page.goto(f"{url}/api/v1/organisation/people/{username}/avatar")
        assert picture is not None
        assert picture.headers["content-type"].startswith("image/svg+xml")
        await nothing_ran(page)
    assert await page.locator("title").text_content() == f"{IMAGE} {END}"

    confirm = {"confirm": app.full_name}
    await ada.done("POST", f"/apps/{app.id}/unlock", confirm)
    assert IMAGE in await look(page, f"{url}/apps/{app.id}?range=all&partition=1")
    assert dialogs == []
    await context.close()


async def test_the_log_in_page_shows_what_was_typed(browser: Browser, start_server: Callable[..., Server]) -> None:
    server = await asyncio.to_thread(start_server, environment=ENVIRONMENT)
    context = await browser.new_context()
    await context.add_init_script(WATCH)
    page = await context.new_page()
    for text in ALL:
        await look(page, f"{server.url}/login?next={quote(text, safe='')}")
        await page.fill("[name=username]", text)
        await page.fill("[name=password]", text)
        async with page.expect_navigation():
            await page.click("button.primary")
        await nothing_ran(page)
        assert await page.locator("[name=username]").input_value() == text
    await context.close()


@pytest.mark.parametrize("policy", ["", "default-src 'self'"])
@pytest.mark.parametrize("text", [SCRIPT, IMAGE, END])
async def test_what_would_run_is_noticed(browser: Browser, text: str, policy: str) -> None:
    """Else the tests above could not fail."""
    context = await browser.new_context()
    await context.add_init_script(WATCH)
    page = await context.new_page()
    headers = {"Content-Type": "text/html", "Content-Security-Policy": policy}
    await context.route("**/*", lambda route: route.fulfill(body=f"<!doctype html><p>{text}", headers=headers))
    with pytest.raises(AssertionError):
        await look(page, "http://dashboard.example/")
    await context.close()
