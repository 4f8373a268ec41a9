"""Changes: done as a whole or not at all, heard of once they are on disk, made by whoever may still make them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from datalab.errors import Forbidden, Missing, Taken, Unauthenticated
from datalab.model.apps import App
from datalab.model.audit import AuditEntry, AuditLog
from datalab.model.notifications import Kind, Notification
from datalab.model.permissions import APPLIANCE, OPERATOR, Action, Actor
from datalab.services import changes as module
from datalab.services.changes import Change, Changes
from datalab.services.directory import Directory
from datalab.services.tabs import ChangedMessage, NotificationMessage, Tab, Tabs
from datalab.stores.documents import Collections, Documents
from datalab.stores.embedded.documents import EmbeddedDocuments
from datalab.stores.memory.documents import MemoryDocuments
from tests.services.appliance_parts import ADA, BEN, CLEO, NOW, add_people, described, person


@pytest.fixture(params=["embedded", "memory"])
async def documents(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Documents]:
    made: Documents = (
        await EmbeddedDocuments.open(tmp_path / "documents.sqlite")
        if request.param == "embedded"
        else MemoryDocuments()
    )
    await add_people(made)
    yield made
    await made.close()


@pytest.fixture
def tabs() -> Tabs:
    return Tabs()


@pytest.fixture
def directory(documents: Documents) -> Directory:
    return Directory(documents)


@pytest.fixture
def changes(documents: Documents, directory: Directory, tabs: Tabs) -> Changes:
    return Changes(documents, directory, tabs, lambda: NOW)


@pytest.fixture
async def app(changes: Changes) -> App:
    return await changes.run(OPERATOR, lambda change: make(change, described("Shop")))


def make(change: Change, app: App) -> App:
    change.collections.apps.add(app)
    change.apps[app.id] = app
    return app


def remove(change: Change, app: App) -> None:
    change.collections.apps.remove(app.id)
    change.apps[app.id] = None


async def everything(changes: Changes) -> list[object]:
    def read(collections: Collections) -> list[object]:
        return [each for name in NAMES for each in getattr(collections, name).where()]

    return await changes.transact(read)


NAMES = [name for name, value in vars(Collections).items() if isinstance(value, property)]


def messages(tab: Tab) -> list[object]:
    return [tab.messages.get_nowait() for _ in range(tab.messages.qsize())]


async def test_what_raises_leaves_documents_directory_watchers_and_tabs_untouched(
    changes: Changes, directory: Directory, tabs: Tabs, app: App
) -> None:
    seen: list[object] = []

    async def watcher(old: App | None, new: App | None) -> None:
        seen.append((old, new))

    directory.watch(watcher)
    tab = tabs.enter(BEN, app.id)
    before = await everything(changes)

    def work(change: Change) -> None:
        change.save(replace(change.app(app.id, Action.EDIT), description="half"))
        make(change, described("Other"))
        change.log(app, "app.edit", "half")
        change.log("shop.example", "half")
        change.tell([BEN.id], Kind.CHANGED, app)
        raise Taken("in the middle")

    for _ in range(2):
        with pytest.raises(Taken, match="in the middle"):
            await changes.run(Actor(ADA), work)
    assert await everything(changes) == before
    assert directory.all() == [app]
    assert seen == []
    assert messages(tab) == []


async def test_what_belongs_together_is_there_together(
    changes: Changes, directory: Directory, tabs: Tabs, app: App
) -> None:
    shown, elsewhere = tabs.enter(BEN, app.id), tabs.enter(BEN)
    own, stranger = tabs.enter(ADA, app.id), tabs.enter(CLEO)
    messages(shown), messages(own), messages(elsewhere)

    def work(change: Change) -> App:
        edited = change.save(replace(change.app(app.id, Action.EDIT), description="new"))
        change.log(edited, "app.edit", "description", section="s", revision=2)
        change.tell([BEN.id, ADA.id, BEN.id], Kind.CHANGED, edited, "description")
        return edited

    edited = await changes.run(Actor(ADA), work)
    assert directory.get(app.id) == edited
    assert await changes.transact(lambda collections: collections.apps.get(app.id)) == edited
    assert await changes.transact(lambda collections: collections.audit_logs.get(app.id)) == AuditLog(
        id=app.id, length=1
    )
    entry = AuditEntry(
        id=f"{app.id}/1",
        number=1,
        at=NOW,
        by=ADA.id,
        action="app.edit",
        details=["description"],
        section="s",
        revision=2,
    )
    assert await changes.transact(lambda collections: collections.audit_entries.where()) == [entry]
    (told,) = await changes.transact(lambda collections: collections.notifications.where())
    assert (told.user, told.kind, told.created, told.by) == (BEN.id, Kind.CHANGED, NOW, ADA.username)
    assert (told.app, told.app_name, told.detail, told.read, told.hidden) == (
        app.id, app.full_name, "description", False, False
    )  # fmt: skip
    notice = NotificationMessage(replace(told, id=told.id.partition("/")[2]))
    assert messages(shown) == [notice, ChangedMessage(app.id, "app")]
    assert messages(elsewhere) == [notice]
    assert messages(own) == [ChangedMessage(app.id, "app")], "whoever acts is not told"
    assert messages(stranger) == []


async def test_watchers_are_called_with_what_was_and_what_is(
    changes: Changes, directory: Directory, tabs: Tabs
) -> None:
    seen: list[tuple[App | None, App | None, list[App]]] = []

    async def watcher(old: App | None, new: App | None) -> None:
        seen.append((old, new, directory.all()))

    directory.watch(watcher)
    one, two = described("One"), described("Two")
    await changes.run(OPERATOR, lambda change: [make(change, one), make(change, two)])
    edited = replace(one, description="new")
    tab = tabs.enter(ADA, one.id)
    await changes.run(OPERATOR, lambda change: change.save(edited))
    await changes.run(OPERATOR, lambda change: remove(change, one))
    await changes.run(OPERATOR, lambda change: change.log("shop.example", "nothing of an app"))
    assert seen == [
        (None, one, [one, two]),
        (None, two, [one, two]),
        (one, edited, [edited, two]),
        (edited, None, [two]),
    ]
    assert messages(tab) == [ChangedMessage(one.id, "app"), ChangedMessage(one.id, "gone")]
    with pytest.raises(Missing):
        directory.get(one.id)


async def test_a_caller_that_is_cancelled_does_not_leave_the_directory_behind_the_disk(
    tmp_path: Path,
) -> None:
    documents = await EmbeddedDocuments.open(tmp_path / "documents.sqlite")
    await add_people(documents)
    directory, tabs = Directory(documents), Tabs()
    changes = Changes(documents, directory, tabs, lambda: NOW)
    app = await changes.run(OPERATOR, lambda change: make(change, described("Shop")))
    tab = tabs.enter(BEN, app.id)
    begun, go_on, brought = threading.Event(), threading.Event(), asyncio.Event()

    async def watcher(old: App | None, new: App | None) -> None:
        brought.set()

    directory.watch(watcher)

    def work(change: Change) -> None:
        change.save(replace(change.app(app.id, Action.EDIT), description="on disk"))
        change.tell([BEN.id], Kind.CHANGED, app)
        begun.set()
        assert go_on.wait(20)

    asking = asyncio.create_task(changes.run(Actor(ADA), work))
    assert await asyncio.to_thread(begun.wait, 20)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert directory.get(app.id).description == ""
    go_on.set()
    async with asyncio.timeout(20):
        await brought.wait()
    stored = await changes.transact(lambda collections: collections.apps.get(app.id))
    assert stored is not None
    assert directory.get(app.id) == stored
    assert stored.description == "on disk"
    await asyncio.sleep(0)
    assert [type(message) for message in messages(tab)] == [NotificationMessage, ChangedMessage]
    await documents.close()


async def test_a_cancelled_caller_of_work_that_fails_disturbs_nobody(tmp_path: Path) -> None:
    """An exception that nobody collects would be logged by asyncio, and fail this test."""
    documents = await EmbeddedDocuments.open(tmp_path / "documents.sqlite")
    changes = Changes(documents, Directory(documents), Tabs(), lambda: NOW)
    begun, go_on = threading.Event(), threading.Event()
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))

    def work(change: Change) -> None:
        begun.set()
        assert go_on.wait(20)
        raise LookupError

    asking = asyncio.create_task(changes.run(OPERATOR, work))
    assert await asyncio.to_thread(begun.wait, 20)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    go_on.set()
    assert await changes.transact(lambda collections: collections.apps.where()) == []
    await asyncio.sleep(0)
    assert complaints == []
    await documents.close()


async def test_changes_at_the_same_time_leave_the_directory_as_the_disk_is(
    changes: Changes, directory: Directory, app: App
) -> None:
    seen: list[tuple[str, str]] = []

    async def slow_watcher(old: App | None, new: App | None) -> None:
        assert old is not None
        assert new is not None
        seen.append((old.description, new.description))
        await asyncio.sleep(0.001 * (len(seen) % 3))

    directory.watch(slow_watcher)

    def append(change: Change, number: int) -> None:
        current = change.app(app.id, Action.EDIT)
        change.save(replace(current, description=f"{current.description}{number} "))
        change.log(current, "app.edit", str(number))

    await asyncio.gather(*(changes.run(Actor(ADA), lambda change, n=n: append(change, n)) for n in range(40)))
    stored = await changes.transact(lambda collections: collections.apps.get(app.id))
    assert directory.get(app.id) == stored
    assert len(seen) == 40
    assert all(new.startswith(old) for old, new in seen), "each goes on from the one before"
    entries = await changes.transact(lambda collections: collections.audit_entries.where())
    assert sorted(entry.number for entry in entries) == list(range(1, 41))


@pytest.mark.parametrize("meanwhile", ["disabled", "pending", "removed"])
async def test_whoever_was_locked_out_meanwhile_is_refused_inside_the_transaction(
    changes: Changes, documents: Documents, app: App, meanwhile: str
) -> None:
    actor = Actor(ADA)

    def lock_out(collections: Collections) -> None:
        if meanwhile == "removed":
            collections.users.remove(ADA.id)
        else:
            collections.users.replace(replace(ADA, **{meanwhile: True}))

    await documents.run(lock_out)
    called: list[Change] = []
    with pytest.raises(Unauthenticated, match="nobody is logged in"):
        await changes.run(actor, called.append)
    assert called == []


async def test_the_person_counts_as_it_is_now(changes: Changes, documents: Documents) -> None:
    await documents.run(lambda collections: collections.users.replace(replace(ADA, admin=False, position="moved")))
    now = await changes.run(Actor(ADA), lambda change: change.actor.user)
    assert now is not None
    assert (now.admin, now.position) == (False, "moved")


async def test_a_key_that_may_only_read_changes_nothing(changes: Changes, app: App) -> None:
    called: list[Change] = []
    with pytest.raises(Forbidden, match="may only read"):
        await changes.run(replace(Actor(ADA), write=False), called.append)
    assert called == []


async def test_an_app_to_change_is_one_that_may_be_changed(changes: Changes, app: App) -> None:
    for actor, refusal in ((Actor(BEN), Forbidden), (Actor(CLEO), Missing)):
        with pytest.raises(refusal):
            await changes.run(actor, lambda change: change.app(app.id, Action.EDIT))
    with pytest.raises(Missing):
        await changes.run(Actor(ADA), lambda change: change.app("unknown", Action.EDIT))
    assert await changes.run(APPLIANCE, lambda change: change.app(app.id, Action.EDIT)) == app


async def test_a_person_keeps_the_newest_notifications_only(
    changes: Changes, monkeypatch: pytest.MonkeyPatch, documents: Documents
) -> None:
    monkeypatch.setattr(module, "MAX_NOTIFICATIONS", 5)
    monkeypatch.setattr(module, "PRUNED_EVERY", 1)
    later = Changes(documents, Directory(documents), Tabs(), lambda: NOW + 1000)
    await changes.run(OPERATOR, lambda change: change.tell([ADA.id], Kind.CHANGED, detail="other's"))
    for number in range(3):
        await changes.run(OPERATOR, lambda change, n=number: change.tell([BEN.id], Kind.CHANGED, detail=f"old {n}"))
    for number in range(4):
        await later.run(OPERATOR, lambda change, n=number: change.tell([BEN.id], Kind.CHANGED, detail=f"new {n}"))

    async def details(user: str) -> list[str]:
        found: list[Notification] = await changes.transact(lambda c: c.notifications.where(user=user))
        return sorted(each.detail for each in found)

    kept = await details(BEN.id)
    assert len(kept) == 5
    assert kept[:4] == [f"new {number}" for number in range(4)]
    assert await details(ADA.id) == ["other's"]


async def test_logs_are_numbered_each_by_itself_and_say_who(changes: Changes, app: App) -> None:
    for actor, about in ((Actor(ADA), app), (OPERATOR, "shop.example"), (APPLIANCE, app), (Actor(ADA), app)):
        await changes.run(actor, lambda change, about=about: change.log(about, "done"))
    entries = await changes.transact(lambda collections: collections.audit_entries.where())
    assert [(entry.id, entry.by) for entry in entries] == [
        (f"{app.id}/1", ADA.id),
        (f"{app.id}/2", ""),
        (f"{app.id}/3", ADA.id),
        ("organisation:shop.example/1", "(operator)"),
    ]


async def test_readers_and_admins_are_those_who_may_come_in(changes: Changes, documents: Documents) -> None:
    more = [
        person("dora.k", disabled=True),
        person("emil.p", pending=True, admin=True),
        replace(person("finn.q", admin=True), created=NOW - 1),
    ]
    await documents.run(lambda collections: [collections.users.add(user) for user in more])
    public, private = described("Public"), described("Private", BEN, private=True)

    def look(change: Change) -> tuple[list[str], list[str], list[str]]:
        admins = [user.id for user in change.admins("shop.example")]
        return change.readers(public), change.readers(private), admins

    assert await changes.run(OPERATOR, look) == (["ada.l", "ben.m", "finn.q"], ["ben.m"], ["finn.q", "ada.l"])
