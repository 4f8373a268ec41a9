"""`datalab app`: apps and their configuration."""

from pathlib import Path

import click
import msgspec

from datalab.cli.connection import Place, ask_one, place_options
from datalab.cli.output import json_option, print_json, print_table
from datalab.errors import Refusal
from datalab.model.apps import App
from datalab.model.configuration import read_configuration
from datalab.operations import Configure, CreateApp, ListApps, OneApp

MAX_CONFIGURATION_BYTES = 1024 * 1024


@click.group()
def app() -> None:
    """Sites whose use is measured."""


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
