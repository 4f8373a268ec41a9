"""What the tests of the API share: a place of a test's own, and one that the tests of a module share."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from aiohttp import ClientSession

from tests.conftest import Server
from tests.server.api.place import ENVIRONMENT, Place
from tests.server.api.shared import Shared, Town


@pytest.fixture
async def place(start_server: Callable[..., Server], http: ClientSession) -> Place:
    """An empty appliance."""
    return Place(await asyncio.to_thread(start_server, environment=ENVIRONMENT), http)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A server for all tests of a module."""
    server = Server(tmp_path_factory.mktemp("town") / "data", environment=ENVIRONMENT)
    yield Town(server)
    server.kill()


@pytest.fixture
def shared(town: Town, http: ClientSession) -> Shared:
    """The module's server, as this test sees it."""
    return Shared(town, http)
