"""The whole line: a visitor clicks through the demo shop, and the dashboard in another browser shows it."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from datalab.demo.content import ORGANISATION, SHOP, USERS
from tests.conftest import DATALAB, clean_environment, run_datalab

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => console.error("violation", event.violatedDirective));
"""


class Demo(NamedTuple):
    """A running `datalab demo`."""

    dashboard: str
    shop: str
    data: Path

    def report(self, what: str, *options: str) -> Any:
        """What the command line says about the shop."""
        done = run_datalab("report", f"{ORGANISATION}/{SHOP.name}", what, "--json", *options, data=self.data)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


class Figures(NamedTuple):
    """What the dashboard shows of an app."""

    visitors: int
    page_views: int
    stages: list[int]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*DATALAB, "demo", "--port", "0", "--host", "127.0.0.1", "--visitors", "300"],
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env={**clean_environment(), "TMPDIR": str(folder)},
        )
    assert process.stdout is not None
    said = ""
    while "Ctrl-C" not in said:
        line = process.stdout.readline().decode()
        assert line, f"the demo ended:\n{said}{(folder / 'log').read_text()}"
        said += line
    dashboard, shop = re.search(r"answers on (\S+)/\n", said), re.search(r"shop is on (\S+)/ ", said)
    assert dashboard and shop
    (data,) = folder.glob("datalab-demo-*")
    yield Demo(dashboard[1], shop[1], data)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    process.stdout.close()
    assert not data.exists(), "nothing is kept"
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        # Debian's browser where there is one, else the one Playwright keeps.
        chromium = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield chromium
        await chromium.close()


class Watch:
    """Everything that must not happen in a browser context: faults, and requests to other hosts."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.hosts: set[str] = set()

    async def follow(self, context: BrowserContext) -> None:
        await context.add_init_script(REPORT_VIOLATIONS)
        context.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        context.on(
            "console",
            lambda message: self.faults.append(message.text) if message.type in ("error", "warning") else None,
        )


async def log_in(page: Page, demo: Demo, goal: str = "/") -> None:
    """As the owner of the demo shop."""
    await page.goto(f"{demo.dashboard}{goal}")
    await page.fill("[name=username]", USERS[0].username)
    await page.fill("[name=password]", USERS[0].password)
    await page.click("button.primary")


async def open_shop_figures(page: Page, query: str) -> None:
    """From the list of apps to the demo shop's page."""
    link = page.locator(".app-entry h2 a", has_text=SHOP.name)
    await page.goto(
        f"{urlsplit(page.url).scheme}://{urlsplit(page.url).netloc}{await link.get_attribute('href')}{query}"
    )


def plain(text: str) -> int:
    """`12,345` as a number."""
    return int(text.replace(",", ""))


async def shown(page: Page) -> Figures:
    """The figures on an app's page."""

    async def headline(label: str) -> int:
        figure = page.locator(".headline-figure", has=page.get_by_text(label, exact=True))
        return plain(await figure.locator("dd strong").inner_text())

    stages = await page.locator(".stage-reached strong").all_inner_texts()
    return Figures(await headline("Visitors"), await headline("Page views"), [plain(text) for text in stages])


async def test_clicks_in_the_shop_show_on_the_open_dashboard(browser: Browser, demo: Demo) -> None:
    watch = Watch()
    office, street = await browser.new_context(), await browser.new_context()
    await watch.follow(office)
    await watch.follow(street)
    dashboard, page = await office.new_page(), await street.new_page()
    await log_in(dashboard, demo)
    await expect(dashboard.locator(".app-entry")).to_have_count(2)
    await open_shop_figures(dashboard, "?range=today")
    await dashboard.evaluate("window.sameDocument = true")
    before = demo.report("overview")
    stages_before = [stage["reached"] for stage in demo.report("funnel")["stages"]]
    today = demo.report("overview", "--from", await dashboard.locator("[name=from]").get_attribute("value") or "")
    present = dashboard.locator("[data-present]")
    views = dashboard.locator(".headline-figure", has=dashboard.get_by_text("Page views", exact=True)).locator(
        "dd strong"
    )
    await expect(present).to_have_text("0")

    async def counted(page_views: int) -> None:
        await expect(views).to_have_text(f"{today['page_views'] + page_views:,}", timeout=PATIENCE_MS)

    await page.goto(f"{demo.shop}/")
    await counted(1)
    await expect(present).to_have_text("1", timeout=PATIENCE_MS)
    today_stages = (await shown(dashboard)).stages
    await page.click("#see-catalog")
    await counted(2)
    await page.click("text=River Teapot")
    await page.click("#add-to-cart")
    await page.click("#go-to-cart")
    await counted(4)
    await page.click("#check-out")
    await page.evaluate("window.sameDocument = true")
    await page.click("#to-payment")
    await page.click("#buy")
    await expect(page).to_have_url(f"{demo.shop}/thanks")
    assert await page.evaluate("window.sameDocument"), "the checkout is one document"
    await counted(7)
    for index, reached in enumerate(today_stages):
        stage = dashboard.locator(".stage-reached strong").nth(index)
        await expect(stage).to_have_text(f"{reached + 1:,}", timeout=PATIENCE_MS)
    now = await shown(dashboard)
    assert now == Figures(today["visitors"] + 1, today["page_views"] + 7, [reached + 1 for reached in today_stages])
    await expect(present).to_have_text("1")
    await street.close()
    await expect(present).to_have_text("0", timeout=PATIENCE_MS)
    assert await dashboard.evaluate("window.sameDocument"), "the dashboard was never reloaded"

    after = demo.report("overview")
    differences = {name: after[name] - before[name] for name in ("visitors", "sessions", "page_views")}
    assert differences == {"visitors": 1, "sessions": 1, "page_views": 7}
    assert [stage["reached"] for stage in demo.report("funnel")["stages"]] == [count + 1 for count in stages_before]
    assert watch.faults == []
    ports = (urlsplit(demo.dashboard).port, urlsplit(demo.shop).port)
    allowed = {f"{host}:{port}" for host in ("localhost", "127.0.0.1") for port in ports}
    assert watch.hosts - allowed == set()
    await office.close()


