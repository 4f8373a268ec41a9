"""Segments saved by name: every reader of an app saves some; those of others are left to the app's owner."""

import secrets

from msgspec import Struct
from msgspec.structs import replace

from datalab.errors import Forbidden, Invalid, Missing, Taken, TooMany
from datalab.model.apps import App
from datalab.model.permissions import Action, Actor, may
from datalab.model.segments import NewSegment, SavedSegment, Segment, listed, read_segment, write_segment
from datalab.services.changes import Change, Changes
from datalab.stores.documents import Collections

MAX_SEGMENTS = 100
"""Of an app."""
MARK = "@"
"""Before the name of a saved segment, wherever a written one is taken."""


class SegmentShown(Struct, frozen=True):
    """A saved segment, for whoever asks."""

    id: str
    name: str
    text: str
    by: str
    """User name in lower case, empty where the account was removed."""
    created: int
    changed: int
    changeable: bool
    """Whether whoever asks may rename, replace or delete it."""
    fault: str | None
    """Why it does not fit the app's configuration, None where it does."""


class Segments:
    """They change no figure, so a locked app can have new ones."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def all(self, actor: Actor, app: App) -> list[SegmentShown]:
        """By name, of an app whose reader was checked."""

        def work(collections: Collections) -> list[SegmentShown]:
            found = collections.segments.where(app=app.id)
            return [shown(actor, app, one) for one in sorted(found, key=lambda one: (folded(one.name), one.id))]

        return await self._changes.transact(work)

    async def one(self, actor: Actor, app: App, name: str) -> SegmentShown:
        """Of an app whose reader was checked; raises Missing."""
        return await self._changes.transact(lambda collections: shown(actor, app, named(collections, app, name)))

    async def read(self, app: App, text: str) -> Segment:
        """A written segment, or the saved one of `@Name`; raises Invalid, Missing."""
        if not (asked := text.strip()).startswith(MARK):
            return read_segment(text, app.configuration)
        saved = await self._changes.transact(lambda collections: named(collections, app, asked.removeprefix(MARK)))
        try:
            return read_segment(saved.text, app.configuration)
        except Invalid as fault:
            raise Invalid(f"the saved segment {saved.name!r} does not fit the configuration: {fault.detail}") from None

    async def save(self, actor: Actor, id: str, new: NewSegment) -> SegmentShown:
        """Raises Missing, Forbidden, Invalid, Taken, TooMany."""

        def work(change: Change) -> SegmentShown:
            app = change.app(id, Action.SEGMENTS)
            text = canonical(app, new.text)
            siblings = change.collections.segments.where(app=app.id)
            demand_free(siblings, new.name)
            if len(siblings) >= MAX_SEGMENTS:
                raise TooMany(f"{app.full_name} has {MAX_SEGMENTS} segments already; delete one first")
            made = SavedSegment(
                id=secrets.token_hex(8),
                app=app.id,
                name=new.name,
                text=text,
                by=change.actor.id,
                created=change.now,
                changed=change.now,
            )
            change.collections.segments.add(made)
            change.log(app, "segment.save", f"{made.name!r}: {made.text}")
            return shown(change.actor, app, made)

        return await self._changes.run(actor, work)

    async def replace(self, actor: Actor, id: str, segment: str, new: NewSegment) -> SegmentShown:
        """Another name, or other filters; raises Missing, Forbidden, Invalid, Taken."""

        def work(change: Change) -> SegmentShown:
            app = change.app(id, Action.SEGMENTS)
            old = demand_changeable(change, app, change.collections.segments.get(segment))
            # One that does not fit any more can still be renamed.
            text = old.text if new.text == old.text else canonical(app, new.text)
            demand_free([one for one in change.collections.segments.where(app=app.id) if one.id != old.id], new.name)
            lines = [f"{old.name!r} renamed to {new.name!r}"] * (old.name != new.name)
            lines += [f"{new.name!r} set to {text}"] * (old.text != text)
            if lines:
                changed = replace(old, name=new.name, text=text, changed=change.now)
                change.collections.segments.replace(changed)
                change.log(app, "segment.change", *lines)
            return shown(change.actor, app, changed if lines else old)

        return await self._changes.run(actor, work)

    async def remove(self, actor: Actor, id: str, segment: str) -> None:
        """Raises Missing, Forbidden."""

        def work(change: Change) -> None:
            app = change.app(id, Action.SEGMENTS)
            old = demand_changeable(change, app, change.collections.segments.get(segment))
            change.collections.segments.remove(old.id)
            change.log(app, "segment.delete", f"{old.name!r}: {old.text}")

        await self._changes.run(actor, work)


def folded(name: str) -> str:
    """What two names of an app may not share."""
    return name.casefold()


def named(collections: Collections, app: App, name: str) -> SavedSegment:
    """The saved segment of a name; raises Missing with those that there are."""
    saved = collections.segments.where(app=app.id)
    found = next((one for one in saved if folded(one.name) == folded(name.strip())), None)
    if found is None:
        there_are = f"there are {listed(sorted(one.name for one in saved))}" if saved else "none is saved yet"
        raise Missing(f"{app.full_name} has no segment {name.strip()[:80]!r}; {there_are}")
    return found


def canonical(app: App, text: str) -> str:
    """A segment as it is kept; raises Invalid."""
    written = write_segment(read_segment(text, app.configuration))
    if not written:
        raise Invalid("text: a segment that is saved has at least one filter, like browser is not Firefox")
    return written


def demand_free(siblings: list[SavedSegment], name: str) -> None:
    """Raises Taken."""
    if any(folded(one.name) == folded(name) for one in siblings):
        raise Taken(f"there is a segment {name!r} already; choose another name")


def demand_changeable(change: Change, app: App, segment: SavedSegment | None) -> SavedSegment:
    """Raises Missing, Forbidden."""
    if segment is None or segment.app != app.id:
        raise Missing("there is no such segment")
    if not changeable(change.actor, app, segment):
        raise Forbidden(
            f"the segment {segment.name!r} was saved by {segment.by or 'somebody who left'}; only they and "
            f"{app.owner}, who owns {app.full_name}, may change it"
        )
    return segment


def changeable(actor: Actor, app: App, segment: SavedSegment) -> bool:
    """By whoever saved it, and by whoever may edit the app."""
    return actor.write and (segment.by == actor.id or may(actor, app, Action.EDIT))


def shown(actor: Actor, app: App, segment: SavedSegment) -> SegmentShown:
    """A saved segment for whoever asks."""
    try:
        read_segment(segment.text, app.configuration)
        fault = None
    except Invalid as found:
        fault = found.detail
    return SegmentShown(
        id=segment.id,
        name=segment.name,
        text=segment.text,
        by=segment.by,
        created=segment.created,
        changed=segment.changed,
        changeable=changeable(actor, app, segment),
        fault=fault,
    )
