"""Every command that prints data, without a server and through its socket file, with the same output."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from datalab.model.apps import App, IssuedToken
from datalab.model.figures import FunnelFigures, Overview, Pages
from datalab.operations.people import PersonShown
from tests.cli.history import APP, CONFIGURATION, VISITS, add_app, good, good_json, ndjson, refused, run
from tests.conftest import Server

READING = [
    ("user", "list"),
    ("app", "list"),
    ("app", "show", APP),
    ("app", "config", APP),
    ("app", "partitions", APP),
    ("token", "show", APP),
    ("report", APP, "overview"),
    ("report", APP, "pages"),
    ("report", APP, "funnel"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with one of everything, left by commands that ran without a server."""
    folder = tmp_path / "data"
    add_app(folder)
    (tmp_path / "shop.toml").write_text(CONFIGURATION)
    good("app", "config", APP, "--set", str(tmp_path / "shop.toml"), data=folder)
    good("import", APP, "-", data=folder, text=ndjson(VISITS))
    good("token", "issue", APP, data=folder)
    return folder


def fields(struct: type) -> set[str]:
    return {name.rstrip("_") for name in struct.__struct_fields__}  # type: ignore[attr-defined]


def test_commands_say_the_same_with_and_without_a_server(data: Path, start_server: Callable[..., Server]) -> None:
    def everything() -> list[str]:
        outputs = []
        for command in READING:
            outputs += [good(*command, data=data), good(*command, "--json", data=data)]
        outputs += [good("report", APP, what, "--csv", data=data) for what in ("overview", "pages", "funnel")]
        return outputs

    directly = everything()
    server = start_server()
    socket = data / "control.sock"
    assert socket.is_socket()
    assert socket.stat().st_mode & 0o777 == 0o600
    assert everything() == directly
    assert server.stop() == 0
    assert not socket.exists()
    shown = {command: json.loads(directly[2 * index + 1]) for index, command in enumerate(READING)}
    assert set(shown["user", "list"][0]) == fields(PersonShown)
    assert set(shown["app", "list"][0]) == set(shown["app", "show", APP]) == fields(App)
    assert shown["app", "config", APP]["funnel"][0]["stage"][1] == {"name": "Cart", "click": "#add"}
    assert set(shown["token", "show", APP]) == fields(IssuedToken)
    assert set(shown["report", APP, "overview"]) == fields(Overview)
    assert set(shown["report", APP, "pages"]) == fields(Pages)
    assert set(shown["report", APP, "funnel"]) == fields(FunnelFigures)


def test_changes_through_a_server_are_there_after_it(tmp_path: Path, start_server: Callable[..., Server]) -> None:
    data = tmp_path / "data"
    server = start_server()
    add_app(data)
    (tmp_path / "shop.toml").write_text(CONFIGURATION)
    good("app", "config", APP, "--set", str(tmp_path / "shop.toml"), data=data)
    first = good_json("import", APP, "-", data=data, text=ndjson(VISITS))
    again = good_json("import", APP, "-", data=data, text=ndjson(VISITS))
    assert (first, again) == (
        {"added": 10, "repeated": 0, "bad_lines": 0},
        {"added": 0, "repeated": 10, "bad_lines": 0},
    )
    token = good_json("token", "issue", APP, data=data)
    before = [good(*command, data=data) for command in READING]
    assert server.stop() == 0
    assert [good(*command, data=data) for command in READING] == before
    assert good_json("import", APP, "-", data=data, text=ndjson(VISITS))["added"] == 0
    good("token", "revoke", APP, data=data)
    assert good_json("token", "issue", APP, data=data)["generation"] == token["generation"] + 1 == 2


