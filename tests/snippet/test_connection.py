import re

import pytest
from playwright.async_api import Page, Route

from datalab.model import wire
from tests.snippet.appliance import VISITOR, Appliance, plain, problem
from tests.snippet.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def track(page: Page, *names: str) -> None:
    await page.evaluate("names => names.forEach(name => datalab.track(name))", list(names))


def names(appliance: Appliance) -> list[str]:
    return [event.name for event in appliance.events(wire.Custom)]


async def loaded(page: Page, site: Site, appliance: Appliance) -> None:
    """The page is open, its first view stored."""
    await page.goto(site.address)
    await appliance.until(appliance.events)


async def script_of_the_test(page: Page, appliance: Appliance) -> None:
    """Load the script although the appliance is away, as from the browser's cache."""

    async def answer(route: Route) -> None:
        await route.fulfill(body=appliance.script.read_text(), content_type="text/javascript")

    await page.route("**/datalab.js", answer)


async def test_what_a_dropped_socket_left_unacknowledged_is_sent_again_unchanged(
    page: Page, site: Site, appliance: Appliance
) -> None:
    await loaded(page, site, appliance)
    appliance.acknowledging = False
    await track(page, "one", "two")
    await appliance.until(lambda: len(appliance.messages) == 2)
    await track(page, "three")
    appliance.acknowledging = True
    await appliance.drop_sockets()
    await appliance.until(lambda: len(appliance.messages) == 3)
    first, lost, again = [plain(message.events) for message in appliance.messages]
    assert [event[1] for event in first + again] == [1, 2, 3, 4]
    assert again[:2] == lost
    assert [hello.session for hello in appliance.hellos] == [None, "session-1"]
    await appliance.until(lambda: names(appliance) == ["one", "two", "three"])


async def test_what_was_stored_is_not_sent_again_though_its_acknowledgement_was_lost(
    page: Page, site: Site, appliance: Appliance
) -> None:
    await loaded(page, site, appliance)
    appliance.storing_silently = True
    await track(page, "one")
    await appliance.until(lambda: names(appliance) == ["one"])
    appliance.storing_silently = False
    await appliance.drop_sockets()
    await appliance.until(lambda: appliance.sockets)
    await track(page, "two")
    await appliance.until(lambda: names(appliance) == ["one", "two"])
    assert [event.sequence for message in appliance.messages for event in message.events] == [1, 2, 3]


async def test_events_of_the_time_without_a_server_arrive_when_it_is_back(
    page: Page, site: Site, appliance: Appliance
) -> None:
    await loaded(page, site, appliance)
    await appliance.stop()
    await track(page, "away")
    await appliance.start()
    await appliance.until(lambda: names(appliance) == ["away"])
    assert list(appliance.stored) == ["session-1"]


async def test_a_server_that_is_down_at_the_start(page: Page, site: Site, appliance: Appliance) -> None:
    await script_of_the_test(page, appliance)
    await appliance.stop()
    async with page.expect_event("requestfailed", lambda request: request.url.endswith("/hello")):
        await page.goto(site.address)
    asked = await page.evaluate("Date.now()")
    await track(page, "early")
    await appliance.start()
    await appliance.until(lambda: names(appliance) == ["early"])
    [hello] = appliance.hellos
    assert hello.session_start >= asked, "the clock is measured anew with each hello"
    view, early = appliance.events()
    assert (view.sequence, early.sequence) == (1, 2)
    assert view.time <= early.time <= hello.session_start


async def test_an_acknowledgement_frees_what_it_covers(page: Page, site: Site, appliance: Appliance) -> None:
    await loaded(page, site, appliance)
    await track(page, "one")
    await appliance.until(lambda: names(appliance) == ["one"])
    await track(page, "two")
    await appliance.until(lambda: names(appliance) == ["one", "two"])
    assert [event.sequence for message in appliance.messages for event in message.events] == [1, 2, 3]


async def test_messages_are_bounded_and_one_is_under_way_at_a_time(
    page: Page, site: Site, appliance: Appliance
) -> None:
    await loaded(page, site, appliance)
    appliance.acknowledging = False
    await page.evaluate(
        """for (let number = 0; number < 990; number++)
            datalab.track('event ' + number, {text: number < 300 ? '語'.repeat(512) : ''})"""
    )
    await appliance.until(lambda: len(appliance.messages) == 2)
    await track(page, "event 990")
    await page.wait_for_timeout(600)
    assert len(appliance.messages) == 2, "nothing follows before the answer"
    appliance.acknowledging = True
    await appliance.drop_sockets()
    await appliance.until(lambda: len(names(appliance)) == 991)
    assert max(appliance.message_sizes) <= wire.MAX_MESSAGE_BYTES
    assert max(len(message.events) for message in appliance.messages) == 200
    assert names(appliance) == [f"event {number}" for number in range(991)]


