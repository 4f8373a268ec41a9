"""A real Chromium, a site of another origin than the appliance, and the appliance the snippet talks to."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.snippet.appliance import Appliance

ROOT = Path(__file__).parents[2]
# Debian's browser where there is one, else the one Playwright keeps.
CHROMIUM = shutil.which("chromium")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>A site</title></head><body>
<main><h1 id="title">A site</h1>
<button id="buy" style="width:200px;height:60px"><b>Buy <i>now</i></b></button>
<p class="other">Some text</p><p class="other">More text</p>
<input id="typed" name="secret"><a id="away" href="/second">Away</a></main>
{scripts}</body></html>"""


class Site:
    """The site that carries the snippet: the same page under every path."""

    def __init__(self, appliance: Appliance) -> None:
        self.appliance = appliance
        self.address = ""
        self.attributes = 'data-token="the-token"'
        self.times_included = 1
        self.policy = ""
        """Content-Security-Policy header, none if empty."""

    async def serve(self, request: web.Request) -> web.Response:
        script = f'<script async src="{self.appliance.address}/datalab.js" {self.attributes}></script>'
        headers = {"Content-Security-Policy": self.policy} if self.policy else {}
        body = PAGE.format(scripts=script * self.times_included)
        return web.Response(text=body, content_type="text/html", headers=headers)


@pytest.fixture(scope="session")
def script() -> Path:
    """The built snippet, of the present sources."""
    subprocess.run([sys.executable, ROOT / "scripts/build_assets.py"], check=True)
    return ROOT / "snippet/dist/datalab.js"


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=CHROMIUM_ARGUMENTS,
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="package")
async def appliance(script: Path) -> AsyncIterator[Appliance]:
    appliance = Appliance(script)
    await appliance.start()
    yield appliance
    await appliance.stop()


@pytest_asyncio.fixture(loop_scope="package")
async def site(appliance: Appliance) -> AsyncIterator[Site]:
    site = Site(appliance)
    app = web.Application()
    app.router.add_get("/{path:.*}", site.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    # Another host name than the appliance's, so that nothing is same-site by accident.
    site.address = f"http://localhost:{runner.addresses[0][1]}"
    yield site
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="package")
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    context = await chromium.new_context(viewport={"width": 1000, "height": 800})
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="package")
async def page(context: BrowserContext, faults: list[str]) -> Page:
    context.set_default_timeout(10_000)
    page = await context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    return page


@pytest.fixture
def faults() -> Iterator[list[str]]:
    """What the page threw; the snippet must never be among it."""
    faults: list[str] = []
    yield faults
    assert faults == []
