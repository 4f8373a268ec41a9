"""What the journal on disk does beyond its port: files that outlive the process, and odd ones among them."""

from pathlib import Path

import pytest

from datalab.errors import Locked, Unavailable
from datalab.model.events import Position
from datalab.stores.embedded.journal import EmbeddedJournal
from datalab.stores.journal import PartitionKey
from tests.stores.batches import START, events, opening, plains, replayed

KEY = PartitionKey("app", 1)
OTHER = PartitionKey("app", 10)


async def test_what_stands_outlives_the_process_and_odd_files_keep_no_other_partition_from_opening(
    tmp_path: Path,
) -> None:
    first = EmbeddedJournal(tmp_path)
    await first.open(KEY)
    await first.append(KEY, [opening(1)], events(4))
    await first.open(OTHER)
    await first.archive(OTHER)
    await first.close()
    (tmp_path / "journal" / "app" / "2.journal").mkdir()
    (tmp_path / "journal" / "app" / "3.journal").write_bytes(b"something else " * 9)
    (tmp_path / "journal" / "app" / "notes.txt").write_bytes(b"")
    again = EmbeddedJournal(tmp_path)
    assert [key.number for key in await again.partitions()] == [1, 2, 3, 10]
    assert await again.open(KEY) == Position(1, 4)
    with pytest.raises(Locked):
        await again.open(OTHER)
    for number in (2, 3):
        with pytest.raises(Unavailable, match="move it away"):
            await again.open(PartitionKey("app", number))
        assert await again.verify(PartitionKey("app", number))
    assert await replayed(again, KEY) == plains(START, [([opening(1)], events(4))])
    assert not list((tmp_path / "journal" / "app").glob("10.journal")), "an archived number is not begun anew"
    await again.close()
