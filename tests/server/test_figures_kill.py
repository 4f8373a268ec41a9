"""A server is killed while it takes events and while it saves its figures: every figure is that of the journal.

One data directory is carried through all rounds. In each a random history is imported bit by bit, with pages that send
events of their own, until the server is killed: in some rounds wherever it is, in the others (hasty_appliance.py) while
it writes a snapshot. What the dead server left is read in place of it and compared with the reference over the events
in the journal, among which has to be whatever was acknowledged; the next server's answers have to be the same.
"""

import asyncio
import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
from aiohttp import ClientError, ClientSession, UnixConnector

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.aggregate.rules import Rules
from datalab.aggregate.snapshot_file import frames
from datalab.appliance import CONTROL_SOCKET
from datalab.cli.connection import post
from datalab.errors import Refusal
from datalab.model.configuration import read_configuration
from datalab.model.events import Batch, Context, Kind, Position
from datalab.model.ranges import Range
from datalab.model.records import Record, record_of
from datalab.model.segments import EVERYBODY, Filter, Segment, write_segment
from datalab.operations.history import BeginImport, EndImport, ImportRecords, packed
from datalab.stores.embedded.journal import EmbeddedJournal
from datalab.stores.journal import PartitionKey
from datalab.workers.aggregation import Aggregation
from tests import conftest
from tests.aggregate.cases import compare
from tests.aggregate.choices import Rolled
from tests.aggregate.histories import (
    AGENTS,
    COUNTRIES,
    LANGUAGES,
    REFERRERS,
    SCREENS,
    History,
    aggregate_of,
    cut,
    random_history,
)
from tests.aggregate.questions import Asked, make_asked, plain, usual
from tests.aggregate.reference.happening import Described, Happening
from tests.conftest import run_datalab
from tests.server.client import ORIGIN, PATIENCE_S, Page, Shop, log_in, view
from tests.server.killed_world import Start

NAME, ZONE = "shop.example/Killed", "Europe/Berlin"
SEED = 40_411
ROUNDS = 8
CHUNK = 9
"""Records that are sent at a time."""
MAX_VALUES = 12
SETTINGS = {"DATALAB_FIGURES_MAX_VALUES": str(MAX_VALUES)}
HASTY = (sys.executable, str(Path(__file__).with_name("hasty_appliance.py")))
CONFIGURATION = """\
routes = ["/products/:any/reviews", "/products/:id"]
[[funnel]]
name = "Purchase"
window = "1h"
  [[funnel.stage]]
  name = "Anything"
  regex = "^/"
  [[funnel.stage]]
  name = "Product"
  glob = "/products/*"
  [[funnel.stage]]
  name = "Done"
  regex = "(done|checkout|cart)$"
[[funnel]]
name = "Clicks"
  [[funnel.stage]]
  name = "Buy"
  click = "#buy"
  [[funnel.stage]]
  name = "Teaser"
  click = ".teaser"
[[element]]
name = "Buy button"
selector = "#buy"
[[element]]
name = "Teaser"
selector = ".teaser"
[[campaign]]
name = "Spring 24"
parameter = "ad"
value = "s24"
"""
SEGMENTS = [EVERYBODY, Segment((Filter("visit", "is", "returning"), Filter("route", "contains", "CA")))]
AGENT = dict(AGENTS)
LANGUAGE, SCREEN, COUNTRY, REFERRER = (dict(each) for each in (LANGUAGES, SCREENS, COUNTRIES, REFERRERS))


def described(context: Context) -> Described:
    """The audience's dimensions of one of the histories' contexts."""
    return Described(
        *AGENT[context.user_agent],
        LANGUAGE[context.language],
        SCREEN[context.screen],
        COUNTRY[context.country],
        REFERRER[context.referrer],
    )


class Sent(NamedTuple):
    """What an event is known by, sent or in the journal."""

    visitor: bytes
    time: int
    kind: int
    text: str