async def test_a_full_queue_drops_the_newest_and_leaves_a_gap(page: Page, site: Site, appliance: Appliance) -> None:
    await loaded(page, site, appliance)
    appliance.acknowledging = False
    await track(page, *(f"event {number}" for number in range(1200)))
    await appliance.until(lambda: len(appliance.messages) == 2)
    appliance.acknowledging = True
    await appliance.drop_sockets()
    await appliance.until(lambda: len(names(appliance)) == 1000)
    await track(page, "last")
    await appliance.until(lambda: "last" in names(appliance))
    sequences = [event.sequence for event in appliance.events()]
    assert sequences == [*range(1, 1002), 1202]


async def test_later_is_obeyed_and_nothing_is_lost(page: Page, site: Site, appliance: Appliance) -> None:
    await loaded(page, site, appliance)
    appliance.replies = [wire.Later(code="unavailable", detail="The disk is full.", retry_after=2.0)]
    await track(page, "kept")
    await appliance.until(lambda: len(appliance.messages) == 2)
    await track(page, "and this")
    await page.wait_for_timeout(1000)
    assert len(appliance.messages) == 2, "the snippet did not wait"
    await appliance.until(lambda: names(appliance) == ["kept", "and this"])
    assert len(appliance.hellos) == 1


async def test_a_rejected_message_is_not_sent_again(page: Page, site: Site, appliance: Appliance) -> None:
    await loaded(page, site, appliance)
    appliance.replies = [wire.Rejected(message=2, code="malformed", detail="No.")]
    await track(page, "bad")
    await appliance.until(lambda: len(appliance.messages) == 2)
    await track(page, "good")
    await appliance.until(lambda: names(appliance) == ["good"])
    await appliance.drop_sockets()
    await appliance.until(lambda: len(appliance.hellos) == 2 and appliance.sockets)
    await track(page, "after")
    await appliance.until(lambda: names(appliance) == ["good", "after"])


async def silent_from_now_on(page: Page, site: Site, appliance: Appliance) -> None:
    """The page sends nothing more, whatever happens on it; a page load after it does."""
    heard = (len(appliance.hellos), len(appliance.messages), len(appliance.posts))
    await track(page, "unheard")
    await page.click("#buy")
    await page.evaluate("history.pushState({}, '', '/unheard')")
    await page.wait_for_timeout(1800)
    assert (len(appliance.hellos), len(appliance.messages), len(appliance.posts)) == heard
    await page.goto(f"{site.address}/heard")
    await appliance.until(lambda: "heard" in appliance.urls())
    assert "unheard" not in names(appliance)
    assert "unheard" not in appliance.urls()


async def test_stop_is_obeyed_for_this_page(page: Page, site: Site, appliance: Appliance) -> None:
    await loaded(page, site, appliance)
    await appliance.send(wire.Stop(code="token-refused", detail="The token was revoked."))
    await appliance.until(lambda: not appliance.sockets)
    await silent_from_now_on(page, site, appliance)


@pytest.mark.parametrize("refusal", [("token-refused", 403), ("wrong-origin", 403), ("malformed", 400)])
async def test_a_refused_hello_ends_it_for_this_page(
    page: Page, site: Site, appliance: Appliance, refusal: tuple[str, int]
) -> None:
    appliance.hello_refusals = [problem(*refusal)]
    async with page.expect_response("**/api/v1/hello"):
        await page.goto(site.address)
    await silent_from_now_on(page, site, appliance)


@pytest.mark.parametrize("refusal", [("too-many", 429), ("unavailable", 503)])
async def test_a_busy_server_is_asked_again_after_the_time_it_names(
    page: Page, site: Site, appliance: Appliance, refusal: tuple[str, int]
) -> None:
    appliance.hello_refusals = [problem(*refusal, retry_after=2)]
    await page.goto(site.address)
    await appliance.until(appliance.events)
    first, second = appliance.hellos
    assert second.session_start - first.session_start >= 2000


async def test_a_refused_session_is_replaced_by_a_new_one(page: Page, site: Site, appliance: Appliance) -> None:
    await loaded(page, site, appliance)
    appliance.hello_refusals = [problem("session-refused", 403)]
    await appliance.drop_sockets()
    await track(page, "kept")
    await appliance.until(lambda: names(appliance) == ["kept"])
    assert [hello.session for hello in appliance.hellos] == [None, "session-1", None]
    assert appliance.stored["session-2"].keys() == {2}
    assert {hello.visitor for hello in appliance.hellos[1:]} == {VISITOR}


