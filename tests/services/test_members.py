"""Reminders of invitations, with a clock that the test moves."""

from pathlib import Path

import pytest

from datalab.errors import Missing, TooMany
from datalab.model.notifications import Kind
from tests.services.staged import HOUR_MS, staged


async def test_a_reminder_an_hour_at_most(tmp_path: Path) -> None:
    async with staged(tmp_path / "data") as stage:
        members, hands = stage.services.members, stage.hands
        ada, ben, cem = [await stage.person(name) for name in ("ada.l", "ben.m", "cem.n")]
        app = await stage.app(ada, private=True)
        await members.invite(ada, app.id, ["ben.m", "cem.n"])

        async def reminders() -> list[int]:
            return [sum(one.kind is Kind.REMINDED for one in await stage.told(person)) for person in (ben, cem)]

        hands.now += HOUR_MS - 1
        with pytest.raises(TooMany, match="ben.m was told within the last hour") as refused:
            await members.remind(ada, app.id, "ben.m")
        assert refused.value.retry_after == 0.001
        hands.now += 1
        await members.remind(ada, app.id, "BEN.M")
        with pytest.raises(TooMany) as refused:
            await members.remind(ada, app.id, "ben.m")
        assert refused.value.retry_after == 3600
        assert await reminders() == [1, 0]
        await members.remind(ada, app.id, "cem.n")
        assert await reminders() == [1, 1]
        hands.now += HOUR_MS - 1
        with pytest.raises(TooMany):
            await members.remind(ada, app.id, "ben.m")
        hands.now += 1
        await members.remind(ada, app.id, "ben.m")
        assert await reminders() == [2, 1]
        hands.now += HOUR_MS
        await members.answer(ben, app.id, accept=True)
        await members.answer(cem, app.id, accept=False)
        for name in ("ben.m", "cem.n", "ada.l", "nobody"):
            with pytest.raises(Missing, match="has no invitation of"):
                await members.remind(ada, app.id, name)
        assert await reminders() == [2, 1]


async def test_inviting_again_is_no_way_around_the_hour(tmp_path: Path) -> None:
    async with staged(tmp_path / "data") as stage:
        members, hands = stage.services.members, stage.hands
        ada, ben = [await stage.person(name) for name in ("ada.l", "ben.m")]
        app = await stage.app(ada, private=True)
        await members.invite(ada, app.id, ["ben.m"])
        hands.now += HOUR_MS
        await members.cancel(ada, app.id, "ben.m")
        hands.now += 1
        await members.invite(ada, app.id, ["ben.m"])
        with pytest.raises(TooMany):
            await members.remind(ada, app.id, "ben.m")
        assert [one.kind for one in await stage.told(ben)] == [Kind.INVITED, Kind.CANCELLED, Kind.INVITED]
