"""Join links and the limit of registrations, with a clock that the test moves."""

from pathlib import Path

import pytest

from datalab.errors import Forbidden, TooMany
from datalab.settings import Accounts, Settings
from tests.services.staged import DAY_MS, HOUR_MS, registration, staged


async def test_a_join_link_works_for_seven_days(tmp_path: Path) -> None:
    async with staged(tmp_path / "data") as stage:
        registrations, hands = stage.services.registrations, stage.hands
        ada = await stage.person("ada.l")
        first, second = await registrations.make_link(ada), await registrations.make_link(ada)
        hands.now += 7 * DAY_MS - 1
        assert await registrations.organisation_of(first.join) == "shop.example"
        joined = await registrations.register(registration("ben.m", join=first.join), "192.0.2.1")
        assert not joined.pending
        hands.now += 1
        with pytest.raises(Forbidden, match="has expired"):
            await registrations.register(registration("cem.n", join=second.join), "192.0.2.1")
        assert await registrations.organisation_of(second.join) == ""
        assert await registrations.links(ada) == []
        assert [user.id for user in await stage.services.accounts.all()] == ["ada.l", "ben.m"]


async def test_registrations_of_an_address_are_limited_for_an_hour(tmp_path: Path) -> None:
    settings = Settings(accounts=Accounts(registrations=2))
    async with staged(tmp_path / "data", settings) as stage:
        registrations, hands = stage.services.registrations, stage.hands
        for name in ("ada.l", "ben.m"):
            await registrations.register(registration(name), "192.0.2.1")
        hands.now += HOUR_MS - 1
        with pytest.raises(TooMany) as refused:
            await registrations.register(registration("cem.n"), "192.0.2.1")
        assert refused.value.retry_after == 1
        await registrations.register(registration("dora.k"), "192.0.2.2")
        hands.now += 1
        await registrations.register(registration("cem.n"), "192.0.2.1")
