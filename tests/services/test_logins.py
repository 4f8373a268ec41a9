"""Log-ins with a clock that the test moves: how long they last, the codes of the second factor, and the limits."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest

from datalab.errors import Forbidden, Invalid, SecondFactorNeeded, TooMany, Unauthenticated
from datalab.model.permissions import Actor
from datalab.services import logins as module
from datalab.services.passwords import digest
from datalab.settings import Accounts, Settings
from tests.services.staged import DAY_MS, MINUTE_MS, PASSWORD, Hands, Stage, staged

SETTINGS = Settings(accounts=Accounts(login_days=2, login_attempts=4))
STEP_MS = 30_000
ADDRESS = "192.0.2.1"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path / "data", SETTINGS) as made:
        yield made


@pytest.fixture
async def ada(stage: Stage) -> Actor:
    return await stage.person("ada.l")


async def factor(stage: Stage, actor: Actor) -> tuple[pyotp.TOTP, list[str]]:
    """In force, confirmed ten minutes ago."""
    stage.hands.now -= 10 * MINUTE_MS
    totp = pyotp.TOTP((await stage.services.second_factors.begin(actor, PASSWORD)).secret)
    codes = await stage.services.second_factors.confirm(actor, at(totp, stage.hands))
    stage.hands.now += 10 * MINUTE_MS
    return totp, codes.codes


def at(totp: pyotp.TOTP, hands: Hands, steps: int = 0) -> str:
    return totp.at((hands.now + steps * STEP_MS) // 1000)


async def log_in(stage: Stage, code: str = "", password: str = PASSWORD, address: str = ADDRESS) -> str:
    return await stage.services.logins.log_in("ada.l", password, address, code)


async def is_in(stage: Stage, cookie: str) -> bool:
    return await stage.services.logins.person(cookie) is not None


async def test_a_log_in_lasts_as_long_as_the_setting_says(stage: Stage, ada: Actor) -> None:
    cookie = await log_in(stage)
    stage.hands.now += 2 * DAY_MS - 1
    assert await is_in(stage, cookie)
    assert len(await stage.services.logins.all(ada, cookie)) == 1
    stage.hands.now += 1
    assert not await is_in(stage, cookie)
    assert await stage.services.logins.all(ada, cookie) == []
    newer = await log_in(stage)
    stored = await stage.services.accounts._changes.transact(lambda collections: collections.logins.where())
    assert [login.id for login in stored] == [digest(newer)], "the ended one is gone; only a hash is kept"


async def test_the_oldest_log_in_makes_room(stage: Stage, ada: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOGINS", 2)
    cookies = []
    for _ in range(4):
        cookies.append(await log_in(stage))
        stage.hands.now += 1
    assert [await is_in(stage, cookie) for cookie in cookies] == [False, False, True, True]


@pytest.mark.parametrize("steps", [-1, 0, 1])
async def test_codes_of_neighbouring_half_minutes_fit(stage: Stage, ada: Actor, steps: int) -> None:
    totp, _ = await factor(stage, ada)
    assert await log_in(stage, at(totp, stage.hands, steps))


@pytest.mark.parametrize("steps", [-3, -2, 2, 3])
async def test_older_and_later_codes_do_not(stage: Stage, ada: Actor, steps: int) -> None:
    totp, _ = await factor(stage, ada)
    with pytest.raises(SecondFactorNeeded):
        await log_in(stage, at(totp, stage.hands, steps))


async def test_a_code_is_no_code_twice_and_none_before_it_is(stage: Stage, ada: Actor) -> None:
    totp, _ = await factor(stage, ada)
    first, second = at(totp, stage.hands), at(totp, stage.hands, 1)
    assert await log_in(stage, first)
    with pytest.raises(SecondFactorNeeded):
        await log_in(stage, first)
    assert await log_in(stage, second)
    for used in (first, second):
        with pytest.raises(SecondFactorNeeded):
            await log_in(stage, used)
    stage.hands.now += 2 * MINUTE_MS
    assert await log_in(stage, at(totp, stage.hands))


async def test_the_code_that_confirmed_logs_nobody_in(stage: Stage, ada: Actor) -> None:
    totp = pyotp.TOTP((await stage.services.second_factors.begin(ada, PASSWORD)).secret)
    await stage.services.second_factors.confirm(ada, at(totp, stage.hands))
    with pytest.raises(SecondFactorNeeded):
        await log_in(stage, at(totp, stage.hands))
    assert await log_in(stage, at(totp, stage.hands, 1))


async def test_of_two_log_ins_at_once_with_a_code_one_succeeds(stage: Stage, ada: Actor) -> None:
    totp, codes = await factor(stage, ada)
    for code in (at(totp, stage.hands), codes[0]):
        outcomes = await asyncio.gather(*(log_in(stage, code) for _ in range(2)), return_exceptions=True)
        assert sorted(isinstance(outcome, str) for outcome in outcomes) == [False, True]


async def test_a_wrong_password_spends_no_code(stage: Stage, ada: Actor) -> None:
    totp, codes = await factor(stage, ada)
    for code in (at(totp, stage.hands), codes[0]):
        with pytest.raises(Unauthenticated):
            await log_in(stage, code, "wrong password")
        assert await log_in(stage, code)


async def test_a_recovery_code_counts_once_and_for_a_log_in_only(stage: Stage, ada: Actor) -> None:
    totp, codes = await factor(stage, ada)
    cookies = [await log_in(stage, code) for code in codes[:3]]
    assert all([await is_in(stage, cookie) for cookie in cookies])
    person = await stage.services.logins.person(cookies[0])
    assert stage.services.accounts.me(Actor(person)).recovery_codes == 7
    for code in codes[:2]:
        with pytest.raises(SecondFactorNeeded):
            await log_in(stage, code)
    stage.hands.now += DAY_MS
    assert await log_in(stage, at(totp, stage.hands)), "the authenticator still works"


async def test_recovery_codes_end_with_their_factor(stage: Stage, ada: Actor) -> None:
    _, codes = await factor(stage, ada)
    await stage.services.second_factors.remove(ada, PASSWORD)
    assert await log_in(stage)
    totp, _ = await factor(stage, ada)
    with pytest.raises(SecondFactorNeeded):
        await log_in(stage, codes[0])
    assert await log_in(stage, at(totp, stage.hands))


async def test_guessing_codes_is_limited_whoever_guesses_from_wherever(stage: Stage, ada: Actor) -> None:
    totp, codes = await factor(stage, ada)
    right = at(totp, stage.hands)
    guesses = ["", "wrong", right[:-1], "wrong"]
    for number, code in enumerate(guesses):
        with pytest.raises(SecondFactorNeeded):
            await log_in(stage, code, address=f"192.0.2.{number}")
    for code in (right, codes[0]):
        with pytest.raises(TooMany) as refused:
            await log_in(stage, code, address="192.0.2.99")
        assert refused.value.retry_after == 60
    stage.hands.now += MINUTE_MS
    assert await log_in(stage, at(totp, stage.hands))


async def test_guessing_the_first_code_and_the_present_password_is_limited(stage: Stage, ada: Actor) -> None:
    totp = pyotp.TOTP((await stage.services.second_factors.begin(ada, PASSWORD)).secret)
    for _ in range(2):
        with pytest.raises(Invalid):
            await stage.services.second_factors.confirm(ada, "wrong")
        with pytest.raises(Forbidden, match="present password is wrong"):
            await stage.services.logins.change_password(ada, "wrong password", "another password", "")
    with pytest.raises(TooMany):
        await stage.services.second_factors.confirm(ada, at(totp, stage.hands))
    with pytest.raises(TooMany):
        await stage.services.logins.change_password(ada, PASSWORD, "another password", "")
    stage.hands.now += MINUTE_MS
    await stage.services.second_factors.confirm(ada, at(totp, stage.hands))


async def test_failures_count_by_name_whatever_its_case_and_by_address(stage: Stage, ada: Actor) -> None:
    for name in ("ada.l", " ADA.L", "Ada.l\t", "aDa.L"):
        with pytest.raises(Unauthenticated):
            await stage.services.logins.log_in(name, "wrong password", f"address of {name}")
    with pytest.raises(TooMany):
        await log_in(stage)
    await stage.person("ben.m")
    assert await stage.services.logins.log_in("ben.m", PASSWORD, ADDRESS)
    for number in range(4):
        with pytest.raises(Unauthenticated):
            await stage.services.logins.log_in(f"nobody{number}", "wrong password", ADDRESS)
    with pytest.raises(TooMany):
        await stage.services.logins.log_in("ben.m", PASSWORD, ADDRESS)
    stage.hands.now += MINUTE_MS
    assert await log_in(stage)
