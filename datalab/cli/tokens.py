"""`datalab token`: app tokens and the snippet to paste."""

import html

import click

from datalab.cli.connection import Place, ask_one, place_options
from datalab.cli.output import json_option, print_json
from datalab.model.apps import App, IssuedToken
from datalab.model.records import format_time
from datalab.operations.apps import IssueToken, OneApp, RenewToken, RevokeToken, RotateToken
from datalab.operations.people import MakeKey
from datalab.services.api_keys import KeyMade


@click.group()
def token() -> None:
    """App tokens: public, signed, and valid for an app's URLs. API keys: secret, and for programs."""


@token.command()
@click.argument("name", metavar="ORG/NAME")
@json_option
@place_options
def issue(name: str, as_json: bool, place: Place) -> None:
    """Issue a token. Earlier ones end, and the app's configuration is locked."""
    show_token(ask_one(place, IssueToken(name)), as_json)


@token.command()
@click.argument("name", metavar="ORG/NAME")
@json_option
@place_options
def show(name: str, as_json: bool, place: Place) -> None:
    """The app's token."""
    show_token(current(name, place), as_json)


@token.command()
@click.argument("name", metavar="ORG/NAME")
@json_option
@place_options
def revoke(name: str, as_json: bool, place: Place) -> None:
    """End the app's tokens: pages that carry one send nothing more."""
    changed: App = ask_one(place, RevokeToken(name))
    if as_json:
        print_json(changed)
    else:
        click.echo(f"{name} has no valid token any more.")


@token.command()
@click.argument("name", metavar="ORG/NAME")
@json_option
@place_options
def renew(name: str, as_json: bool, place: Place) -> None:
    """Put off the token's end. Its text, and the snippet on the site, stay as they are."""
    show_token(ask_one(place, RenewToken(name)), as_json)


@token.command()
@click.argument("name", metavar="ORG/NAME")
@click.option(
    "--overlap",
    type=click.IntRange(0, 8760),
    metavar="HOURS",
    help="How long the present token goes on working; by default the setting tokens.overlap_hours.",
)
@json_option
@place_options
def rotate(name: str, overlap: int | None, as_json: bool, place: Place) -> None:
    """Issue another token without unlocking; both work for a while."""
    show_token(ask_one(place, RotateToken(name, overlap)), as_json)


@token.command()
@click.argument("username")
@click.option("--name", required=True, help="What the key is for.")
@click.option("--write", is_flag=True, help="May change things, not only read.")
@json_option
@place_options
def api(username: str, name: str, write: bool, as_json: bool, place: Place) -> None:
    """Make an API key that acts as a person; it is shown this once."""
    made: KeyMade = ask_one(place, MakeKey(username, name, "write" if write else "read"))
    if as_json:
        print_json(made)
    else:
        click.echo(made.key)
        click.echo(f"key {made.name!r} of {username}, scope {made.scope}; it is not shown again", err=True)


@token.command()
@click.argument("name", metavar="ORG/NAME")
@click.option("--address", default="http://localhost:8080", show_default=True, help="Where pages reach this appliance.")
@json_option
@place_options
def snippet(name: str, address: str, as_json: bool, place: Place) -> None:
    """The line to paste into every page, before </head>."""
    text = current(name, place).text
    line = f'<script async src="{html.escape(address.rstrip("/"))}/datalab.js" data-token="{text}"></script>'
    if as_json:
        print_json({"snippet": line})
    else:
        click.echo(line)


def current(name: str, place: Place) -> IssuedToken:
    """The app's token; refused where there is none."""
    app: App = ask_one(place, OneApp(name))
    if app.token is None:
        raise click.ClickException(f"{name} has no token; datalab token issue {name} makes one")
    return app.token


def show_token(issued: IssuedToken, as_json: bool) -> None:
    """The token alone on standard output, its end on standard error."""
    if as_json:
        print_json(issued)
        return
    click.echo(issued.text)
    ends = "never expires" if issued.expires is None else f"expires {format_time(issued.expires)}"
    click.echo(f"generation {issued.generation}, {ends}", err=True)
