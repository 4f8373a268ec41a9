"""Apps: who may see them, what they are called, and where their pages are."""

from typing import cast

import pytest
from msgspec.structs import replace

from datalab.errors import Forbidden, Invalid, Locked, Missing, Taken
from datalab.keys import Key
from datalab.model.accounts import User
from datalab.model.apps import App
from datalab.model.configuration import Configuration
from datalab.model.origins import normal_origin
from datalab.model.permissions import OPERATOR, Actor
from datalab.services.apps import Apps, new_id
from datalab.services.changes import Changes
from datalab.services.configurations import Configurations
from datalab.services.directory import Directory
from datalab.services.locks import Locks
from datalab.services.partitions import Partitions
from datalab.services.tabs import Tabs
from datalab.services.tokens import Tokens
from datalab.settings import Tokens as TokenSettings
from datalab.stores.memory.documents import MemoryDocuments
from datalab.workers.expressions import check_expressions

NOW = 1_800_000_000_000


def person(id: str, organisation: str) -> User:
    return User(id=id, username=id, organisation=organisation, password_hash="", created=NOW)


ADA, BEN, CLEO = person("ada.l", "shop.example"), person("ben.m", "shop.example"), person("cleo.n", "other.example")


def described(name: str, owner: User = ADA, **more: object) -> App:
    app = App(
        id=new_id(),
        name=name,
        owner=owner.username,
        organisation=owner.organisation,
        origins=["https://shop.example"],
        created=0,
    )
    return replace(app, **more)


@pytest.fixture
async def documents() -> MemoryDocuments:
    made = MemoryDocuments()
    for user in (ADA, BEN, CLEO):
        await made.run(lambda collections, user=user: collections.users.add(user))
    return made


class Place:
    """Apps, their directory and their locks on one store; partitions are the appliance's."""

    def __init__(self, documents: MemoryDocuments) -> None:
        self.directory = Directory(documents)
        changes = Changes(documents, self.directory, Tabs(), lambda: NOW)
        partitions = cast(Partitions, NoPartitions())
        tokens = Tokens(Key(b"k" * 32), TokenSettings(days=7))
        self.apps = Apps(changes, partitions)
        self.locks = Locks(changes, self.directory, tokens, partitions, TokenSettings(days=7), lambda: NOW)
        self.configurations = Configurations(changes, self.directory, partitions, check_expressions)

    async def add(self, app: App) -> App:
        return await self.apps.add(OPERATOR, app)

    async def issue(self, app: App) -> App:
        return await self.locks.issue(OPERATOR, app.id, app.full_name)


class NoPartitions:
    """Takes no events."""

    async def intake(self, app: App) -> None:
        pass

    async def recompute(self, app: App) -> None:
        pass


@pytest.fixture
async def place(documents: MemoryDocuments) -> Place:
    return Place(documents)


async def test_a_public_app_is_the_organisations_a_private_one_its_owners(place: Place) -> None:
    public = await place.add(described("public"))
    private = await place.add(described("private", private=True))
    foreign = await place.add(described("foreign", CLEO))
    seen = {user.id: [app.name for app in place.directory.visible_to(Actor(user))] for user in (ADA, BEN, CLEO)}
    assert seen == {"ada.l": ["private", "public"], "ben.m": ["public"], "cleo.n": ["foreign"]}
    for user in (ADA, BEN, CLEO):
        for app in (public, private, foreign):
            if app.name in seen[user.id]:
                assert place.directory.find(Actor(user), app.id) == app
            else:
                with pytest.raises(Missing) as hidden:
                    place.directory.find(Actor(user), app.id)
                with pytest.raises(Missing) as unknown:
                    place.directory.find(Actor(user), "0" * 16)
                assert hidden.value.detail == unknown.value.detail


async def test_apps_are_found_by_their_full_name_after_a_restart_too(place: Place, documents: MemoryDocuments) -> None:
    made = await place.add(described("Shop"))
    again = Directory(documents)
    await again.load()
    for found in (place.directory, again):
        assert found.named("shop.example/Shop") == made
        assert found.named("SHOP.example/Shop") == made
        for name in ("shop.example/shop", "Shop", "/Shop", "other.example/Shop", "shop.example/Shop/", ""):
            with pytest.raises(Missing, match="there is no app"):
                found.named(name)


