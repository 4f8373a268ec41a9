"""`datalab export`: the raw events of a partition as NDJSON, in the form `import` reads."""

import gzip
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

import click

from datalab.cli.connection import Ask, Place, place_options, with_data
from datalab.errors import Refusal
from datalab.model.events import Position
from datalab.operations.history import ExportChunk
from datalab.services.export import Exported

STDOUT = "-"
PACKING = 6
"""zlib level: 9 takes several times as long for a few bytes less."""


@click.command("export")
@click.argument("name", metavar="ORG/NAME")
@click.option("--partition", type=click.IntRange(min=1), metavar="N", help="By default the one that takes events.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    default=STDOUT,
    metavar="FILE",
    help="Written whole or not at all; packed where the name ends in .gz. By default standard output.",
)
@place_options
def export_events(name: str, partition: int | None, output: str, place: Place) -> None:
    """Write the raw events of an app, one JSON object a line, as `import` reads them."""

    async def run(ask: Ask) -> int:
        # Before the file is begun, so that what is refused leaves nothing behind.
        exported: Exported = await ask(ExportChunk(name, partition, Position()))
        count = 0
        with written(output) as file:
            while True:
                file.write(exported.lines)
                file.flush()
                count += exported.lines.count(b"\n")
                if exported.next is None:
                    return count
                exported = await ask(ExportChunk(name, exported.partition, exported.next))

    try:
        count = with_data(place, run)
    except BrokenPipeError:
        forget_stdout()
        return
    if output != STDOUT:
        click.echo(f"{count} events written to {output}")


@contextmanager
def written(output: str) -> Iterator[IO[bytes]]:
    """What to write to; a file appears under its name once it is whole and on the disk. Raises Refusal."""
    try:
        if output == STDOUT:
            yield sys.stdout.buffer
            return
        with replaced(Path(output).resolve()) as file:
            if not output.endswith(".gz"):
                yield file
                return
            with gzip.GzipFile(filename="", mode="wb", compresslevel=PACKING, fileobj=file, mtime=0) as packed:
                yield cast(IO[bytes], packed)
    except BrokenPipeError:
        raise
    except OSError as error:
        what = output if output != STDOUT else "standard output"
        raise Refusal(f"{what} cannot be written: {error.strerror or error}") from None


def is_device(path: Path) -> bool:
    """Whether something is there that is written to and not replaced: a pipe, a device."""
    return path.exists() and not path.is_file()


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """A file beside the path that takes its place at the end, and is removed where something fails."""
    if is_device(path):
        with path.open("wb") as device:
            yield device
        return
    with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", dir=path.parent, delete=False) as file:
        try:
            yield cast(IO[bytes], file)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).rename(path)
        except BaseException:
            with suppress(OSError):
                Path(file.name).unlink()
            raise


def forget_stdout() -> None:
    """Nobody reads it any more (`| head`): what Python still wants to write at the end goes nowhere."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