class Left:
    """What a server leaves on the disk."""

    def __init__(self, folder: Path, key: PartitionKey) -> None:
        self.folder = folder
        self.key = key

    @property
    def is_torn(self) -> bool:
        """Whether a snapshot is half written."""
        path = self.folder / "snapshots" / self.key.app / f"{self.key.number}.snapshot"
        if path.with_suffix(".new").exists():
            return True
        return path.exists() and good_bytes(path) < path.stat().st_size

    def copied(self, target: Path) -> "Left":
        shutil.rmtree(target, ignore_errors=True)
        for name in ("journal", "snapshots"):
            if (self.folder / name).exists():
                shutil.copytree(self.folder / name, target / name)
        return Left(target, self.key)

    async def read(self, rules: Rules) -> tuple[History, PartitionAggregate]:
        """The events of the journal, and the figures that a start makes of snapshot and journal."""
        journal = EmbeddedJournal(self.folder)
        end = await journal.open(self.key)
        batches = [batch async for batch in journal.replay(self.key, Position())]
        aggregation = Aggregation(journal, self.folder / "snapshots")
        await aggregation.load(self.key, rules, end)
        aggregate = await aggregation.ask(self.key, lambda aggregate: aggregate)
        await aggregation.close()
        await journal.close()
        openings = [opening for batch in batches for opening in batch.openings]
        happenings = [happening for batch in batches for happening in happenings_of(batch)]
        return History(openings, happenings, [described(each.context) for each in openings], rules), aggregate


def good_bytes(path: Path) -> int:
    with path.open("rb") as file:
        return sum(len(frame) for frame in frames(file))


def happenings_of(batch: Batch) -> Iterator[Happening]:
    events = batch.events
    columns = (events.stream, events.sequence, events.time, events.kind, events.text, events.number)
    for stream, sequence, time, kind, text, number in zip(*(column.tolist() for column in columns), strict=True):
        yield Happening(stream, sequence, time, Kind(kind), events.texts[text], number)


class Killing:
    """The rounds; the visitors of all of them are the same few, so that events come late."""

    def __init__(self, http: ClientSession, start: Start, shop: Shop, rules: Rules) -> None:
        self.http = http
        self.shop = shop
        self.rules = rules
        self.key = PartitionKey(shop.app, 1)
        self.chance = random.Random(SEED)
        self._start = start
        self.restart()
        self.records: list[Record] = []
        self.sent: Counter[Sent] = Counter()
        """All records, whether they arrived or not."""
        self.acknowledged: Counter[Sent] = Counter()
        """Of this round."""
        self.views = 0
        """Sent by pages."""
        self.viewed: set[str] = set()
        """What the server acknowledged of them."""

    def restart(self) -> None:
        self.server = self._start(data=self.shop.data, environment=SETTINGS)

    def make_records(self) -> list[tuple[Record, Sent]]:
        history = random_history(self.chance)
        visitors = [self.chance.randrange(8).to_bytes(16, "big") for _ in history.openings]
        made = []
        for stream, _, time, kind, text, number in history.happenings:
            visitor = visitors[stream]
            record = record_of(visitor, history.openings[stream].context, time, kind, number, text, now_ms=0)
            made.append((record, Sent(visitor, time, kind, text)))
        return made

    async def bring(self, made: list[tuple[Record, Sent]]) -> None:
        """Import chunk by chunk, with page views in between; after that only these, for ever."""
        async with ClientSession(connector=UnixConnector(str(self.shop.data / CONTROL_SOCKET))) as session:
            run = await post(session, BeginImport(NAME))
            for first in range(0, len(made), CHUNK):
                chunk = made[first : first + CHUNK]
                await post(session, ImportRecords(run, packed([record for record, _ in chunk])))
                self.acknowledged.update(sent for _, sent in chunk)
                await self.view()
        while True:
            await self.view()

    async def view(self) -> None:
        """Of a page of its own."""
        page = Page(self.http, self.server.url, self.shop.token)
        (agent, _), (language, _) = self.chance.choice(AGENTS[1:5]), self.chance.choice(LANGUAGES)
        visitor = f"{self.chance.randrange(8):032x}"
        await page.hello(visitor=visitor, language=language, headers={"User-Agent": agent})
        self.views += 1
        path = f"/live/{self.views}"
        assert (await page.post(view(1, path))).status == 200
        self.viewed.add(ORIGIN + path)

    async def round(self, *, torn: bool) -> bool:
        """Send, kill, look, start again; whether a snapshot was being written."""
        made = self.make_records()
        self.records += [record for record, _ in made]
        self.sent.update(sent for _, sent in made)
        self.acknowledged.clear()
        bringing = asyncio.create_task(self.bring(made))
        enough = self.chance.randrange(len(made) + 1)
        left = Left(self.shop.data, self.key)
        async with asyncio.timeout(PATIENCE_S):
            while not (self.acknowledged.total() >= enough and (not torn or left.is_torn)):
                await asyncio.sleep(0.001)
                assert not bringing.done(), bringing.result()
        await asyncio.sleep(self.chance.uniform(0, 0.01))
        self.server.kill()
        with pytest.raises((ClientError, ConnectionError, Refusal)):
            await bringing
        left = await asyncio.to_thread(left.copied, self.shop.data.parent / "copy")
        was_torn = left.is_torn
        await self.check(left)
        return was_torn

    async def check(self, left: Left) -> History:
        """The figures are those of the journal, and it lacks nothing that was acknowledged."""
        history, aggregate = await left.read(self.rules)
        stored = Counter(
            Sent(history.openings[each.stream].visitor, each.time, each.kind, each.text)
            for each in history.happenings
            if not each.text.startswith(ORIGIN)
        )
        assert self.acknowledged <= stored <= self.sent
        views = Counter(each.text for each in history.happenings if each.text.startswith(ORIGIN))
        assert views.keys() >= self.viewed
        assert set(views.values()) <= {1}
        reference, choices = history.reference, Rolled(self.chance)
        compare(aggregate, history, [usual(Range(), self.rules.zone, 2)])
        compare(aggregate, history, [make_asked(choices, history, reference) for _ in range(4)])
        return history

    async def check_answers(self, history: History) -> None:
        """A server's answers, of everybody and under a segment."""
        dashboard = await log_in(self.http, self.server.url, self.shop.app)
        await dashboard.until(events=len(history.happenings))
        reference, funnels = history.reference, [funnel.name for funnel in self.rules.configuration.funnel]
        for segment in SEGMENTS:
            question = Question(app=NAME, zone=ZONE, segment=segment)
            for ask, wanted in Asked(question, usual(Range(), ZONE, len(funnels)).asks).of_reference(reference):
                query = {name: value for name, value in ask.arguments.items() if value is not None}
                if "number" in query:
                    query["funnel"] = funnels[query.pop("number")]
                query["segment"] = write_segment(segment)
                answer = await dashboard.insight(f"{ask.figure}?{urlencode(query)}", type(wanted))
                assert plain(answer) == wanted, ask


