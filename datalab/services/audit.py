"""Audit: reading the logs that `Change.log` writes. There is no way to change or remove an entry of one."""

from msgspec import Struct

from datalab.model.apps import App
from datalab.model.audit import AuditEntry
from datalab.model.permissions import Actor, demand_admin
from datalab.services.changes import Changes
from datalab.stores.documents import Collections


class AuditPage(Struct, frozen=True):
    """Entries, newest first."""

    entries: list[AuditEntry]
    before: int | None
    """Ask for these next, None at the log's beginning."""


class Audit:
    """By app, and by organisation."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def of_app(self, app: App, before: int | None, limit: int) -> AuditPage:
        """Of an app, whose reader was checked (Action.AUDIT)."""
        return await self._page(app.id, before, limit)

    async def of_organisation(self, actor: Actor, before: int | None, limit: int) -> AuditPage:
        """Of the admin's organisation since it was founded (last); raises Forbidden."""
        domain = demand_admin(actor).organisation

        def work(collections: Collections) -> AuditPage:
            organisation = collections.organisations.get(domain)
            found = page(collections, f"organisation:{domain}", before, limit)
            founded = organisation.created if organisation is not None else 0
            entries = [entry for entry in found.entries if entry.at >= founded]
            return AuditPage(entries, found.before if len(entries) == len(found.entries) else None)

        return await self._changes.transact(work)

    async def _page(self, log: str, before: int | None, limit: int) -> AuditPage:
        return await self._changes.transact(lambda collections: page(collections, log, before, limit))


def page(collections: Collections, name: str, before: int | None, limit: int) -> AuditPage:
    """Up to `limit` entries with numbers below `before`."""
    log = collections.audit_logs.get(name)
    length = log.length if log is not None else 0
    first = min(length, before - 1 if before is not None else length)
    found = [collections.audit_entries.get(f"{name}/{number}") for number in range(first, max(0, first - limit), -1)]
    entries = [entry for entry in found if entry is not None]
    return AuditPage(entries, first - limit + 1 if first > limit else None)
