"""The way from a command to the data: through a running server's socket file, else directly."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import click
import msgspec

from datalab.appliance import CONTROL_SOCKET, opened
from datalab.errors import InUse, Refusal, Underway
from datalab.operations.table import OPERATIONS, perform
from datalab.server.middleware import Problem
from datalab.settings import Settings, read_settings

R = TypeVar("R")
RETRY_SECONDS = 2.0
CLEARED = "\r\x1b[K"
"""The terminal's line is empty again."""
Ask = Callable[[msgspec.Struct], Awaitable[Any]]
"""Does an operation and answers its struct; raises Refusal."""


class Place:
    """Where data and settings are."""

    def __init__(self, data: Path | None, config: Path | None) -> None:
        self._config = config
        self._data = data

    def settings(self) -> Settings:
        """Raises BadSettings."""
        config = self._config
        if config is None and Path("datalab.toml").is_file():
            config = Path("datalab.toml")
        return read_settings(config)

    def data(self, settings: Settings) -> Path:
        """The data directory."""
        return (self._data or Path(settings.storage.directory)).resolve()


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--data` and `--config`, as every command has them; the command gets `place`."""

    def called(*args: Any, data: Path | None, config: Path | None, **kwargs: Any) -> Any:
        return command(*args, place=Place(data, config), **kwargs)

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    # Options given above this decorator already hang on the command.
    called.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    with_config = click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        envvar="DATALAB_CONFIG",
        help="Settings file; by default datalab.toml in this folder, if there is one.",
    )(called)
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="DATALAB_DATA",
        help="Data directory; by default the setting storage.directory.",
    )(with_config)


def with_data(place: Place, work: Callable[[Ask], Awaitable[R]]) -> R:
    """Run `work` with a way to ask; refusals become one line and exit code 1."""

    async def run() -> R:
        settings = place.settings()
        async with reach(place.data(settings), settings) as ask:
            return await work(partial(patiently, ask))

    return with_refusals(lambda: asyncio.run(run()))


def with_refusals(work: Callable[[], R]) -> R:
    """Turn refusals into one line on stderr and exit code 1."""
    try:
        return work()
    except Refusal as refusal:
        raise click.ClickException(refusal.detail) from None


def ask_one(place: Place, asked: msgspec.Struct) -> Any:
    """One operation."""
    return with_data(place, lambda ask: ask(asked))


async def patiently(ask: Ask, asked: msgspec.Struct) -> Any:
    """Ask until what is being made is there; how far it is stands on a terminal meanwhile. Raises Refusal."""
    shown = sys.stderr.isatty()
    line = ""
    try:
        while True:
            try:
                return await ask(asked)
            except Underway as underway:
                if shown:
                    line = underway.detail
                    click.echo(f"{CLEARED}{line}", err=True, nl=False)
                await asyncio.sleep(underway.retry_after or RETRY_SECONDS)
    finally:
        if line:
            click.echo(CLEARED, err=True, nl=False)


@asynccontextmanager
async def reach(data: Path, settings: Settings) -> AsyncIterator[Ask]:
    """Take the directory's lock and work directly, or speak to the server that holds it."""
    try:
        async with opened(data, settings) as services:

            async def ask_directly(asked: msgspec.Struct) -> Any:
                name = type(asked).__name__
                return answer(name, await perform(services, name, msgspec.msgpack.encode(asked)))

            yield ask_directly
    except InUse:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(data / CONTROL_SOCKET))) as session:

            async def ask_server(asked: msgspec.Struct) -> Any:
                return await post(session, asked)

            yield ask_server


async def post(session: aiohttp.ClientSession, asked: msgspec.Struct) -> Any:
    """One operation of a running server; raises Refusal as it does."""
    name = type(asked).__name__
    try:
        async with session.post(
            f"http://datalab/operations/{name}",
            data=BytesIO(msgspec.msgpack.encode(asked)),
            timeout=aiohttp.ClientTimeout(total=None),
        ) as response:
            body = await response.read()
    except aiohttp.ClientError as error:
        raise Refusal(f"another process works on the data directory, and no server answers there: {error}") from None
    if response.status != 200:
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except msgspec.DecodeError:
            raise Refusal(f"the running server failed with status {response.status}; its log says more") from None
        kind = Underway if problem.code == Underway.code else Refusal
        raise kind(problem.detail, retry_after=problem.retry_after)
    return answer(name, body)


def answer(name: str, body: bytes) -> Any:
    """What an operation answered."""
    return msgspec.msgpack.decode(body, type=OPERATIONS[name].answered)
