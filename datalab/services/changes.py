"""Changes: what belongs together is one transaction, with its check of permission, its line in the audit log and
whom it tells. Whoever is told hears of it once it is on disk."""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from datalab.clock import Clock
from datalab.errors import Missing, Unauthenticated
from datalab.model.accounts import User
from datalab.model.apps import App
from datalab.model.audit import AuditEntry, AuditLog
from datalab.model.notifications import Kind, Notification, shown
from datalab.model.permissions import Action, Actor, demand, demand_write, may
from datalab.services.directory import Directory
from datalab.services.tabs import ChangedMessage, NotificationMessage, Tabs
from datalab.stores.documents import Collections, Documents

R = TypeVar("R")
MAX_NOTIFICATIONS = 200
"""Kept for each person, about; the oldest go first."""
PRUNED_EVERY = 10
"""Notifications, on average, before a person's are counted: reading them takes a while."""
MAX_DETAILS = 100
MAX_DETAIL = 300
"""Lines of an entry, and characters of a line, that are kept."""


class Change:
    """One unit of work; only used inside `Changes.run`."""

    def __init__(self, collections: Collections, actor: Actor, now: int) -> None:
        demand_write(actor)
        self.collections = collections
        self.now = now
        self.actor = actor
        if actor.user is not None:
            # As the person is now: it may have been disabled since the request came in.
            user = collections.users.get(actor.user.id)
            if user is None or not user.active:
                raise Unauthenticated("nobody is logged in; log in first")
            self.actor = replace(actor, user=user)
        self.apps: dict[str, App | None] = {}
        """What the directory takes over, None for an app that is removed."""
        self.notifications: list[Notification] = []

    def app(self, id: str, action: Action) -> App:
        """An app to change; raises Missing, Forbidden."""
        app = self.collections.apps.get(id)
        if app is None:
            raise Missing("there is no such app")
        demand(self.actor, app, action)
        return app

    def save(self, app: App) -> App:
        """Replace an app."""
        self.collections.apps.replace(app)
        self.apps[app.id] = app
        return app

    def log(self, about: App | str, action: str, *details: str, section: str = "", revision: int = 0) -> None:
        """A line in the audit log of an app, or of an organisation given by its domain."""
        name = about.id if isinstance(about, App) else f"organisation:{about}"
        log = self.collections.audit_logs.get(name)
        if log is None:
            log = AuditLog(id=name)
            self.collections.audit_logs.add(log)
        number = log.length + 1
        self.collections.audit_entries.add(
            AuditEntry(
                id=f"{name}/{number}",
                number=number,
                at=self.now,
                by=self.actor.id,
                action=action,
                details=shortened(details),
                section=section,
                revision=revision,
            )
        )
        self.collections.audit_logs.replace(AuditLog(id=name, length=number))

    def tell(self, users: Iterable[str], kind: Kind, app: App | None = None, detail: str = "") -> None:
        """A notification for each of these people, but not for whoever acts."""
        for user in sorted(set(users) - {self.actor.id}):
            notification = Notification(
                id=f"{user}/{self.now:015d}-{secrets.token_hex(4)}",
                user=user,
                kind=kind,
                created=self.now,
                by=self.actor.name,
                app=app.id if app else "",
                app_name=app.full_name if app else "",
                detail=detail,
            )
            self.collections.notifications.add(notification)
            self.notifications.append(notification)
            if secrets.randbelow(PRUNED_EVERY) == 0:
                for old in self.collections.notifications.where(user=user)[:-MAX_NOTIFICATIONS]:
                    self.collections.notifications.remove(old.id)

    def readers(self, app: App) -> list[str]:
        """Everybody who may read an app."""
        people = self.collections.users.where(organisation=app.organisation)
        return [user.id for user in people if may(Actor(user), app, Action.READ)]

    def admins(self, organisation: str) -> list[User]:
        """Active admins of an organisation, longest there first."""
        people = self.collections.users.where(organisation=organisation)
        return sorted((user for user in people if user.admin and user.active), key=lambda user: (user.created, user.id))


class Changes:
    """Runs changes; tells the directory, watchers and open tabs afterwards."""

    def __init__(self, documents: Documents, directory: Directory, tabs: Tabs, clock: Clock) -> None:
        self._documents = documents
        self._directory = directory
        self._tabs = tabs
        self._clock = clock

    async def run(self, actor: Actor, work: Callable[[Change], R]) -> R:
        """Do `work` as one transaction; whatever it raises undoes all of it.

        A caller that is cancelled meanwhile does not keep the directory from what is on disk.
        """
        task = asyncio.ensure_future(self._run(actor, work))
        # Whoever waits is told what it raises; where nobody waits any more, nobody is to be told.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _run(self, actor: Actor, work: Callable[[Change], R]) -> R:
        now = self._clock()

        def transaction(collections: Collections) -> tuple[R, Change]:
            change = Change(collections, actor, now)
            return work(change), change

        result, change = await self._documents.run(transaction)
        if change.apps:
            await self._directory.bring_forward(change.apps.items())
        for notification in change.notifications:
            self._tabs.tell([notification.user], NotificationMessage(shown(notification)))
        for id, app in change.apps.items():
            self._tabs.tell_watchers_of(id, ChangedMessage(id, "app" if app else "gone"))
        return result

    async def transact(self, work: Callable[[Collections], R]) -> R:
        """Look something up, or write what nobody decides: a log-in, when a key was last used."""
        return await self._documents.run(work)


def shortened(details: Sequence[str]) -> list[str]:
    """What an entry of the audit log keeps of its lines."""
    lines = [line if len(line) <= MAX_DETAIL else line[:MAX_DETAIL] + "…" for line in details[:MAX_DETAILS]]
    return [*lines, f"and {len(details) - MAX_DETAILS} more"] if len(details) > MAX_DETAILS else lines
