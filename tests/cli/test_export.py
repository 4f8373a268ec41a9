"""`datalab export`: what it writes, that `import` takes it back, and that nothing half-written is left."""

import asyncio
import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from datalab.model.wire import MouseHover, MouseMove
from tests.cli.history import APP, CONFIGURATION, MONDAY, VISITS, add_app, good, good_json, ndjson, refused, run, view
from tests.conftest import DATALAB, Server, clean_environment
from tests.server.client import Page, click, now, signal
from tests.server.client import view as viewed
from tests.small_disk import fill_up, mounted

SECOND = "shop.example/second"
ORIGIN = "http://shop.example"
REPORTS = [("overview",), ("pages",), ("funnel",), ("funnel", "--unit", "sessions"), ("funnel", "--order", "any")]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
HISTORY = [
    *VISITS,
    view("ann", 0, "/catalog"),
    view("dan", 5, "/catalog", user_agent=FIREFOX, language="de-CH", referrer="https://search.example/", screen="9x9",
         country="CH"),
    {"visitor": "dan", "time": MONDAY + 9, "kind": "click", "target": "b", "matched": ["#add"], "x": 3, "y": 4},
    {"visitor": "dan", "time": MONDAY + 9, "kind": "move", "x": 3, "y": 4},
    {"visitor": "dan", "time": MONDAY + 9, "kind": "custom", "name": "n", "properties": {"big": 10**20}},
]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a filled app and an empty one of the same configuration."""
    folder = tmp_path / "data"
    add_app(folder)
    good("app", "create", SECOND, "--owner", "ada.l", "--url", "https://shop.example", data=folder)
    (tmp_path / "shop.toml").write_text(CONFIGURATION)
    for app in (APP, SECOND):
        good("app", "config", app, "--set", str(tmp_path / "shop.toml"), data=folder)
    assert good_json("import", APP, "-", data=folder, text=ndjson(HISTORY))["added"] == len(HISTORY)
    return folder


def reports(app: str, data: Path) -> list[Any]:
    return [{**good_json("report", app, *report, data=data), "app": None} for report in REPORTS]


def test_an_export_brings_the_same_figures_to_another_app_and_nothing_to_its_own(data: Path, tmp_path: Path) -> None:
    lines = good("export", APP, data=data)
    assert lines.count("\n") == len(HISTORY)
    assert good_json("import", APP, "-", "--strict", data=data, text=lines) == {
        "added": 0, "repeated": len(HISTORY), "bad_lines": 0,
    }  # fmt: skip
    (tmp_path / "history.ndjson").write_text(lines)
    assert good_json("import", SECOND, str(tmp_path / "history.ndjson"), "--strict", data=data)["added"] == len(HISTORY)
    assert reports(SECOND, data) == reports(APP, data)
    assert good("export", SECOND, data=data) == lines


def test_every_line_is_a_record_of_the_documented_form(data: Path) -> None:
    records = [json.loads(line) for line in good("export", APP, data=data).splitlines()]
    assert all(len(record["visitor"]) == 32 and record["time"].endswith("Z") for record in records)
    assert [{name: value for name, value in record.items() if name != "visitor"} for record in records[-4:]] == [
        {
            "time": "2026-09-21T14:18:20.000Z", "kind": "urlchange", "url": "https://shop.example/catalog",
            "referrer": "https://search.example/", "user_agent": FIREFOX, "language": "de-CH", "screen": "9x9",
            "country": "CH",
        },
        {"time": "2026-09-21T14:13:20.009Z", "kind": "click", "target": "b", "matched": ["#add"], "x": 3, "y": 4},
        {"time": "2026-09-21T14:13:20.009Z", "kind": "move", "x": 3, "y": 4},
        {"time": "2026-09-21T14:13:20.009Z", "kind": "custom", "name": "n", "properties": {"big": 10**20}},
    ]  # fmt: skip


async def visit(server: Server, token: str) -> None:
    """Events of every kind over a socket, one of them twice, and one that is posted."""
    async with ClientSession(headers={"User-Agent": FIREFOX}) as http:
        page = Page(http, server.url, token)
        await page.enter(referrer="https://search.example/", language="fr", screen="390x844")
        await page.send(viewed(1, "/catalog"), click(2, "#add"), MouseHover(3, now(), "#add", "hover-click", 700))
        await page.send(MouseMove(4, now(), 5, 6), signal(5, "paid", total=9.5, code=None), viewed(6, "/thanks"))
        last = viewed(7, "/thanks")
        await page.send(last)
        await page.send(last)
        await page.acknowledged(7)
        await page.goodbye()
        another = Page(http, server.url, token)
        await another.hello()
        assert (await another.post(viewed(1, "/blog/tea"))).status == 200


def test_what_pages_sent_comes_back_as_it_was(data: Path, start_server: Callable[..., Server]) -> None:
    live = "shop.example/live"
    good("app", "create", live, "--owner", "ada.l", "--url", ORIGIN, data=data)
    good("app", "config", live, "--set", str(data.parent / "shop.toml"), data=data)
    token = good("token", "issue", live, data=data).strip()
    server = start_server()
    asyncio.run(visit(server, token))
    lines = good("export", live, data=data)
    assert lines.count("\n") == 8
    assert good_json("import", live, "-", "--strict", data=data, text=lines)["repeated"] == 8
    assert server.stop() == 0
    assert good("export", live, data=data) == lines
    good("import", SECOND, "-", "--strict", data=data, text=lines)
    assert reports(SECOND, data) == reports(live, data)
    assert good("export", SECOND, data=data) == lines


def test_the_same_with_and_without_a_server(data: Path, start_server: Callable[..., Server]) -> None:
    directly = good("export", APP, data=data)
    server = start_server()
    assert good("export", APP, data=data) == directly
    assert good("export", APP, "--partition", "1", data=data) == directly
    assert server.stop() == 0
    assert good("export", APP, "--output", "-", data=data) == directly


def test_many_chunks_are_one_export(data: Path, start_server: Callable[..., Server]) -> None:
    many = [view(f"visitor {n % 3000}", n / 100, f"/{n}" + "x" * 500) for n in range(20_000)]
    good("import", SECOND, "-", data=data, text=ndjson(many))
    directly = good("export", SECOND, data=data)
    assert len(directly) > 12_000_000
    assert [json.loads(line)["url"] for line in directly.splitlines()] == [record["url"] for record in many]
    start_server()
    assert good("export", SECOND, data=data) == directly
    assert good_json("import", SECOND, "-", data=data, text=directly)["added"] == 0


def test_a_file_is_written_whole(data: Path, tmp_path: Path) -> None:
    lines = good("export", APP, data=data)
    file = tmp_path / "folder" / "history.ndjson"
    file.parent.mkdir()
    file.write_text("something older")
    link = tmp_path / "link.ndjson"
    link.symlink_to(file)
    printed = good("export", APP, "--output", str(link), data=data)
    assert printed == f"{len(HISTORY)} events written to {link}\n"
    assert file.read_text() == lines
    assert link.is_symlink()
    assert [path.name for path in file.parent.iterdir()] == ["history.ndjson"]
    assert file.stat().st_mode & 0o777 == 0o600, "visitors' events are their owner's only"


def test_a_packed_file_is_read_by_import(data: Path, tmp_path: Path) -> None:
    lines = good("export", APP, data=data)
    good("export", APP, "--output", str(tmp_path / "a.ndjson.gz"), data=data)
    assert gzip.decompress((tmp_path / "a.ndjson.gz").read_bytes()).decode() == lines
    assert good_json("import", APP, str(tmp_path / "a.ndjson.gz"), data=data)["repeated"] == len(HISTORY)


def test_a_device_is_written_to_and_not_replaced(data: Path) -> None:
    before = Path("/dev/null").stat()
    good("export", APP, "--output", "/dev/null", data=data)
    after = Path("/dev/null").stat()
    assert (after.st_ino, after.st_mode, after.st_rdev) == (before.st_ino, before.st_mode, before.st_rdev)


@pytest.mark.parametrize("running", [False, True])
def test_what_is_refused(data: Path, tmp_path: Path, running: bool, start_server: Callable[..., Server]) -> None:
    if running:
        start_server()
    before = sorted(path.name for path in tmp_path.iterdir())
    line = refused("export", APP, "--partition", "7", "--output", str(tmp_path / "x"), data=data)
    assert line == f"Error: {APP} has no partition 7; there is 1"
    line = refused("export", SECOND, "--output", str(tmp_path / "x"), data=data)
    assert line == f"Error: {SECOND} has no partition yet; issue a token or import history"
    assert "no app" in refused("export", "shop.example/none", data=data)
    assert "app" in refused("export", "none", data=data)
    missing = tmp_path / "gone" / "x"
    line = refused("export", APP, "--output", str(missing), data=data)
    assert line == f"Error: {missing} cannot be written: No such file or directory"
    for arguments in (("--partition", "0"), ("--partition", "one"), ("--output", str(tmp_path))):
        assert run("export", APP, *arguments, data=data).exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_full_disk_leaves_the_older_file(data: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "256k") as disk:
        file = disk / "history.ndjson"
        file.write_text("something older")
        fill_up(disk)
        line = refused("export", APP, "--output", str(file), data=data)
        assert line == f"Error: {file} cannot be written: No space left on device"
        assert file.read_text() == "something older"
        assert sorted(path.name for path in disk.iterdir()) == ["filler", "history.ndjson"]


def test_standard_output_that_takes_nothing_is_a_failure(data: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*DATALAB, "export", APP, "--data", str(data)],
            stdout=full, stderr=subprocess.PIPE, text=True, env=clean_environment(), cwd=data.parent, timeout=60,
            check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "Error: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("running", [False, True])
def test_a_reader_that_has_enough_ends_it_quietly(
    data: Path, running: bool, start_server: Callable[..., Server]
) -> None:
    many = [view(f"visitor {n % 3000}", n / 100, f"/{n}" + "x" * 500) for n in range(20_000)]
    good("import", SECOND, "-", data=data, text=ndjson(many))
    if running:
        start_server()
    with subprocess.Popen(
        [*DATALAB, "export", SECOND, "--data", str(data)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(), cwd=data.parent,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["kind"] == "urlchange"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
