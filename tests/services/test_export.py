"""Export against import: the same figures, the same lines, nothing twice, and little memory for any size."""

import io
import os
import random
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from datalab.cli.record_file import BadLine, read_records
from datalab.errors import Missing, Unavailable
from datalab.ingest.group import Group
from datalab.model.apps import App
from datalab.model.events import Batch, Context, Events, Kind, Opening, Position
from datalab.model.ranges import Range
from datalab.model.records import Record, content_of, format_time
from datalab.model.wire import Custom, Event, MouseClick, MouseHover, MouseMove, UrlChange
from datalab.services import export as export_module
from datalab.services.export import PIECE_BYTES, Export
from datalab.services.record_columns import Held, columns
from datalab.services.record_keys import KeyReader
from datalab.stores.embedded.journal import EmbeddedJournal
from datalab.stores.journal import Journal, PartitionKey
from datalab.stores.memory.journal import MemoryJournal
from tests.aggregate.histories import CONTEXTS, aggregate_of, cut, random_history
from tests.aggregate.test_partition import figures, ranges_of

NOW = 1_800_000_000_000
KEY, OTHER = PartitionKey("app", 1), PartitionKey("app", 2)
HOVERS = ["#buy\x1fhover-leave", "#buy\x1fhover-click", "Buy button\x1fhover-leave", "\x1fhover-click"]
SIGNALS = ["signup\x1f{}", '\x1f{"":null}', 'order\x1f{"total":9.5,"new":true,"code":"Zoë\\u0001"}']
WIDE = 'order\x1f{"total":100000000000000000000}'


async def batches_of(journal: Journal, key: PartitionKey) -> list[Batch]:
    return [batch async for batch in journal.replay(key, Position())]


async def fill(journal: Journal, key: PartitionKey, batches: list[Batch]) -> None:
    await journal.open(key)
    for batch in batches:
        await journal.append(key, batch.openings, batch.events)


def event_of(record: Record) -> tuple[object, ...]:
    """What makes the event, whatever is known of the browser."""
    return record.visitor, record.time, content_of(record)


def somewhere(batches: list[Batch], chance: random.Random) -> list[Batch]:
    """The same with visitors in several countries."""

    def moved(opening: Opening) -> Opening:
        return replace(opening, context=replace(opening.context, country=chance.choice(["", "CH", "DE"])))

    return [replace(batch, openings=[moved(opening) for opening in batch.openings]) for batch in batches]


async def exported(journal: Journal, key: PartitionKey, since: Position = Position()) -> bytes:  # noqa: B008
    return b"".join([piece async for piece in Export(journal, clock=lambda: NOW).records(key, since)])


def read(lines: bytes) -> list[Record]:
    """As the command line reads them; none may be bad."""
    records = []
    for entry in read_records(io.BytesIO(lines), "ndjson", NOW):
        assert not isinstance(entry, BadLine), entry
        records.append(entry)
    return records


async def import_(journal: Journal, key: PartitionKey, records: list[Record], chunk: int) -> int:
    """As the service imports them; how many events were added."""
    end, held, reader = await journal.open(key), Held(), KeyReader()
    for batch in await batches_of(journal, key):
        reader.collect(batch, held.present)
    before = end.events
    for start in range(0, len(records), chunk):
        openings, events = columns(held, records[start : start + chunk], NOW)
        if len(events):
            events = replace(events, stream=events.stream + np.uint32(end.streams))
            end = (await journal.append(key, openings, events)).end
    return end.events - before


