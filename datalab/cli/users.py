"""`datalab user`: people."""

import sys

import click

from datalab.cli.connection import Place, ask_one, place_options
from datalab.cli.output import json_option, print_json, print_table
from datalab.operations import AddUser, ListUsers


@click.group()
def user() -> None:
    """People who may log in."""


@user.command("add")
@click.argument("username")
@click.option("--organization", required=True, help="The company's domain, for instance shop.example.")
@click.option("--first-name", default="")
@click.option("--last-name", default="")
@click.option("--position", default="")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@json_option
@place_options
def add(
    username: str,
    organization: str,
    first_name: str,
    last_name: str,
    position: str,
    password_stdin: bool,
    as_json: bool,
    place: Place,
) -> None:
    """Make a person; the first one of an organisation becomes its admin."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password (10 characters or more)", hide_input=True, confirmation_prompt=True)
    made = ask_one(
        place,
        AddUser(*(text.strip() for text in (username, organization, password, first_name, last_name, position))),
    )
    if as_json:
        print_json(made)
    else:
        click.echo(f"{made.username} of {made.organisation} may log in{' and is its admin' if made.admin else ''}.")


@user.command("list")
@json_option
@place_options
def list_people(as_json: bool, place: Place) -> None:
    """Everybody."""
    people = ask_one(place, ListUsers())
    if as_json:
        print_json(people)
    else:
        print_table(
            ["username", "organization", "name", "position", "admin"],
            [
                (one.username, one.organisation, f"{one.first_name} {one.last_name}".strip(), one.position, one.admin)
                for one in people
            ],
        )
