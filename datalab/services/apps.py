"""Apps: made, found, configured; locked by their token."""

import ipaddress
import re
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec.structs import replace

from datalab.clock import Clock
from datalab.errors import Forbidden, Invalid, Locked, Missing, Taken
from datalab.model.accounts import User
from datalab.model.apps import App
from datalab.model.configuration import Configuration
from datalab.services.tokens import Tokens
from datalab.stores.documents import Collections, Documents

PORTS = {"http": 80, "https": 443}
MAX_ORIGIN = 255
HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


class Apps:
    """Keeps all apps in memory beside the documents, since every hello needs one; changes go through `change`."""

    def __init__(self, documents: Documents, tokens: Tokens, clock: Clock) -> None:
        self._documents = documents
        self._tokens = tokens
        self._clock = clock
        self._known: dict[str, App] = {}
        self._watchers: list[Callable[[], Awaitable[None]]] = []

    async def load(self) -> None:
        """Read all apps."""
        apps = await self._documents.run(lambda collections: collections.apps.where())
        self._known = {app.id: app for app in apps}

    def all(self) -> list[App]:
        """Every app, by organisation and name."""
        return sorted(self._known.values(), key=lambda app: app.full_name)

    def get(self, id: str) -> App:
        """Raises Missing."""
        if id not in self._known:
            raise Missing("there is no such app")
        return self._known[id]

    def named(self, full_name: str) -> App:
        """The app `organisation/name`; raises Missing."""
        organisation, slash, name = full_name.partition("/")
        wanted = f"{organisation.lower()}{slash}{name}"
        for app in self._known.values():
            if app.full_name == wanted:
                return app
        raise Missing(f"there is no app {full_name}; `datalab app list` shows all")

    async def visible_to(self, user: User) -> list[App]:
        """The apps a person may see."""
        return [app for app in self.all() if may_see(user, app)]

    async def find(self, user: User, id: str) -> App:
        """Raises Missing also where the person may not know of it."""
        app = self.get(id)
        if not may_see(user, app):
            raise Missing("there is no such app")
        return app

    async def add(self, app: App) -> App:
        """A new app of its owner's organisation; raises Taken, Missing, Invalid."""
        check_zone(app.time_zone)
        origins = list(dict.fromkeys(normal_origin(origin) for origin in app.origins))
        app = replace(app, origins=origins, created=self._clock())

        def work(collections: Collections) -> App:
            owner = collections.users.get(app.owner.lower())
            if owner is None:
                raise Missing(f"there is no user {app.owner}; `datalab user add` makes one")
            if owner.organisation != app.organisation:
                raise Forbidden(f"{app.owner} belongs to {owner.organisation}, not to {app.organisation}")
            if collections.apps.where(organisation=app.organisation, name=app.name):
                raise Taken(f"there is an app {app.full_name} already; choose another name")
            new = replace(app, owner=owner.id)
            collections.apps.add(new)
            return new

        stored = await self._documents.run(work)
        self._known[stored.id] = stored
        return stored

    async def configure(self, app: App, configuration: Configuration) -> App:
        """Raises Locked while a token is out."""

        def change(current: App) -> App:
            if current.locked:
                raise Locked(f"{current.full_name} is locked by its token; unlock it before changing its configuration")
            return replace(current, configuration=configuration)

        return await self.change(app.id, change)

    async def issue_token(self, app: App) -> App:
        """A new token; earlier ones are no longer valid, and the configuration is locked."""

        def change(current: App) -> App:
            token = self._tokens.make(current, self._clock())
            partition = current.partition or 1
            return replace(current, token=token, token_generation=token.generation, locked=True, partition=partition)

        return await self.change(app.id, change)

    async def revoke_token(self, app: App) -> App:
        """No token is valid any more; the configuration stays locked."""
        return await self.change(app.id, lambda current: replace(current, token=None))

    async def begin_partition(self, app: App) -> App:
        """Give an app that never had one its first partition."""
        return await self.change(app.id, lambda current: replace(current, partition=current.partition or 1))

    async def change(self, id: str, change: Callable[[App], App]) -> App:
        """Replace an app by what `change` makes of it, as one transaction."""

        def work(collections: Collections) -> App:
            current = collections.apps.get(id)
            if current is None:
                raise Missing("there is no such app")
            changed = change(current)
            collections.apps.replace(changed)
            return changed

        self._known[id] = changed = await self._documents.run(work)
        for watcher in self._watchers:
            await watcher()
        return changed

    def watch(self, watcher: Callable[[], Awaitable[None]]) -> None:
        """Call this after every change of an app."""
        self._watchers.append(watcher)


def new_id() -> str:
    """A random name for an app, also of its folder."""
    return secrets.token_hex(8)


def may_see(user: User, app: App) -> bool:
    """A public app: everybody of its organisation; a private one: its owner."""
    return app.organisation == user.organisation and (not app.private or app.owner == user.id)


def check_zone(name: str) -> None:
    """Raises Invalid where no such time zone is known."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise Invalid(f"time zone {name[:60]!r} is unknown; write one like Europe/Berlin") from None


def normal_origin(url: str) -> str:
    """Scheme, host and port of a URL as browsers write an origin; raises Invalid."""
    try:
        parts = urlsplit(url.strip().lower())
        port = parts.port
        host = normal_host(parts.hostname or "")
    except ValueError:
        raise Invalid(f"{url[:200]!r} is no URL; write one like https://shop.example") from None
    if parts.scheme not in PORTS or parts.username is not None or port == 0:
        raise Invalid(f"{url[:200]!r} is no URL of a site; write one like https://shop.example")
    origin = f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, PORTS[parts.scheme]) else "")
    if len(origin) > MAX_ORIGIN:
        raise Invalid(f"the origin {origin[:60]!r}... is longer than {MAX_ORIGIN} characters")
    return origin


def normal_host(host: str) -> str:
    """A host as browsers write it: other scripts in Punycode, IPv6 short and in brackets. Raises ValueError."""
    if ":" in host:
        return f"[{ipaddress.IPv6Address(host).compressed}]"
    name = host if host.isascii() else host.encode("idna").decode()
    if not HOST.fullmatch(name):
        raise ValueError(f"{host!r} is no host")
    return name