async def test_the_end_of_a_page_says_goodbye_and_sends_what_is_unacknowledged(
    page: Page, site: Site, appliance: Appliance
) -> None:
    await loaded(page, site, appliance)
    appliance.acknowledging = False
    await track(page, "one")
    await appliance.until(lambda: len(appliance.messages) == 2)
    await track(page, "two")
    await page.goto("about:blank")
    await appliance.until(lambda: appliance.posts and appliance.goodbyes)
    [post] = appliance.posts
    assert post.session == "session-1"
    assert [(event.sequence, event.name) for event in post.events if isinstance(event, wire.Custom)] == [
        (2, "one"),
        (3, "two"),
    ]
    await appliance.until(lambda: not appliance.sockets)


async def test_a_click_that_leaves_the_page_is_not_lost(page: Page, site: Site, appliance: Appliance) -> None:
    await loaded(page, site, appliance)
    await page.click("#away")
    await appliance.until(lambda: "second" in appliance.urls())
    await appliance.until(lambda: appliance.events(wire.MouseClick))
    assert [event.target for event in appliance.events(wire.MouseClick)] == ["a#away"]


async def test_nothing_to_send_at_the_end_sends_nothing(page: Page, site: Site, appliance: Appliance) -> None:
    await loaded(page, site, appliance)
    await page.goto("about:blank")
    await appliance.until(lambda: appliance.goodbyes)
    assert appliance.posts == []


async def test_a_page_that_found_no_server_leaves_its_events_to_the_next(
    page: Page, site: Site, appliance: Appliance
) -> None:
    await script_of_the_test(page, appliance)
    await appliance.stop()
    for path in ("/first", "/second"):
        async with page.expect_event("requestfailed", lambda request: request.url.endswith("/hello")):
            await page.goto(site.address + path)
    await appliance.start()
    await page.goto(f"{site.address}/third")
    await appliance.until(lambda: len(appliance.events()) == 3)
    assert appliance.urls() == ["first", "second", "third"]
    assert [event.sequence for event in appliance.events()] == [1, 2, 3]


async def test_a_page_that_lost_its_server_hands_its_session_on(page: Page, site: Site, appliance: Appliance) -> None:
    await script_of_the_test(page, appliance)
    await loaded(page, site, appliance)
    await appliance.stop()
    await track(page, "away")
    await page.goto(f"{site.address}/second")
    await appliance.start()
    await appliance.until(lambda: "second" in appliance.urls())
    assert [type(event) for event in appliance.stored["session-1"].values()] == [
        wire.UrlChange,
        wire.Custom,
        wire.UrlChange,
    ]
    await page.goto(f"{site.address}/third")
    await appliance.until(lambda: "third" in appliance.urls())
    assert len(appliance.stored) == 2, "the session is handed on once"


async def test_where_sockets_are_blocked_events_are_posted(page: Page, site: Site, appliance: Appliance) -> None:
    # A source of the scheme http allows requests and no sockets.
    site.policy = f"default-src 'none'; script-src {appliance.address}; connect-src {appliance.address}"
    await page.goto(site.address)
    await appliance.until(lambda: appliance.urls() == [""])
    appliance.post_refusals = [problem("malformed", 400)]
    await page.click("#title")
    await appliance.until(lambda: not appliance.post_refusals)
    appliance.post_refusals = [problem("session-refused", 403), problem("unavailable", 503, retry_after=1)]
    await page.click("p:nth-of-type(2)")
    await appliance.until(lambda: appliance.events(wire.MouseClick))
    assert appliance.messages == []
    [click] = appliance.events(wire.MouseClick)
    assert click.target == "main>p:nth-of-type(2)", "only what was malformed is dropped"
    assert not appliance.post_refusals
    assert "session-2" in appliance.stored


async def test_a_page_that_forbids_every_connection_is_left_alone(page: Page, site: Site, appliance: Appliance) -> None:
    site.policy = f"default-src 'none'; script-src {appliance.address}"
    async with page.expect_console_message(lambda message: "connect" in message.text):
        await page.goto(site.address)
    await page.click("#buy")
    assert appliance.hellos == []


async def test_the_address_of_the_server_is_that_of_the_script(page: Page, site: Site, appliance: Appliance) -> None:
    await loaded(page, site, appliance)
    hosts = await page.evaluate("performance.getEntriesByType('resource').map(entry => new URL(entry.name).origin)")
    assert {host for host in hosts if not re.search("favicon", host)} <= {appliance.address, site.address}