def varied(batches: list[Batch], chance: random.Random) -> list[Batch]:
    """The same with numbers, and with texts that no figure looks at."""

    def number(kind: int) -> int:
        if kind in (Kind.MOUSECLICK, Kind.MOUSEMOVE):
            return chance.choice([0, 1, 65535, 65536, 2**32 - 1, chance.randrange(2**32)])
        return chance.choice([0, 99, 86_400_000]) if kind == Kind.MOUSEHOVER else 0

    changed = []
    for batch in batches:
        events = batch.events
        texts = [*events.texts, *HOVERS, *SIGNALS, WIDE, ""]
        kinds, text = events.kind.tolist(), events.text.tolist()
        for row, kind in enumerate(kinds):
            if kind in (Kind.MOUSEHOVER, Kind.MOUSEMOVE, Kind.CUSTOM):
                pool = {Kind.MOUSEHOVER: HOVERS, Kind.MOUSEMOVE: [""]}.get(kind, [*SIGNALS, WIDE])
                text[row] = texts.index(chance.choice(pool))
        events = replace(
            events,
            number=np.array([number(kind) for kind in kinds], dtype=np.uint32),
            text=np.array(text, dtype=np.uint32),
            texts=texts,
        )
        changed.append(replace(batch, events=events))
    return changed


