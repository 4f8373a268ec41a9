"""The directory of apps: all of them in memory beside the documents, since every hello needs one."""

from collections.abc import Awaitable, Callable, Iterable

from msgspec.structs import replace

from datalab.errors import Missing
from datalab.model.apps import App, PartitionRecord, record_id
from datalab.model.permissions import Action, Actor, demand, may
from datalab.stores.documents import Collections, Documents

Watcher = Callable[[App | None, App | None], Awaitable[None]]
"""Called with an app before and after a change, None where there is none."""


class Directory:
    """Brought forward by `Changes` once a change is on disk."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._known: dict[str, App] = {}
        self._watchers: list[Watcher] = []

    async def load(self) -> None:
        """Read all apps."""
        apps = await self._documents.run(complete)
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
        wanted = f"{organisation.strip().lower()}{slash}{name.strip()}"
        for app in self._known.values():
            if app.full_name == wanted:
                return app
        raise Missing(f"there is no app {full_name}; `datalab app list` shows all")

    def visible_to(self, actor: Actor) -> list[App]:
        """The apps that may be read."""
        return [app for app in self.all() if may(actor, app, Action.READ)]

    def find(self, actor: Actor, id: str, action: Action = Action.READ) -> App:
        """Raises Missing also where the actor may not know of the app, Forbidden where this is not allowed."""
        app = self.get(id)
        demand(actor, app, action)
        return app

    def watch(self, watcher: Watcher) -> None:
        """Call this after every change of an app."""
        self._watchers.append(watcher)

    async def bring_forward(self, changed: Iterable[tuple[str, App | None]]) -> None:
        """Take over what is on disk now, None for an app that is gone, then tell the watchers."""
        pairs = [(self._known.get(id), app) for id, app in changed]
        for old, new in pairs:
            if new is not None:
                self._known[new.id] = new
            elif old is not None:
                del self._known[old.id]
        for old, new in pairs:
            for watcher in self._watchers:
                await watcher(old, new)


def complete(collections: Collections) -> list[App]:
    """All apps; those that a version without partition records stored get the record of their open one."""
    apps = []
    for stored in collections.apps.where():
        app = stored
        if app.partition > app.last_partition:
            id = record_id(app.id, app.partition)
            if collections.partitions.get(id) is None:
                record = PartitionRecord(id=id, app=app.id, number=app.partition, opened=app.created)
                collections.partitions.add(record)
            app = replace(app, last_partition=app.partition)
            collections.apps.replace(app)
        apps.append(app)
    return apps