@pytest.mark.parametrize("javascript", [True, False])
async def test_dashboard_api_and_command_line_say_the_same(browser: Browser, demo: Demo, javascript: bool) -> None:
    context = await browser.new_context(java_script_enabled=javascript)
    page = await context.new_page()
    await log_in(page, demo)
    await open_shop_figures(page, "?range=all")
    api = f"{demo.dashboard}/api/v1{urlsplit(page.url).path}/insights"
    answers = {}
    for what in ("overview", "pages", "funnel"):
        response = await context.request.get(f"{api}/{what}")
        answers[what] = await response.json()
        assert answers[what] == demo.report(what)
    overview, funnel = answers["overview"], answers["funnel"]
    reached = [stage["reached"] for stage in funnel["stages"]]
    assert await shown(page) == Figures(overview["visitors"], overview["page_views"], reached)
    assert funnel["visitors"] == overview["visitors"] > 250
    routes = page.locator("#routes tbody tr")
    table = [await row.locator("th, td").all_inner_texts() for row in await routes.all()]
    columns = ("route", "views", "visitors", "entries", "exits")
    listed = [tuple(row[column] for column in columns) for row in answers["pages"]["pages"]]
    assert [(row[0].strip(), *map(plain, row[1:5])) for row in table] == listed[: len(table)]
    assert len(table) >= 5
    series = page.locator("[data-series] tr")
    assert await series.count() > 28
    values = [int(await one.get_attribute("value") or "") for one in await page.locator("[data-series] data").all()]
    assert sum(values[::2]) == overview["page_views"]
    assert await page.locator(".bar-card").count() >= 3
    options = ("--from", "2026-01-01", "--unit", "sessions", "--order", "any", "--funnel", "Readers who buy")
    query = "from=2026-01-01&unit=sessions&order=any&funnel=Readers%20who%20buy"
    response = await context.request.get(f"{api}/funnel?{query}")
    assert await response.json() == demo.report("funnel", *options)
    await context.close()


@pytest.mark.parametrize("javascript", [True, False])
async def test_logging_in_and_out(browser: Browser, demo: Demo, javascript: bool) -> None:
    context = await browser.new_context(java_script_enabled=javascript)
    page = await context.new_page()
    await page.goto(f"{demo.dashboard}/apps/nothing?range=7d")
    assert urlsplit(page.url).path == "/login"
    await page.fill("[name=username]", USERS[0].username)
    await page.fill("[name=password]", "wrong password")
    async with page.expect_response(lambda response: response.request.method == "POST") as refused:
        await page.click("button.primary")
    assert (await refused.value).status == 401
    await expect(page.locator("#login-message")).to_contain_text("wrong")
    await expect(page.locator("[name=username]")).to_have_value(USERS[0].username)
    await expect(page.locator("[name=password]")).to_have_value("")
    await page.fill("[name=password]", f" {USERS[0].password} ")
    await page.click("button.primary")
    assert page.url == f"{demo.dashboard}/apps/nothing?range=7d", "on to where the person wanted to go"
    await expect(page.locator("h1")).to_have_text("Not found")
    (cookie,) = [cookie for cookie in await context.cookies() if cookie["name"] == "datalab_login"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    await page.click("text=Log out")
    assert page.url == f"{demo.dashboard}/login"
    assert [cookie for cookie in await context.cookies() if cookie["name"] == "datalab_login"] == []
    await context.add_cookies([{"name": "datalab_login", "value": cookie["value"], "url": demo.dashboard}])
    await page.goto(f"{demo.dashboard}/")
    assert urlsplit(page.url).path == "/login", "the old cookie is worth nothing"
    await context.close()


@pytest.mark.parametrize("goal", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_a_foreign_goal_is_not_followed(browser: Browser, demo: Demo, goal: str) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await log_in(page, demo, f"/login?next={goal}")
    assert page.url == f"{demo.dashboard}/"
    await context.close()


async def test_a_page_of_another_site_cannot_log_anybody_out(browser: Browser, demo: Demo) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await log_in(page, demo)
    # The same host under another port is the same site to a browser: the cookie comes along.
    attack = f"http://127.0.0.1:{urlsplit(demo.shop).port}/attack"
    form = f'<form method="post" action="{demo.dashboard}/logout"><button>Win a prize</button></form>'
    await context.route(attack, lambda route: route.fulfill(body=form, content_type="text/html"))
    await page.goto(attack)
    async with page.expect_response(f"{demo.dashboard}/logout") as refused:
        await page.click("button")
    answer = await refused.value
    assert "datalab_login=" in (await answer.request.all_headers())["cookie"]
    assert answer.status == 403
    await page.goto(f"{demo.dashboard}/")
    assert urlsplit(page.url).path == "/"
    await context.close()
