"""Aggregates that were stopped and started in between, against the reference."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from datalab.aggregate import snapshot
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.aggregate.snapshot_file import SnapshotFile
from datalab.model.configuration import Configuration
from datalab.model.events import Kind, Opening, Position
from tests.aggregate.cases import CASES, TIGHT, Case, compare, examples, limited
from tests.aggregate.histories import LOST, History, cut
from tests.aggregate.reference.happening import Happening

START = 1_764_000_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples: each begins by removing what the one before left."""
    return tmp_path_factory.mktemp("snapshots")


def saved(file: SnapshotFile, aggregate: PartitionAggregate) -> None:
    file.write(file.take(aggregate))


def grown(history: History, case: Case, path: Path) -> list[tuple[int, Position]]:
    """Save a history bit by bit; where each frame of the file ends and how far it goes."""
    file = SnapshotFile(path)
    aggregate = PartitionAggregate(history.rules)
    ends: list[tuple[int, Position]] = []
    for batch in cut(history, case.chance, [2, 5]):
        aggregate.take(batch)
        frame = file.take(aggregate)
        file.write(frame)
        ends = [] if frame.whole else ends
        ends.append((path.stat().st_size, aggregate.position))
    return ends


@examples(80)
@given(case=CASES)
def test_a_snapshot_goes_on_where_the_aggregate_was(folder: Path, case: Case) -> None:
    """Saved anywhere, also where figures were asked for before and the day had not ended."""
    history, chance = case.history, case.chance
    path = folder / "a.snapshot"
    path.unlink(missing_ok=True)
    with limited(chance.choice([{}, TIGHT])):
        file = SnapshotFile(path)
        assert file.read(history.rules) is None
        aggregate = PartitionAggregate(history.rules)
        for batch in cut(history, chance, [3, 5, 11]):
            aggregate.take(batch)
            if chance.random() < 0.3:
                compare(aggregate, history.until(aggregate.position), case.asked)
            if chance.random() < 0.6:
                saved(file, aggregate)
            if chance.random() < 0.4:
                saved(file, aggregate)
                position = aggregate.position
                file = SnapshotFile(path)
                restored = file.read(history.rules)
                assert restored is not None
                assert restored.position == file.position == position
                assert restored.lost_events == aggregate.lost_events
                aggregate = restored
                compare(aggregate, history.until(position), case.asked)
        compare(aggregate, history, case.asked)


@examples(60)
@given(case=CASES)
def test_a_write_that_was_cut_off_leaves_the_one_before(folder: Path, case: Case) -> None:
    """Cut anywhere, changed anywhere: what was whole before counts, and the next save goes on from there."""
    history, chance = case.history, case.chance
    path = folder / "cut.snapshot"
    path.unlink(missing_ok=True)
    with limited(chance.choice([{}, TIGHT])):
        ends = grown(history, case, path)
        whole = path.read_bytes()
        assert ends[-1][0] == len(whole)
        kept = chance.randrange(len(whole))
        if chance.random() < 0.5:
            path.write_bytes(whole[:kept])
        else:
            path.write_bytes(whole[:kept] + bytes([whole[kept] ^ (1 << chance.randrange(8))]) + whole[kept + 1 :])
        file = SnapshotFile(path)
        restored = file.read(history.rules)
        good = [position for end, position in ends if end <= kept]
        if not good:
            assert restored is None
            return
        assert restored is not None
        assert restored.position == good[-1]
        compare(restored, history.until(good[-1]), case.asked)
        for batch in cut(history, chance, [7]):
            restored.take(batch)
        if restored.position != good[-1]:
            saved(file, restored)
        again = SnapshotFile(path).read(history.rules)
        assert again is not None
        compare(again, history, case.asked)


