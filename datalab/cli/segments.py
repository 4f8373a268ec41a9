"""`datalab app segments` and `datalab app segment`: segments saved by name."""

import click

from datalab.cli.connection import Place, ask_one, place_options
from datalab.cli.output import json_option, print_json, print_table
from datalab.operations.segments import DeleteSegment, ListSegments, OneSegment, SetSegment
from datalab.services.segments import SegmentShown


@click.command()
@click.argument("name", metavar="ORG/NAME")
@json_option
@place_options
def segments(name: str, as_json: bool, place: Place) -> None:
    """The app's saved segments; a fault says why one does not fit the configuration."""
    found: list[SegmentShown] = ask_one(place, ListSegments(name))
    if as_json:
        print_json(found)
    else:
        print_table(["segment", "filters", "by", "fault"], [(one.name, one.text, one.by, one.fault) for one in found])


@click.command()
@click.argument("name", metavar="ORG/NAME")
@click.argument("segment", metavar="NAME")
@click.option("--set", "text", metavar="EXPR", help="Filters joined by and, like: browser is not Firefox.")
@click.option("--delete", is_flag=True, help="Delete it.")
@json_option
@place_options
def segment(name: str, segment: str, text: str | None, delete: bool, as_json: bool, place: Place) -> None:
    """Print a saved segment, save or replace one, or delete it.

    Filters are DIMENSION is VALUE, is not, contains or glob (* and ?), and reached stage 2 of FUNNEL or did not reach
    stage 2 of FUNNEL. A saved segment is used as @NAME.
    """
    if delete:
        if text is not None or as_json:
            raise click.UsageError("--delete stands alone")
        ask_one(place, DeleteSegment(name, segment))
        click.echo(f"the segment {segment} of {name} is deleted.")
        return
    asked = OneSegment(name, segment) if text is None else SetSegment(name, segment, text)
    one: SegmentShown = ask_one(place, asked)
    if as_json:
        print_json(one)
        return
    click.echo(one.text)
    if one.fault is not None:
        click.echo(f"it does not fit the configuration: {one.fault}", err=True)
