"""Small histories to import, and commands that must work or must be refused."""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from datalab.cli import main

APP = "shop.example/shop"
PASSWORD = "correct horse"
MONDAY = 1_790_000_000_000
"""2026-09-21T14:13:20Z."""
MINUTE = 60_000


def run(*arguments: str, data: Path, text: str | bytes | None = None) -> Result:
    """A command in this process, since starting one takes half a second; nothing but an exit may come out of it."""
    environment = dict.fromkeys([name for name in os.environ if name.startswith("DATALAB_")])
    with contextlib.chdir(data.parent):
        done = CliRunner(env=environment).invoke(main, [*arguments, "--data", str(data)], input=text)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def good(*arguments: str, data: Path, text: str | None = None) -> str:
    """What a command prints that must work."""
    done = run(*arguments, data=data, text=text)
    assert done.exit_code == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def good_json(*arguments: str, data: Path, text: str | None = None) -> Any:
    """The JSON of a command that must work."""
    return json.loads(good(*arguments, "--json", data=data, text=text))


def refused(*arguments: str, data: Path, text: str | None = None, code: int = 1) -> str:
    """The line on standard error of a command that must be refused, with nothing on standard output."""
    done = run(*arguments, data=data, text=text)
    assert done.exit_code == code, f"{arguments}: {done.exit_code}\n{done.stdout}\n{done.stderr}"
    assert done.stdout == ""
    line = done.stderr.removesuffix("\n")
    if code == 1:
        assert line.startswith("Error: "), line
        assert "\n" not in line, line
    return line


def add_user(data: Path, username: str = "ada.l", organisation: str = "shop.example") -> str:
    """A person."""
    return good("user", "add", username, "--organization", organisation, "--password-stdin", data=data, text=PASSWORD)


def add_app(data: Path) -> None:
    """A person and their app."""
    add_user(data)
    good("app", "create", APP, "--owner", "ada.l", "--url", "https://shop.example", data=data)


def view(visitor: str, minute: float, path: str, **more: object) -> dict[str, object]:
    """A page view."""
    url = f"https://shop.example{path}"
    return {"visitor": visitor, "time": MONDAY + round(minute * MINUTE), "kind": "urlchange", "url": url, **more}


def ndjson(records: Iterable[dict[str, object]]) -> str:
    """One a line."""
    return "".join(json.dumps(record) + "\n" for record in records)


CONFIGURATION = """\
[[funnel]]
name = "Purchase"
  [[funnel.stage]]
  name = "Catalog"
  url = "/catalog"
  [[funnel.stage]]
  name = "Cart"
  click = "#add"
  [[funnel.stage]]
  name = "Bought"
  glob = "/thanks*"
[[funnel]]
name = "Readers"
  [[funnel.stage]]
  name = "Article"
  regex = "^/blog/[a-z]+$"
[[element]]
name = "Add to cart"
selector = "#add"
"""

VISITS = [
    view("ann", 0, "/catalog"),
    {"visitor": "ann", "time": MONDAY + 60_000, "kind": "click", "target": "Add to cart"},
    {"visitor": "ann", "time": MONDAY + 62_000, "kind": "hover", "target": "a", "action": "hover-click", "elapsed": 9},
    view("ann", 2, "/thanks/1"),
    {"visitor": "ann", "time": MONDAY + 121_000, "kind": "custom", "name": "paid", "properties": {"total": 9.5}},
    view("bob", 1, "/catalog"),
    {"visitor": "bob", "time": MONDAY + 90_000, "kind": "click", "target": "#add"},
    view("cid", 3, "/thanks/2"),
    view("cid", 4, "/catalog"),
    view("cid", 2 * 24 * 60, "/blog/tea"),
]  # fmt: skip
"""Three visitors and four sessions; one buys in order, one stops at the cart, one comes in the wrong order."""
