"""People and their log-ins, on the memory store with a clock that the test moves."""

import asyncio

import pytest

from datalab.errors import Missing, Taken, TooMany, Unauthenticated
from datalab.model.accounts import Registration, User
from datalab.services.accounts import Accounts
from datalab.services.attempts import MAX_WATCHED, Attempts
from datalab.services.changes import Changes
from datalab.services.directory import Directory
from datalab.services.logins import Logins
from datalab.services.passwords import Passwords, digest
from datalab.services.registrations import Registrations
from datalab.services.tabs import Tabs
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


class People:
    """Registrations and log-ins on one store."""

    def __init__(self, documents: MemoryDocuments, clock: Hands) -> None:
        settings = AccountSettings(login_attempts=3, login_days=2)
        changes = Changes(documents, Directory(documents), Tabs(), clock)
        self.passwords = Passwords()
        self.accounts = Accounts(changes, Tabs())
        self.registrations = Registrations(changes, self.passwords, settings, clock)
        self.logins = Logins(changes, self.passwords, settings, clock)
        self.log_in = self.logins.log_in
        self.log_out = self.logins.log_out
        self.person = self.logins.person

    async def add(self, username: str, organisation: str, password: str = PASSWORD) -> User:
        return await self.registrations.add(
            Registration(username=username, organisation=organisation, password=password, first_name="A", last_name="B")
        )


@pytest.fixture
async def people(documents: MemoryDocuments, hands: Hands) -> People:
    made = People(documents, hands)
    await made.add("Robin.S", "Shop.Example")
    return made


async def test_passwords_are_kept_as_argon2id_with_a_salt(people: People) -> None:
    await people.add("second", "shop.example")
    hashes = [user.password_hash for user in await people.accounts.all()]
    assert len(set(hashes)) == 2
    assert all(text.startswith("$argon2id$v=19$m=65536,t=3,") for text in hashes)


async def test_the_first_of_an_organisation_is_its_admin(people: People) -> None:
    second = await people.add("second", "SHOP.example")
    other = await people.add("third", "other.example")
    assert (await people.accounts.find("robin.s")).admin
    assert (second.admin, second.organisation) == (False, "shop.example")
    assert other.admin


async def test_a_user_name_is_unique_whatever_its_case(people: People) -> None:
    with pytest.raises(Taken, match=r"username: ROBIN\.s is in use"):
        await people.add("ROBIN.s", "other.example")
    assert [user.id for user in await people.accounts.all()] == ["robin.s"]
    with pytest.raises(Missing, match="there is no user nobody"):
        await people.accounts.find("nobody")


async def test_a_refused_person_leaves_no_organisation_behind(people: People, documents: MemoryDocuments) -> None:
    with pytest.raises(Taken):
        await people.add("robin.s", "new.example")
    assert [one.id for one in await documents.run(lambda collections: collections.organisations.where())] == [
        "shop.example"
    ]


@pytest.mark.parametrize("username", ["robin.s", " Robin.S ", "ROBIN.S\t"])
@pytest.mark.parametrize("password", [PASSWORD, f"  {PASSWORD}\n"])
async def test_the_same_is_trimmed_at_log_in_as_when_made(people: People, username: str, password: str) -> None:
    cookie = await people.log_in(username, password, "192.0.2.1")
    person = await people.person(cookie)
    assert person is not None
    assert person.id == "robin.s"


async def test_a_password_made_with_spaces_around_it_fits_without_them(people: People) -> None:
    await people.add("second", "shop.example", f" {PASSWORD}  ")
    assert await people.log_in("second", PASSWORD, "192.0.2.1")


async def test_one_answer_for_an_unknown_user_and_a_wrong_password(people: People) -> None:
    answers = set()
    for username, password in [("robin.s", "wrong password"), ("nobody", PASSWORD), ("", ""), ("robin.s", "")]:
        with pytest.raises(Unauthenticated) as refused:
            await people.log_in(username, password, f"address of {username}{password}")
        answers.add((refused.value.detail, refused.value.retry_after))
    assert answers == {("user name or password is wrong", None)}


