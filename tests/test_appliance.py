"""Starting and ending the appliance in one process, with its lock and its socket file."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from datalab.appliance import CONTROL_SOCKET, lan_addresses, opened, serving, take_lock
from datalab.errors import InUse, Occupied, Refusal
from datalab.model.accounts import Registration
from datalab.operations.people import AddUser, ListUsers
from datalab.server.middleware import Problem
from datalab.settings import Server, Settings

SETTINGS = Settings(server=Server(host="127.0.0.1", port=0))


async def test_the_lock_is_let_go_at_the_end_and_after_a_failure(tmp_path: Path) -> None:
    async with opened(tmp_path, SETTINGS):
        with pytest.raises(InUse, match="another datalab works on"):
            take_lock(tmp_path)
    with pytest.raises(ZeroDivisionError):
        async with opened(tmp_path, SETTINGS):
            raise ZeroDivisionError
    (tmp_path / "keys" / "tokens.key").write_bytes(b"short")
    for _ in range(2):
        with pytest.raises(Refusal, match=r"tokens\.key is no key"):
            async with opened(tmp_path, SETTINGS):
                pass


async def test_what_was_stored_is_there_again(tmp_path: Path) -> None:
    async with opened(tmp_path, SETTINGS) as services:
        await services.registrations.add(
            Registration(
                username="ada.l", organisation="shop.example", password="correct horse", first_name="A", last_name="L"
            )
        )
    async with opened(tmp_path, SETTINGS) as services:
        assert [user.id for user in await services.accounts.all()] == ["ada.l"]


async def test_a_taken_port_leaves_nothing_behind(tmp_path: Path) -> None:
    async with opened(tmp_path / "a", SETTINGS) as first, serving(first, SETTINGS, tmp_path / "a") as port:
        taken = Settings(server=Server(host="127.0.0.1", port=port))
        async with opened(tmp_path / "b", taken) as second:
            with pytest.raises(Occupied, match=f"cannot answer on 127.0.0.1 port {port}"):
                async with serving(second, taken, tmp_path / "b"):
                    pass
            assert not (tmp_path / "b" / CONTROL_SOCKET).exists()
        assert (tmp_path / "a" / CONTROL_SOCKET).exists()
    assert not (tmp_path / "a" / CONTROL_SOCKET).exists()


@pytest.mark.parametrize(
    ("name", "body", "status", "words"),
    [
        ("Nothing", b"", 404, "there is no operation 'Nothing'"),
        ("AddUser", b"", 422, "truncated"),
        ("AddUser", b"\xff" * 20, 422, "Expected"),
        ("AddUser", msgspec.msgpack.encode({"type": "AddUser", "username": 5}), 422, "username: Expected `str`"),
        ("ListUsers", msgspec.msgpack.encode(AddUser("ada.l", "a", "correct horse")), 422, "AddUser"),
        ("ImportRecords", b"\0" * (64 * 1024 * 1024 + 1), 413, "more than 67108864 bytes"),
    ],
)
async def test_the_socket_file_refuses_what_it_does_not_know(
    tmp_path: Path, name: str, body: bytes, status: int, words: str
) -> None:
    async with opened(tmp_path, SETTINGS) as services, serving(services, SETTINGS, tmp_path):
        connector = aiohttp.UnixConnector(str(tmp_path / CONTROL_SOCKET))
        async with aiohttp.ClientSession(connector=connector) as session:
            async with session.post(f"http://datalab/operations/{name}", data=one_by_one(body)) as response:
                found = msgspec.json.decode(await response.read(), type=Problem)
            assert (response.status, found.status) == (status, status)
            assert words in found.detail
            asked = msgspec.msgpack.encode(ListUsers())
            async with session.post("http://datalab/operations/ListUsers", data=asked) as response:
                assert msgspec.msgpack.decode(await response.read()) == []


async def one_by_one(body: bytes) -> AsyncIterator[bytes]:
    """A body in parts, so that aiohttp does not warn of a large one."""
    for start in range(0, len(body), 1024 * 1024):
        yield body[start : start + 1024 * 1024]


def test_this_machine_has_names() -> None:
    names = lan_addresses()
    assert names[:2] == ["localhost", "127.0.0.1"]
    assert len(names) == len(set(names))
