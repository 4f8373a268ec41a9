"""The settings file, the environment, and how faults in them are named."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from datalab.errors import BadSettings
from datalab.resources import locate
from datalab.settings import Settings, read_settings

KEYS = [
    (section, key)
    for section in Settings.__struct_fields__
    for key in type(getattr(Settings(), section)).__struct_fields__
]


def written(folder: Path, text: str) -> Path:
    path = folder / "datalab.toml"
    path.write_text(text)
    return path


def test_the_commented_file_and_the_structs_name_the_same_keys() -> None:
    tables = tomllib.loads(locate("datalab.toml").read_text())
    assert [(section, key) for section, table in tables.items() for key in table] == KEYS


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_the_commented_file_shows_the_default(section: str, key: str) -> None:
    shown = tomllib.loads(locate("datalab.toml").read_text())[section][key]
    default = getattr(getattr(Settings(), section), key)
    assert (type(shown), shown) == (type(default), default)


def test_every_line_of_the_file_says_what_it_is_for() -> None:
    lines = [line for line in locate("datalab.toml").read_text().splitlines() if " = " in line]
    bare = [line for line in lines if not re.search(r"#\s*\S", line)]
    assert len(lines) == len(KEYS)
    assert [line.split()[0] for line in bare] == []


def test_the_file_alone_gives_the_defaults() -> None:
    assert read_settings(locate("datalab.toml"), {}) == Settings() == read_settings(None, {})


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_can_be_set_in_the_file_and_in_the_environment(section: str, key: str, tmp_path: Path) -> None:
    default = getattr(getattr(Settings(), section), key)
    other = {bool: True, int: 20_001 if key in ("pending_events", "max_sockets") else 100, str: "other"}[type(default)]
    if key == "registration":
        other = "closed"
    file = written(tmp_path, f"[{section}]\n{key} = {msgspec.json.encode(other).decode()}\n")
    assert getattr(getattr(read_settings(file, {}), section), key) == other
    environment = {f"DATALAB_{section}_{key}".upper(): str(other)}
    found = read_settings(None, environment)
    assert getattr(getattr(found, section), key) == other
    assert read_settings(locate("datalab.toml"), environment) == found


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[server]\nport = 65536\n", 2, "server.port = 65536"),
        ("[server]\nport = -1\n", 2, "server.port = -1"),
        ('[server]\nport = "80"\n', 2, "server.port = '80'"),
        ("[server]\nport = 80.5\n", 2, "server.port = 80.5"),
        ("[server]\nport = true\n", 2, "server.port = True"),
        ('[server]\n# a port\n\nhost = ""\n', 4, "server.host = ''"),
        ("[server]\nsecure_cookies = 1\n", 2, "server.secure_cookies = 1"),
        ("[ingest]\ngroup_commit_ms = 1001\n", 2, "ingest.group_commit_ms = 1001"),
        ("[ingest]\npending_events = 999\n", 2, "ingest.pending_events = 999"),
        ("[ingest]\nticket_seconds = 0\n", 2, "ingest.ticket_seconds = 0"),
        ("[figures]\nsession_timeout_minutes = 0\n", 2, "figures.session_timeout_minutes = 0"),
        ("[figures]\nmax_values = 9\n", 2, "figures.max_values = 9"),
        ("[figures]\n\ncountry_database = false\n", 3, "figures.country_database = False"),
        ("[tokens]\ndays = -1\n", 2, "tokens.days = -1"),
        ("[accounts]\nlogin_days = 366\n", 2, "accounts.login_days = 366"),
        ("[accounts]\nlogin_attempts = 0\n", 2, "accounts.login_attempts = 0"),
        ("[tokens]\ndays = 7\n\n[server]\nhost = '::'\nprot = 80\n", 6, "unknown setting server.prot; there are host"),
        ("[tokens]\nport = 7\n\n[server]\nport = 80\n", 2, "unknown setting tokens.port; there are days"),
        ("[server]\nport = 80\n\n[severs]\n", 4, "unknown section [severs]; there are server"),
        ("server = 5\n", 1, "server is a section, written [server]"),
        ("[[server]]\nport = 80\n", 1, "server is a section, written [server]"),
        ("server.port = 65536\n", 1, "server.port = 65536"),
    ],
)
def test_a_fault_is_named_with_file_and_line(text: str, line: int, words: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    with pytest.raises(BadSettings) as refused:
        read_settings(file, {})
    assert refused.value.detail.startswith(f"{file}:{line}: ")
    assert words in refused.value.detail
    assert "\n" not in refused.value.detail


@pytest.mark.parametrize(
    ("text", "line"), [("[server]\nport = \n", 2), ("[server\n", 1), ("[server]\nport = 1\nport = 2\n", 3), ("x", 1)]
)
def test_broken_toml_is_named_with_file_and_line(text: str, line: int, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    with pytest.raises(BadSettings) as refused:
        read_settings(file, {})
    assert refused.value.detail.startswith(f"{file}:{line}: ")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="cannot be read"):
        read_settings(tmp_path / "none.toml", {})
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSettings, match="cannot be read"):
        read_settings(tmp_path / "binary.toml", {})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATALAB_SERVER_PORT", "eighty", "'eighty' is no int"),
        ("DATALAB_SERVER_PORT", "", "'' is no int"),
        ("DATALAB_SERVER_PORT", "70000", "server.port = 70000"),
        ("DATALAB_SERVER_SECURE_COOKIES", "perhaps", "'perhaps' is no bool"),
        ("DATALAB_SERVER_PROT", "80", "there is no setting server.prot"),
        ("DATALAB_SEVER_PORT", "80", "there is no setting sever.port"),
        ("DATALAB_PORT", "80", "there is no setting"),
        ("DATALAB_STORAGE_DIRECTORY", "", "storage.directory = ''"),
    ],
)
def test_a_bad_environment_variable_is_named(name: str, value: str, words: str) -> None:
    with pytest.raises(BadSettings) as refused:
        read_settings(None, {name: value})
    assert refused.value.detail.startswith(f"environment variable {name}: ")
    assert words in refused.value.detail


def test_other_environment_variables_are_left_alone() -> None:
    environment = {"DATALAB_DATA": "/nowhere", "DATALAB_CONFIG": "/nowhere", "PATH": "", "MY_DATALAB_SERVER_PORT": "x"}
    assert read_settings(None, environment) == Settings()
