"""Writes the generated traffic into a data directory, as an appliance would have left it."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from appliance import Data
from shop import ZONE, configuration
from traffic import Traffic

from datalab.model.events import Batch, Position
from datalab.stores.embedded.partition_file import PartitionFile
from datalab.stores.journal import PartitionKey


def make(folder: Path, traffic: Traffic) -> Data:
    """Documents by the command line, the journal directly."""
    data = Data(folder, msgspec.toml.encode(configuration()).decode(), ZONE)
    file = partition(data)
    file.open_for_append()
    for batch in traffic.batches():
        file.append(batch.openings, batch.events)
    file.close()
    return data


def partition(data: Data) -> PartitionFile:
    """The app's."""
    return PartitionFile(PartitionKey(data.app, 1), data.journal())


def replayed(data: Data) -> Iterator[Batch]:
    """What was written."""
    return partition(data).replay(Position())