async def test_names_are_unique_in_an_organisation(place: Place) -> None:
    await place.add(described("Shop"))
    with pytest.raises(Taken, match="there is an app shop.example/Shop already"):
        await place.add(described("Shop", BEN))
    assert (await place.add(described("Shop", CLEO))).full_name == "other.example/Shop"


async def test_an_owner_is_of_the_organisation(place: Place) -> None:
    with pytest.raises(Forbidden, match="ada.l belongs to shop.example, not to other.example"):
        await place.add(described("Shop", organisation="other.example"))
    with pytest.raises(Missing, match="there is no user dora.k"):
        await place.add(described("Shop", person("dora.k", "shop.example")))
    assert place.directory.all() == []


@pytest.mark.parametrize("zone", ["", "Nowhere/City", "../etc/passwd", "/etc/localtime", "Europe", "a\0b", "x" * 5000])
async def test_an_unknown_time_zone_is_refused(place: Place, zone: str) -> None:
    with pytest.raises(Invalid, match="time zone .* is unknown; write one like Europe/Berlin"):
        await place.add(described("Shop", time_zone=zone))
    assert place.directory.all() == []


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("  HTTPS://Shop.Example:443/path?a=b#c ", "https://shop.example"),
        ("http://shop.example:80/", "http://shop.example"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("https://shop.example:8443/x", "https://shop.example:8443"),
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("http://[::1]:9000/", "http://[::1]:9000"),
        ("http://[2001:DB8:0:0::1]", "http://[2001:db8::1]"),
        ("https://Bücher.example", "https://xn--bcher-kva.example"),
        ("http://raspberry_pi.local", "http://raspberry_pi.local"),
    ],
)
async def test_an_origin_is_written_as_browsers_do(place: Place, url: str, origin: str) -> None:
    assert normal_origin(url) == origin
    assert (await place.add(described("Shop", origins=[url, origin, url]))).origins == [origin]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "ftp://shop.example",
        "https://",
        "https:///path",
        "https://user:secret@shop.example",
        "https://shop.example:99999",
        "https://shop.example:0",
        "https://shop.example:x",
        "https://shop example",
        "https://shop..example",
        "https://*.example",
        "https://shop.example\\@evil.example",
        "http://[::1",
        "http://[nonsense]",
        "javascript:alert(1)",
        "https://" + "a" * 300 + ".example",
        "https://" + ".".join(["a" * 60] * 5),
        "null",
    ],
)
async def test_what_is_no_url_of_a_site_is_refused(place: Place, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        await place.add(described("Shop", origins=["https://shop.example", url]))
    assert len(refused.value.detail) < 300
    assert place.directory.all() == []


async def test_a_token_locks_and_the_next_replaces_it(place: Place) -> None:
    app = await place.add(described("Shop"))
    changed = Configuration(hash_routing=True)
    app = await place.configurations.replace(OPERATOR, app.id, changed)
    first = await place.issue(app)
    second = await place.issue(app)
    assert first.locked
    assert first.token is not None
    assert second.token is not None
    assert (first.token.generation, second.token.generation) == (1, 2)
    assert first.token.text != second.token.text
    assert second.token.expires == NOW + 7 * 86_400_000
    with pytest.raises(Locked, match="shop.example/Shop is locked by its token"):
        await place.configurations.replace(OPERATOR, second.id, Configuration())
    revoked = await place.locks.revoke(OPERATOR, second.id)
    assert (revoked.token, revoked.locked, revoked.configuration) == (None, True, changed)
    third = (await place.issue(revoked)).token
    assert third is not None
    assert third.generation == 3


async def test_watchers_are_called_after_a_change(place: Place) -> None:
    seen: list[bool] = []
    app = await place.add(described("Shop"))

    async def watcher(old: App | None, new: App | None) -> None:
        assert new is not None
        assert (old, new) == (app, place.directory.get(app.id))
        seen.append(new.locked)

    place.directory.watch(watcher)
    await place.issue(app)
    assert seen == [True]
