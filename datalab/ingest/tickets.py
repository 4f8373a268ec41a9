"""Tickets: each opens one socket, once, shortly after its hello."""

import secrets
from typing import Generic, TypeVar

from datalab.errors import TicketRefused, TooMany

T = TypeVar("T")
MAX_TICKETS = 100_000


class Tickets(Generic[T]):
    """Kept in memory only: after a restart pages say hello again."""

    def __init__(self, life_ms: int) -> None:
        self._life_ms = life_ms
        self._valid: dict[str, tuple[int, T]] = {}

    def issue(self, value: T, now_ms: int) -> str:
        """A new ticket for a value; raises TooMany where too many wait to be used."""
        self._forget(now_ms)
        if len(self._valid) >= MAX_TICKETS:
            raise TooMany("too many pages are opening at once; try again in a moment", retry_after=1.0)
        ticket = secrets.token_urlsafe(16)
        self._valid[ticket] = (now_ms + self._life_ms, value)
        return ticket

    def redeem(self, ticket: str, now_ms: int) -> T:
        """The ticket's value; raises TicketRefused where it is unknown, used or expired."""
        expires, value = self._valid.pop(ticket, (0, None))
        if value is None:
            raise TicketRefused("the ticket is unknown or was used; say hello again")
        if now_ms >= expires:
            raise TicketRefused("the ticket has expired; say hello again")
        return value

    def _forget(self, now_ms: int) -> None:
        # Oldest first, as dicts keep their order and all live equally long.
        for ticket, (expires, _) in list(self._valid.items())[:100]:
            if expires > now_ms:
                break
            del self._valid[ticket]
