"""Printing: a table for people, JSON for programs."""

import csv
import io
from collections.abc import Iterable
from typing import Any

import click
import msgspec

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value: Any) -> None:
    """One JSON document."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(titles: list[str], rows: Iterable[Iterable[object]]) -> None:
    """Columns as wide as their widest cell; numbers to the right."""
    plain = [list(row) for row in rows]
    cells = [[shown(cell) for cell in row] for row in plain]
    widths = [max([len(title), *(len(row[k]) for row in cells)]) for k, title in enumerate(titles)]
    right = [bool(plain) and all(isinstance(row[k], int | float | None) for row in plain) for k in range(len(titles))]
    for row in [titles, *cells]:
        parts = [cell.rjust(width) if to_right else cell.ljust(width)
                 for cell, width, to_right in zip(row, widths, right, strict=True)]  # fmt: skip
        click.echo("  ".join(parts).rstrip())


def print_csv(titles: list[str], rows: Iterable[Iterable[object]]) -> None:
    """RFC 4180."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(titles)
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    click.echo(text.getvalue(), nl=False)


def shown(cell: object) -> str:
    """A cell as people read it."""
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return str(cell)
