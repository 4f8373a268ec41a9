"""`datalab user`: people."""

import sys

import click

from datalab.cli.connection import Place, ask_one, place_options
from datalab.cli.output import json_option, print_json, print_table
from datalab.operations.people import AddUser, DisableUser, ListUsers, PersonShown, RemoveUser, SetPassword

password_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group()
def user() -> None:
    """People who may log in."""


@user.command("add")
@click.argument("username")
@click.option("--organization", required=True, help="The company's domain, for instance shop.example.")
@click.option("--first-name", default="")
@click.option("--last-name", default="")
@click.option("--position", default="")
@password_option
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
    password = read_password(password_stdin)
    made = ask_one(place, AddUser(username, organization, password, first_name, last_name, position))
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
            ["username", "organization", "name", "position", "admin", "state"],
            [
                (
                    one.username,
                    one.organisation,
                    f"{one.first_name} {one.last_name}".strip(),
                    one.position,
                    one.admin,
                    "disabled" if one.disabled else "pending" if one.pending else "active",
                )
                for one in people
            ],
        )


@user.command()
@click.argument("username")
@password_option
@place_options
def passwd(username: str, password_stdin: bool, place: Place) -> None:
    """Give a person a new password; all log-ins of the person end."""
    ask_one(place, SetPassword(username, read_password(password_stdin)))
    click.echo(f"{username} has a new password; all log-ins have ended.")


@user.command()
@click.argument("username")
@click.option("--undo", is_flag=True, help="Let the person in again.")
@place_options
def disable(username: str, undo: bool, place: Place) -> None:
    """Keep a person out: log-ins end and API keys do nothing."""
    person: PersonShown = ask_one(place, DisableUser(username, disabled=not undo))
    click.echo(f"{person.username} {'may log in again' if undo else 'is kept out'}.")


@user.command()
@click.argument("username")
@click.option("--yes", is_flag=True, help="Do not ask.")
@place_options
def remove(username: str, yes: bool, place: Place) -> None:
    """Remove a person for good. An admin of the organisation takes over the person's apps."""
    if not yes:
        click.confirm(f"Remove {username} for good?", abort=True, err=True)
    person: PersonShown = ask_one(place, RemoveUser(username))
    click.echo(f"{person.username} of {person.organisation} is removed.")


def read_password(from_stdin: bool) -> str:
    """From the first line of standard input, or asked for twice on a terminal."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password: str = click.prompt(
        "Password (10 characters or more)", hide_input=True, confirmation_prompt=True, err=True
    )
    return password
