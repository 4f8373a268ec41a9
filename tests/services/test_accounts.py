"""People and their log-ins, on the memory store with a clock that the test moves."""

import asyncio

import pytest

from datalab.errors import Missing, Taken, TooMany, Unauthenticated
from datalab.services.accounts import MAX_WATCHED, Accounts, Attempts, digest
from datalab.settings import Accounts as AccountSettings
from datalab.stores.memory.documents import MemoryDocuments

PASSWORD = "correct horse"
DAY_MS = 86_400_000


class Hands:
    """A clock."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def documents() -> MemoryDocuments:
    return MemoryDocuments()


@pytest.fixture
async def accounts(documents: MemoryDocuments, hands: Hands) -> Accounts:
    made = Accounts(documents, AccountSettings(login_attempts=3, login_days=2), hands)
    await made.add("Robin.S", "Shop.Example", PASSWORD, "Robin", "Sample", "")
    return made


async def test_passwords_are_kept_as_argon2id_with_a_salt(accounts: Accounts) -> None:
    await accounts.add("second", "shop.example", PASSWORD, "", "", "")
    hashes = [user.password_hash for user in await accounts.all()]
    assert len(set(hashes)) == 2
    assert all(text.startswith("$argon2id$v=19$m=65536,t=3,") for text in hashes)


async def test_the_first_of_an_organisation_is_its_admin(accounts: Accounts) -> None:
    second = await accounts.add("second", "SHOP.example", PASSWORD, "", "", "")
    other = await accounts.add("third", "other.example", PASSWORD, "", "", "")
    assert (await accounts.find("robin.s")).admin
    assert (second.admin, second.organisation) == (False, "shop.example")
    assert other.admin


async def test_a_user_name_is_unique_whatever_its_case(accounts: Accounts) -> None:
    with pytest.raises(Taken, match=r"the user name ROBIN\.s is in use"):
        await accounts.add("ROBIN.s", "other.example", PASSWORD, "", "", "")
    assert [user.id for user in await accounts.all()] == ["robin.s"]
    with pytest.raises(Missing, match="there is no user nobody"):
        await accounts.find("nobody")


async def test_a_refused_person_leaves_no_organisation_behind(accounts: Accounts, documents: MemoryDocuments) -> None:
    with pytest.raises(Taken):
        await accounts.add("robin.s", "new.example", PASSWORD, "", "", "")
    assert [one.id for one in await documents.run(lambda collections: collections.organisations.where())] == [
        "shop.example"
    ]


@pytest.mark.parametrize("username", ["robin.s", " Robin.S ", "ROBIN.S\t"])
@pytest.mark.parametrize("password", [PASSWORD, f"  {PASSWORD}\n"])
async def test_the_same_is_trimmed_at_log_in_as_when_made(accounts: Accounts, username: str, password: str) -> None:
    cookie = await accounts.log_in(username, password, "192.0.2.1")
    person = await accounts.person(cookie)
    assert person is not None
    assert person.id == "robin.s"


async def test_a_password_made_with_spaces_around_it_fits_without_them(accounts: Accounts) -> None:
    await accounts.add("second", "shop.example", f" {PASSWORD}  ", "", "", "")
    assert await accounts.log_in("second", PASSWORD, "192.0.2.1")


async def test_one_answer_for_an_unknown_user_and_a_wrong_password(accounts: Accounts) -> None:
    answers = set()
    for username, password in [("robin.s", "wrong password"), ("nobody", PASSWORD), ("", ""), ("robin.s", "")]:
        with pytest.raises(Unauthenticated) as refused:
            await accounts.log_in(username, password, f"address of {username}{password}")
        answers.add((refused.value.detail, refused.value.retry_after))
    assert answers == {("user name or password is wrong", None)}


async def test_an_unknown_user_costs_a_hash_too(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    verify = accounts._verify
    monkeypatch.setattr(accounts, "_verify", lambda stored, given: checked.append(stored) or verify(stored, given))
    with pytest.raises(Unauthenticated):
        await accounts.log_in("nobody", PASSWORD, "192.0.2.1")
    assert len(checked) == 1
    assert checked[0].startswith("$argon2id$")


async def test_too_many_failures_of_a_user_name_are_refused_for_a_minute(accounts: Accounts, hands: Hands) -> None:
    for number in range(3):
        hands.now += 1000
        with pytest.raises(Unauthenticated):
            await accounts.log_in(" ROBIN.s", "wrong password", f"192.0.2.{number}")
    with pytest.raises(TooMany) as refused:
        await accounts.log_in("robin.s", PASSWORD, "192.0.2.99")
    assert refused.value.retry_after == 58
    hands.now += 57_999
    with pytest.raises(TooMany) as refused:
        await accounts.log_in("robin.s", PASSWORD, "192.0.2.99")
    assert refused.value.retry_after == 1
    hands.now += 1
    assert await accounts.log_in("robin.s", PASSWORD, "192.0.2.99")


async def test_too_many_failures_of_an_address_are_refused(accounts: Accounts) -> None:
    for number in range(3):
        with pytest.raises(Unauthenticated):
            await accounts.log_in(f"nobody{number}", "wrong password", "192.0.2.1")
    with pytest.raises(TooMany):
        await accounts.log_in("robin.s", PASSWORD, "192.0.2.1")
    assert await accounts.log_in("robin.s", PASSWORD, "192.0.2.2")


async def test_attempts_sent_together_get_no_more_tries_than_one_by_one(accounts: Accounts) -> None:
    tries = [accounts.log_in("robin.s", f"wrong password {number}", "192.0.2.1") for number in range(8)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["TooMany"] * 5 + ["Unauthenticated"] * 3


async def test_a_crowd_at_the_door_is_bounded(accounts: Accounts) -> None:
    tries = [accounts.log_in(f"nobody{number}", "wrong password", f"address {number % 2}") for number in range(60)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert all(isinstance(outcome, TooMany | Unauthenticated) for outcome in outcomes)
    crowd = [one for one in outcomes if isinstance(one, TooMany) and "many people" in one.detail]
    assert len(crowd) == 10


def test_remembered_failures_are_bounded() -> None:
    attempts = Attempts(1)
    for number in range(MAX_WATCHED + 5):
        attempts.failed((f"user {number}",), 0)
    assert len(attempts._failed) == MAX_WATCHED
    attempts.check(("user 4",), 0)
    with pytest.raises(TooMany):
        attempts.check(("user 5",), 0)


async def test_the_store_knows_a_cookie_only_by_its_hash(accounts: Accounts, documents: MemoryDocuments) -> None:
    cookie = await accounts.log_in("robin.s", PASSWORD, "192.0.2.1")
    (login,) = await documents.run(lambda collections: collections.logins.where())
    assert login.id == digest(cookie)
    assert cookie not in repr(login)
    assert len(cookie) >= 43
    assert await accounts.log_in("robin.s", PASSWORD, "192.0.2.1") != cookie
    assert await accounts.person(login.id) is None


@pytest.mark.parametrize("cookie", ["", "x", "\udcff", "\0", "a" * 8000])
async def test_other_cookies_are_nobodys(accounts: Accounts, cookie: str) -> None:
    assert await accounts.person(cookie) is None
    await accounts.log_out(cookie)


async def test_a_log_in_ends_by_itself_and_its_record_goes(
    accounts: Accounts, hands: Hands, documents: MemoryDocuments
) -> None:
    cookie = await accounts.log_in("robin.s", PASSWORD, "192.0.2.1")
    hands.now += 2 * DAY_MS - 1
    assert await accounts.person(cookie) is not None
    hands.now += 1
    assert await accounts.person(cookie) is None
    newer = await accounts.log_in("robin.s", PASSWORD, "192.0.2.1")
    assert [one.id for one in await documents.run(lambda collections: collections.logins.where())] == [digest(newer)]


async def test_logging_out_ends_one_browsers_log_in(accounts: Accounts) -> None:
    here = await accounts.log_in("robin.s", PASSWORD, "192.0.2.1")
    there = await accounts.log_in("robin.s", PASSWORD, "192.0.2.1")
    await accounts.log_out(here)
    assert await accounts.person(here) is None
    assert await accounts.person(there) is not None
