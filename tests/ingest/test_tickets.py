"""Tickets."""

import pytest

from datalab.errors import TicketRefused, TooMany
from datalab.ingest import tickets
from datalab.ingest.tickets import Tickets

LIFE = 10_000


def test_a_ticket_opens_once() -> None:
    valid = Tickets[str](LIFE)
    ticket = valid.issue("visit", 0)
    assert valid.redeem(ticket, LIFE - 1) == "visit"
    with pytest.raises(TicketRefused, match="was used"):
        valid.redeem(ticket, 1)


def test_a_ticket_expires_and_is_used_up_by_the_attempt() -> None:
    valid = Tickets[str](LIFE)
    ticket = valid.issue("visit", 0)
    with pytest.raises(TicketRefused, match="expired"):
        valid.redeem(ticket, LIFE)
    with pytest.raises(TicketRefused, match="unknown"):
        valid.redeem(ticket, 0)


@pytest.mark.parametrize("forged", ["", "x", "A" * 22])
def test_a_forged_ticket_opens_nothing(forged: str) -> None:
    valid = Tickets[str](LIFE)
    ticket = valid.issue("visit", 0)
    for wrong in (forged, ticket[:-1], ticket + "A", ticket.swapcase()):
        with pytest.raises(TicketRefused):
            valid.redeem(wrong, 1)
    assert valid.redeem(ticket, 1) == "visit"


def test_tickets_differ() -> None:
    valid = Tickets[int](LIFE)
    issued = [valid.issue(number, 0) for number in range(1000)]
    assert len(set(issued)) == 1000
    assert [valid.redeem(ticket, 1) for ticket in issued] == list(range(1000))


def test_their_number_is_bounded_and_expired_ones_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "MAX_TICKETS", 50)
    valid = Tickets[int](LIFE)
    for number in range(50):
        valid.issue(number, number)
    with pytest.raises(TooMany) as refusal:
        valid.issue(50, 50)
    assert refusal.value.retry_after
    ticket = valid.issue(51, LIFE)
    assert valid.redeem(ticket, LIFE) == 51
