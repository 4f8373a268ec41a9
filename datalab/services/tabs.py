"""Open tabs of the dashboard: who of the colleagues is online, and the way to tell them something at once."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

import msgspec

from datalab.errors import TooMany
from datalab.model.accounts import User
from datalab.model.jobs import Job
from datalab.model.notifications import Notification

MAX_TABS = 50
"""Of one person."""
MAX_ALL_TABS = 1000
MAX_WAITING = 200
"""Messages that wait for a slow tab; the oldest is dropped, since a page that is loaded anew shows all."""


class PresenceMessage(msgspec.Struct, frozen=True, tag_field="type", tag="presence"):
    """`{"type": "presence", "username": "ada.l", "online": true}`: a colleague came or went."""

    username: str
    online: bool


class NotificationMessage(msgspec.Struct, frozen=True, tag_field="type", tag="notification"):
    """`{"type": "notification", "notification": {...}}`: something happened."""

    notification: Notification


class ChangedMessage(msgspec.Struct, frozen=True, tag_field="type", tag="changed"):
    """`{"type": "changed", "app": "1f3a...", "what": "app"}`: an app's page shows an earlier state."""

    app: str
    what: Literal["app", "gone"]


class JobMessage(msgspec.Struct, frozen=True, tag_field="type", tag="job"):
    """`{"type": "job", "job": {...}}`: a job of the app whose page it is came along or ended."""

    job: Job


TabMessage = PresenceMessage | NotificationMessage | ChangedMessage | JobMessage


class Tab:
    """One open page; `messages` is read by its socket."""

    def __init__(self, user: User, app: str | None) -> None:
        self.user = user
        self.app = app
        """Whose page it shows, if it is an app's."""
        self.messages: asyncio.Queue[TabMessage] = asyncio.Queue(MAX_WAITING)

    def put(self, message: TabMessage) -> None:
        """Queue a message."""
        if self.messages.full():
            self.messages.get_nowait()
        self.messages.put_nowait(message)


class Tabs:
    """Of all people; several tabs of a person count once."""

    def __init__(self) -> None:
        self._open: dict[str, list[Tab]] = defaultdict(list)

    def count(self) -> int:
        """Of all people."""
        return sum(map(len, self._open.values()))

    def enter(self, user: User, app: str | None = None) -> Tab:
        """A tab's socket opened; raises TooMany."""
        if len(self._open.get(user.id, ())) >= MAX_TABS or self.count() >= MAX_ALL_TABS:
            raise TooMany("too many pages of the dashboard are open; close some", retry_after=30.0)
        tab = Tab(user, app)
        first = not self._open[user.id]
        self._open[user.id].append(tab)
        if first:
            self._tell_colleagues(user, online=True)
        return tab

    def leave(self, tab: Tab) -> None:
        """A tab's socket is gone."""
        tabs = self._open[tab.user.id]
        tabs.remove(tab)
        if not tabs:
            del self._open[tab.user.id]
            self._tell_colleagues(tab.user, online=False)

    def online(self, organisation: str) -> set[str]:
        """Ids of the people of an organisation who have a tab open."""
        return {id for id, tabs in self._open.items() if tabs and tabs[0].user.organisation == organisation}

    def tell(self, users: Iterable[str], message: TabMessage) -> None:
        """To every open tab of these people."""
        for user in set(users):
            for tab in self._open.get(user, ()):
                tab.put(message)

    def tell_watchers_of(self, app: str, message: TabMessage) -> None:
        """To every open tab that shows an app."""
        for tabs in self._open.values():
            for tab in tabs:
                if tab.app == app:
                    tab.put(message)

    def _tell_colleagues(self, user: User, *, online: bool) -> None:
        colleagues = self.online(user.organisation) - {user.id}
        self.tell(colleagues, PresenceMessage(user.username, online))
