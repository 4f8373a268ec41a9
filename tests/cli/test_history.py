"""`datalab import`: what is taken, what is reported, and what is counted once."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.history import APP, CONFIGURATION, MONDAY, VISITS, add_app, good_json, ndjson, refused, run, view
from tests.conftest import Server


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    add_app(folder)
    (tmp_path / "shop.toml").write_text(CONFIGURATION)
    done = run("app", "config", APP, "--set", str(tmp_path / "shop.toml"), data=folder)
    assert done.stdout == f"{APP}: 2 funnels, 1 elements, 0 campaigns, 0 route patterns\n"
    return folder


def import_(data: Path, *arguments: str, text: str | None = None) -> Result:
    return run("import", APP, *arguments, data=data, text=text)


def added(data: Path, *arguments: str, text: str | None = None) -> tuple[int, int]:
    found = good_json("import", APP, *arguments, data=data, text=text)
    assert found["bad_lines"] == 0
    return found["added"], found["repeated"]


def views(data: Path) -> int:
    count: int = good_json("report", APP, "overview", data=data)["page_views"]
    return count


def as_csv(records: list[dict[str, object]]) -> str:
    """The same records as CSV."""
    text = io.StringIO()
    names = ["visitor", "time", "kind", "url", "target", "action", "elapsed", "name", "properties"]
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    for record in records:
        properties = {"properties": json.dumps(record["properties"])} if "properties" in record else {}
        writer.writerow({**record, **properties})
    return text.getvalue()


def test_all_forms_of_one_history_are_the_same_events(data: Path, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text(ndjson(VISITS))
    (tmp_path / "a.csv").write_text(as_csv(VISITS))
    (tmp_path / "bom.csv").write_text(as_csv(VISITS), encoding="utf-8-sig", newline="")
    (tmp_path / "bom.ndjson").write_text(ndjson(VISITS), encoding="utf-8-sig")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(as_csv(VISITS).encode()))
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(ndjson(VISITS).replace("\n", "\r\n\r\n").encode()))
    assert added(data, str(tmp_path / "a.csv")) == (10, 0)
    for name in ("a.ndjson", "a.csv.gz", "a.ndjson.gz", "bom.csv", "bom.ndjson"):
        assert added(data, str(tmp_path / name)) == (0, 10), name
    assert added(data, "-", text=ndjson(VISITS)) == (0, 10)
    assert added(data, "-", "--format", "csv", text=as_csv(VISITS)) == (0, 10)
    assert added(data, "-", "--strict", text=ndjson(VISITS)) == (0, 10)
    moments = [{**VISITS[0], "time": "2026-09-21T15:53:20+01:40"}, {**VISITS[0], "time": "2026-09-21T14:13:20Z"}]
    # The second is one more of an event that the partition holds once.
    assert added(data, "-", text=ndjson(moments[:1])) == (0, 1)
    assert added(data, "-", text=ndjson(moments)) == (1, 1)


def test_overlapping_files_add_only_what_is_new(data: Path) -> None:
    assert added(data, "-", text=ndjson(VISITS[:6])) == (6, 0)
    assert added(data, "-", text=ndjson(VISITS[3:])) == (4, 3)
    assert added(data, "-", text=ndjson(reversed(VISITS))) == (0, 10)
    assert views(data) == 6


def test_two_identical_lines_are_two_events(data: Path) -> None:
    twice = ndjson([VISITS[0], VISITS[0]])
    assert added(data, "-", text=ndjson([VISITS[0]])) == (1, 0)
    assert added(data, "-", text=twice) == (1, 1)
    assert added(data, "-", text=twice) == (0, 2)
    assert views(data) == 2


def test_again_while_a_server_runs_and_after_a_kill(data: Path, start_server: Callable[..., Server]) -> None:
    assert added(data, "-", text=ndjson(VISITS[:5])) == (5, 0)
    server = start_server()
    assert added(data, "-", text=ndjson(VISITS)) == (5, 5)
    assert views(data) == 6
    server.kill()
    start_server()
    assert added(data, "-", text=ndjson(VISITS)) == (0, 10)
    assert views(data) == 6


BAD_LINES = [
    ("{", "truncated"),
    ("[]", "Expected `object`"),
    ("\udcff", "JSON is malformed"),
    ('{"visitor": "a", "kind": "urlchange", "url": "/"}', "missing required field `time`"),
    ('{"visitor": "", "time": 1790000000000, "kind": "urlchange", "url": "/"}', "visitor"),
    ('{"visitor": "a", "time": 1790000000000, "kind": "scroll", "url": "/"}', "scroll"),
    ('{"visitor": "a", "time": 1790000000000, "kind": "urlchange"}', "kind urlchange needs the field url"),
    ('{"visitor": "a", "time": 1790000000000, "kind": "click"}', "kind click needs the field target"),
    ('{"visitor": "a", "time": 1790000000000, "kind": "hover", "target": "b"}', "kind hover needs the field action"),
    ('{"visitor": "a", "time": 1790000000000, "kind": "custom"}', "kind custom needs the field name"),
    ('{"visitor": "a", "time": 1790000000, "kind": "urlchange", "url": "/"}', "lies before 1990"),
    ('{"visitor": "a", "time": 9790000000000, "kind": "urlchange", "url": "/"}', "in the future"),
    ('{"visitor": "a", "time": ' + "9" * 60 + ', "kind": "urlchange", "url": "/"}', ""),
    ('{"visitor": "a", "time": "noon", "kind": "urlchange", "url": "/"}', "neither RFC 3339"),
    ('{"visitor": "a", "time": 1790000000000, "kind": "urlchange", "url": "http://[x"}', "url"),
    ('{"visitor": "a", "time": 1790000000000, "kind": "urlchange", "url": "/' + "x" * 70_000 + '"}', "longer than"),
]  # fmt: skip


def test_bad_lines_are_reported_and_the_good_ones_kept(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "mixed.ndjson"
    lines = [line for bad, _ in BAD_LINES for line in (bad, json.dumps(view("ann", len(bad), f"/{len(bad)}")))]
    file.write_bytes("\n".join(lines).encode(errors="surrogateescape"))
    strict = import_(data, str(file), "--strict")
    assert strict.exit_code == 1
    assert "nothing was imported, since --strict takes all lines or none" in strict.stderr
    assert strict.stdout == f"0 events added, 0 were there already, {len(BAD_LINES)} bad lines\n"
    assert views(data) == 0
    done = import_(data, str(file))
    assert done.exit_code == 1
    reported = [line for line in done.stderr.splitlines() if line.startswith("line ")]
    for index, (_, reason) in enumerate(BAD_LINES):
        number, _, why = reported[index].partition(": ")
        assert number == f"line {2 * index + 1}"
        assert reason in why
        assert len(why) < 400
    assert len(reported) == len(BAD_LINES)
    assert done.stdout == f"{len(BAD_LINES)} events added, 0 were there already, {len(BAD_LINES)} bad lines\n"
    assert views(data) == len(BAD_LINES)
    again = json.loads(import_(data, str(file), "--json").stdout)
    assert again == {"added": 0, "repeated": len(BAD_LINES), "bad_lines": len(BAD_LINES)}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"ann,1790000000000,urlchange", "more or fewer fields"),
        (b"ann,1790000000000,urlchange,/a,/b", "more or fewer fields"),
        (b"ann,\xc2\xb2,urlchange,/a", "neither RFC 3339"),
        (b"ann," + b"1" * 5000 + b",urlchange,/a", "time"),
        (b"a\xff,1790000000000,urlchange,/a", "the line is not UTF-8"),
        (b"ann,1790000000000,scroll,/a", "scroll"),
        (b",1790000000000,urlchange,/a", "visitor"),
        (b"ann,1790000000000,urlchange,", "needs the field url"),
        (b"ann,1790000000000,urlchange," + b"/" * 70_000, "url"),
    ],
)
def test_bad_lines_of_csv(data: Path, tmp_path: Path, line: bytes, reason: str) -> None:
    file = tmp_path / "mixed.csv"
    good = f"ann,{MONDAY},urlchange,/a"
    file.write_bytes(b"visitor,time,kind,url\n" + good.encode() + b"\n" + line + b"\n" + good.encode() + b"\n")
    done = import_(data, str(file))
    assert done.exit_code == 1
    reports = [text for text in done.stderr.splitlines() if text.startswith("line ")]
    assert len(reports) == 1, done.stderr
    assert reports[0].startswith("line 3: ")
    assert reason in reports[0]
    assert done.stdout == "2 events added, 0 were there already, 1 bad lines\n"


def test_many_bad_lines_are_only_counted(data: Path) -> None:
    done = import_(data, "-", text="nonsense\n" * 500)
    assert done.stderr.count("\n") == 21
    assert "further bad lines are only counted" in done.stderr
    assert done.stdout == "0 events added, 0 were there already, 500 bad lines\n"


@pytest.mark.parametrize("text", ["", "visitor,time,colour\n", "ann,1,urlchange,/a\n"])
def test_csv_needs_a_head_line(data: Path, text: str) -> None:
    assert "the first line has to name the fields" in refused(
        "import", APP, "-", "--format", "csv", data=data, text=text
    )


def test_an_empty_file_adds_nothing(data: Path) -> None:
    assert added(data, "-", text="") == (0, 0)
    assert added(data, "-", text="\n\n") == (0, 0)


@pytest.mark.parametrize("damage", ["cut", "flipped", "plain"])
def test_a_damaged_gz_file_is_refused(data: Path, tmp_path: Path, damage: str) -> None:
    plain = ndjson(view(f"visitor {n}", n % 700, f"/{n}") for n in range(2000)).encode()
    packed = bytearray(gzip.compress(plain))
    packed[len(packed) // 2] ^= 0xFF
    broken = {"cut": gzip.compress(plain)[:3000], "flipped": bytes(packed), "plain": plain}[damage]
    (tmp_path / "a.ndjson.gz").write_bytes(broken)
    done = import_(data, str(tmp_path / "a.ndjson.gz"))
    assert done.exit_code == 1
    assert "a.ndjson.gz cannot be read" in done.stderr.splitlines()[-1]


def test_records_of_the_largest_size_go_through_a_server(data: Path, start_server: Callable[..., Server]) -> None:
    start_server()
    properties = {f"{n:02}" + "n" * 500: "v" * 900 for n in range(32)}
    records = [
        {"visitor": f"v{n}", "time": MONDAY + n, "kind": "custom", "name": "wide", "properties": properties}
        for n in range(1600)
    ]
    text = ndjson(records)
    assert len(text) > 64 * 1024 * 1024
    assert added(data, "-", text=text) == (1600, 0)


def test_hovers_clicks_and_custom_events_are_no_page_views_but_no_bounces_either(data: Path) -> None:
    clicked: dict[str, object] = {"visitor": "b", "time": MONDAY + 9, "kind": "click", "target": "Add to cart"}
    hovered = {**clicked, "visitor": "c", "kind": "hover", "action": "hover-leave", "elapsed": 300}
    custom: dict[str, object] = {"visitor": "d", "time": MONDAY + 9, "kind": "custom", "name": "paid"}
    entries = [view(visitor, 0, "/catalog") for visitor in "abcd"]
    assert added(data, "-", text=ndjson([*entries, clicked, hovered, custom])) == (7, 0)
    overview = good_json("report", APP, "overview", data=data)
    assert (overview["page_views"], overview["sessions"], overview["bounce_rate"]) == (4, 4, 0.25)
    funnel = good_json("report", APP, "funnel", data=data)
    assert [stage["reached"] for stage in funnel["stages"]] == [4, 1, 0]


def test_the_fields_that_exports_write_are_the_same_in_csv(data: Path) -> None:
    records: list[dict[str, object]] = [
        {
            "visitor": "a",
            "time": MONDAY,
            "kind": "click",
            "target": "b",
            "matched": ["#add", 'a[b="c"]'],
            "x": 3,
            "y": 4,
        },
        {"visitor": "a", "time": MONDAY, "kind": "move", "x": 0, "y": 65535, "screen": "390x844", "country": "CH"},
        {"visitor": "a", "time": 0, "kind": "urlchange", "url": "http://[x", "as_is": True},
        {"visitor": "a", "time": MONDAY, "kind": "custom", "name": "n", "properties": {"big": 10**20}},
        {"visitor": "a", "time": MONDAY, "kind": "custom", "name": "n", "properties": '{"big":1}'},
    ]
    names = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    for record in records:
        packed = {name: value for name, value in record.items() if isinstance(value, dict | list | bool)}
        writer.writerow({**record, **{name: json.dumps(value) for name, value in packed.items()}})
    assert added(data, "-", text=ndjson(records)) == (5, 0)
    assert added(data, "-", "--format", "csv", text=text.getvalue()) == (0, 5)
    funnel = good_json("report", APP, "funnel", "--order", "any", data=data)
    assert [stage["reached"] for stage in funnel["stages"]] == [0, 1, 0]


def test_a_line_has_room_for_the_largest_event_a_page_may_send(data: Path) -> None:
    def line(length: int) -> str:
        return ndjson(
            [{"visitor": "a", "time": MONDAY, "kind": "custom", "name": "n", "properties": {"a": "x" * length}}]
        )

    assert added(data, "-", text=line(100_000)) == (1, 0)
    assert "line 1: the line is longer than 131072 bytes\n" in import_(data, "-", text=line(131_072)).stderr
