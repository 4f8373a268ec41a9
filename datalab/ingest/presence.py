"""Who is present: visitors with an open socket, and for a while those whose socket just dropped."""

from collections import defaultdict

GRACE_MS = 10_000
"""How long a dropped socket may take to come back (SEMANTICS, present)."""


class Presence:
    """Of all apps; several sockets of a visitor count once."""

    def __init__(self) -> None:
        self._sockets: dict[str, dict[str, int]] = defaultdict(dict)
        self._leaving: dict[str, dict[str, int]] = defaultdict(dict)

    def enter(self, app: str, visitor: str) -> None:
        """A socket opened."""
        self._leaving[app].pop(visitor, None)
        sockets = self._sockets[app]
        sockets[visitor] = sockets.get(visitor, 0) + 1

    def leave(self, app: str, visitor: str, now_ms: int, *, goodbye: bool) -> None:
        """A socket closed; without a goodbye the visitor may come back."""
        sockets = self._sockets[app]
        sockets[visitor] -= 1
        if not sockets[visitor]:
            del sockets[visitor]
            if not goodbye:
                self._leaving[app][visitor] = now_ms + GRACE_MS

    def count(self, app: str, now_ms: int) -> int:
        """Visitors present."""
        leaving = self._leaving[app]
        for visitor in [visitor for visitor, until in leaving.items() if until <= now_ms]:
            del leaving[visitor]
        return len(self._sockets[app]) + len(leaving)