@pytest.mark.parametrize("seed", range(8))
async def test_an_import_of_an_export_gives_the_same_figures_and_the_same_export(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        history = random_history(chance)
        journal = MemoryJournal()
        await fill(journal, KEY, somewhere(varied(cut(history, chance, [1, 2, 3, 9, 30]), chance), chance))
        lines = await exported(journal, KEY)
        records = read(lines)
        assert len(records) == len(history.happenings)
        assert await import_(journal, OTHER, records, chance.choice([1, 7, 10**6])) == len(records)
        assert await exported(journal, OTHER) == lines
        first = aggregate_of(history.rules, await batches_of(journal, KEY))
        second = aggregate_of(history.rules, await batches_of(journal, OTHER))
        for each in ranges_of(chance, history):
            assert figures(second, each, history.zone) == figures(first, each, history.zone)


@pytest.mark.parametrize("seed", range(4))
async def test_an_export_imported_where_it_came_from_adds_nothing(seed: int) -> None:
    chance = random.Random(100 + seed)
    for _ in range(25):
        journal = MemoryJournal()
        batches = somewhere(varied(cut(random_history(chance), chance, [1, 4, 30]), chance), chance)
        await fill(journal, KEY, batches)
        records = read(await exported(journal, KEY))
        chance.shuffle(records)
        assert await import_(journal, KEY, records, chance.choice([1, 5, 10**6])) == 0
        if records:
            # One more of an event than there are is new.
            equal = [record for record in records if event_of(record) == event_of(records[0])]
            assert await import_(journal, KEY, [*equal, records[0]], 10**6) == 1


async def test_where_a_visitor_was_makes_no_other_event() -> None:
    journal = MemoryJournal()
    record = Record(visitor="v", time=NOW, kind="urlchange", url="/", language="de")
    assert await import_(journal, KEY, [record], 1) == 1
    for same in (replace(record, country="CH"), replace(record, language="fr"), record):
        assert await import_(journal, KEY, [same], 1) == 0


def random_event(chance: random.Random, sequence: int, time: int) -> Event:
    text = chance.choice(["", "#buy", "main>a", "x" * 512, "日本語", '"\\/\u2028', "\x7f"])
    kind = chance.randrange(5)
    if kind == 0:
        url = chance.choice(
            ["x", "https://shop.example/Zoë?a#b", "http://[broken", "https://\u2100.example/", "é" * 2048]
        )
        return UrlChange(sequence, time, url)
    if kind == 1:
        matched = chance.choice([[], [""], ["#buy", "a", ""], ["x" * 512] * 32])
        return MouseClick(sequence, time, text, matched, chance.choice([0, 65535]), chance.choice([0, 7]))
    if kind == 2:
        return MouseHover(
            sequence, time, text, chance.choice(["hover-click", "hover-leave"]), chance.choice([0, 10**7])
        )
    if kind == 3:
        return MouseMove(sequence, time, chance.choice([0, 65535]), chance.choice([0, 65535]))
    values = [
        None,
        True,
        0,
        -(2**63),
        2**64,
        10**4000,
        1.0,
        -0.0,
        5e-324,
        1.7976931348623157e308,
        "",
        "\x00\x1f\n\t",
        "💡",
    ]
    return Custom(sequence, time, text, {text[:9] + str(k): value for k, value in enumerate(chance.sample(values, 4))})


@pytest.mark.parametrize("seed", range(4))
async def test_what_pages_sent_has_the_same_keys_as_its_records(seed: int) -> None:
    """The clock was at 1970 for a while."""
    chance = random.Random(200 + seed)
    journal, now = MemoryJournal(), chance.choice([1000, NOW])
    await journal.open(KEY)
    for _ in range(20):
        group, start = Group(), (await journal.open(KEY)).streams
        group.openings = [
            Opening(
                visitor=chance.randbytes(16),
                started=now - 500,
                context=replace(
                    chance.choice(CONTEXTS)[0],
                    screen="390x844",
                    referrer=chance.choice(["", "é" * 2048]),
                    country=chance.choice(["", "CH", "DE"]),
                ),
            )
            for _ in range(2)
        ]
        for stream in range(2):
            events = [random_event(chance, k, chance.choice([now, now - 200, -5, 2**53])) for k in range(1, 30)]
            group.add(start + stream, events, 0, now - 500, now)
        await journal.append(KEY, group.openings, group.events())
    lines = await exported(journal, KEY)
    records = read(lines)
    assert len(records) == 20 * 2 * 29
    assert await import_(journal, KEY, records, 1000) == 0
    assert await import_(journal, OTHER, records, 1000) == len(records)
    assert await exported(journal, OTHER) == lines
    reader = KeyReader(), KeyReader()
    keys = [
        Counter(key for batch in await batches_of(journal, place) for key in each.read(batch))
        for each, place in zip(reader, (KEY, OTHER), strict=True)
    ]
    assert keys[0] == keys[1]


def plain_batch(start: Position, streams: int, events: int, text: str = "/", **more: str) -> Batch:
    """`events` page views of each of some visitors."""
    count = streams * events
    kind = Kind.CUSTOM if "\x1f" in text else Kind.URLCHANGE
    return Batch(
        start=start,
        openings=[
            Opening(visitor=(start.streams + k).to_bytes(16, "big"), started=NOW, context=Context(**more))
            for k in range(streams)
        ],
        events=Events(
            stream=np.repeat(np.arange(start.streams, start.streams + streams, dtype=np.uint32), events),
            sequence=np.tile(np.arange(1, events + 1, dtype=np.uint32), streams),
            time=np.arange(start.events, start.events + count, dtype=np.int64) + NOW - 10**9,
            kind=np.full(count, kind, dtype=np.uint8),
            text=np.zeros(count, dtype=np.uint32),
            number=np.zeros(count, dtype=np.uint32),
            texts=[text],
        ),
    )


async def small(journal: Journal) -> bytes:
    """A partition of three batches of 4, 4 and 100 events; its export."""
    await journal.open(KEY)
    end = Position()
    for streams, events in ((2, 2), (4, 1), (1, 100)):
        batch = plain_batch(end, streams, events)
        end = (await journal.append(KEY, batch.openings, batch.events)).end
    return await exported(journal, KEY)


@pytest.fixture(params=["memory", "disk"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    made: Journal = MemoryJournal() if request.param == "memory" else EmbeddedJournal(tmp_path)
    yield made
    await made.close()


async def test_the_lines_behind_a_position(journal: Journal) -> None:
    lines = (await small(journal)).splitlines(keepends=True)
    assert len(lines) == 108
    for events in (0, 1, 3, 4, 5, 8, 9, 107, 108, 109, 10**9):
        assert await exported(journal, KEY, Position(0, events)) == b"".join(lines[events:])
        assert await exported(journal, KEY, Position(7, events)) == b"".join(lines[events:])


@pytest.mark.parametrize("size", [1, 200, 5000, 10**6])
@pytest.mark.parametrize("remembered", [True, False])
async def test_chunks_together_are_the_whole(
    journal: Journal, size: int, remembered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await small(journal)
    monkeypatch.setattr(export_module, "CHUNK_BYTES", size)
    export, parts, at = Export(journal, clock=lambda: NOW), [], Position()
    while True:
        if not remembered:
            export = Export(journal, clock=lambda: NOW)
        part = await export.chunk(KEY, at)
        assert part.partition == KEY.number
        assert part.lines.endswith(b"\n") or not part.lines
        assert part.lines.count(b"\n") <= size // 100 + 1
        parts.append(part.lines)
        if part.next is None:
            break
        assert part.next.events == b"".join(parts).count(b"\n")
        at = part.next
    assert b"".join(parts) == whole
    assert len(parts) >= len(whole) // (size + 300)


async def test_a_chunk_can_be_asked_for_again_and_by_several_at_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await small(journal)
    monkeypatch.setattr(export_module, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(export_module, "MAX_READINGS", 2)
    export = Export(journal, clock=lambda: NOW)
    first = [await export.chunk(KEY, Position()) for _ in range(5)]
    assert len({part.lines for part in first}) == 1
    assert first[0].next is not None
    second = [await export.chunk(KEY, first[0].next) for _ in range(5)]
    assert len({part.lines for part in second}) == 1
    assert second[0].lines != first[0].lines
    assert len(export._readings) <= 2


async def test_readings_that_lost_their_client_are_forgotten(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    await small(journal)
    monkeypatch.setattr(export_module, "CHUNK_BYTES", 1000)
    now = [NOW]
    export = Export(journal, clock=lambda: now[0])
    await export.chunk(KEY, Position())
    assert len(export._readings) == 1
    now[0] += export_module.ABANDONED_MS + 1
    await export.chunk(KEY, Position(7, 100))
    assert export._readings == {}


async def test_an_export_ends_where_the_partition_ended_when_it_began(journal: Journal) -> None:
    await small(journal)
    pieces = Export(journal, clock=lambda: NOW).records(KEY)
    more = plain_batch(Position(7, 108), 1, 1)
    found = [await anext(pieces)]
    await journal.append(KEY, more.openings, more.events)
    found += [piece async for piece in pieces]
    assert b"".join(found).count(b"\n") == 108
    assert (await exported(journal, KEY)).count(b"\n") == 109


async def test_sealed_partitions_are_exported_too(journal: Journal) -> None:
    lines = await small(journal)
    await journal.archive(KEY)
    assert await exported(journal, KEY) == lines


async def test_an_empty_partition_has_no_lines(journal: Journal) -> None:
    await journal.open(KEY)
    assert [piece async for piece in Export(journal).records(KEY)] == []
    part = await Export(journal).chunk(KEY, Position())
    assert (part.lines, part.next) == (b"", None)


async def test_a_partition_that_does_not_exist_is_missing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    await small(journal)
    with pytest.raises(Missing):
        await exported(journal, OTHER)
    with pytest.raises(Missing):
        await Export(journal).chunk(OTHER, Position())
    monkeypatch.setattr(export_module, "CHUNK_BYTES", 1000)
    export = Export(journal)
    begun = await export.chunk(KEY, Position())
    assert begun.next is not None
    await journal.delete(KEY)
    with pytest.raises(Missing):
        await export.chunk(KEY, begun.next)


async def test_which_partition_is_meant(journal: Journal) -> None:
    app = App(id="app", organisation="shop.example", name="shop", owner="ada.l", origins=[], created=0)
    export = Export(journal)
    with pytest.raises(Missing, match="^shop.example/shop has no partition yet; issue a token or import history$"):
        await export.find(app)
    for number in (1, 2):
        await journal.open(PartitionKey("app", number))
    await journal.open(PartitionKey("another", 3))
    assert await export.find(replace(app, partition=2)) == PartitionKey("app", 2)
    assert await export.find(replace(app, partition=2), 1) == PartitionKey("app", 1)
    with pytest.raises(Missing, match="^shop.example/shop has no partition 3; there is 1, 2$"):
        await export.find(replace(app, partition=2), 3)
    with pytest.raises(Missing, match="^shop.example/shop has no open partition; choose one of 1, 2$"):
        await export.find(app)


async def test_a_damaged_stretch_costs_its_events_and_neither_the_figures_nor_the_repeat_rule(tmp_path: Path) -> None:
    chance = random.Random(300)
    for number in range(1, 20):
        history = random_history(chance)
        key, journal = PartitionKey("app", number), EmbeddedJournal(tmp_path)
        await fill(journal, key, cut(history, chance, [1, 2, 5]))
        await journal.close()
        file = tmp_path / "journal" / "app" / f"{number}.journal"
        content = bytearray(file.read_bytes())
        content[chance.randrange(40, len(content) // 2 + 41)] ^= 0x55
        file.write_bytes(content)
        journal = EmbeddedJournal(tmp_path)
        records = read(await exported(journal, key))
        rules = replace(history.rules, max_values=10_000)
        first = aggregate_of(rules, await batches_of(journal, key))
        assert len(records) == first.position.events - first.lost_events
        assert await import_(journal, key, records, 7) == 0
        target = MemoryJournal()
        await import_(target, OTHER, records, 7)
        second = aggregate_of(rules, await batches_of(target, OTHER))
        assert figures(second, Range(), history.zone) == figures(first, Range(), history.zone)
        await journal.close()


async def test_what_a_page_said_with_control_characters_can_be_imported(journal: Journal) -> None:
    batch = plain_batch(Position(), 1, 1, referrer="https://\x01a.example/\n", language="de\x1f")
    await fill(journal, KEY, [batch])
    (record,) = read(await exported(journal, KEY))
    assert (record.referrer, record.language) == ("https://a.example/", "de")
    assert record.time == format_time(NOW - 10**9)


async def test_memory_does_not_grow_with_the_openings(tmp_path: Path) -> None:
    """40 MB of referrers, each of its own, and one visitor who comes back at the end."""
    journal, end = EmbeddedJournal(tmp_path), Position()
    await journal.open(KEY)
    for k in range(400):
        batch = plain_batch(end, 100, 1)
        openings = [
            replace(opening, context=Context(referrer=f"https://a.example/{k}/{n}/".ljust(1000, "x")))
            for n, opening in enumerate(batch.openings)
        ]
        end = (await journal.append(KEY, openings, batch.events)).end
    back = replace(plain_batch(Position(0, end.events), 1, 1).events, stream=np.array([5], dtype=np.uint32))
    await journal.append(KEY, [], back)
    tracemalloc.start()
    count = 0
    async for piece in Export(journal, tmp_path).records(KEY):
        count += piece.count(b"\n")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    await journal.close()
    assert count == 40_001
    assert b"https://a.example/0/5/x" in piece.splitlines()[-1]
    assert peak < 30_000_000, f"{peak / 1e6:.0f} MB"
    assert os.listdir(tmp_path) == ["journal"], "scratch files have no names"


async def test_pieces_stay_small_where_a_batch_says_one_long_thing_many_times() -> None:
    """Stored once in the batch, 120 MB as lines."""
    journal = MemoryJournal()
    await fill(journal, KEY, [plain_batch(Position(), 1, 2000, 'long\x1f{"a":"' + "y" * 60_000 + '"}')])
    size = count = 0
    async for piece in Export(journal).records(KEY):
        assert len(piece) < PIECE_BYTES + 61_000
        size, count = size + len(piece), count + piece.count(b"\n")
    assert count == 2000
    assert size > 120_000_000
    chunk = await Export(journal).chunk(KEY, Position())
    assert len(chunk.lines) < export_module.CHUNK_BYTES + 61_000


async def test_without_room_for_what_it_has_to_remember_it_is_refused(tmp_path: Path) -> None:
    journal = MemoryJournal()
    await small(journal)
    with pytest.raises(Unavailable, match="no room for what it has to remember: No such file"):
        async for _ in Export(journal, tmp_path / "gone").records(KEY):
            pass
