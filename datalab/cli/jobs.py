"""`datalab app jobs`: heavy work for an app, how far it is, and the way to cancel it."""

import click

from datalab.cli.connection import Place, ask_one, place_options
from datalab.cli.output import json_option, print_json, print_table
from datalab.model.jobs import Job
from datalab.model.records import format_time
from datalab.operations.jobs import CancelJob, ListJobs


@click.command()
@click.argument("name", metavar="ORG/NAME")
@click.option("--cancel", "job", metavar="JOB", help="Stop this one.")
@json_option
@place_options
def jobs(name: str, job: str | None, as_json: bool, place: Place) -> None:
    """What is being made for an app (what-if funnels, figures of archived data, imports) and what ended lately."""
    found: list[Job] = [ask_one(place, CancelJob(name, job))] if job is not None else ask_one(place, ListJobs(name))
    if as_json:
        print_json(found)
    else:
        print_table(
            ["job", "what", "state", "done", "since", "detail"],
            [
                (one.id, one.title, one.state, f"{one.percent} %", format_time(one.started), one.detail or None)
                for one in found
            ],
        )
