"""Notifications: what each person was told; nobody reads or changes another's."""

from msgspec.structs import replace

from datalab.errors import Missing
from datalab.model.notifications import Notification, shown
from datalab.model.permissions import Actor, demand_person
from datalab.services.changes import Change, Changes


class Notifications:
    """Made by `Change.tell`."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def all(self, actor: Actor, *, hidden: bool = False) -> list[Notification]:
        """The person's notifications, newest first; hidden ones where asked for."""
        user = demand_person(actor)
        found = await self._changes.transact(lambda collections: collections.notifications.where(user=user.id))
        return [shown(notification) for notification in reversed(found) if hidden or not notification.hidden]

    async def read_all(self, actor: Actor) -> None:
        """Mark all as read."""

        def work(change: Change) -> None:
            for notification in change.collections.notifications.where(user=demand_person(change.actor).id):
                if not notification.read:
                    change.collections.notifications.replace(replace(notification, read=True))

        await self._changes.run(actor, work)

    async def hide(self, actor: Actor, id: str) -> None:
        """Raises Missing."""

        def work(change: Change) -> None:
            change.collections.notifications.replace(replace(own(change, id), hidden=True, read=True))

        await self._changes.run(actor, work)

    async def delete(self, actor: Actor, id: str) -> None:
        """Raises Missing."""

        def work(change: Change) -> None:
            change.collections.notifications.remove(own(change, id).id)

        await self._changes.run(actor, work)


def own(change: Change, id: str) -> Notification:
    """A notification of whoever acts; raises Missing."""
    user = demand_person(change.actor)
    found = change.collections.notifications.get(f"{user.id}/{id}")
    if found is None:
        raise Missing("there is no such notification")
    return found
