"""`datalab app segments` and `datalab app segment`, directly and through a running server."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.history import APP, CONFIGURATION, add_app, good, good_json, refused
from tests.conftest import Server


@pytest.fixture(params=["directly", "through a server"])
def data(request: pytest.FixtureRequest, tmp_path: Path, start_server: Callable[..., Server]) -> Path:
    folder = tmp_path / "data"
    add_app(folder)
    (tmp_path / "shop.toml").write_text(CONFIGURATION)
    (tmp_path / "none.toml").write_text("")
    good("app", "config", APP, "--set", str(tmp_path / "shop.toml"), data=folder)
    if request.param != "directly":
        start_server()
    return folder


def test_segments_come_and_go(data: Path, tmp_path: Path) -> None:
    assert good("app", "segments", APP, data=data).splitlines() == ["segment  filters  by  fault"]
    assert good_json("app", "segments", APP, data=data) == []
    text = "did not reach stage 2 of Purchase and browser is Firefox"
    typed = "Did NOT reach stage 2 AND Browser is Firefox"
    assert good("app", "segment", APP, " Fans ", "--set", typed, data=data) == f"{text}\n"
    made = good_json("app", "segment", APP, "fans", data=data)
    assert (made["name"], made["text"], made["by"], made["fault"]) == ("Fans", text, "(operator)", None)
    assert good("app", "segment", APP, "FANS", data=data) == f"{text}\n"
    assert good_json("app", "segments", APP, data=data) == [made]

    changed = good_json("app", "segment", APP, "Fans", "--set", 'event is "a and b"', data=data)
    assert (changed["id"], changed["text"]) == (made["id"], 'event is "a and b"')
    good("app", "segment", APP, "Buyers", "--set", "reached stage 3", data=data)
    lines = good("app", "segments", APP, data=data).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["segment", "Buyers", "Fans"]

    good("app", "config", APP, "--set", str(tmp_path / "none.toml"), data=data)
    assert "no funnel is configured" in good("app", "segments", APP, data=data)
    assert "no funnel is configured" in good_json("app", "segment", APP, "buyers", data=data)["fault"]
    assert good("app", "segment", APP, "Fans", "--delete", data=data) == f"the segment Fans of {APP} is deleted.\n"
    assert [one["name"] for one in good_json("app", "segments", APP, data=data)] == ["Buyers"]


def test_refusals(data: Path) -> None:
    def segment(*arguments: str, code: int = 1) -> str:
        return refused("app", "segment", *arguments, data=data, code=code)

    none = "Error: there is no app shop.example/none; `datalab app list` shows all"
    assert refused("app", "segments", "shop.example/none", data=data) == none
    for options in ((), ("--set", "visit is new"), ("--delete",)):
        assert segment("shop.example/none", "Fans", *options) == none
    assert "write ORGANISATION/NAME" in segment("shop", "Fans")
    assert segment(APP, "Fans") == f"Error: {APP} has no segment 'Fans'; none is saved yet"
    assert segment(APP, "Fans", "--delete") == f"Error: {APP} has no segment 'Fans'; none is saved yet"
    good("app", "segment", APP, "Fans", "--set", "visit is new", data=data)
    assert segment(APP, "Fan") == f"Error: {APP} has no segment 'Fan'; there are Fans"
    assert "1 to 80 characters on one line" in segment(APP, "x" * 81, "--set", "visit is new")
    assert "1 to 80 characters on one line" in segment(APP, " ", "--set", "visit is new")
    assert "text: 1 to 2000 characters" in segment(APP, "Fans", "--set", " ")
    assert "segment, character 1: 'colour' is no dimension; there are browser" in segment(
        APP, "Fans", "--set", "colour is red"
    )
    assert "has no stage 4; there are 1 Catalog, 2 Cart, 3 Bought" in segment(APP, "Fans", "--set", "reached stage 4")
    assert "--delete stands alone" in segment(APP, "Fans", "--delete", "--json", code=2)
    assert "--delete stands alone" in segment(APP, "Fans", "--delete", "--set", "visit is new", code=2)
    segment(APP, code=2)
    assert [one["text"] for one in good_json("app", "segments", APP, data=data)] == ["visit is new"]
