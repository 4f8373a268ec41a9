"""The command line: users, apps, tokens, history, reports, and the server itself."""

from datalab.cli.main import main

__all__ = ["main"]
