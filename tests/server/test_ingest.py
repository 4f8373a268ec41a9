"""From hello to figures, over a real server: what was acknowledged is counted, once, whatever happens between."""

import asyncio
import random
from collections.abc import Callable

from aiohttp import ClientSession, WSMsgType

from datalab.model.events import Position
from datalab.model.routes import OTHER
from datalab.model.wire import Acknowledgement, EventsMessage, UrlChange, Welcome, encode
from datalab.stores.embedded.journal import EmbeddedJournal
from datalab.stores.journal import PartitionKey
from tests.conftest import Server, run_datalab
from tests.server.client import (
    NAME,
    ORIGIN,
    Page,
    Shop,
    click,
    decode_server_message,
    log_in,
    now,
    signal,
    view,
)

Start = Callable[..., Server]
ROUNDS = 20


async def test_a_visit_becomes_figures(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    page = await Page(http, server.url, shop.token).enter()
    assert page.welcome.sequence == 0
    assert page.welcome.watch.clicks == ["#add"]
    await page.send(view(1, "/catalog"), view(2, "/products/7"), click(3, "#add"))
    await page.acknowledged(3)
    await page.send(view(4, "/paid"))
    await page.acknowledged(4)
    half = await Page(http, server.url, shop.token).enter()
    await half.send(view(1, "/catalog?utm_source=mail"), click(2, "#other"))
    await half.acknowledged(2)
    dashboard = await log_in(http, server.url, shop.app)
    await dashboard.until(events=6)
    overview = await dashboard.overview()
    assert (overview.page_views, overview.sessions, overview.visitors) == (4, 2, 2)
    assert await dashboard.pages() == {"/catalog": 2, "/products/:id": 1, "/paid": 1}
    assert await dashboard.reached() == [2, 1, 1]


async def test_a_token_issued_by_the_running_server_opens_and_the_earlier_one_ends(
    shop: Shop, start_server: Start, http: ClientSession
) -> None:
    server = start_server()
    issued = await asyncio.to_thread(run_datalab, "token", "issue", NAME, data=shop.data)
    assert issued.returncode == 0, issued.stderr
    assert (await Page(http, server.url, shop.token).ask_hello()).refusal == (403, "token-refused")
    page = await Page(http, server.url, issued.stdout.strip()).enter()
    await page.send(view(1))
    await page.acknowledged(1)


async def test_presence_counts_visitors_not_tabs(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    dashboard = await log_in(http, server.url, shop.app)
    first = await Page(http, server.url, shop.token).enter()
    tab = await Page(http, server.url, shop.token).enter(visitor=first.welcome.visitor)
    other = await Page(http, server.url, shop.token).enter()
    await dashboard.until(present=2)
    await first.goodbye()
    await other.goodbye()
    await dashboard.until(present=1)
    await tab.send(view(1))
    await tab.acknowledged(1)
    await tab.socket.close()
    assert (await dashboard.live()).present == 1, "a dropped socket may come back"
    back = await Page(http, server.url, shop.token).enter(visitor=tab.welcome.visitor, session=tab.welcome.session)
    await back.goodbye()
    await dashboard.until(present=0)


async def test_tabs_of_a_visitor_are_streams_of_one_session(
    shop: Shop, start_server: Start, http: ClientSession
) -> None:
    server = start_server()
    first = await Page(http, server.url, shop.token).enter()
    second = await Page(http, server.url, shop.token).enter(visitor=first.welcome.visitor)
    await first.send(view(1, "/a"))
    await second.send(view(1, "/b"))
    await first.acknowledged(1)
    await second.acknowledged(1)
    dashboard = await log_in(http, server.url, shop.app)
    await dashboard.until(events=2)
    overview = await dashboard.overview()
    assert (overview.page_views, overview.visitors, overview.sessions) == (2, 1, 1)


async def test_repeats_by_any_way_count_once(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    dashboard = await log_in(http, server.url, shop.app)
    page = await Page(http, server.url, shop.token).enter()
    events = [view(number, f"/{number}") for number in range(1, 6)]
    await page.send(*events)
    await page.acknowledged(5)
    await page.send(*events)
    await page.acknowledged(5)
    assert (await page.post(*events)).read(Acknowledgement) == Acknowledgement(5)
    assert (await page.post(*events, view(6), view(6, "/twin"), view(7))).read(Acknowledgement) == Acknowledgement(7)
    await page.send(view(6), view(7), view(8))
    await page.acknowledged(8)
    both = [view(number) for number in range(9, 109)]
    answer, _, _ = await asyncio.gather(page.post(*both), page.send(*both), page.acknowledged(108))
    assert answer.read(Acknowledgement) == Acknowledgement(108)
    await dashboard.until(events=108)
    assert (await dashboard.overview()).page_views == 108


async def test_sequences_out_of_order_each_count(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    dashboard = await log_in(http, server.url, shop.app)
    page = await Page(http, server.url, shop.token).enter()
    numbers = list(range(1, 101))
    random.Random(4).shuffle(numbers)
    await page.send(*(view(number) for number in numbers))
    await page.acknowledged(100)
    await page.send(view(110), view(105), view(110), view(103))
    await page.acknowledged(110)
    assert (await page.post(view(104), view(105), view(103))).read(Acknowledgement) == Acknowledgement(110)
    await page.send(view(111))
    await page.acknowledged(111)
    await dashboard.until(events=105)


async def test_a_session_goes_on_after_a_lost_connection(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    page = await Page(http, server.url, shop.token).enter()
    await page.send(view(1), view(2))
    await page.acknowledged(2)
    page.socket._response.close()
    lost = page.welcome
    welcome = await page.hello(session=lost.session, visitor=lost.visitor)
    assert (welcome.sequence, welcome.visitor) == (2, lost.visitor)
    await page.open()
    await page.send(view(2), view(3))
    await page.acknowledged(3)
    assert (await page.hello(session=welcome.session)).sequence == 3
    dashboard = await log_in(http, server.url, shop.app)
    await dashboard.until(events=3)
    assert (await dashboard.overview()).sessions == 1


async def test_a_later_hello_does_not_change_the_clock_offset(
    shop: Shop, start_server: Start, http: ClientSession
) -> None:
    server = start_server()
    page = await Page(http, server.url, shop.token).enter(session_start=1_000_000)
    opened = page.welcome.server_time
    await asyncio.sleep(0.3)
    await page.enter(session=page.welcome.session, session_start=5_000_000)
    await page.send(view(1, at=1_000_100), view(2, "/end", at=1_000_250))
    await page.acknowledged(2)
    assert page.welcome.server_time > opened + 250
    dashboard = await log_in(http, server.url, shop.app)
    await dashboard.until(events=2)
    assert (await dashboard.overview()).duration_mean == 0.15


async def test_after_a_kill_every_acknowledged_event_is_there_once(
    shop: Shop, start_server: Start, http: ClientSession
) -> None:
    server = start_server()
    page = await Page(http, server.url, shop.token).enter()
    gap = [view(number) for number in (1, 2, 3, 5, 9)]
    await page.send(*gap)
    await page.acknowledged(9)
    server.kill()
    server = start_server()
    dashboard = await log_in(http, server.url, shop.app)
    await dashboard.until(events=5)
    again = Page(http, server.url, shop.token)
    welcome = await again.hello(session=page.welcome.session, visitor=page.welcome.visitor)
    assert (welcome.sequence, welcome.visitor) == (9, page.welcome.visitor)
    await again.open()
    await again.send(*gap)
    await again.acknowledged(9)
    assert (await again.post(*gap, session=page.welcome.session)).read(Acknowledgement) == Acknowledgement(9)
    await again.send(view(4), view(10))
    await again.acknowledged(10)
    await dashboard.until(events=7)
    overview = await dashboard.overview()
    assert (overview.page_views, overview.visitors) == (7, 1)


async def load(page: Page, sent: list[int], acknowledged: list[int]) -> None:
    """Send without waiting until the server is gone; how far both sides came."""

    async def listen() -> None:
        async for frame in page.socket:
            if frame.type is WSMsgType.TEXT:
                answer = decode_server_message(frame.data)
                assert isinstance(answer, Acknowledgement), answer
                acknowledged[0] = answer.sequence

    async def send() -> None:
        while not page.socket.closed and sent[0] < 5_000:
            events = [view(sent[0] + number) for number in range(1, 6)]
            sent[0] += 5
            await page.socket.send_str(encode(EventsMessage(events)).decode())
            await asyncio.sleep(0.002)

    await asyncio.gather(listen(), send(), return_exceptions=True)


async def test_killed_under_load_loses_nothing_acknowledged_and_doubles_nothing(
    shop: Shop, start_server: Start, http: ClientSession
) -> None:
    """Each round: a kill at a random moment, then everything sent again."""
    moments = random.Random(20)
    sessions: list[tuple[Welcome, int]] = []
    total = unacknowledged = 0
    server = start_server()
    dashboard = await log_in(http, server.url, shop.app)
    for _ in range(ROUNDS):
        pages = [await Page(http, server.url, shop.token).enter() for _ in range(3)]
        counts = [([0], [0]) for _ in pages]
        loads = [asyncio.create_task(load(page, *count)) for page, count in zip(pages, counts, strict=True)]
        await asyncio.sleep(moments.uniform(0.02, 0.3))
        server.kill()
        await asyncio.gather(*loads)
        server = start_server()
        dashboard.url = server.url
        sent = sum(count[0][0] for count in counts)
        acknowledged = sum(count[1][0] for count in counts)
        counted = (await dashboard.live()).events
        assert total + acknowledged <= counted <= total + sent
        unacknowledged += sent - acknowledged
        for page, (sent_by, acknowledged_by) in zip(pages, counts, strict=True):
            again = Page(http, server.url, shop.token)
            welcome = await again.hello(session=page.welcome.session)
            assert acknowledged_by[0] <= welcome.sequence <= sent_by[0]
            events = [view(number) for number in range(1, sent_by[0] + 1)]
            for start in range(0, len(events), 400):
                assert (await again.post(*events[start : start + 400])).status == 200
            sessions.append((page.welcome, sent_by[0]))
        total += sent
        await dashboard.until(events=total)
    assert unacknowledged, "no round was killed with events under way: the test shows nothing"
    overview = await dashboard.overview()
    assert (overview.page_views, overview.visitors) == (total, 3 * ROUNDS)
    for old, highest in sessions[:3]:
        assert (await Page(http, server.url, shop.token).hello(session=old.session)).sequence == highest


async def test_events_posted_without_a_socket(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    page = Page(http, server.url, shop.token)
    await page.hello()
    answer = await page.post(view(1, "/catalog"), signal(2, plan="pro", seats=3, trial=True, coupon=None))
    assert (answer.status, answer.read(Acknowledgement)) == (200, Acknowledgement(2))
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert (await page.post()).read(Acknowledgement) == Acknowledgement(2)
    dashboard = await log_in(http, server.url, shop.app)
    await dashboard.until(events=2, present=0)


async def test_odd_but_valid_events_are_counted(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    page = await Page(http, server.url, shop.token).enter()
    await page.socket.send_str(
        '{"type":"events","more":{"a":[1]},"events":[["URLCHANGE",1,1,"http://shop.example/a",7,{"new":1}],'
        '["URLCHANGE",2,1,"http://["],["URLCHANGE",3,1,"//\\u2028\\u202e%zz%"],["CUSTOM",4,1,"\\u007f",'
        '{"big":123456789012345678901234567890,"text":"\\u0000\\u001f","pair":"\\ud83d\\ude00"}]]}'
    )
    await page.acknowledged(4)
    await page.send()
    await page.acknowledged(4)
    dashboard = await log_in(http, server.url, shop.app)
    await dashboard.until(events=4)
    assert (await dashboard.overview()).page_views == 3
    server.kill()
    server = start_server()
    dashboard.url = server.url
    await dashboard.until(events=4)
    assert (await dashboard.pages())["/a"] == 1


async def test_times_are_clamped_to_the_session(shop: Shop, start_server: Start, http: ClientSession) -> None:
    server = start_server()
    before = now()
    page = await Page(http, server.url, shop.token).enter()
    far = 2**53
    await page.send(view(1, at=-far), view(2, at=0), view(3, at=far), view(4, at=now() + 86_400_000))
    await page.acknowledged(4)
    after = now()
    dashboard = await log_in(http, server.url, shop.app)
    await dashboard.until(events=4)
    overview = await dashboard.overview()
    assert (overview.page_views, overview.sessions) == (4, 1)
    assert overview.duration_mean is not None
    assert 0 <= overview.duration_mean <= (after - before) / 1000
    assert len(overview.series) <= 48, "the figures begin and end today"
    server.stop()
    times = [event.time for event in await journal_views(shop)]
    assert len(times) == 4
    assert all(before <= time <= after for time in times)


async def test_routes_beyond_the_cap_are_counted_together(shop: Shop, start_server: Start, http: ClientSession) -> None:
    routes, cap, at_once = 60_000, 1_000, 750
    server = start_server(environment={"DATALAB_FIGURES_MAX_VALUES": str(cap)})
    dashboard = await log_in(http, server.url, shop.app)
    page = await Page(http, server.url, shop.token).enter()
    for first in range(1, routes + 1, at_once):
        await page.send(*(view(number, f"/{number:x}", at=0) for number in range(first, first + at_once)))
        await page.acknowledged(first + at_once - 1)
    await dashboard.until(events=routes)
    for restarted in (False, True):
        found = await dashboard.pages()
        assert len(found) <= cap + 1
        assert found[OTHER] == routes - (len(found) - 1)
        assert found[OTHER] >= routes - cap
        assert set(found.values()) == {1, found[OTHER]}
        assert (await dashboard.overview()).page_views == routes
        assert server.stop() == 0
        if not restarted:
            server = start_server(environment={"DATALAB_FIGURES_MAX_VALUES": str(cap)})
            dashboard.url = server.url
    verified = await asyncio.to_thread(run_datalab, "verify", data=shop.data)
    assert (verified.returncode, verified.stdout.strip()) == (0, "everything is whole")
    assert {event.url for event in await journal_views(shop)} == {f"{ORIGIN}/{n:x}" for n in range(1, routes + 1)}


async def journal_views(shop: Shop) -> list[UrlChange]:
    """The page views that the journal holds."""
    journal = EmbeddedJournal(shop.data)
    found = [
        UrlChange(int(sequence), int(time), batch.events.texts[text])
        async for batch in journal.replay(PartitionKey(shop.app, 1), Position())
        for sequence, time, text in zip(
            batch.events.sequence, batch.events.time, batch.events.text.tolist(), strict=True
        )
    ]
    await journal.close()
    return found
