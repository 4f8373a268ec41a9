"""`datalab demo`: the appliance on a throw-away data directory, with a shop to click in."""

import socket
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from datalab.appliance import lan_addresses, opened, serving
from datalab.cli.serve import run_server, say_addresses, spare_collections, stop_signal
from datalab.demo.content import APPS, GUIDE, ORGANISATION, SHOP, USERS, DemoApp
from datalab.demo.shop_site import shop_application
from datalab.demo.visits import MAX_VISITORS, guide_visits, visits
from datalab.model.accounts import Registration
from datalab.model.apps import App
from datalab.model.permissions import OPERATOR
from datalab.model.records import Record
from datalab.services.apps import new_id
from datalab.services.services import Services
from datalab.settings import Server, Settings

CHUNK = 20_000


@click.command()
@click.option("--port", type=click.IntRange(0, 65534), default=8080, show_default=True, help="0 takes any free one.")
@click.option("--visitors", type=click.IntRange(1, MAX_VISITORS), default=3000, show_default=True)
@click.option("--host", default=Server().host, show_default=True, help="Address to answer on.")
def demo(port: int, visitors: int, host: str) -> None:
    """Show datalab with an organisation, two apps, a shop of its own and 90 days of visits. Nothing is kept."""

    async def run() -> None:
        stop = stop_signal()
        with tempfile.TemporaryDirectory(prefix="datalab-demo-") as folder:
            appliance_port = port or free_port(host)
            shop_port = free_port(host, appliance_port + 1)
            settings = Settings(server=Server(host=host, port=appliance_port))
            data = Path(folder)
            async with opened(data, settings) as services:
                token = await fill(services, visitors, shop_port)
                shop = shop_application(token, appliance_port)
                async with serving(services, settings, data, {shop_port: shop}):
                    say_addresses(host, appliance_port)
                    say_demo(shop_port)
                    spare_collections()
                    await stop.wait()

    run_server(run)


def say_demo(shop_port: int) -> None:
    """How to look at it."""
    click.echo(f"the demo shop is on http://localhost:{shop_port}/ - what you click there shows in the dashboard")
    for user in USERS:
        click.echo(f"log in as {user.username} with the password {user.password}")
    click.echo("Ctrl-C ends the demo and forgets everything.")


async def fill(services: Services, visitors: int, shop_port: int) -> str:
    """People, apps and history; the shop's token."""
    for user in USERS:
        await services.registrations.add(
            Registration(
                username=user.username,
                organisation=ORGANISATION,
                password=user.password,
                first_name=user.first_name,
                last_name=user.last_name,
                position=user.position,
            )
        )
    own = [f"http://{name.lower()}:{shop_port}" for name in lan_addresses()]
    made = {app.name: await services.apps.add(OPERATOR, described(app, own if app is SHOP else [])) for app in APPS}
    now = services.clock()
    await replay(services, made[SHOP.name], visits(visitors, now_ms=now))
    await replay(services, made[GUIDE.name], guide_visits(max(1, visitors * 7 // 30), now_ms=now))
    shop = made[SHOP.name]
    app = await services.locks.issue(OPERATOR, shop.id, shop.full_name)
    assert app.token is not None  # noqa: S101
    return app.token.text


def described(app: DemoApp, origins: list[str]) -> App:
    """A demo app as it is stored."""
    return App(
        id=new_id(),
        organisation=ORGANISATION,
        name=app.name,
        owner=app.owner,
        origins=[app.origin, *origins],
        created=0,
        description=app.description,
        tags=app.tags,
        time_zone=app.time_zone,
        configuration=app.configuration,
    )


async def replay(services: Services, app: App, records: Iterator[Record]) -> None:
    """Import history the way a file would be."""
    run = await services.history.begin(app)
    while chunk := list(islice(records, CHUNK)):
        await services.history.add(run, chunk)
    await services.history.end(run)


def free_port(host: str, preferred: int = 0) -> int:
    """A port nobody answers on, the preferred one if it is free."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise click.ClickException(f"no port is free on {host}")
