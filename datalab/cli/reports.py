"""`datalab report`: the dashboard's figures in the terminal."""

import click
import msgspec

from datalab.cli.connection import Place, ask_one, place_options
from datalab.cli.output import json_option, print_csv, print_json, print_table
from datalab.model.figures import FunnelFigures, Overview, Pages
from datalab.operations.reports import ReportFunnel, ReportOverview, ReportPages
from datalab.services.insights import ORDERS, UNITS

Table = tuple[list[str], list[list[object]]]


@click.command()
@click.argument("name", metavar="ORG/NAME")
@click.argument("what", type=click.Choice(["overview", "pages", "funnel"]))
@click.option("--from", "from_", metavar="DATE", help="First day or moment, in the app's time zone.")
@click.option("--to", metavar="DATE", help="The day or moment behind the last one.")
@click.option("--funnel", help="A funnel's name; by default the first.")
@click.option("--unit", type=click.Choice(UNITS), default="visitors", show_default=True)
@click.option("--order", type=click.Choice(ORDERS), default="ordered", show_default=True)
@click.option("--partition", type=click.IntRange(min=1), metavar="N", help="By default the one that takes events.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@place_options
def report(
    name: str,
    what: str,
    from_: str | None,
    to: str | None,
    funnel: str | None,
    unit: str,
    order: str,
    partition: int | None,
    as_csv: bool,
    as_json: bool,
    place: Place,
) -> None:
    """Figures of an app, as the dashboard shows them."""
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other")
    kind = {"overview": ReportOverview, "pages": ReportPages, "funnel": ReportFunnel}[what]
    found = ask_one(place, kind(name, from_, to, funnel, unit, order, partition))
    if as_json:
        print_json(found)
        return
    titles, rows = table(found)
    if as_csv:
        print_csv(titles, rows)
    else:
        print_table(titles, rows)


def table(found: Overview | Pages | FunnelFigures) -> Table:
    """Titles and rows."""
    if isinstance(found, Overview):
        plain = msgspec.structs.asdict(found)
        return ["figure", "value"], [
            [field.replace("from_", "from"), value] for field, value in plain.items() if field != "series"
        ]
    if isinstance(found, Pages):
        return ["route", "views", "visitors", "entries", "exits", "seconds_mean"], [
            [page.route, page.views, page.visitors, page.entries, page.exits, page.seconds_mean] for page in found.pages
        ]
    return ["stage", "reached", "step_conversion", "conversion", "dropped", "seconds_mean", "seconds_median"], [
        [
            stage.name,
            stage.reached,
            stage.step_conversion,
            stage.conversion,
            stage.dropped,
            stage.seconds_mean,
            stage.seconds_median,
        ]
        for stage in found.stages
    ]