def test_the_figures_of_a_small_history(data: Path) -> None:
    overview = good_json("report", APP, "overview", data=data)
    assert (overview["visitors"], overview["sessions"], overview["page_views"]) == (3, 4, 6)
    assert overview["bounce_rate"] == 0.25
    assert overview["conversion_rate"] == pytest.approx(1 / 3)
    pages = good_json("report", APP, "pages", data=data)
    assert {page["route"]: (page["views"], page["entries"], page["exits"]) for page in pages["pages"]} == {
        "/catalog": (3, 2, 2),
        "/thanks/1": (1, 0, 1),
        "/thanks/2": (1, 1, 0),
        "/blog/tea": (1, 1, 1),
    }
    funnel = good_json("report", APP, "funnel", data=data)
    assert [(stage["name"], stage["reached"]) for stage in funnel["stages"]] == [
        ("Catalog", 3),
        ("Cart", 2),
        ("Bought", 1),
    ]
    assert (funnel["app"], funnel["funnel"], funnel["unit"], funnel["order"]) == (
        APP,
        "Purchase",
        "visitors",
        "ordered",
    )


def test_the_options_of_report(data: Path) -> None:
    def reached(*options: str) -> list[int]:
        return [stage["reached"] for stage in good_json("report", APP, "funnel", *options, data=data)["stages"]]

    assert reached("--order", "any") == [3, 2, 2]
    assert reached("--unit", "sessions") == [3, 2, 1]
    assert reached("--funnel", "Readers") == [1]
    assert reached("--from", "2026-09-22") == [0, 0, 0]
    assert reached("--to", "2026-09-21T14:15:00Z") == [2, 2, 0]
    later = good_json("report", APP, "overview", "--from", "2026-09-22", "--to", "2026-09-24", data=data)
    assert (later["visitors"], later["page_views"], later["from"]) == (1, 1, "2026-09-22T00:00:00+00:00")
    table = good("report", APP, "funnel", "--table", "stages", data=data).splitlines()
    assert re.split(r"  +", table[0])[:4] == ["stage", "reached", "step_conversion", "conversion"]
    assert re.split(r"  +", table[2])[:4] == ["Cart", "2", "0.6667", "0.6667"]
    rows = good("report", APP, "funnel", "--csv", data=data).splitlines()
    assert rows[0].startswith("stage,reached,step_conversion,conversion,dropped")
    assert [row.split(",")[:2] for row in rows[1:]] == [["Catalog", "3"], ["Cart", "2"], ["Bought", "1"]]


def test_the_snippet_is_the_exact_line_to_paste(data: Path) -> None:
    token = good_json("token", "show", APP, data=data)["text"]
    line = f'<script async src="http://localhost:8080/datalab.js" data-token="{token}"></script>\n'
    assert good("token", "snippet", APP, data=data) == line
    line = f'<script async src="http://pi.local/datalab.js" data-token="{token}"></script>\n'
    assert good("token", "snippet", APP, "--address", "http://pi.local/", data=data) == line


def test_the_printed_configuration_can_be_set_again(data: Path, tmp_path: Path) -> None:
    printed = good("app", "config", APP, data=data)
    (tmp_path / "again.toml").write_text(printed)
    good("app", "create", "shop.example/second", "--owner", "ada.l", "--url", "http://b.example", data=data)
    good("app", "config", "shop.example/second", "--set", str(tmp_path / "again.toml"), data=data)
    assert good("app", "config", "shop.example/second", data=data) == printed


def test_a_person_of_many_scripts_and_spaces(tmp_path: Path) -> None:
    data = tmp_path / "data"
    names = ("--first-name", " Zoë ", "--last-name", "田中", "--position", "Größe")
    made = good_json(
        "user", "add", " zoe.t ", "--organization", "Shop.Example ", "--password-stdin", *names,
        data=data, text="  correct horse  \n",
    )  # fmt: skip
    assert made == {
        "username": "zoe.t",
        "organisation": "shop.example",
        "first_name": "Zoë",
        "last_name": "田中",
        "position": "Größe",
        "admin": True,
        "disabled": False,
        "pending": False,
    }
    assert "Zoë 田中" in good("user", "list", data=data)


def test_the_data_directory_is_its_owners_only(data: Path, start_server: Callable[..., Server]) -> None:
    start_server()
    open_to_others = [path for path in (data, *data.rglob("*")) if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_an_unknown_command_is_a_mistake_of_use(data: Path) -> None:
    assert run("report", APP, "everything", data=data).exit_code == 2
    assert "no such command" in refused("reports", data=data, code=2).lower()