async def test_an_unknown_user_costs_a_hash_too(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    verify = people.passwords._verify
    monkeypatch.setattr(
        people.passwords, "_verify", lambda stored, given: checked.append(stored) or verify(stored, given)
    )
    with pytest.raises(Unauthenticated):
        await people.log_in("nobody", PASSWORD, "192.0.2.1")
    assert len(checked) == 1
    assert checked[0].startswith("$argon2id$")


async def test_too_many_failures_of_a_user_name_are_refused_for_a_minute(people: People, hands: Hands) -> None:
    for number in range(3):
        hands.now += 1000
        with pytest.raises(Unauthenticated):
            await people.log_in(" ROBIN.s", "wrong password", f"192.0.2.{number}")
    with pytest.raises(TooMany) as refused:
        await people.log_in("robin.s", PASSWORD, "192.0.2.99")
    assert refused.value.retry_after == 58
    hands.now += 57_999
    with pytest.raises(TooMany) as refused:
        await people.log_in("robin.s", PASSWORD, "192.0.2.99")
    assert refused.value.retry_after == 1
    hands.now += 1
    assert await people.log_in("robin.s", PASSWORD, "192.0.2.99")


async def test_too_many_failures_of_an_address_are_refused(people: People) -> None:
    for number in range(3):
        with pytest.raises(Unauthenticated):
            await people.log_in(f"nobody{number}", "wrong password", "192.0.2.1")
    with pytest.raises(TooMany):
        await people.log_in("robin.s", PASSWORD, "192.0.2.1")
    assert await people.log_in("robin.s", PASSWORD, "192.0.2.2")


async def test_attempts_sent_together_get_no_more_tries_than_one_by_one(people: People) -> None:
    tries = [people.log_in("robin.s", f"wrong password {number}", "192.0.2.1") for number in range(8)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["TooMany"] * 5 + ["Unauthenticated"] * 3


async def test_a_crowd_at_the_door_is_bounded(people: People) -> None:
    tries = [people.log_in(f"nobody{number}", "wrong password", f"address {number % 2}") for number in range(60)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert all(isinstance(outcome, TooMany | Unauthenticated) for outcome in outcomes)
    crowd = [one for one in outcomes if isinstance(one, TooMany) and "many people" in one.detail]
    assert len(crowd) == 10


def test_remembered_failures_are_bounded() -> None:
    attempts = Attempts(1, 60_000, "too many")
    for number in range(MAX_WATCHED + 5):
        attempts.count((f"user {number}",), 0)
    assert len(attempts._tried) == MAX_WATCHED
    attempts.check(("user 4",), 0)
    with pytest.raises(TooMany):
        attempts.check(("user 5",), 0)


async def test_the_store_knows_a_cookie_only_by_its_hash(people: People, documents: MemoryDocuments) -> None:
    cookie = await people.log_in("robin.s", PASSWORD, "192.0.2.1")
    (login,) = await documents.run(lambda collections: collections.logins.where())
    assert login.id == digest(cookie)
    assert cookie not in repr(login)
    assert len(cookie) >= 43
    assert await people.log_in("robin.s", PASSWORD, "192.0.2.1") != cookie
    assert await people.person(login.id) is None


@pytest.mark.parametrize("cookie", ["", "x", "\udcff", "\0", "a" * 8000])
async def test_other_cookies_are_nobodys(people: People, cookie: str) -> None:
    assert await people.person(cookie) is None
    await people.log_out(cookie)


async def test_a_log_in_ends_by_itself_and_its_record_goes(
    people: People, hands: Hands, documents: MemoryDocuments
) -> None:
    cookie = await people.log_in("robin.s", PASSWORD, "192.0.2.1")
    hands.now += 2 * DAY_MS - 1
    assert await people.person(cookie) is not None
    hands.now += 1
    assert await people.person(cookie) is None
    newer = await people.log_in("robin.s", PASSWORD, "192.0.2.1")
    assert [one.id for one in await documents.run(lambda collections: collections.logins.where())] == [digest(newer)]


async def test_logging_out_ends_one_browsers_log_in(people: People) -> None:
    here = await people.log_in("robin.s", PASSWORD, "192.0.2.1")
    there = await people.log_in("robin.s", PASSWORD, "192.0.2.1")
    await people.log_out(here)
    assert await people.person(here) is None
    assert await people.person(there) is not None
