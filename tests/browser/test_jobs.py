"""Jobs on an app's page: an import comes along while the page is open, and is cancelled; with script and without."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import ClientSession, DummyCookieJar, UnixConnector
from playwright.async_api import Browser, async_playwright, expect

from datalab.cli.connection import post
from datalab.errors import Refusal
from datalab.model.jobs import Job
from datalab.model.records import Record
from datalab.operations.history import BeginImport, ImportRecords, packed
from tests.browser.test_demo import ARGUMENTS
from tests.conftest import Server
from tests.server.api.place import COOKIE, ENVIRONMENT, AppMade, Client, Place

pytestmark = pytest.mark.browser

TITLE = "import into shop.example/Shop"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield chromium
        await chromium.close()


class Shop:
    """A server with an app, and the way of the command line into it."""

    def __init__(self, place: Place, ada: Client, app: AppMade, control: ClientSession) -> None:
        self.place = place
        self.ada = ada
        self.app = app
        self.control = control
        self.address = f"{place.server.url}/apps/{app.id}"

    async def begin(self) -> str:
        """An import of a file of 1000 bytes."""
        run: str = await post(self.control, BeginImport(self.app.full_name, 1000))
        return run

    async def bring(self, run: str, visitor: str, read: int) -> None:
        record = Record(visitor=visitor, time=1_760_000_000_000, kind="urlchange", url="http://shop.example/")
        await post(self.control, ImportRecords(run, packed([record]), read))

    async def jobs(self) -> list[Job]:
        return (await self.ada.done("GET", f"/apps/{self.app.id}/jobs")).read(list[Job])


@pytest.fixture
async def shop(start_server: Callable[..., Server]) -> AsyncIterator[Shop]:
    server = await asyncio.to_thread(start_server, environment=ENVIRONMENT)
    connector = UnixConnector(str(server.data / "control.sock"))
    async with ClientSession(cookie_jar=DummyCookieJar()) as http, ClientSession(connector=connector) as control:
        place = Place(server, http)
        ada = await place.person("ada.l")
        yield Shop(place, ada, await ada.app("Shop", private=True), control)


async def test_an_import_is_seen_coming_along_and_cancelled(shop: Shop, browser: Browser) -> None:
    context = await browser.new_context()
    await context.add_cookies([{"name": COOKIE, "value": shop.ada.cookie, "url": shop.place.server.url}])
    page = await context.new_page()
    await page.goto(shop.address)
    card, bar = page.locator("#jobs"), page.locator("#jobs li progress")
    await expect(page.locator("[data-connection]")).to_have_attribute("data-state", "live")
    await expect(card).to_be_hidden()
    run = await shop.begin()
    await expect(card.locator("[data-title]")).to_have_text(TITLE)
    await shop.bring(run, "one", 250)
    await expect(card.locator("[data-note]")).to_have_text("25 % · 1 events added, 0 were there already")
    await expect(bar).to_have_attribute("value", "25")
    await page.reload()
    await expect(bar).to_have_attribute("value", "25")
    await expect(page.locator("[data-connection]")).to_have_attribute("data-state", "live")
    await shop.bring(run, "two", 500)
    await expect(bar).to_have_attribute("value", "50")
    async with page.expect_navigation():
        await card.get_by_role("button", name="Cancel").click()
    await expect(card).to_be_hidden()
    assert page.url == shop.address
    assert [job.state for job in await shop.jobs()] == ["cancelled"]
    with pytest.raises(Refusal, match="cancelled"):
        await shop.bring(run, "three", 750)
    await context.close()


async def test_without_script_it_is_text_and_a_form(shop: Shop, browser: Browser) -> None:
    run = await shop.begin()
    await shop.bring(run, "one", 250)
    context = await browser.new_context(java_script_enabled=False)
    await context.add_cookies([{"name": COOKIE, "value": shop.ada.cookie, "url": shop.place.server.url}])
    page = await context.new_page()
    await page.goto(shop.address)
    card = page.locator("#jobs")
    await expect(card.locator("li")).to_contain_text(f"{TITLE} 25 % · 1 events added")
    await card.get_by_role("button", name="Cancel").click()
    await expect(card).to_be_hidden()
    assert [job.state for job in await shop.jobs()] == ["cancelled"]
    await context.close()


async def test_only_members_cancel_and_only_from_the_page(shop: Shop) -> None:
    await shop.begin()
    (job,) = await shop.jobs()
    ben = await shop.place.person("ben.m")
    cleo = await shop.place.person("cleo.n", "other.example")
    url = f"{shop.address}/jobs/{job.id}/cancel"

    async def cancel(client: Client, headers: dict[str, str], address: str = url) -> int:
        async with client.http.post(address, headers={**client.headers, **headers}, allow_redirects=False) as response:
            return response.status

    here, elsewhere = {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "cross-site"}
    assert await cancel(shop.place.nobody, here) == 401
    assert await cancel(cleo, here) == 404
    assert await cancel(ben, here) == 404
    assert await cancel(shop.ada, elsewhere) == 403
    assert await cancel(shop.ada, here, url.replace(job.id, "nothing")) == 404
    assert [job.under_way for job in await shop.jobs()] == [True]
    assert await cancel(shop.ada, here) == 303
    assert [job.state for job in await shop.jobs()] == ["cancelled"]