def make_app(shop: Shop) -> Shop:
    """One of its own, with a token."""
    file = shop.data.parent / "figures.toml"
    file.write_text(CONFIGURATION)

    def done(*arguments: str) -> str:
        finished = run_datalab(*arguments, data=shop.data)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    made = done("app", "create", NAME, "--owner", "ada.lovelace", "--url", ORIGIN, "--time-zone", ZONE, "--json")
    done("app", "config", NAME, "--set", str(file))
    return Shop(shop.data, json.loads(made)["id"], done("token", "issue", NAME).strip())


async def test_every_figure_is_that_of_the_journal(
    tmp_path: Path, shop: Shop, start_server: Start, http: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make_app(shop)
    rules = Rules(
        configuration=read_configuration(CONFIGURATION),
        own_hosts=frozenset({"shop.example"}),
        max_values=MAX_VALUES,
        zone=ZONE,
    )
    plain_datalab = conftest.DATALAB
    monkeypatch.setattr(conftest, "DATALAB", HASTY)
    killing = Killing(http, start_server, shop, rules)
    torn, hasty = 0, True
    for number in range(ROUNDS):
        torn += await killing.round(torn=hasty)
        # Every third server saves nothing, so that what the next one finds is older than the journal.
        hasty = number % 3 != 0
        monkeypatch.setattr(conftest, "DATALAB", HASTY if hasty else plain_datalab)
        killing.restart()
    assert torn >= ROUNDS // 2

    async with ClientSession(connector=UnixConnector(str(shop.data / CONTROL_SOCKET))) as session:
        run = await post(session, BeginImport(NAME))
        for first in range(0, len(killing.records), 100):
            await post(session, ImportRecords(run, packed(killing.records[first : first + 100])))
        await post(session, EndImport(run))
    killing.acknowledged = killing.sent.copy()
    assert killing.server.stop() == 0
    history = await killing.check(Left(shop.data, killing.key).copied(tmp_path / "copy"))
    compare(aggregate_of(rules, cut(history, killing.chance, [1, 7, 100])), history, [usual(Range(), ZONE, 2)])
    killing.restart()
    await killing.check_answers(history)
    assert "Traceback" not in killing.server.log.read_text()
