"""`datalab report`: the dashboard's figures in the terminal."""

from typing import Any

import click
from msgspec import Struct

from datalab.aggregate.campaigns import TOUCHES
from datalab.aggregate.retention import PERIODS
from datalab.aggregate.surroundings import DIRECTIONS
from datalab.cli.connection import Place, ask_one, place_options
from datalab.cli.output import json_option, print_csv, print_json, print_table
from datalab.cli.report_tables import TABLES, Table
from datalab.model.figures import Audience
from datalab.model.ranges import BUCKETS
from datalab.operations import reports
from datalab.services.insights import ORDERS, UNITS

KINDS: dict[str, type[Struct]] = {
    "overview": reports.ReportOverview,
    "pages": reports.ReportPages,
    "audience": reports.ReportAudience,
    "campaigns": reports.ReportCampaigns,
    "elements": reports.ReportElements,
    "funnel": reports.ReportFunnel,
    "journey": reports.ReportJourney,
    "surroundings": reports.ReportSurroundings,
    "retention": reports.ReportRetention,
    "live": reports.ReportLive,
}


@click.command()
@click.argument("name", metavar="ORG/NAME")
@click.argument("what", type=click.Choice(list(KINDS)))
@click.option("--from", "from_", metavar="DATE", help="First day or moment, in the app's time zone.")
@click.option("--to", metavar="DATE", help="The day or moment behind the last one.")
@click.option(
    "--segment", metavar="EXPR", help="Whose visits: 'browser is Firefox and route contains /cart', or @Name."
)
@click.option("--partition", type=click.IntRange(min=1), metavar="N", help="By default the one that takes events.")
@click.option("--compare", is_flag=True, help="overview: beside the period before.")
@click.option("--bucket", type=click.Choice(BUCKETS), help="overview: of the line; by default by the range's length.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), help="pages, audience, campaigns, funnel: values of each list."
)
@click.option(
    "--touch", type=click.Choice(TOUCHES), help="campaigns: which one a session counts for; by default its own."
)
@click.option("--funnel", metavar="NAME", help="funnel: by default the first.")
@click.option("--unit", type=click.Choice(UNITS), help="funnel: by default visitors.")
@click.option("--order", type=click.Choice(ORDERS), help="funnel: by default ordered.")
@click.option("--split", metavar="DIMENSION", help="funnel: told apart by a dimension's values.")
@click.option(
    "--top", type=click.IntRange(0, 10_000), help="journey (50), surroundings (10): fold all but so many routes."
)
@click.option("--paths", type=click.IntRange(0, 1000), help="journey: how many; by default 50.")
@click.option("--route", metavar="ROUTE", help="surroundings: of which route.")
@click.option("--direction", type=click.Choice(DIRECTIONS), help="surroundings: by default after.")
@click.option("--period", type=click.Choice(PERIODS), help="retention: by default by the range's length.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, of the first table or of --table.")
@click.option("--table", metavar="TABLE", help="Only this one of the answer's tables.")
@json_option
@place_options
def report(
    name: str, what: str, compare: bool, as_csv: bool, table: str | None, as_json: bool, place: Place, **options: Any
) -> None:
    """Figures of an app, as the dashboard shows them."""
    if as_json and (as_csv or table is not None or compare):
        raise click.UsageError("--json prints everything there is; leave out --csv, --table and --compare")
    if compare and what != "overview":
        raise click.UsageError(f"{what} has no --compare; overview has")
    found = ask_one(place, question(name, what, {key: value for key, value in options.items() if value is not None}))
    if as_json:
        print_json(found)
        return
    tables = TABLES[type(found)](found, compare) if compare else TABLES[type(found)](found)
    tables = chosen(tables, table, what)
    if as_csv:
        print_csv(tables[0].titles, tables[0].rows)
    else:
        print_tables(tables)
        if isinstance(found, Audience) and found.attribution and any(each.name == "countries" for each in tables):
            click.echo(f"\n{found.attribution}")


def question(name: str, what: str, options: dict[str, Any]) -> Any:
    """What is asked; raises UsageError for an option that makes no difference to it, and for one that is missing."""
    kind = KINDS[what]
    fields = set(kind.__struct_fields__)
    for option in options:
        if option not in fields:
            having = ", ".join(other for other, each in KINDS.items() if option in each.__struct_fields__)
            raise click.UsageError(f"{what} has no --{option.rstrip('_')}; {having} has")
    if what == "surroundings" and "route" not in options:
        raise click.UsageError("surroundings needs --route, like --route /cart")
    return kind(app=name, **options)


def chosen(tables: list[Table], wanted: str | None, what: str) -> list[Table]:
    """All of them or one; raises UsageError."""
    if wanted is None:
        return tables
    found = [table for table in tables if table.name == wanted]
    if not found:
        raise click.UsageError(
            f"{what} has no table {wanted[:40]!r}; there are {', '.join(table.name for table in tables)}"
        )
    return found


def print_tables(tables: list[Table]) -> None:
    """With their names where there are several."""
    for place, table in enumerate(tables):
        if len(tables) > 1:
            click.echo(("\n" if place else "") + table.name)
        print_table(table.titles, table.rows)
