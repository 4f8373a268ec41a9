"""`datalab import`: history from a file."""

import sys
import tempfile
from collections.abc import Iterator
from typing import IO

import click

from datalab.cli.connection import Ask, Place, place_options, with_data
from datalab.cli.output import json_option, print_json
from datalab.cli.record_file import BadLine, Source, opened, read_records
from datalab.clock import system_clock
from datalab.model.records import Record, encode_record
from datalab.operations.history import BeginImport, EndImport, ImportRecords, packed

CHUNK = 20_000
CHUNK_BYTES = 16 * 1024 * 1024
"""About; well below what a running server takes at a time."""
SHOWN_BAD_LINES = 20


class Outcome:
    """What became of a file."""

    def __init__(self) -> None:
        self.added = 0
        self.repeated = 0
        self.bad: list[BadLine] = []
        self.bad_lines = 0

    def refuse(self, line: BadLine) -> None:
        """Say so at once; after many, only count."""
        self.bad_lines += 1
        if len(self.bad) < SHOWN_BAD_LINES:
            self.bad.append(line)
            click.echo(f"line {line.number}: {line.reason}", err=True)
            if len(self.bad) == SHOWN_BAD_LINES:
                click.echo("further bad lines are only counted", err=True)


@click.command("import")
@click.argument("name", metavar="ORG/NAME")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--format", "form", type=click.Choice(["ndjson", "csv"]), help="By default by the file's name.")
@click.option("--strict", is_flag=True, help="All lines or none.")
@json_option
@place_options
def import_history(name: str, file: str, form: str | None, strict: bool, as_json: bool, place: Place) -> None:
    """Add the events of a file (or of standard input: -) to an app. Doing so twice changes nothing the second time."""
    form = form or ("csv" if file.removesuffix(".gz").endswith(".csv") else "ndjson")
    outcome = Outcome()

    async def run(ask: Ask) -> None:
        with opened(file) as source:
            if not strict:
                await send(ask, source, form, outcome, name)
                return
            with tempfile.TemporaryFile() as kept:
                check_all(source.plain, kept, form, outcome)
                if not outcome.bad_lines:
                    kept.seek(0)
                    await send(ask, Source(kept, kept), form, outcome, name)

    with_data(place, run)
    if as_json:
        print_json({"added": outcome.added, "repeated": outcome.repeated, "bad_lines": outcome.bad_lines})
    else:
        click.echo(
            f"{outcome.added} events added, {outcome.repeated} were there already, {outcome.bad_lines} bad lines"
        )
    if outcome.bad_lines:
        if strict:
            click.echo("nothing was imported, since --strict takes all lines or none", err=True)
        sys.exit(1)


def check_all(source: IO[bytes], kept: IO[bytes], form: str, outcome: Outcome) -> None:
    """Copy the file, since standard input comes only once, and look at every line."""
    while block := source.read(1024 * 1024):
        kept.write(block)
    kept.seek(0)
    for entry in read_records(kept, form, system_clock()):
        if isinstance(entry, BadLine):
            outcome.refuse(entry)


async def send(ask: Ask, source: Source, form: str, outcome: Outcome, name: str) -> None:
    """Chunk by chunk, with a bar on a terminal where the file's length is known."""
    run = await ask(BeginImport(name, source.size or None))
    whole = False
    try:
        await feed(ask, run, source, form, outcome)
        whole = True
    finally:
        await ask(EndImport(run, whole))


async def feed(ask: Ask, run: str, source: Source, form: str, outcome: Outcome) -> None:
    """The file's records, in its order."""
    with click.progressbar(length=source.size or 0, label="Importing", file=sys.stderr, hidden=not source.size) as bar:
        for records in chunks(read_records(source.plain, form, system_clock()), outcome):
            imported = await ask(ImportRecords(run, packed(records), source.done))
            outcome.added += imported.added
            outcome.repeated += imported.repeated
            bar.update(source.done - bar.pos)


def chunks(entries: Iterator[Record | BadLine], outcome: Outcome) -> Iterator[list[Record]]:
    """Good records, some thousands at a time."""
    chunk: list[Record] = []
    size = 0
    for entry in entries:
        if isinstance(entry, BadLine):
            outcome.refuse(entry)
            continue
        chunk.append(entry)
        size += len(encode_record(entry))
        if len(chunk) == CHUNK or size > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
