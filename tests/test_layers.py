"""The layers of the package: a module imports only from its own layer or from below."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "datalab"

LAYERS = [
    ["datalab.__main__"],
    ["datalab.cli"],
    ["datalab.appliance", "datalab.demo"],
    ["datalab.server"],
    ["datalab.operations"],
    ["datalab.services"],
    ["datalab.workers"],
    ["datalab.ingest", "datalab.aggregate"],
    ["datalab.stores"],
    ["datalab.model"],
    ["datalab.settings", "datalab.keys", "datalab.clock", "datalab.resources"],
    ["datalab.errors"],
    ["datalab"],
]
"""From the top to the bottom. `datalab` alone is the package itself: its version."""
MAX_LINES = 400
FORBIDDEN = {"utils", "util", "helpers", "helper", "manager", "common", "base", "misc"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """`datalab.model.apps` for its file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> tuple[int, str]:
    """How far up a module stands, and the entry of the table it belongs to."""
    for height, entries in enumerate(reversed(LAYERS)):
        for entry in entries:
            if module == entry or (entry != "datalab" and module.startswith(f"{entry}.")):
                return height, entry
    raise AssertionError(f"{module} stands in no layer; give it a place in the table")


def imports_of(source: str) -> list[tuple[int, str]]:
    """Line and module of every import of the package's own."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: imports are absolute"
            modules = {name_of(path) for path in MODULES}
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.append((node.lineno, full if full in modules else node.module or ""))
    return [(line, module) for line, module in found if module.split(".")[0] == "datalab"]


def upward(module: str, source: str) -> list[str]:
    """Imports that point upwards or sideways into another part of the same layer."""
    height, part = layer_of(module)
    faults = []
    for line, imported in imports_of(source):
        other_height, other_part = layer_of(imported)
        if other_height > height or (other_height == height and other_part != part):
            faults.append(f"{module}, line {line}: {part} may not import {imported}")
    return faults


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards(path: Path) -> None:
    assert upward(name_of(path), path.read_text()) == []


def test_an_import_that_points_upwards_is_noticed() -> None:
    assert upward("datalab.model.apps", "def f():\n    from datalab.services.apps import Apps\n") == [
        "datalab.model.apps, line 2: datalab.model may not import datalab.services.apps"
    ]
    assert upward("datalab.ingest.gate", "from datalab import aggregate") != []
    assert upward("datalab.services.apps", "import datalab.server.views") != []
    assert upward("datalab.services.apps", "from datalab.model import apps\nimport os") == []


def test_every_entry_of_the_table_exists() -> None:
    modules = {name_of(path) for path in MODULES}
    assert [entry for entries in LAYERS for entry in entries if entry not in modules] == []


def test_no_module_is_too_long_to_be_held_in_the_head() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_modules_are_named_after_what_they_hold() -> None:
    assert [name_of(path) for path in MODULES if FORBIDDEN & set(name_of(path).split("."))] == []
