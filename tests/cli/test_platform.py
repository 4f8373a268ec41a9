"""People, locks, partitions and keys from the command line: directly, and through a running server's socket file."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.history import (
    APP,
    CONFIGURATION,
    PASSWORD,
    VISITS,
    add_app,
    add_user,
    good,
    good_json,
    ndjson,
    refused,
    run,
)
from tests.conftest import Server, fetch

CREATE = ("--owner", "ben.m", "--url", "https://b.example")


@pytest.fixture(params=["directly", "through a server"])
def data(request: pytest.FixtureRequest, tmp_path: Path, start_server: Callable[..., Server]) -> Path:
    folder = tmp_path / "data"
    add_app(folder)
    add_user(folder, "ben.m")
    (tmp_path / "shop.toml").write_text(CONFIGURATION)
    good("app", "config", APP, "--set", str(tmp_path / "shop.toml"), data=folder)
    if request.param != "directly":
        start_server()
    return folder


def declined(*arguments: str, data: Path, text: str) -> str:
    """What a command says that asked first and was not confirmed."""
    done = run(*arguments, data=data, text=text)
    assert (done.exit_code, done.stdout) == (1, "")
    return done.stderr


def people(data: Path) -> dict[str, tuple[bool, bool]]:
    """Username to (admin, disabled)."""
    return {one["username"]: (one["admin"], one["disabled"]) for one in good_json("user", "list", data=data)}


def test_people_come_and_go(data: Path) -> None:
    good("app", "create", "shop.example/second", *CREATE, data=data)
    assert people(data) == {"ada.l": (True, False), "ben.m": (False, False)}
    assert "ben.m is kept out" in good("user", "disable", "ben.m", data=data)
    assert people(data)["ben.m"] == (False, True)
    assert "disabled" in good("user", "list", data=data)
    good("user", "disable", "ben.m", "--undo", data=data)
    assert people(data)["ben.m"] == (False, False)
    assert "new password" in good("user", "passwd", "BEN.m", "--password-stdin", data=data, text="another password\n")
    assert "10 to 256" in refused("user", "passwd", "ben.m", "--password-stdin", data=data, text=" short    \n")
    assert "only admin" in refused("user", "remove", "ada.l", "--yes", data=data)
    assert "only admin" in refused("user", "disable", "ada.l", data=data)
    for command in ("disable", "remove", "passwd"):
        options = {"disable": (), "remove": ("--yes",), "passwd": ("--password-stdin",)}[command]
        assert "no user nobody" in refused("user", command, "nobody", *options, data=data, text=PASSWORD)
    assert "Aborted!" in declined("user", "remove", "ben.m", data=data, text="n\n")
    assert "ben.m of shop.example is removed" in good("user", "remove", "ben.m", data=data, text="y\n")
    assert people(data) == {"ada.l": (True, False)}
    assert good_json("app", "show", "shop.example/second", data=data)["owner"] == "ada.l"


def test_a_lock_generation_from_token_to_archive(data: Path, tmp_path: Path) -> None:
    good("import", APP, "-", data=data, text=ndjson(VISITS))
    before = good("report", APP, "funnel", "--json", data=data)
    assert f"{APP} is locked" in good("app", "lock", APP, data=data)
    assert "locked already" in refused("app", "lock", APP, data=data)
    assert "locked by its token" in refused("app", "config", APP, "--set", str(tmp_path / "shop.toml"), data=data)
    first = good_json("token", "show", APP, data=data)
    renewed = good_json("token", "renew", APP, data=data)
    assert renewed["text"] == first["text"]
    assert renewed["expires"] > first["expires"]
    second = good_json("token", "rotate", APP, "--overlap", "2", data=data)
    assert (second["generation"], second["text"] != first["text"]) == (2, True)
    retiring = good_json("app", "show", APP, data=data)["retiring"]
    assert retiring["text"] == first["text"]
    assert retiring["expires"] - second["issued"] == 2 * 3_600_000

    assert "not the app's name" in declined("app", "unlock", APP, data=data, text="shop.example/other\n")
    assert good_json("app", "show", APP, data=data)["locked"]
    assert "is unlocked" in good("app", "unlock", APP, data=data, text=f"{APP}\n")
    shown = good_json("app", "show", APP, data=data)
    assert (shown["locked"], shown["token"], shown["retiring"], shown["partition"]) == (False, None, None, 0)
    (sealed,) = good_json("app", "partitions", APP, data=data)
    assert (sealed["number"], sealed["sealed"] is not None, sealed["bytes"] > 100) == (1, True, True)
    assert (data / "archive" / shown["id"] / "1.journal").is_file()
    assert not (data / "journal" / shown["id"] / "1.journal").exists()

    (tmp_path / "none.toml").write_text("")
    good("app", "config", APP, "--set", str(tmp_path / "none.toml"), data=data)
    assert good("report", APP, "funnel", "--partition", "1", "--json", data=data) == before
    assert "has no funnel" in refused("report", APP, "funnel", data=data)
    exported = good("export", APP, "--partition", "1", data=data).splitlines()
    assert len(exported) == len(VISITS)

    good("token", "issue", APP, data=data)
    assert [one["number"] for one in good_json("app", "partitions", APP, data=data)] == [2, 1]
    assert good_json("report", APP, "overview", data=data)["page_views"] == 0
    assert "is open; unlock" in refused("app", "partitions", APP, "--delete", "2", "--yes", data=data)
    assert "has no partition 7" in refused("app", "partitions", APP, "--delete", "7", "--yes", data=data)
    assert "has no partition 7" in refused("report", APP, "overview", "--partition", "7", data=data)
    left = good("app", "partitions", APP, "--delete", "1", data=data, text=f"{APP}\n")
    assert re.search(r"^ *2 ", left, re.M)
    assert not (data / "archive" / shown["id"] / "1.journal").exists()

    assert "is deleted" in good("app", "delete", APP, "--yes", data=data)
    assert good_json("app", "list", data=data) == []
    assert list((data / "journal").rglob("*.journal")) == []


def test_a_key_made_here_opens_the_api(tmp_path: Path, start_server: Callable[..., Server]) -> None:
    data = tmp_path / "data"
    add_app(data)
    server = start_server()
    key = good("token", "api", "ada.l", "--name", "reports", data=data).strip()
    made = good_json("token", "api", "ADA.l", "--name", "changes", "--write", data=data)
    assert (made["name"], made["scope"]) == ("changes", "write")
    for text in (key, made["key"]):
        apps = json.loads(fetch(server.url + "/api/v1/apps", Authorization=f"Bearer {text}"))
        assert [app["full_name"] for app in apps] == [APP]
    assert key.encode() not in (data / "documents.sqlite").read_bytes()
    assert "no active user nobody" in refused("token", "api", "nobody", "--name", "x", data=data)
    assert "1 to 60" in refused("token", "api", "ada.l", "--name", " ", data=data)
