"""Segments saved by name: by every reader, changed by whoever saved them or owns the app, gone with it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from datalab.errors import Forbidden, Invalid, Missing, Taken, TooMany
from datalab.model.apps import App
from datalab.model.configuration import Configuration, Funnel, Stage
from datalab.model.permissions import OPERATOR, Actor
from datalab.model.segments import EVERYBODY, Filter, NewSegment, Segment, read_segment
from datalab.model.trimming import read_fields
from datalab.services.segments import MAX_SEGMENTS, SegmentShown
from tests.services import staged as parts
from tests.services.staged import known, staged

FUNNEL = Funnel(name="Purchase", stage=[Stage(name="Cart", url="/cart"), Stage(name="Bought", url="/thanks")])
CONFIGURATION = Configuration(funnel=[FUNNEL, replace(FUNNEL, name="My funnel")])
NEWCOMERS = NewSegment(name="Newcomers", text="visit is new")


def new(name: str, text: str = "visit is new") -> NewSegment:
    return read_fields(NewSegment, {"name": name, "text": text})


class Stalls(parts.Stage):
    """An app with a funnel, its owner Ada and its readers Ben and Cem."""

    ada: Actor
    ben: Actor
    cem: Actor
    id: str

    async def begin(self) -> None:
        self.ada, self.ben, self.cem = [await self.person(name) for name in ("ada.l", "ben.m", "cem.n")]
        self.id = (await self.app(self.ada)).id
        await self.configure(CONFIGURATION)

    async def configure(self, configuration: Configuration) -> None:
        await self.services.configurations.replace(OPERATOR, self.id, configuration)

    @property
    def shop(self) -> App:
        return self.services.directory.get(self.id)

    async def save(self, actor: Actor, name: str, text: str = "visit is new") -> SegmentShown:
        return await self.services.segments.save(actor, self.id, new(name, text))

    async def names(self) -> list[str]:
        return [one.name for one in await self.services.segments.all(self.ada, self.shop)]

    async def read(self, text: str) -> Segment:
        return await self.services.segments.read(self.shop, text)

    async def log(self) -> list[tuple[str, str, list[str]]]:
        """What the audit log says of segments, oldest first."""
        page = await self.services.audit.of_app(self.shop, None, 200)
        return [
            (entry.by, entry.action, entry.details)
            for entry in reversed(page.entries)
            if entry.action.startswith("segment.")
        ]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stalls]:
    async with staged(tmp_path / "data") as made:
        stalls = Stalls(*made)
        await stalls.begin()
        yield stalls


async def test_what_is_saved_is_listed_by_name_and_used_by_it(stage: Stalls) -> None:
    segments, hands = stage.services.segments, stage.hands
    made = await stage.save(stage.ben, "  Not bought ", "  Did NOT reach   stage 2 and Route is not /cart ")
    hands.now += 1
    later = await stage.save(stage.ada, "fans", 'event is "a and b"')
    assert (made.name, made.text) == ("Not bought", "did not reach stage 2 of Purchase and route is not /cart")
    assert (made.by, made.created, made.changed, made.fault) == ("ben.m", hands.now - 1, hands.now - 1, None)
    assert later.text == 'event is "a and b"'
    assert await segments.all(stage.ben, stage.shop) == [replace(later, changeable=False), made]
    assert [one.changeable for one in await segments.all(stage.ada, stage.shop)] == [True, True]
    assert [one.changeable for one in await segments.all(OPERATOR, stage.shop)] == [True, True]
    reader = Actor(known(stage.ada), write=False, by_key=True)
    assert [one.changeable for one in await segments.all(reader, stage.shop)] == [False, False]
    assert await segments.one(stage.cem, stage.shop, " NOT bought") == replace(made, changeable=False)

    expected = Segment((Filter("stage", "is not", "2 of Purchase"), Filter("route", "is not", "/cart")))
    for text in ("@Not bought", " @ not BOUGHT ", made.text):
        assert await stage.read(text) == expected
    assert await stage.read("") == EVERYBODY
    assert await stage.log() == [
        ("ben.m", "segment.save", [f"'Not bought': {made.text}"]),
        ("ada.l", "segment.save", ["'fans': event is \"a and b\""]),
    ]


async def test_what_cannot_be_read_is_refused(stage: Stalls) -> None:
    for name in ("", "  ", "x" * 81, "a\nb", "a\u202eb"):
        with pytest.raises(Invalid, match="name: the name of a segment has 1 to 80 characters on one line"):
            await stage.save(stage.ben, name)
    for text in ("", " ", "visit is " + "x" * 4000):
        with pytest.raises(Invalid, match="text: 1 to 2000 characters"):
            await stage.save(stage.ben, "a", text)
    with pytest.raises(Invalid, match="character 1: 'colour' is no dimension"):
        await stage.save(stage.ben, "a", "colour is red")
    with pytest.raises(Invalid, match="there is no funnel 'Sale'; there are Purchase, My funnel"):
        await stage.save(stage.ben, "a", "reached stage 1 of Sale")
    with pytest.raises(Invalid, match="'@other' is no dimension"):
        await stage.save(stage.ben, "a", "@other")
    # Only the command line could send such: a text that is trimmed has something in it.
    with pytest.raises(Invalid, match="at least one filter"):
        await stage.services.segments.save(stage.ben, stage.id, NewSegment(name="a", text=" "))
    for text in ("browser = x", "x" * 4001):
        with pytest.raises(Invalid, match="^(segment, character|a segment has)"):
            await stage.read(text)
    assert await stage.names() == []
    assert await stage.log() == []


async def test_an_unknown_name_is_answered_with_those_that_there_are(stage: Stalls) -> None:
    with pytest.raises(Missing, match="^shop.example/Shop has no segment 'x'; none is saved yet$"):
        await stage.read("@x")
    for number in range(12):
        await stage.save(stage.ben, f"S{number:02}")
    for text in ("@", "@x", "@@S01", "@S01 and visit is new", "@" + "x" * 5000):
        with pytest.raises(Missing, match="has no segment .*; there are S00, S01, .*, S09 and 2 more$") as refused:
            await stage.read(text)
        assert len(refused.value.detail) < 300
    with pytest.raises(Missing, match="has no segment 'x'"):
        await stage.services.segments.one(stage.ben, stage.shop, "x")


async def test_names_are_taken_once_whatever_their_case(stage: Stalls) -> None:
    made = await stage.save(stage.ben, "Straße")
    other = await stage.save(stage.ben, "Other")
    for name in ("Straße", " straße", "STRASSE"):
        with pytest.raises(Taken, match="there is a segment .* already; choose another name"):
            await stage.save(stage.cem, name)
        with pytest.raises(Taken):
            await stage.services.segments.replace(stage.ben, stage.id, other.id, new(name))
    renamed = await stage.services.segments.replace(stage.ben, stage.id, made.id, new("STRASSE"))
    assert renamed.name == "STRASSE", "its own name is free"
    second = (await stage.app(stage.ada, "Second")).id
    await stage.services.segments.save(stage.ben, second, new("Other"))
    assert await stage.names() == ["Other", "STRASSE"]


async def test_a_hundred_are_enough(stage: Stalls) -> None:
    made = [await stage.save(stage.ben, f"S{number}") for number in range(MAX_SEGMENTS)]
    with pytest.raises(TooMany, match="has 100 segments already; delete one first"):
        await stage.save(stage.ada, "one more")
    await stage.services.segments.remove(stage.ada, stage.id, made[5].id)
    await stage.save(stage.ada, "one more")


async def test_who_saved_one_and_the_owner_change_it_and_nobody_else(stage: Stalls) -> None:
    segments = stage.services.segments
    made = await stage.save(stage.ben, "Bens")
    stage.hands.now += 1
    renamed = await segments.replace(stage.ben, stage.id, made.id, new("Theirs", made.text))
    assert (renamed.name, renamed.text, renamed.created, renamed.changed) == (
        "Theirs",
        made.text,
        made.created,
        made.created + 1,
    )
    both = await segments.replace(stage.ada, stage.id, made.id, new("Ours", "VISIT is returning"))
    assert (both.name, both.text, both.by) == ("Ours", "visit is returning", "ben.m")
    assert await segments.replace(stage.ben, stage.id, made.id, new("Ours", "visit is returning")) == both
    refusal = "'Ours' was saved by ben.m; only they and ada.l, who owns shop.example/Shop, may change it"
    with pytest.raises(Forbidden, match=refusal):
        await segments.replace(stage.cem, stage.id, made.id, new("Mine"))
    with pytest.raises(Forbidden, match=refusal):
        await segments.remove(stage.cem, stage.id, made.id)
    with pytest.raises(Forbidden, match="may only read"):
        await segments.remove(Actor(known(stage.ben), write=False, by_key=True), stage.id, made.id)
    with pytest.raises(Forbidden, match="may only read"):
        await segments.save(Actor(known(stage.ben), write=False, by_key=True), stage.id, NEWCOMERS)
    assert await stage.names() == ["Ours"]
    await segments.remove(stage.ben, stage.id, made.id)
    operators = await stage.save(OPERATOR, "Operator")
    with pytest.raises(Forbidden, match=r"was saved by \(operator\)"):
        await segments.remove(stage.ben, stage.id, operators.id)
    await segments.remove(stage.ada, stage.id, operators.id)
    assert await stage.log() == [
        ("ben.m", "segment.save", ["'Bens': visit is new"]),
        ("ben.m", "segment.change", ["'Bens' renamed to 'Theirs'"]),
        ("ada.l", "segment.change", ["'Theirs' renamed to 'Ours'", "'Ours' set to visit is returning"]),
        ("ben.m", "segment.delete", ["'Ours': visit is returning"]),
        ("(operator)", "segment.save", ["'Operator': visit is new"]),
        ("ada.l", "segment.delete", ["'Operator': visit is new"]),
    ]


async def test_what_does_not_exist_is_missing(stage: Stalls) -> None:
    segments = stage.services.segments
    second = (await stage.app(stage.ada, "Second")).id
    elsewhere = await segments.save(stage.ada, second, NEWCOMERS)
    for id in ("none", "", elsewhere.id):
        with pytest.raises(Missing, match="there is no such segment"):
            await segments.replace(stage.ada, stage.id, id, NEWCOMERS)
        with pytest.raises(Missing, match="there is no such segment"):
            await segments.remove(stage.ada, stage.id, id)
    private = (await stage.app(stage.ada, "Private", private=True)).id
    for app in (private, "none"):
        with pytest.raises(Missing, match="there is no such app"):
            await segments.save(stage.ben, app, NEWCOMERS)
        with pytest.raises(Missing, match="there is no such app"):
            await segments.replace(stage.ben, app, elsewhere.id, NEWCOMERS)
        with pytest.raises(Missing, match="there is no such app"):
            await segments.remove(stage.ben, app, elsewhere.id)
    assert [one.id for one in await segments.all(stage.ada, stage.services.directory.get(second))] == [elsewhere.id]


async def test_the_lock_does_not_matter(stage: Stalls) -> None:
    await stage.services.locks.issue(stage.ada, stage.id, stage.shop.full_name)
    assert stage.shop.locked
    made = await stage.save(stage.ben, "a", "reached stage 1")
    await stage.services.segments.replace(stage.ben, stage.id, made.id, new("b"))
    assert await stage.names() == ["b"]
    await stage.services.segments.remove(stage.ben, stage.id, made.id)


async def test_one_that_a_configuration_took_the_funnel_from_says_so(stage: Stalls) -> None:
    made = await stage.save(stage.ben, "Bought", "reached stage 2 and visit is new")
    headline = await stage.save(stage.ben, "Mine", "reached stage 2 of My funnel")
    old = stage.shop
    await stage.configure(Configuration(funnel=[replace(FUNNEL, name="My funnel", stage=FUNNEL.stage[:1])]))
    bought, mine = await stage.services.segments.all(stage.ben, stage.shop)
    assert (bought.text, mine.text) == (made.text, headline.text)
    assert bought.fault == "segment, character 15: there is no funnel 'Purchase'; there are My funnel"
    assert mine.fault == "segment, character 15: funnel 'My funnel' has no stage 2; there are 1 Cart"
    with pytest.raises(
        Invalid, match="^the saved segment 'Bought' does not fit the configuration: segment, character 15"
    ):
        await stage.read("@bought")
    assert await stage.services.segments.read(old, "@Bought") == read_segment(made.text, CONFIGURATION), "as it was"

    renamed = await stage.services.segments.replace(stage.ben, stage.id, made.id, new("Sold", made.text))
    assert (renamed.name, renamed.text, renamed.fault) == ("Sold", made.text, bought.fault)
    with pytest.raises(Invalid, match="there is no funnel 'Purchase'"):
        await stage.services.segments.replace(stage.ben, stage.id, made.id, new("Sold", "reached stage 1 of Purchase"))
    await stage.configure(CONFIGURATION)
    assert [one.fault for one in await stage.services.segments.all(stage.ben, stage.shop)] == [None, None]
    await stage.configure(Configuration())
    for one in await stage.services.segments.all(stage.ben, stage.shop):
        assert one.fault == "segment, character 15: no funnel is configured, so there are no stages"


async def test_they_go_with_the_app_and_stay_without_the_person(stage: Stalls) -> None:
    segments = stage.services.segments
    second = (await stage.app(stage.ada, "Second")).id
    await segments.save(stage.ben, second, NEWCOMERS)
    made = await stage.save(stage.ben, "Bens")
    await stage.services.accounts.remove(stage.ada, "ben.m")
    again = await stage.person("ben.m")
    (left,) = await segments.all(again, stage.shop)
    assert left == replace(made, by="", changeable=False)
    with pytest.raises(Forbidden, match="saved by somebody who left"):
        await segments.remove(again, stage.id, made.id)
    await segments.replace(stage.ada, stage.id, made.id, new("Adas"))

    deleted = stage.shop
    await stage.services.apps.delete(stage.ada, stage.id, deleted.full_name)
    stored = await segments._changes.transact(lambda collections: collections.segments.where())
    assert [one.app for one in stored] == [second]


async def test_of_many_who_take_a_name_at_once_one_gets_it(stage: Stalls) -> None:
    tries = [stage.save(actor, "Same") for actor in (stage.ada, stage.ben, stage.cem) * 4]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, SegmentShown) for one in done) == 1
    assert sum(isinstance(one, Taken) for one in done) == 11
    assert await stage.names() == ["Same"]


async def test_they_are_there_after_a_start(tmp_path: Path) -> None:
    async with staged(tmp_path / "data") as made:
        ada = await made.person("ada.l")
        app = await made.app(ada)
        saved = await made.services.segments.save(ada, app.id, NEWCOMERS)
    async with staged(tmp_path / "data") as again:
        assert await again.services.segments.all(ada, app) == [saved]
        assert await again.services.segments.read(app, "@newcomers") == read_segment("visit is new", Configuration())
