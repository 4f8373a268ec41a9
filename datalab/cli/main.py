"""`datalab`: the group of all commands."""

import click

from datalab import __version__
from datalab.cli.apps import app
from datalab.cli.demo import demo
from datalab.cli.export import export_events
from datalab.cli.history import import_history
from datalab.cli.reports import report
from datalab.cli.serve import serve
from datalab.cli.tokens import token
from datalab.cli.users import user
from datalab.cli.verify import verify
from datalab.cli.what_if import what_if


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="datalab")
def main() -> None:
    """How people use a site: funnels, journeys and live figures, on one small machine."""


for command in (serve, demo, user, app, token, import_history, export_events, report, what_if, verify):
    main.add_command(command)
