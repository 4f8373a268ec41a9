"""`datalab what-if`: a funnel that nobody configured, over all the history there is."""

import asyncio
import sys
from typing import Any

import click

from datalab.cli.connection import Ask, Place, place_options, with_data
from datalab.cli.output import json_option, print_json
from datalab.cli.report_tables import TABLES
from datalab.cli.reports import print_tables
from datalab.errors import Refusal
from datalab.model.configuration import Funnel, Stage
from datalab.model.figures import FunnelFigures
from datalab.model.jobs import Job
from datalab.operations.jobs import AskWhatIf, CancelJob, ShowJob, WhatIfAnswer
from datalab.services.insights import ORDERS, UNITS

RULES = ("url", "glob", "regex", "click")
PAUSE_SECONDS = 0.5
STAGE = "NAME=/route, NAME=/ro*te, NAME=regex:EXPR or NAME=click:SELECTOR; in the order of the funnel."


@click.command("what-if")
@click.argument("name", metavar="ORG/NAME")
@click.option("--stage", "stages", multiple=True, required=True, metavar="NAME=EXPR", help=STAGE)
@click.option("--name", "funnel", default="What if", show_default=True, help="What the funnel is called.")
@click.option("--window", metavar="TIME", help="Longest time from the first stage to the last, like 14d.")
@click.option("--unit", type=click.Choice(UNITS), default="visitors", show_default=True)
@click.option("--order", type=click.Choice(ORDERS), default="ordered", show_default=True)
@click.option("--from", "from_", metavar="DATE", help="First day or moment, in the app's time zone.")
@click.option("--to", metavar="DATE", help="The day or moment behind the last one.")
@click.option("--segment", default="", metavar="EXPR", help="Whose visits: 'browser is Firefox', or @Name.")
@click.option("--partition", type=click.IntRange(min=1), metavar="N", help="By default the one that takes events.")
@json_option
@place_options
def what_if(
    name: str,
    stages: tuple[str, ...],
    funnel: str,
    window: str | None,
    as_json: bool,
    place: Place,
    **options: Any,
) -> None:
    """A funnel of stages that nobody configured, made from the journal; Ctrl-C cancels it."""
    try:
        asked = Funnel(name=funnel, window=window, stage=[read_stage(text) for text in stages])
    except ValueError as fault:
        raise click.UsageError(str(fault)) from None
    figures = with_data(place, lambda ask: waited(ask, name, AskWhatIf(app=name, funnel=asked, **options)))
    if as_json:
        print_json(figures)
    else:
        print_tables(TABLES[FunnelFigures](figures))


def read_stage(text: str) -> Stage:
    """A stage as it is written; raises ValueError."""
    name, equals, rule = text.partition("=")
    kind, colon, expression = rule.partition(":")
    if not name or not equals or not rule:
        raise ValueError(f"stage {text[:80]!r} is not like {STAGE}")
    if colon and kind in RULES:
        return Stage(name=name, **{kind: expression})
    if not rule.startswith("/"):
        raise ValueError(f"stage {text[:80]!r}: {rule[:80]!r} does not start with /, {', '.join(RULES)}: is missing")
    return Stage(name=name, **{"glob" if "*" in rule else "url": rule})


async def waited(ask: Ask, name: str, asked: AskWhatIf) -> FunnelFigures:
    """Ask, and follow the job with a bar on a terminal. Raises Refusal."""
    answer: WhatIfAnswer = await ask(asked)
    if answer.figures is not None:
        return answer.figures
    assert answer.job is not None  # noqa: S101  (one of both is given)
    job = answer.job
    try:
        return await followed(ask, name, job)
    except asyncio.CancelledError:
        await ask(CancelJob(name, job.id))
        raise


async def followed(ask: Ask, name: str, job: Job) -> FunnelFigures:
    with click.progressbar(length=100, label=job.title, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        while job.under_way:
            await asyncio.sleep(PAUSE_SECONDS)
            job = await ask(ShowJob(name, job.id))
            bar.update(job.percent - bar.pos)
    if job.result is None:
        raise Refusal(job.detail)
    return job.result
