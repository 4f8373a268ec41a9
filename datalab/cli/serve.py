"""`datalab serve`: the appliance."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import click
import uvloop
from msgspec.structs import replace

from datalab.appliance import lan_addresses, opened, serving
from datalab.cli.connection import Place, place_options, with_refusals
from datalab.resources import ResourceMissing
from datalab.settings import Settings
from datalab.workers import memory

SWITCH_SECONDS = 0.0005
"""How long one thread keeps the interpreter while others wait: with the usual 5 ms, an answer made of many short steps
waits as long at each of them for frames that come in."""
COLLECT_EVERY = 20_000
"""Objects made between two collections of the youngest; each takes well under a millisecond."""


@click.command()
@click.option("--host", help="Address to answer on; by default the setting server.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to answer on; by default the setting server.port.")
@place_options
def serve(host: str | None, port: int | None, place: Place) -> None:
    """Run the appliance until it is told to stop. The first start makes the data directory."""

    async def run() -> None:
        settings = place.settings()
        settings = replace(
            settings,
            server=replace(
                settings.server,
                host=settings.server.host if host is None else host,
                port=settings.server.port if port is None else port,
            ),
        )
        await serve_until_stopped(place.data(settings), settings)

    run_server(run)


def run_server(run: Callable[[], Awaitable[None]]) -> None:
    """Run on uvloop, with the log on standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")

    def start() -> None:
        try:
            uvloop.run(run())  # type: ignore[arg-type]
        except ResourceMissing as missing:
            raise click.ClickException(str(missing)) from None

    with_refusals(start)


async def serve_until_stopped(data: Path, settings: Settings) -> None:
    """Serve a data directory; SIGTERM and SIGINT end it in order."""
    stop = stop_signal()
    memory.arrange()
    async with opened(data, settings) as services, serving(services, settings, data) as port:
        say_addresses(settings.server.host, port)
        spare_collections()
        sys.setswitchinterval(SWITCH_SECONDS)
        await stop.wait()


def spare_collections() -> None:
    """Keep the garbage collector from walking over what lives as long as the process, again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def say_addresses(host: str, port: int) -> None:
    """Where people find the dashboard."""
    everywhere = host in ("0.0.0.0", "::", "")  # noqa: S104
    for name in lan_addresses() if everywhere else [host]:
        click.echo(f"datalab answers on http://{name}:{port}/")
