"""`datalab app`: apps and their configuration."""

from pathlib import Path

import click
import msgspec

from datalab.cli.connection import Place, ask_one, place_options
from datalab.cli.jobs import jobs
from datalab.cli.output import json_option, print_json, print_table
from datalab.cli.segments import segment, segments
from datalab.errors import Refusal
from datalab.model.apps import App, IssuedToken
from datalab.model.configuration import read_configuration
from datalab.model.records import format_time
from datalab.operations.apps import (
    Configure,
    CreateApp,
    DeleteApp,
    DeletePartition,
    IssueToken,
    ListApps,
    ListPartitions,
    OneApp,
    UnlockApp,
)
from datalab.services.archive import PartitionShown

MAX_CONFIGURATION_BYTES = 1024 * 1024
yes_option = click.option("--yes", is_flag=True, help="Do not ask for the app's name.")


@click.group()
def app() -> None:
    """Sites whose use is measured."""


for command in (segments, segment, jobs):
    app.add_command(command)


@app.command()
@click.argument("name", metavar="ORG/NAME")
@click.option("--owner", required=True, help="The username of the person who owns the app.")
@click.option("--url", "urls", multiple=True, required=True, help="Where its pages are; may be given several times.")
@click.option("--private", is_flag=True, help="Not shown to everybody of the organisation.")
@click.option("--tag", "tags", multiple=True, help="May be given several times.")
@click.option("--description", default="")
@click.option("--time-zone", default="UTC", show_default=True, help="The zone whose days and hours figures use.")
@json_option
@place_options
def create(
    name: str,
    owner: str,
    urls: tuple[str, ...],
    private: bool,
    tags: tuple[str, ...],
    description: str,
    time_zone: str,
    as_json: bool,
    place: Place,
) -> None:
    """Make an app."""
    made: App = ask_one(place, CreateApp(name, owner, list(urls), private, list(tags), description, time_zone))
    if as_json:
        print_json(made)
    else:
        click.echo(f"{made.full_name} is there; next: datalab token issue {made.full_name}")


@app.command("list")
@json_option
@place_options
def list_apps(as_json: bool, place: Place) -> None:
    """Every app."""
    apps: list[App] = ask_one(place, ListApps())
    if as_json:
        print_json(apps)
    else:
        print_table(
            ["app", "owner", "private", "locked", "urls"],
            [(one.full_name, one.owner, one.private, one.locked, " ".join(one.origins)) for one in apps],
        )


@app.command()
@click.argument("name", metavar="ORG/NAME")
@json_option
@place_options
def show(name: str, as_json: bool, place: Place) -> None:
    """One app."""
    one: App = ask_one(place, OneApp(name))
    if as_json:
        print_json(one)
    else:
        print_table(
            ["what", "is"],
            [
                ("app", one.full_name),
                ("owner", one.owner),
                ("urls", " ".join(one.origins)),
                ("tags", ", ".join(one.tags)),
                ("private", one.private),
                ("locked", one.locked),
                ("partition", one.partition or None),
                ("time zone", one.time_zone),
            ],
        )


@app.command()
@click.argument("name", metavar="ORG/NAME")
@click.option("--set", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A TOML file.")
@json_option
@place_options
def config(name: str, file: Path | None, as_json: bool, place: Place) -> None:
    """Print an app's funnels, elements, campaigns and routes, or replace them."""
    if file is None:
        one: App = ask_one(place, OneApp(name))
    else:
        if file.stat().st_size > MAX_CONFIGURATION_BYTES:
            raise click.ClickException(f"{file} is larger than {MAX_CONFIGURATION_BYTES} bytes")
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            raise click.ClickException(f"{file} is not UTF-8 text") from None
        try:
            configuration = read_configuration(text)
        except Refusal as refusal:
            raise click.ClickException(f"{file}: {refusal.detail}") from None
        one = ask_one(place, Configure(name, configuration))
    if as_json:
        print_json(one.configuration)
    elif file is None:
        click.echo(msgspec.toml.encode(one.configuration).decode(), nl=False)
    else:
        found = one.configuration
        click.echo(
            f"{name}: {len(found.funnel)} funnels, {len(found.element)} elements, "
            f"{len(found.campaign)} campaigns, {len(found.routes)} route patterns"
        )


@app.command()
@click.argument("name", metavar="ORG/NAME")
@json_option
@place_options
def lock(name: str, as_json: bool, place: Place) -> None:
    """Lock the configuration by issuing a token, as `token issue` does."""
    one: App = ask_one(place, OneApp(name))
    if one.locked:
        raise click.ClickException(f"{name} is locked already; datalab token rotate {name} issues another token")
    issued: IssuedToken = ask_one(place, IssueToken(name))
    if as_json:
        print_json(issued)
    else:
        click.echo(f"{name} is locked; next: datalab token snippet {name}")


@app.command()
@click.argument("name", metavar="ORG/NAME")
@yes_option
@json_option
@place_options
def unlock(name: str, yes: bool, as_json: bool, place: Place) -> None:
    """Revoke the token and put the collected data into the archive; the configuration can then be changed."""
    confirm(name, yes, "This revokes its token and archives what was collected.")
    one: App = ask_one(place, UnlockApp(name))
    if as_json:
        print_json(one)
    else:
        click.echo(f"{one.full_name} is unlocked; its data is in the archive: datalab app partitions {one.full_name}")


@app.command()
@click.argument("name", metavar="ORG/NAME")
@yes_option
@place_options
def delete(name: str, yes: bool, place: Place) -> None:
    """Delete an app with all its data, the archive too."""
    confirm(name, yes, "This deletes the app and all of its data for good.")
    ask_one(place, DeleteApp(name))
    click.echo(f"{name} is deleted.")


@app.command()
@click.argument("name", metavar="ORG/NAME")
@click.option("--delete", "number", type=click.IntRange(min=1), metavar="N", help="Delete an archived one for good.")
@yes_option
@json_option
@place_options
def partitions(name: str, number: int | None, yes: bool, as_json: bool, place: Place) -> None:
    """The app's partitions: the open one and those in the archive."""
    if number is not None:
        confirm(name, yes, f"This deletes partition {number} for good.")
        ask_one(place, DeletePartition(name, number))
    found: list[PartitionShown] = ask_one(place, ListPartitions(name))
    if as_json:
        print_json(found)
    else:
        print_table(
            ["partition", "opened", "sealed", "bytes", "funnels"],
            [
                (
                    one.number,
                    format_time(one.opened),
                    format_time(one.sealed) if one.sealed is not None else None,
                    one.bytes,
                    ", ".join(funnel.name for funnel in one.configuration.funnel),
                )
                for one in found
            ],
        )


def confirm(name: str, yes: bool, consequence: str) -> None:
    """Have the app's full name typed, unless --yes was given."""
    if not yes and click.prompt(f"{consequence} Type {name} to confirm", err=True) != name:
        raise click.ClickException("that is not the app's name; nothing was changed")
