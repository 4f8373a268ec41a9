"""The picker of partitions: the data that comes in now, and the archived partitions with what they ran under."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from datalab.model.apps import App
from datalab.server.notation import counted, days
from datalab.services.archive import PartitionShown


class PartitionChoice(Struct, frozen=True):
    """One partition to look at."""

    label: str
    href: str
    current: bool


class PartitionPicker(Struct, frozen=True):
    """Without choices where nothing was ever archived."""

    label: str
    choices: list[PartitionChoice]
    archived: bool
    """Whether the page shows a sealed one."""
    meaning: str = ""
    configuration: str = ""
    """As TOML."""


def partition_picker(
    path: str, partitions: Sequence[PartitionShown], app: App, archived: int | None
) -> PartitionPicker:
    """The picker of the page at `path`; `archived` is the number of the sealed partition shown, if it is one."""
    sealed = [partition for partition in partitions if partition.sealed is not None]
    if not sealed:
        return PartitionPicker("", [], False)
    now = "Data that comes in now" if app.partition else "No data comes in now"
    choices = [
        PartitionChoice(now, path, archived is None),
        *(
            PartitionChoice(
                f"Archive {partition.number}, {lasted(partition)}",
                f"{path}?partition={partition.number}",
                partition.number == archived,
            )
            for partition in sealed
        ),
    ]
    shown = next((partition for partition in sealed if partition.number == archived), None)
    if shown is None:
        return PartitionPicker(counted(len(sealed), "archived partition", "archived partitions"), choices, False)
    return PartitionPicker(
        label=next(choice.label for choice in choices if choice.current),
        choices=choices,
        archived=True,
        meaning="Read-only: collected until the app was unlocked, and shown under the configuration of that time.",
        configuration=msgspec.toml.encode(shown.configuration).decode() or "# nothing was configured\n",
    )


def lasted(partition: PartitionShown) -> str:
    """The days from opening to sealing, in the time zone of then."""
    zone = ZoneInfo(partition.time_zone)
    first, last = (
        datetime.fromtimestamp(moment / 1000, zone).date() for moment in (partition.opened, partition.sealed or 0)
    )
    return days(first, last)
