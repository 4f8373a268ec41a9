"""Tokens with a clock that the test moves: their end, the warning before it, renewal and overlap."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from datalab.errors import Missing, TokenRefused
from datalab.model.apps import App
from datalab.model.notifications import Kind
from datalab.model.permissions import Actor
from datalab.model.wire import Hello
from datalab.settings import Settings, Tokens
from tests.services.staged import DAY_MS, HOUR_MS, ORIGIN, Hands, Stage, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path / "data") as made:
        yield made


@pytest.fixture
async def ada(stage: Stage) -> Actor:
    return await stage.person("ada.l")


async def issued(stage: Stage, owner: Actor, name: str = "Shop") -> App:
    app = await stage.app(owner, name)
    return await stage.services.locks.issue(owner, app.id, app.full_name)


async def works(stage: Stage, text: str) -> bool:
    """Whether a page may say hello with a token."""
    hello = Hello(session_start=stage.hands.now, page=f"{ORIGIN}/")
    try:
        await stage.services.ingest.hello(text, ORIGIN, "a browser", hello)
    except TokenRefused:
        return False
    return True


def text_of(app: App) -> str:
    assert app.token is not None
    return app.token.text


async def warnings(stage: Stage, actor: Actor) -> list[tuple[str, str, str]]:
    """Takes up what the appliance does by itself every few seconds."""
    await stage.services.locks.warn()
    return [(one.app_name, one.by, one.detail) for one in await stage.told(actor) if one.kind is Kind.TOKEN_EXPIRES]


async def test_a_token_ends_after_seven_days(stage: Stage, ada: Actor) -> None:
    app = await issued(stage, ada)
    assert app.token is not None
    assert app.token.expires == stage.hands.now + 7 * DAY_MS
    stage.hands.now += 7 * DAY_MS - 1
    assert await works(stage, text_of(app))
    stage.hands.now += 1
    assert not await works(stage, text_of(app))
    assert stage.now(app).locked, "the lock stays until it is taken off"


@pytest.mark.parametrize(("days", "lasting"), [(0, 5000), (30, 29)])
async def test_the_setting_says_how_long(tmp_path: Path, days: int, lasting: int) -> None:
    async with staged(tmp_path / "other", Settings(tokens=Tokens(days=days))) as stage:
        app = await issued(stage, ada := await stage.person("ada.l"))
        assert app.token is not None
        assert (app.token.expires is None) == (days == 0)
        stage.hands.now += lasting * DAY_MS
        assert await works(stage, text_of(app))
        assert bool(await warnings(stage, ada)) == (days != 0)


async def test_the_owner_is_told_once_two_days_before(stage: Stage, ada: Actor) -> None:
    ben = await stage.person("ben.m")
    app, other = await issued(stage, ada), await issued(stage, ben, "Other")
    assert app.token is not None
    stage.hands.now += 5 * DAY_MS - 1
    assert await warnings(stage, ada) == []
    stage.hands.now += 1
    told = [("shop.example/Shop", "", str(app.token.expires))]
    assert await warnings(stage, ada) == told
    for _ in range(4):
        stage.hands.now += DAY_MS
        assert await warnings(stage, ada) == told
    assert [name for name, _, _ in await warnings(stage, ben)] == [other.full_name]


async def test_the_warning_is_given_once_across_a_restart(tmp_path: Path) -> None:
    hands = Hands()
    async with staged(tmp_path / "again", hands=hands) as stage:
        app = await issued(stage, await stage.person("ada.l"))
        hands.now += 5 * DAY_MS
        assert len(await warnings(stage, Actor(await stage.services.accounts.find("ada.l")))) == 1
    async with staged(tmp_path / "again", hands=hands) as stage:
        ada = Actor(await stage.services.accounts.find("ada.l"))
        assert len(await warnings(stage, ada)) == 1
        await stage.services.locks.renew(ada, app.id)
        hands.now += 5 * DAY_MS
        assert len(await warnings(stage, ada)) == 2


async def test_renewal_puts_the_end_off_and_keeps_the_text(stage: Stage, ada: Actor) -> None:
    app = await issued(stage, ada)
    stage.hands.now += 6 * DAY_MS
    renewed = await stage.services.locks.renew(ada, app.id)
    assert text_of(renewed) == text_of(app)
    assert renewed.token is not None
    assert renewed.token.expires == stage.hands.now + 7 * DAY_MS
    stage.hands.now += 7 * DAY_MS - 1
    assert await works(stage, text_of(app))
    stage.hands.now += 1
    assert not await works(stage, text_of(app))


@pytest.mark.parametrize("hours", [None, 1, 48])
async def test_both_tokens_work_for_the_overlap(stage: Stage, ada: Actor, hours: int | None) -> None:
    first = await issued(stage, ada)
    second = await stage.services.locks.rotate(ada, first.id, hours)
    assert text_of(first) != text_of(second)
    stage.hands.now += (24 if hours is None else hours) * HOUR_MS - 1
    assert await works(stage, text_of(first))
    assert await works(stage, text_of(second))
    stage.hands.now += 1
    assert not await works(stage, text_of(first))
    assert await works(stage, text_of(second))
    assert stage.now(first).partition == first.partition, "the data goes on in the same partition"


async def test_an_overlap_of_nothing_ends_the_old_at_once(stage: Stage, ada: Actor) -> None:
    first = await issued(stage, ada)
    second = await stage.services.locks.rotate(ada, first.id, 0)
    assert not await works(stage, text_of(first))
    assert await works(stage, text_of(second))


async def test_the_overlap_does_not_outlast_the_old_tokens_own_end(stage: Stage, ada: Actor) -> None:
    first = await issued(stage, ada)
    stage.hands.now += 7 * DAY_MS - HOUR_MS
    await stage.services.locks.rotate(ada, first.id, 24)
    stage.hands.now += HOUR_MS - 1
    assert await works(stage, text_of(first))
    stage.hands.now += 1
    assert not await works(stage, text_of(first))


async def test_a_token_that_never_ends_does_so_after_the_overlap(tmp_path: Path) -> None:
    async with staged(tmp_path / "never", Settings(tokens=Tokens(days=0, overlap_hours=2))) as stage:
        first = await issued(stage, ada := await stage.person("ada.l"))
        second = await stage.services.locks.rotate(ada, first.id)
        stage.hands.now += 2 * HOUR_MS
        assert not await works(stage, text_of(first))
        stage.hands.now += 5000 * DAY_MS
        assert await works(stage, text_of(second))


async def test_a_renewal_or_an_issue_ends_no_overlap_early_and_a_new_token_ends_both(stage: Stage, ada: Actor) -> None:
    first = await issued(stage, ada)
    second = await stage.services.locks.rotate(ada, first.id, 24)
    await stage.services.locks.renew(ada, first.id)
    assert await works(stage, text_of(first))
    third = await stage.services.locks.issue(ada, first.id, first.full_name)
    assert [await works(stage, text_of(app)) for app in (first, second, third)] == [False, False, True]


async def test_without_a_token_there_is_nothing_to_renew_or_rotate(stage: Stage, ada: Actor) -> None:
    app = await stage.app(ada)
    for change in (stage.services.locks.renew, stage.services.locks.rotate):
        with pytest.raises(Missing, match="has no valid token"):
            await change(ada, app.id)
    assert not stage.now(app).locked
