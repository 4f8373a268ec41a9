"""Presence."""

from datalab.ingest.presence import GRACE_MS, Presence


def test_tabs_of_a_visitor_count_once() -> None:
    presence = Presence()
    presence.enter("shop", "ada")
    presence.enter("shop", "ada")
    presence.enter("shop", "bob")
    presence.enter("blog", "ada")
    assert (presence.count("shop", 0), presence.count("blog", 0), presence.count("none", 0)) == (2, 1, 0)
    presence.leave("shop", "ada", 0, goodbye=True)
    assert presence.count("shop", 0) == 2
    presence.leave("shop", "ada", 0, goodbye=True)
    assert presence.count("shop", 0) == 1


def test_a_dropped_socket_stays_for_the_grace() -> None:
    presence = Presence()
    presence.enter("shop", "ada")
    presence.leave("shop", "ada", 1_000, goodbye=False)
    assert presence.count("shop", 1_000 + GRACE_MS - 1) == 1
    assert presence.count("shop", 1_000 + GRACE_MS) == 0


def test_one_that_comes_back_is_present_beyond_the_grace() -> None:
    presence = Presence()
    presence.enter("shop", "ada")
    presence.leave("shop", "ada", 0, goodbye=False)
    presence.enter("shop", "ada")
    assert presence.count("shop", 10 * GRACE_MS) == 1
    presence.leave("shop", "ada", 10 * GRACE_MS, goodbye=True)
    assert presence.count("shop", 10 * GRACE_MS) == 0


def test_a_goodbye_after_another_tab_dropped_ends_presence() -> None:
    presence = Presence()
    presence.enter("shop", "ada")
    presence.enter("shop", "ada")
    presence.leave("shop", "ada", 0, goodbye=False)
    presence.leave("shop", "ada", 1, goodbye=True)
    assert presence.count("shop", 1) == 0


def test_who_never_comes_back_is_forgotten_though_nobody_asks() -> None:
    presence = Presence()
    for number in range(1000):
        presence.enter("shop", f"visitor {number}")
        presence.leave("shop", f"visitor {number}", number * GRACE_MS, goodbye=False)
    assert len(presence._leaving["shop"]) <= 2