def test_a_frame_counts_only_behind_the_one_it_was_made_for(tmp_path: Path) -> None:
    path, rules = tmp_path / "1.snapshot", Rules()
    aggregate, file = PartitionAggregate(rules), SnapshotFile(path)
    ends = [0]
    for number, batch in enumerate(cut(many(0, 20_000), random.Random(1), [500])):
        aggregate.take(batch)
        if number >= 77:
            saved(file, aggregate)
            ends.append(path.stat().st_size)
    assert ends == sorted(ends)
    whole = path.read_bytes()
    path.write_bytes(whole[: ends[1]] + whole[ends[2] :])
    restored = SnapshotFile(path).read(rules)
    assert restored is not None
    assert restored.position.events < aggregate.position.events
    path.write_bytes(whole[ends[1] :])
    assert SnapshotFile(path).read(rules) is None


def test_what_is_not_a_figure_is_restored_too(tmp_path: Path) -> None:
    """Losses, repeats to come, rows to tidy up, and paths that were folded."""
    path, rules = tmp_path / "1.snapshot", Rules(configuration=Configuration(routes=["/:page"]))
    aggregate = PartitionAggregate(rules)
    file = SnapshotFile(path)
    batches = cut(many(0, 4), random.Random(1), [2])
    for batch in [*batches[:1], *batches[2:]]:
        aggregate.take(batch)
        saved(file, aggregate)
    aggregate.streams.note(np.array([1], dtype=np.uint32), np.array([9], dtype=np.uint32))
    aggregate.rows.garbage = 7
    aggregate.position = Position(aggregate.position.streams, aggregate.position.events + 1)
    saved(file, aggregate)
    restored = SnapshotFile(path).read(rules)
    assert restored is not None
    assert restored.lost_events == 2
    assert restored.rows.garbage == 7
    assert restored.streams.missing == aggregate.streams.missing != {}
    assert restored.meanings.folded == {"/:page": ["/1", "/2"]}


def many(first: int, count: int) -> History:
    """Visits of two pages each, of one visitor each."""
    openings = [Opening(visitor=(first + k).to_bytes(16, "big"), started=START) for k in range(count)]
    happenings = [
        Happening(k, number, START + 1000 * (first + k), Kind.URLCHANGE, f"/{number}", 0)
        for k in range(count)
        for number in (1, 2)
    ]
    return History(openings, happenings, [LOST] * count, Rules())


def test_what_changed_is_small_beside_the_whole_and_the_file_stays_in_bounds(tmp_path: Path) -> None:
    path = tmp_path / "1.snapshot"
    file, aggregate = SnapshotFile(path), PartitionAggregate(Rules())
    history = many(0, 40_000)
    wholes: list[int] = []
    parts: list[int] = []
    for batch in cut(history, random.Random(1), [2000]):
        aggregate.take(batch)
        frame = file.take(aggregate)
        (wholes if frame.whole else parts).append(sum(len(piece) for piece in frame.pieces))
        file.write(frame)
        assert path.stat().st_size <= 1.5 * wholes[-1] + max(parts, default=0)
    assert len(parts) > len(wholes)


def test_a_snapshot_of_other_rules_or_another_format_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "1.snapshot"
    saved(SnapshotFile(path), PartitionAggregate(Rules()))
    assert SnapshotFile(path).read(Rules()) is not None
    assert SnapshotFile(path).read(Rules(max_values=3)) is None
    assert SnapshotFile(path).read(Rules(zone="Europe/Berlin")) is None
    monkeypatch.setattr(snapshot, "FORMAT", snapshot.FORMAT + 1)
    assert SnapshotFile(path).read(Rules()) is None


def test_a_disk_that_refuses_leaves_the_last_snapshot_and_makes_the_next_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "1.snapshot"
    file = SnapshotFile(path)
    aggregate = PartitionAggregate(Rules())
    saved(file, aggregate)
    before = path.read_bytes()

    def refuse(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="no space"):
        saved(file, aggregate)
    assert SnapshotFile(path).read(Rules()) is not None
    assert path.read_bytes() == before
    monkeypatch.undo()
    frame = file.take(aggregate)
    assert frame.whole
