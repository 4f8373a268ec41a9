"""What every implementation of the port `Documents` does."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from datalab.errors import Invalid, Missing, Taken, Unavailable
from datalab.model.accounts import Login, User
from datalab.model.apps import App
from datalab.model.configuration import Configuration
from datalab.model.notifications import Kind, Notification
from datalab.stores.documents import Collections, Documents
from datalab.stores.embedded.documents import EmbeddedDocuments
from datalab.stores.memory.documents import MemoryDocuments
from tests.stores.samples import FULL_APP, HTML, OTHERS, SAMPLES, WIDE, app, organisation, user

SEED = 20_261


@pytest.fixture(params=["embedded", "memory"])
async def documents(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Documents]:
    made: Documents = (
        await EmbeddedDocuments.open(tmp_path / "documents.sqlite")
        if request.param == "embedded"
        else MemoryDocuments()
    )
    yield made
    await made.close()


def add_samples(collections: Collections) -> None:
    for name, documents in SAMPLES.items():
        for each in documents:
            getattr(collections, name).add(each)


def everything(collections: Collections) -> list[object]:
    return [each for name in SAMPLES for each in getattr(collections, name).where()]


async def test_what_is_added_reads_back_equal(documents: Documents) -> None:
    written = [
        user("annabel", first_name=WIDE, last_name=HTML, admin=True),
        user("$set", position="a\tb"),
        user("a.b/c d'\""),
        user("ключ"),
    ]

    def add(collections: Collections) -> None:
        for each in written:
            collections.users.add(each)
        collections.apps.add(FULL_APP)
        collections.logins.add(Login(id="f" * 64, user="annabel", created=-5, expires=2**53))

    await documents.run(add)
    assert await documents.run(lambda c: [c.users.get(each.id) for each in written]) == written
    assert await documents.run(lambda c: c.apps.get("a1")) == FULL_APP
    login = await documents.run(lambda c: c.logins.get("f" * 64))
    assert login == Login(id="f" * 64, user="annabel", created=-5, expires=2**53)
    assert type(login.expires) is int


def test_there_are_samples_of_every_collection() -> None:
    assert SAMPLES.keys() == {name for name, value in vars(Collections).items() if isinstance(value, property)}


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_document_of_every_collection_reads_back_equal_until_it_is_removed(
    documents: Documents, name: str
) -> None:
    def of(collections: Collections) -> Any:
        return getattr(collections, name)

    full, plain = SAMPLES[name]
    await documents.run(add_samples)
    for each in (full, plain):
        assert await documents.run(lambda c, each=each: of(c).get(each.id)) == each
        assert await documents.run(lambda c, each=each: of(c).where(id=each.id)) == [each]
        with pytest.raises(Taken, match="already"):
            await documents.run(lambda c, each=each: of(c).add(each))
    assert await documents.run(lambda c: of(c).where()) == sorted([full, plain], key=lambda each: each.id)
    if name in OTHERS:
        for each in (full, plain):
            asked = {OTHERS[name]: getattr(each, OTHERS[name])}
            assert await documents.run(lambda c, asked=asked: of(c).where(**asked)) == [each]
        assert await documents.run(lambda c: of(c).where(**{OTHERS[name]: "nobody"})) == []

    as_the_other = msgspec.structs.replace(full, id=plain.id)
    await documents.run(lambda c: of(c).replace(as_the_other))
    assert await documents.run(lambda c: of(c).get(plain.id)) == as_the_other
    if name in OTHERS:
        asked = {OTHERS[name]: getattr(full, OTHERS[name])}
        found = await documents.run(lambda c: of(c).where(**asked))
        assert sorted(each.id for each in found) == sorted([full.id, plain.id])
        gone = {OTHERS[name]: getattr(plain, OTHERS[name])}
        assert await documents.run(lambda c: of(c).where(**gone)) == []

    assert await documents.run(lambda c: (of(c).remove(full.id), of(c).remove(full.id))) == (True, False)
    assert await documents.run(lambda c: of(c).where()) == [as_the_other]
    with pytest.raises(Missing, match="there is no"):
        await documents.run(lambda c: of(c).replace(full))


async def test_a_run_over_all_collections_is_undone_as_a_whole(documents: Documents) -> None:
    def fail(collections: Collections) -> None:
        add_samples(collections)
        raise LookupError

    with pytest.raises(LookupError):
        await documents.run(fail)
    assert await documents.run(everything) == []
    await documents.run(add_samples)
    before = await documents.run(everything)
    assert len(before) == 2 * len(SAMPLES)

    def clear_and_fail(collections: Collections) -> None:
        for name, (full, plain) in SAMPLES.items():
            collection = getattr(collections, name)
            collection.remove(full.id)
            collection.replace(msgspec.structs.replace(full, id=plain.id))
        raise LookupError

    with pytest.raises(LookupError):
        await documents.run(clear_and_fail)
    assert await documents.run(everything) == before
    for name, field in OTHERS.items():
        for each in SAMPLES[name]:
            asked = {field: getattr(each, field)}
            found = await documents.run(lambda c, name=name, asked=asked: getattr(c, name).where(**asked))
            assert found == [each]


async def test_what_belongs_together_is_asked_for_by_two_fields(documents: Documents) -> None:
    """As the services ask: people who wait, keys of a person, partitions of an app, notifications in their order."""
    people = [user("annabel"), user("bertram", pending=True), user("clarence", "other.example", pending=True)]
    told = [
        Notification(id=f"annabel/{at:015d}-{end}", user="annabel", kind=Kind.CHANGED, created=at, by="")
        for at, end in ((2, "b"), (10, "a"), (1, "c"), (2, "a"))
    ]
    await documents.run(lambda c: [c.users.add(each) for each in people] + [c.notifications.add(each) for each in told])
    assert await documents.run(lambda c: c.users.where(organisation="acme.example", pending=True)) == [people[1]]
    assert await documents.run(lambda c: c.users.where(organisation="acme.example", pending=False)) == [people[0]]
    found = await documents.run(lambda c: c.notifications.where(user="annabel", read=False, hidden=False))
    assert [each.id[-3:] for each in found] == ["1-c", "2-a", "2-b", "0-a"], "by time, since ids order by it"


async def test_nothing_is_found_where_nothing_is(documents: Documents) -> None:
    for name in SAMPLES:
        assert await documents.run(lambda c, name=name: getattr(c, name).get("nobody")) is None
        assert await documents.run(lambda c, name=name: getattr(c, name).where()) == []
    assert await documents.run(lambda c: c.users.get("")) is None
    assert await documents.run(lambda c: c.users.where()) == []
    assert await documents.run(lambda c: c.users.where(organisation="acme.example")) == []
    assert await documents.run(lambda c: c.users.remove("nobody")) is False


async def test_an_id_is_taken_once_in_its_collection(documents: Documents) -> None:
    await documents.run(lambda c: c.users.add(user("annabel", first_name="first")))
    with pytest.raises(Taken, match="already a user 'annabel'"):
        await documents.run(lambda c: c.users.add(user("annabel", first_name="second")))
    await documents.run(lambda c: c.organisations.add(organisation("annabel")))
    assert (await documents.run(lambda c: c.users.get("annabel"))).first_name == "first"


async def test_work_that_expects_taken_goes_on(documents: Documents) -> None:
    await documents.run(lambda c: c.organisations.add(organisation("acme.example")))

    def join(collections: Collections) -> None:
        try:
            collections.organisations.add(organisation("acme.example"))
        except Taken:
            collections.users.add(user("annabel"))

    await documents.run(join)
    assert await documents.run(lambda c: c.users.where()) == [user("annabel")]


async def test_replace_changes_what_is_there_and_refuses_what_is_not(documents: Documents) -> None:
    await documents.run(lambda c: c.users.add(user("annabel")))
    changed = user("annabel", organisation="other.example", disabled=True)
    await documents.run(lambda c: c.users.replace(changed))
    assert await documents.run(lambda c: c.users.where(organisation="acme.example")) == []
    assert await documents.run(lambda c: c.users.where(organisation="other.example")) == [changed]
    with pytest.raises(Missing, match="no user 'bertram'"):
        await documents.run(lambda c: c.users.replace(user("bertram")))
    assert await documents.run(everything) == [changed]


async def test_remove_tells_whether_there_was_one(documents: Documents) -> None:
    await documents.run(lambda c: [c.users.add(user("annabel")), c.users.add(user("bertram"))])
    assert await documents.run(lambda c: (c.users.remove("annabel"), c.users.remove("annabel"))) == (True, False)
    assert await documents.run(lambda c: c.users.where(organisation="acme.example")) == [user("bertram")]
    await documents.run(lambda c: c.users.add(user("annabel", position="again")))
    assert [each.id for each in await documents.run(lambda c: c.users.where())] == ["annabel", "bertram"]


async def test_where_takes_all_fields_in_the_order_of_ids(documents: Documents) -> None:
    ids = ["e", "Z", "a", "é", "日", "10", "9", "🏺"]
    await documents.run(lambda c: [c.users.add(user(id, admin=id in "ae9", position=id * 2)) for id in ids])
    await documents.run(lambda c: c.users.add(user("b", organisation="other.example", admin=True)))

    async def found(**fields: str | int | bool) -> list[str]:
        return [each.id for each in await documents.run(lambda c: c.users.where(**fields))]

    assert await found(organisation="acme.example") == sorted(ids)
    assert await found() == sorted([*ids, "b"])
    assert await found(organisation="acme.example", admin=True) == ["9", "a", "e"]
    assert await found(admin=True) == ["9", "a", "b", "e"]
    assert await found(disabled=False, position="ee") == ["e"]
    assert await found(id="b") == ["b"]
    assert await found(id="b", organisation="acme.example") == []
    assert await found(first_name="") == sorted([*ids, "b"])


async def test_where_compares_whole_values_of_one_type(documents: Documents) -> None:
    await documents.run(lambda c: c.apps.add(app("a1", tags=["sale"], token_generation=1, private=True)))
    assert await documents.run(lambda c: c.apps.where(tags="sale")) == []
    assert await documents.run(lambda c: c.apps.where(token_generation=True)) == []
    assert await documents.run(lambda c: c.apps.where(private=1)) == []
    assert len(await documents.run(lambda c: c.apps.where(private=True, token_generation=1))) == 1
    assert await documents.run(lambda c: c.apps.where(organisation="acme.exampl")) == []


async def test_where_refuses_an_unknown_field(documents: Documents) -> None:
    for name in ("orgnisation", "_id", "$where", "configuration.hash_routing", "full_name"):
        with pytest.raises(TypeError, match="has no field"):
            await documents.run(lambda c, name=name: c.apps.where(**{name: "x"}))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (user(""), "needs an id"),
        (user("annabel", first_name="\udcff"), "surrogates"),
        (user("annabel", admin="yes"), "Expected `bool`"),
        (app("a1", configuration=Configuration(routes=["/r"] * 201)), "length <= 200"),
    ],
    ids=["no id", "not text", "wrong type", "too long"],
)
async def test_a_document_that_could_not_be_read_back_is_refused(
    documents: Documents, bad: User | App, reason: str
) -> None:
    def add(collections: Collections) -> None:
        collections.users.add(bad) if isinstance(bad, User) else collections.apps.add(bad)

    with pytest.raises(Invalid, match=reason):
        await documents.run(add)
    assert await documents.run(everything) == []


async def test_whatever_is_raised_undoes_writes_in_all_collections(documents: Documents) -> None:
    await documents.run(lambda c: [c.users.add(user("annabel")), c.apps.add(app("a1"))])
    before = await documents.run(everything)

    def register(collections: Collections) -> None:
        collections.organisations.add(organisation("new.example"))
        collections.users.add(user("bertram", organisation="new.example"))
        collections.users.replace(user("annabel", organisation="new.example"))
        collections.apps.remove("a1")
        assert [each.id for each in collections.users.where(organisation="new.example")] == ["annabel", "bertram"]
        assert collections.apps.where(organisation="acme.example") == []
        raise LookupError("in the middle")

    with pytest.raises(LookupError, match="in the middle"):
        await documents.run(register)
    assert await documents.run(everything) == before
    assert await documents.run(lambda c: c.users.where(organisation="new.example")) == []
    assert await documents.run(lambda c: c.users.where(organisation="acme.example")) == [user("annabel")]
    assert await documents.run(lambda c: c.apps.where(organisation="acme.example")) == [app("a1")]

    await documents.run(lambda c: c.organisations.add(organisation("new.example")))
    assert await documents.run(lambda c: c.organisations.where()) == [organisation("new.example")]


async def test_a_refusal_by_the_store_undoes_what_came_before(documents: Documents) -> None:
    await documents.run(lambda c: c.users.add(user("annabel")))
    with pytest.raises(Taken):
        await documents.run(lambda c: [c.organisations.add(organisation("o")), c.users.add(user("annabel"))])
    with pytest.raises(Missing):
        await documents.run(lambda c: [c.organisations.add(organisation("o")), c.users.replace(user("x"))])
    with pytest.raises(RuntimeError, match="StopIteration"):
        await asyncio.wait_for(documents.run(lambda c: [c.organisations.add(organisation("o")), next(iter([]))]), 10)
    assert await documents.run(everything) == [user("annabel")]


async def test_random_runs_half_of_them_undone_agree_with_plain_dictionaries(documents: Documents) -> None:
    """The reference keeps a copy for each run, and goes back to it where the run fails."""
    chance = random.Random(SEED)
    print("seed", SEED)
    expected: dict[str, User] = {}
    kept = undone = 0
    for number in range(300):
        planned = dict(expected)
        writes: list[tuple[str, User]] = []
        for _ in range(chance.randint(1, 5)):
            each = user(f"u{chance.randrange(20)}", f"o{chance.randrange(4)}", position=str(number))
            action = chance.choice(["replace", "remove"]) if each.id in planned else "add"
            writes.append((action, each))
            planned.pop(each.id, None)
            if action != "remove":
                planned[each.id] = each
        fails = chance.random() < 0.5

        def work(collections: Collections, writes: list[tuple[str, User]] = writes, fails: bool = fails) -> None:
            for action, each in writes:
                if action == "remove":
                    assert collections.users.remove(each.id)
                else:
                    getattr(collections.users, action)(each)
            if fails:
                raise LookupError

        if fails:
            undone += 1
            with pytest.raises(LookupError):
                await documents.run(work)
        else:
            kept += 1
            await documents.run(work)
            expected = planned
        for name in ("o0", "o1", "o2", "o3"):
            wanted = sorted((each for each in expected.values() if each.organisation == name), key=lambda each: each.id)
            assert await documents.run(lambda c, name=name: c.users.where(organisation=name)) == wanted
        assert await documents.run(everything) == sorted(expected.values(), key=lambda each: each.id)
    print(f"{kept} runs kept, {undone} undone")


async def test_what_was_returned_is_the_callers_own(documents: Documents) -> None:
    given = app("a1", tags=["kept"], configuration=Configuration(routes=["/a"]))
    await documents.run(lambda c: c.apps.add(given))
    given.tags.append("late")
    for read in (lambda c: c.apps.get("a1"), lambda c: c.apps.where()[0]):
        found = await documents.run(read)
        assert found.tags == ["kept"]
        found.tags.append("mine")
        found.configuration.routes.append("/b")
        found.origins.clear()
    again = await documents.run(lambda c: c.apps.get("a1"))
    assert (again.tags, again.configuration.routes, again.origins) == (["kept"], ["/a"], ["http://a.example"])


async def test_concurrent_runs_come_one_after_the_other(documents: Documents) -> None:
    await documents.run(lambda c: c.apps.add(app("counter")))

    def count(collections: Collections) -> int:
        counter = collections.apps.get("counter")
        collections.apps.replace(msgspec.structs.replace(counter, partition=counter.partition + 1))
        return counter.partition

    assert await asyncio.gather(*(documents.run(count) for _ in range(100))) == list(range(100))
    assert (await documents.run(lambda c: c.apps.get("counter"))).partition == 100


async def test_one_thousand_documents(documents: Documents) -> None:
    many = [user(f"u{number:04}", f"o{number % 7}") for number in range(1000)]

    def add(collections: Collections) -> None:
        for each in random.Random(SEED).sample(many, len(many)):
            collections.users.add(each)

    await documents.run(add)
    assert await documents.run(lambda c: c.users.where()) == many
    assert await documents.run(lambda c: c.users.where(organisation="o3")) == many[3::7]
    await documents.run(lambda c: [c.users.remove(each.id) for each in many[::2]])
    assert await documents.run(lambda c: c.users.where()) == many[1::2]


async def test_a_closed_store_says_so(documents: Documents) -> None:
    begun = asyncio.gather(*(documents.run(lambda c, id=f"u{n}": c.users.add(user(id))) for n in range(20)))
    await asyncio.sleep(0)
    await documents.close()
    assert await begun == [None] * 20
    await documents.close()
    with pytest.raises(Unavailable, match="closed"):
        await documents.run(everything)
