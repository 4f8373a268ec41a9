"""Replay of what ingest left in the journal, and the journal's size."""

import time
from pathlib import Path

from appliance import Appliance
from result import Result

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.model.configuration import read_configuration
from datalab.model.events import Position
from datalab.stores.embedded.partition_file import PartitionFile
from datalab.stores.journal import PartitionKey


def measure(appliance: Appliance) -> list[Result]:
    """One thread, from the file to the figures."""
    path: Path = appliance.data.journal()
    file = PartitionFile(PartitionKey("bench", 1), path)
    configuration = read_configuration(appliance.data.configuration.read_text())
    aggregate = PartitionAggregate(Rules(configuration=configuration))
    begin = time.perf_counter()
    for batch in file.replay(Position()):
        aggregate.take(batch)
    rate = aggregate.position.events / (time.perf_counter() - begin)
    size = path.stat().st_size / aggregate.position.events
    return [
        Result("journal", size, "bytes/event", "under 25", size < 25),
        Result("replay", rate, "events/s", "at least 500,000", rate >= 500_000),
    ]
