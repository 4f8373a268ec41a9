"""`datalab what-if` and `datalab app jobs`, directly and through a running server."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from datalab.appliance import opened
from datalab.cli import what_if as command
from datalab.model.configuration import Funnel, Stage
from datalab.operations.jobs import AskWhatIf
from datalab.operations.table import OPERATIONS
from datalab.services import what_if as service
from datalab.settings import Settings
from tests.cli.history import APP, CONFIGURATION, VISITS, add_app, good, good_json, ndjson, refused
from tests.conftest import Server, wait_until
from tests.services.test_what_if import SLOW

STAGES = ("--stage", "Catalog=/catalog", "--stage", "Cart=click:#add", "--stage", "Bought=/thanks*")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A data directory with an app and its history, and no funnel."""
    folder = tmp_path / "data"
    add_app(folder)
    (tmp_path / "shop.toml").write_text(CONFIGURATION)
    (tmp_path / "none.toml").write_text(CONFIGURATION[CONFIGURATION.index("[[element]]") :])
    good("app", "config", APP, "--set", str(tmp_path / "none.toml"), data=folder)
    good("import", APP, "-", data=folder, text=ndjson(VISITS))
    return folder


@pytest.fixture(params=["directly", "through a server"])
def data(request: pytest.FixtureRequest, shop: Path, start_server: Callable[..., Server]) -> Path:
    if request.param != "directly":
        start_server()
    return shop


def test_the_figures_are_those_of_the_funnel_once_it_is_configured(data: Path, tmp_path: Path) -> None:
    asked = (
        (),
        ("--unit", "sessions"),
        ("--order", "any", "--segment", "event is paid"),
        ("--from", "2026-09-21T14:16:00Z", "--to", "2026-09-22"),
    )
    found = [good_json("what-if", APP, "--name", "Purchase", *STAGES, *options, data=data) for options in asked]
    shown = good("what-if", APP, "--name", "Purchase", *STAGES, data=data)
    assert [stage["reached"] for stage in found[0]["stages"]] == [3, 2, 1]
    good("app", "config", APP, "--set", str(tmp_path / "shop.toml"), data=data)
    assert found == [good_json("report", APP, "funnel", *options, data=data) for options in asked]
    assert shown == good("report", APP, "funnel", data=data)


def test_a_window_and_a_regular_expression(data: Path) -> None:
    stages = ("--stage", "Catalog=url:/catalog", "--stage", "Bought=regex:^/thanks/[0-9]$")
    for window, reached in (("1m", [3, 0]), ("2m", [3, 1])):
        found = good_json("what-if", APP, *stages, "--window", window, data=data)
        assert [stage["reached"] for stage in found["stages"]] == reached


def test_jobs_are_listed(shop: Path, start_server: Callable[..., Server]) -> None:
    assert good_json("app", "jobs", APP, data=shop) == []
    start_server()
    good("what-if", APP, *STAGES, data=shop)
    (job,) = good_json("app", "jobs", APP, data=shop)
    assert (job["kind"], job["title"], job["state"]) == ("what-if", "what-if funnel What if", "done")
    titles, line = good("app", "jobs", APP, data=shop).splitlines()
    assert re.split(" {2,}", titles) == ["job", "what", "state", "done", "since", "detail"]
    assert line.startswith(f"{job['id']}  what-if funnel What if  done   100 %  ")
    assert good_json("app", "jobs", APP, "--cancel", job["id"], data=shop)[0]["state"] == "done"
    assert "there is no such job" in refused("app", "jobs", APP, "--cancel", "nothing", data=shop)


def test_what_takes_longer_is_waited_for(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 0)
    found = good_json("what-if", APP, *STAGES, data=shop)
    assert [stage["reached"] for stage in found["stages"]] == [3, 2, 1]


async def test_whoever_interrupts_it_cancels_the_job(
    tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_what_if.py").write_text(SLOW)
    monkeypatch.syspath_prepend(str(tmp_path))
    import slow_what_if

    monkeypatch.setattr(service, "WhatIf", slow_what_if.WhatIf)
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 0)
    funnel = Funnel(name="x", stage=[Stage(name="a", url="/")])
    async with opened(shop, Settings()) as services:

        async def ask(asked: object) -> object:
            return await OPERATIONS[type(asked).__name__].run(services, asked)

        waiting = asyncio.ensure_future(command.waited(ask, APP, AskWhatIf(app=APP, funnel=funnel)))
        app = services.directory.named(APP).id
        await asyncio.to_thread(wait_until, lambda: waiting.done() or services.jobs.of(app) != [])
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert [job.state for job in services.jobs.of(app)] == ["cancelled"]


def test_refusals(shop: Path) -> None:
    def what_if(*arguments: str, code: int = 1) -> str:
        return refused("what-if", *arguments, data=shop, code=code)

    assert "there is no app shop.example/none" in what_if("shop.example/none", *STAGES)
    assert "Missing option '--stage'" in what_if(APP, code=2)
    for stage in ("Cart", "=/cart", "Cart="):
        assert f"stage '{stage}' is not like NAME=/route" in what_if(APP, "--stage", stage, code=2)
    assert "does not start with /" in what_if(APP, "--stage", "Cart=cart", code=2)
    assert "two stages named 'a'" in what_if(APP, "--stage", "a=/a", "--stage", "a=/b", code=2)
    assert "is not a number with s, m, h, d or w" in what_if(APP, *STAGES, "--window", "soon", code=2)
    assert "stage 'a': regex" in what_if(APP, "--stage", "a=regex:(a|aa)+$")
    assert "funnel" in what_if(APP, "--name", "x" * 81, *STAGES)
    many = [text for k in range(21) for text in ("--stage", f"{k}=/{k}")]
    assert "stage" in what_if(APP, *many)
    assert "'colour' is no dimension" in what_if(APP, *STAGES, "--segment", "colour is red")
    assert "has no partition 7" in what_if(APP, *STAGES, "--partition", "7")
