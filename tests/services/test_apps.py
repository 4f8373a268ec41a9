"""Apps: who may see them, what they are called, and where their pages are."""

import pytest
from msgspec.structs import replace

from datalab.errors import Forbidden, Invalid, Locked, Missing, Taken
from datalab.keys import Key
from datalab.model.accounts import User
from datalab.model.apps import App
from datalab.model.configuration import Configuration
from datalab.services.apps import Apps, new_id, normal_origin
from datalab.services.tokens import Tokens
from datalab.settings import Tokens as TokenSettings
from datalab.stores.memory.documents import MemoryDocuments

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


@pytest.fixture
async def apps(documents: MemoryDocuments) -> Apps:
    return Apps(documents, Tokens(Key(b"k" * 32), TokenSettings(days=7)), lambda: NOW)


async def test_a_public_app_is_the_organisations_a_private_one_its_owners(apps: Apps) -> None:
    public = await apps.add(described("public"))
    private = await apps.add(described("private", private=True))
    foreign = await apps.add(described("foreign", CLEO))
    seen = {user.id: [app.name for app in await apps.visible_to(user)] for user in (ADA, BEN, CLEO)}
    assert seen == {"ada.l": ["private", "public"], "ben.m": ["public"], "cleo.n": ["foreign"]}
    for user in (ADA, BEN, CLEO):
        for app in (public, private, foreign):
            if app.name in seen[user.id]:
                assert await apps.find(user, app.id) == app
            else:
                with pytest.raises(Missing) as hidden:
                    await apps.find(user, app.id)
                with pytest.raises(Missing) as unknown:
                    await apps.find(user, "0" * 16)
                assert hidden.value.detail == unknown.value.detail


async def test_apps_are_found_by_their_full_name_after_a_restart_too(apps: Apps, documents: MemoryDocuments) -> None:
    made = await apps.add(described("Shop"))
    again = Apps(documents, Tokens(Key(b"k" * 32), TokenSettings()), lambda: NOW)
    await again.load()
    for found in (apps, again):
        assert found.named("shop.example/Shop") == made
        assert found.named("SHOP.example/Shop") == made
        for name in ("shop.example/shop", "Shop", "/Shop", "other.example/Shop", "shop.example/Shop/", ""):
            with pytest.raises(Missing, match="there is no app"):
                found.named(name)


async def test_names_are_unique_in_an_organisation(apps: Apps) -> None:
    await apps.add(described("Shop"))
    with pytest.raises(Taken, match="there is an app shop.example/Shop already"):
        await apps.add(described("Shop", BEN))
    assert (await apps.add(described("Shop", CLEO))).full_name == "other.example/Shop"


async def test_an_owner_is_of_the_organisation(apps: Apps) -> None:
    with pytest.raises(Forbidden, match="ada.l belongs to shop.example, not to other.example"):
        await apps.add(described("Shop", organisation="other.example"))
    with pytest.raises(Missing, match="there is no user dora.k"):
        await apps.add(described("Shop", person("dora.k", "shop.example")))
    assert apps.all() == []


@pytest.mark.parametrize("zone", ["", "Nowhere/City", "../etc/passwd", "/etc/localtime", "Europe", "a\0b", "x" * 5000])
async def test_an_unknown_time_zone_is_refused(apps: Apps, zone: str) -> None:
    with pytest.raises(Invalid, match="time zone .* is unknown; write one like Europe/Berlin"):
        await apps.add(described("Shop", time_zone=zone))
    assert apps.all() == []


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
async def test_an_origin_is_written_as_browsers_do(apps: Apps, url: str, origin: str) -> None:
    assert normal_origin(url) == origin
    assert (await apps.add(described("Shop", origins=[url, origin, url]))).origins == [origin]


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
async def test_what_is_no_url_of_a_site_is_refused(apps: Apps, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        await apps.add(described("Shop", origins=["https://shop.example", url]))
    assert len(refused.value.detail) < 300
    assert apps.all() == []


async def test_a_token_locks_and_the_next_replaces_it(apps: Apps) -> None:
    app = await apps.add(described("Shop"))
    changed = Configuration(hash_routing=True)
    app = await apps.configure(app, changed)
    first = await apps.issue_token(app)
    second = await apps.issue_token(app)
    assert first.locked
    assert first.token is not None
    assert second.token is not None
    assert (first.token.generation, second.token.generation) == (1, 2)
    assert first.token.text != second.token.text
    assert second.token.expires == NOW + 7 * 86_400_000
    with pytest.raises(Locked, match="shop.example/Shop is locked by its token"):
        await apps.configure(second, Configuration())
    revoked = await apps.revoke_token(second)
    assert (revoked.token, revoked.locked, revoked.configuration) == (None, True, changed)
    third = (await apps.issue_token(revoked)).token
    assert third is not None
    assert third.generation == 3


async def test_watchers_are_called_after_a_change(apps: Apps) -> None:
    seen: list[bool] = []
    app = await apps.add(described("Shop"))

    async def watcher() -> None:
        seen.append(apps.get(app.id).locked)

    apps.watch(watcher)
    await apps.issue_token(app)
    assert seen == [True]
