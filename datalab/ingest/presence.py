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
            leaving = self._remaining(app, now_ms)
            if not goodbye:
                leaving[visitor] = now_ms + GRACE_MS

    def count(self, app: str, now_ms: int) -> int:
        """Visitors present."""
        return len(self._sockets[app]) + len(self._remaining(app, now_ms))

    def visitors(self, app: str, now_ms: int) -> list[str]:
        """Which ones."""
        return [*self._sockets[app], *self._remaining(app, now_ms)]

    def _remaining(self, app: str, now_ms: int) -> dict[str, int]:
        """Those that may still come back; the others are forgotten."""
        leaving = self._leaving[app]
        while leaving:
            first = next(iter(leaving))
            if leaving[first] > now_ms:
                break
            del leaving[first]
        return leaving
