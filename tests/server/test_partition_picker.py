"""What the picker of partitions offers, before and after something was archived."""

from msgspec.structs import replace

from datalab.model.apps import App
from datalab.model.configuration import Configuration, Funnel, Stage, read_configuration
from datalab.server.partition_picker import PartitionChoice, PartitionPicker, partition_picker
from datalab.services.archive import PartitionShown

APP = App(id="a1", organisation="o", name="n", owner="ada.l", origins=[], created=0, partition=2)
RAN_UNDER = Configuration(routes=["/p/:id"], funnel=[Funnel(name="Buy", stage=[Stage(name="<b>", url="/")])])
OPEN = PartitionShown(2, 1_790_000_000_000, None, 16, Configuration(), [], "UTC")
SEALED = PartitionShown(1, 1_780_000_000_000, 1_789_000_000_000, 99, RAN_UNDER, [], "Pacific/Auckland")


def test_nothing_is_offered_while_nothing_is_archived() -> None:
    assert partition_picker("/apps/a1", [OPEN], APP, None) == PartitionPicker("", [], False)
    assert partition_picker("/apps/a1", [], replace(APP, partition=0), None).choices == []


def test_archived_ones_are_offered_with_the_days_of_their_own_zone() -> None:
    picker = partition_picker("/apps/a1", [OPEN, SEALED], APP, None)
    assert picker.choices == [
        PartitionChoice("Data that comes in now", "/apps/a1", True),
        PartitionChoice("Archive 1, 29 May – 10 Sep 2026", "/apps/a1?partition=1", False),
    ]
    assert (picker.label, picker.archived, picker.configuration) == ("1 archived partition", False, "")
    unlocked = partition_picker("/apps/a1", [SEALED], replace(APP, partition=0), None)
    assert unlocked.choices[0].label == "No data comes in now"


def test_one_that_is_looked_at_shows_what_it_ran_under() -> None:
    picker = partition_picker("/apps/a1", [OPEN, SEALED], APP, 1)
    assert [choice.current for choice in picker.choices] == [False, True]
    assert picker.archived
    assert picker.label == picker.choices[1].label
    assert "Read-only" in picker.meaning
    assert read_configuration(picker.configuration) == RAN_UNDER
    nothing = replace(SEALED, configuration=Configuration())
    assert partition_picker("/apps/a1", [nothing], APP, 1).configuration == "# nothing was configured\n"
