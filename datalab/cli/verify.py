"""`datalab verify`: reads and checks everything that is stored."""

import asyncio
import sys

import click

from datalab.appliance import take_lock
from datalab.cli.connection import Place, place_options, with_refusals
from datalab.cli.output import json_option, print_json
from datalab.errors import InUse
from datalab.stores.embedded.documents import EmbeddedDocuments
from datalab.stores.embedded.journal import EmbeddedJournal


@click.command()
@json_option
@place_options
def verify(as_json: bool, place: Place) -> None:
    """Check every journal record and document; exit code 1 where anything is damaged."""
    faults = with_refusals(lambda: asyncio.run(find_faults(place)))
    if as_json:
        print_json(faults)
    else:
        for fault in faults:
            click.echo(fault)
        click.echo(f"{len(faults)} faults" if faults else "everything is whole")
    if faults:
        sys.exit(1)


async def find_faults(place: Place) -> list[str]:
    """In plain words. Reads beside a running server; what that is writing at the moment may show as a torn tail."""
    data = place.data(place.settings())
    try:
        take_lock(data)
    except InUse:
        click.echo("a server is running: its latest batch may look cut off", err=True)
    journal = EmbeddedJournal(data)
    documents = await EmbeddedDocuments.open(data / "documents.sqlite")
    try:
        faults = [str(fault) for key in await journal.partitions() for fault in await journal.verify(key)]
        return faults + await documents.verify()
    finally:
        await documents.close()
        await journal.close()
