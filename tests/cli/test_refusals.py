"""What commands refuse: exit code 1, one clear line, nothing changed; 2 where the command line itself is wrong."""

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.history import APP, CONFIGURATION, PASSWORD, VISITS, add_app, add_user, good, good_json, ndjson, refused
from tests.conftest import DATALAB, Server, clean_environment, run_datalab

CREATE = ("--owner", "ada.l", "--url", "https://shop.example")


@pytest.fixture(params=["directly", "through a server"])
def data(request: pytest.FixtureRequest, tmp_path: Path, start_server: Callable[..., Server]) -> Path:
    folder = tmp_path / "data"
    add_app(folder)
    if request.param != "directly":
        start_server()
    return folder


def serve(*arguments: str, folder: Path, environment: dict[str, str] | None = None) -> str:
    """The line of a server that must not start."""
    done = subprocess.run(
        [*DATALAB, "serve", "--host", "127.0.0.1", *arguments],
        capture_output=True,
        text=True,
        env={**clean_environment(), **(environment or {})},
        cwd=folder,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    return line


def test_refusals_of_people_and_apps(data: Path) -> None:
    add_user(data, "eve.o", "other.example")
    before = (good("user", "list", data=data), good("app", "list", "--json", data=data))

    def user(username: str, organisation: str = "shop.example", password: str = PASSWORD) -> str:
        options = ("--organization", organisation, "--password-stdin")
        return refused("user", "add", username, *options, data=data, text=password)

    assert "username: ada.L is in use" in user("ada.L")
    assert "username" in user("ada")
    assert "username" in user("ada l.")
    assert "username" in user("a" * 33)
    assert "organisation" in user("new.one", "shop/example")
    assert "organisation" in user("new.one", "")
    assert "password" in user("new.one", password="short")
    assert "password" in user("new.one", password="")
    assert "password" in user("new.one", password="    short    ")
    assert "password" in user("new.one", password="x" * 257)

    def app(name: str, *options: str) -> str:
        return refused("app", "create", name, *(options or CREATE), data=data)

    assert "there is an app shop.example/shop already" in app(APP)
    assert "there is an app shop.example/shop already" in app("SHOP.example/shop")
    assert "name" in app("shop")
    assert "name" in app("shop.example/")
    assert "name" in app("shop.example/a/b")
    assert "name" in app("shop.example/" + "x" * 61)
    assert "name" in app("shop.example/ ")
    assert "eve.o belongs to other.example" in app("shop.example/b", "--owner", "eve.o", "--url", "https://b.example")
    assert "there is no user nobody" in app("shop.example/b", "--owner", "nobody", "--url", "https://b.example")
    assert "is no URL" in app("shop.example/b", "--owner", "ada.l", "--url", "b.example")
    assert "is no URL" in app("shop.example/b", "--owner", "ada.l", "--url", "ftp://b.example")
    assert "time zone 'Mars/Base' is unknown" in app("shop.example/b", *CREATE, "--time-zone", "Mars/Base")
    assert "tags" in app("shop.example/b", *CREATE, *(part for n in range(6) for part in ("--tag", str(n))))
    assert (good("user", "list", data=data), good("app", "list", "--json", data=data)) == before


@pytest.mark.parametrize(
    "command",
    [
        ("app", "show"),
        ("app", "config"),
        ("token", "issue"),
        ("token", "show"),
        ("token", "revoke"),
        ("token", "snippet"),
    ],
)
def test_an_unknown_app_is_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    line = refused(*command, "shop.example/none", data=tmp_path / "data")
    assert line == "Error: there is no app shop.example/none; `datalab app list` shows all"


def test_a_process_says_it_in_one_line_without_a_traceback(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for arguments, code in [(("app", "show", APP), 1), (("app", "show"), 2), (("app", "list", "--json"), 0)]:
        done = run_datalab(*arguments, data=data)
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert done.stdout == ("" if code else "[]\n")
    assert run_datalab("app", "show", APP, data=data).stderr == (
        f"Error: there is no app {APP}; `datalab app list` shows all\n"
    )


def test_refusals_of_reports_and_imports(data: Path) -> None:
    for what in ("overview", "pages", "funnel"):
        assert "there is no app" in refused("report", "shop.example/none", what, data=data)
    assert "there is no app" in refused("import", "shop.example/none", "-", data=data, text=ndjson(VISITS))
    assert "has no funnel; configure one" in refused("report", APP, "funnel", data=data)
    assert "neither a date" in refused("report", APP, "pages", "--from", "yesterday", data=data)
    empty = ("--from", "2026-09-22", "--to", "2026-09-22")
    assert "is empty; `to` is exclusive" in refused("report", APP, "pages", *empty, data=data)
    assert "has no token; datalab token issue shop.example/shop makes one" in refused("token", "show", APP, data=data)
    refused("report", APP, "funnel", "--csv", "--json", data=data, code=2)
    refused("report", APP, "funnel", "--unit", "clicks", data=data, code=2)
    refused("import", APP, "none.ndjson", data=data, code=2)
    refused("import", APP, data=data, code=2)
    refused("app", "create", APP, data=data, code=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("routes = [", ["bad.toml", "at"]),
        ("[[funnel]]\nname = 'a'\nname = 'b'\n", ["bad.toml", "line 3"]),
        ("hash_routing = 1\n", ["hash_routing"]),
        ("colour = 'red'\n", ["colour"]),
        ("routes = ['products']\n", ["'products' does not start with /"]),
        ("[[funnel]]\nname = 'a'\nstage = []\n", ["funnel[0].stage"]),
        ("[[funnel]]\nname = 'a'\nwindow = '2 weeks'\n[[funnel.stage]]\nname = 's'\nurl = '/'\n", ["window", "14d"]),
        ("[[funnel]]\nname = 'a'\n[[funnel.stage]]\nname = 's'\n", ["'s' needs exactly one of url, glob"]),
        ("[[funnel]]\nname = 'a'\n[[funnel.stage]]\nname = 's'\nurl = '/'\nglob = '*'\n", ["exactly one", "has 2"]),
        (CONFIGURATION + "[[element]]\nname = 'Add to cart'\nselector = 'b'\n", ["two elements are named"]),
    ],
)
def test_a_bad_configuration_is_refused_with_its_place(tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    line = refused("app", "config", APP, "--set", str(file), data=tmp_path / "data")
    assert [word for word in words if word not in line] == [], line
    assert not (tmp_path / "data").exists(), "the file is looked at first"


def test_an_expression_is_refused_with_its_place(data: Path, tmp_path: Path) -> None:
    for regex, reason in (("([", "unterminated character set at position 1"), ("(a+)+$", "repeat less at position 4")):
        stage = f"[[funnel]]\nname = 'a'\n[[funnel.stage]]\nname = 's'\nregex = '{regex}'\n"
        (tmp_path / "bad.toml").write_text(stage)
        line = refused("app", "config", APP, "--set", str(tmp_path / "bad.toml"), data=data)
        assert f"funnel 'a', stage 's': regex '{regex}'" in line
        assert reason in line
    assert good_json("app", "config", APP, data=data) == {}


def test_a_locked_configuration_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(CONFIGURATION)
    good("token", "issue", APP, data=data)
    line = refused("app", "config", APP, "--set", str(tmp_path / "shop.toml"), data=data)
    assert "shop.example/shop is locked by its token" in line
    assert good_json("app", "config", APP, data=data) == {}


def test_a_second_server_on_a_directory_is_refused(tmp_path: Path, start_server: Callable[..., Server]) -> None:
    server = start_server()
    line = serve("--port", "0", "--data", str(server.data), folder=tmp_path)
    assert line == f"Error: another datalab works on {server.data}"
    add_user(server.data)


def test_a_taken_port_is_refused(tmp_path: Path, start_server: Callable[..., Server]) -> None:
    server = start_server()
    line = serve("--port", str(server.port), "--data", str(tmp_path / "other"), folder=tmp_path)
    assert f"cannot answer on 127.0.0.1 port {server.port}" in line
    assert line.endswith("choose another with --port")


def test_unusable_data_directories_are_refused(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    assert "too long for the socket file" in serve("--port", "0", "--data", str(long), folder=tmp_path)
    (tmp_path / "file").write_text("")
    assert "cannot be used" in serve("--port", "0", "--data", str(tmp_path / "file" / "data"), folder=tmp_path)
    keys = tmp_path / "damaged" / "keys"
    keys.mkdir(parents=True)
    (keys / "tokens.key").write_bytes(b"short")
    assert "tokens.key is no key" in serve("--port", "0", "--data", str(keys.parent), folder=tmp_path)


def test_bad_settings_stop_a_start_with_their_place(tmp_path: Path) -> None:
    file = tmp_path / "datalab.toml"
    file.write_text("[server]\nprot = 80\n")
    found = serve(folder=tmp_path)
    assert "datalab.toml:2: unknown setting server.prot; there are host, port" in found
    assert str(file) + ":2" in serve("--config", str(file), folder=tmp_path)
    file.write_text("[server]\nport = \n")
    assert "datalab.toml:2: " in serve(folder=tmp_path)
    file.unlink()
    environment = {"DATALAB_SERVER_PORT": "eighty"}
    line = serve(folder=tmp_path, environment=environment)
    assert line == "Error: environment variable DATALAB_SERVER_PORT: 'eighty' is no int"
    assert not (tmp_path / "data").exists()


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, start_server: Callable[..., Server]
) -> None:
    (tmp_path / "datalab.toml").write_text('[server]\nport = 70000\n[storage]\ndirectory = "from-file"\n')
    environment = {"DATALAB_SERVER_PORT": "70000", "DATALAB_STORAGE_DIRECTORY": "from-setting"}
    assert "70000" in serve(folder=tmp_path, environment=environment)
    (tmp_path / "datalab.toml").write_text('[server]\nhost = "192.0.2.1"\n[storage]\ndirectory = "from-file"\n')
    environment = {"DATALAB_DATA": str(tmp_path / "from-variable"), "DATALAB_SERVER_HOST": "192.0.2.2"}
    server = start_server(environment=environment)
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["data"]
    server.stop()

    def chosen(environment: dict[str, str]) -> set[str]:
        before = {path.name for path in tmp_path.iterdir()}
        subprocess.run(
            [*DATALAB, "user", "list"],
            env={**clean_environment(), **environment},
            cwd=tmp_path,
            check=True,
            capture_output=True,
            timeout=60,
        )
        return {path.name for path in tmp_path.iterdir()} - before

    assert chosen({}) == {"from-file"}
    assert chosen({"DATALAB_STORAGE_DIRECTORY": "from-setting"}) == {"from-setting"}
    assert chosen({"DATALAB_STORAGE_DIRECTORY": "x", "DATALAB_DATA": "from-variable"}) == {"from-variable"}


def test_a_locked_directory_without_a_server_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    add_user(data)
    work = f"from datalab.appliance import *; take_lock(Path({str(data)!r})); print(1, flush=True); input()"
    holder = subprocess.Popen([DATALAB[0], "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        line = refused("user", "list", data=data)
        assert "another process works on the data directory, and no server answers there" in line
        holder.communicate(b"\n", timeout=20)
    good("user", "list", data=data)


def test_a_socket_file_left_by_a_killed_server_does_no_harm(
    tmp_path: Path, start_server: Callable[..., Server]
) -> None:
    server = start_server()
    server.kill()
    assert (server.data / "control.sock").is_socket()
    add_user(server.data)
    again = start_server()
    assert "ada.l" in good("user", "list", data=again.data)
    with socket.create_connection(("127.0.0.1", again.port), timeout=5):
        pass
