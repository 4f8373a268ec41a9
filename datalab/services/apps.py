"""Apps: made, edited, deleted."""

import secrets
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec.structs import replace

from datalab.errors import Forbidden, Invalid, Missing, Taken
from datalab.model.apps import App, AppDetails
from datalab.model.notifications import Kind
from datalab.model.origins import normal_origins
from datalab.model.permissions import Action, Actor
from datalab.services.changes import Change, Changes
from datalab.services.partitions import Partitions

MAX_APPS = 500
"""Of an organisation."""


class Apps:
    """Who may see and change which app is decided by `datalab.model.permissions`."""

    def __init__(self, changes: Changes, partitions: Partitions) -> None:
        self._changes = changes
        self._partitions = partitions

    async def add(self, actor: Actor, app: App) -> App:
        """A new app of its owner's organisation; raises Taken, Missing, Invalid, Forbidden."""
        check_zone(app.time_zone)
        origins = normal_origins(app.origins)

        def work(change: Change) -> App:
            collections = change.collections
            owner = collections.users.get(app.owner.lower())
            if owner is None:
                raise Missing(f"there is no user {app.owner}; `datalab user add` makes one")
            if not owner.active:
                raise Forbidden(f"{app.owner} is disabled or waits for approval, and cannot own an app")
            if owner.organisation != app.organisation:
                raise Forbidden(f"{app.owner} belongs to {owner.organisation}, not to {app.organisation}")
            siblings = collections.apps.where(organisation=app.organisation)
            if any(sibling.name == app.name for sibling in siblings):
                raise Taken(f"there is an app {app.full_name} already; choose another name")
            if len(siblings) >= MAX_APPS:
                raise Forbidden(f"{app.organisation} has {MAX_APPS} apps already; delete one first")
            new = replace(app, owner=owner.id, origins=origins, created=change.now)
            collections.apps.add(new)
            change.apps[new.id] = new
            change.log(new, "app.make", new.full_name)
            change.log(new.organisation, "app.make", new.full_name)
            return new

        return await self._changes.run(actor, work)

    async def edit(self, actor: Actor, id: str, details: AppDetails) -> App:
        """Change all but the name; raises Missing, Forbidden, Invalid."""
        if details.time_zone is not None:
            check_zone(details.time_zone)
        given = {
            "origins": normal_origins(details.urls) if details.urls is not None else None,
            "description": details.description,
            "tags": details.tags,
            "private": details.private,
            "time_zone": details.time_zone,
        }

        def work(change: Change) -> tuple[App, App]:
            app = change.app(id, Action.EDIT)
            new = {name: value for name, value in given.items() if value not in (None, getattr(app, name))}
            if not new:
                return app, app
            readers = change.readers(app)
            edited = change.save(replace(app, **new))
            lines = [f"{name} set to {value!r}" for name, value in new.items()]
            change.log(edited, "app.edit", *lines)
            change.tell({*readers, edited.owner}, Kind.CHANGED, edited, ", ".join(new))
            return app, edited

        old, edited = await self._changes.run(actor, work)
        if (old.origins, old.time_zone) != (edited.origins, edited.time_zone):
            # Which referrers are the site's own and when its days begin depends on them.
            await self._partitions.recompute(edited)
        return edited

    async def delete(self, actor: Actor, id: str, confirm: str) -> None:
        """Delete an app with all its data; raises Missing, Forbidden, Invalid."""

        def work(change: Change) -> App:
            app = change.app(id, Action.DELETE)
            demand_confirmed(app, confirm)
            collections = change.collections
            readers = change.readers(app)
            collections.apps.remove(id)
            change.apps[id] = None
            for record in collections.partitions.where(app=id):
                collections.partitions.replace(replace(record, deleted=True))
            for segment in collections.segments.where(app=id):
                collections.segments.remove(segment.id)
            change.log(app, "app.delete")
            change.log(app.organisation, "app.delete", app.full_name)
            change.tell({*readers, app.owner}, Kind.DELETED, app)
            return app

        app = await self._changes.run(actor, work)
        await self._partitions.forget(app)


def new_id() -> str:
    """A random name for an app, also of its folder."""
    return secrets.token_hex(8)


def demand_confirmed(app: App, typed: str) -> None:
    """Raises Invalid where what was typed is not the app's full name."""
    if typed.strip() != app.full_name:
        raise Invalid(f"confirm: type {app.full_name} to confirm")


def check_zone(name: str) -> None:
    """Raises Invalid where no such time zone is known."""
    try:
        # Names of places; `localtime` and the like mean another zone on another machine.
        if not name[:1].isupper():
            raise ValueError(name)
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise Invalid(f"time zone {name[:60]!r} is unknown; write one like Europe/Berlin") from None
