"""Import of history, where the app's partition changes meanwhile."""

from pathlib import Path

import pytest

from datalab.appliance import opened
from datalab.errors import Missing
from datalab.model.accounts import Registration
from datalab.model.apps import App
from datalab.model.permissions import OPERATOR
from datalab.model.ranges import Range
from datalab.model.records import Record
from datalab.settings import Settings


def visit(name: str) -> Record:
    return Record(visitor=name, time=1_790_000_000_000, kind="urlchange", url="/")


async def test_an_import_does_not_go_on_in_another_partition(tmp_path: Path) -> None:
    async with opened(tmp_path, Settings()) as services:
        await services.registrations.add(
            Registration(
                username="ada.l", password="correct horse", first_name="A", last_name="L", organisation="shop.example"
            )
        )
        new = App(
            id="a1", organisation="shop.example", name="Shop", owner="ada.l", origins=["http://a.example"], created=0
        )
        app = await services.apps.add(OPERATOR, new)
        run = await services.history.begin(app)
        assert (await services.history.add(run, [visit("one")])).added == 1
        await services.locks.issue(OPERATOR, app.id, app.full_name)
        assert (await services.history.add(run, [visit("two")])).added == 1
        await services.locks.unlock(OPERATOR, app.id, app.full_name)
        with pytest.raises(Missing, match="was unlocked meanwhile"):
            await services.history.add(run, [visit("three")])
        await services.locks.issue(OPERATOR, app.id, app.full_name)
        with pytest.raises(Missing, match="was unlocked meanwhile"):
            await services.history.add(run, [visit("three")])
        for number, visitors in ((1, 2), (2, 0)):
            seen = await services.archive.as_it_was(services.directory.get(app.id), number)
            assert (await services.insights.overview(seen, Range())).visitors == visitors
