"""Locks: issuing a token locks an app's configuration and opens its partition; unlocking ends both."""

from contextlib import suppress

from msgspec.structs import replace

from datalab.clock import Clock
from datalab.errors import Missing, Taken, Unavailable
from datalab.model.apps import App, IssuedToken, PartitionRecord, record_id
from datalab.model.notifications import Kind
from datalab.model.permissions import APPLIANCE, OPERATOR, Action, Actor
from datalab.model.records import format_time
from datalab.services.apps import demand_confirmed
from datalab.services.changes import Change, Changes
from datalab.services.directory import Directory
from datalab.services.partitions import Partitions
from datalab.services.tokens import Tokens
from datalab.settings import Tokens as TokenSettings

HOUR_MS = 3_600_000
DAY_MS = 86_400_000


class Locks:
    """The document's transaction decides; the journal follows it, after a crash at the next start."""

    def __init__(
        self,
        changes: Changes,
        directory: Directory,
        tokens: Tokens,
        partitions: Partitions,
        settings: TokenSettings,
        clock: Clock,
    ) -> None:
        self._changes = changes
        self._directory = directory
        self._tokens = tokens
        self._partitions = partitions
        self._settings = settings
        self._clock = clock

    async def issue(self, actor: Actor, id: str, confirm: str) -> App:
        """A new token; earlier ones end at once, the configuration is locked. Raises Missing, Forbidden, Invalid."""

        def work(change: Change) -> App:
            app = change.app(id, Action.TOKEN)
            demand_confirmed(app, confirm)
            token = self._tokens.make(app, change.now)
            was_locked = app.locked
            app = with_partition(change, app)
            app = change.save(replace(app, token=token, retiring=None, token_generation=token.generation, locked=True))
            change.log(app, "token.issue", f"generation {token.generation}, partition {app.partition}")
            if not was_locked:
                change.tell(change.readers(app), Kind.LOCKED, app)
            return app

        app = await self._changes.run(actor, work)
        with suppress(Missing, Unavailable):
            # It is issued all the same: somebody may have unlocked it at once, and where the disk refuses, hello tries
            # again.
            await self._partitions.intake(app)
        return app

    async def renew(self, actor: Actor, id: str) -> App:
        """Put off the end of the present token; its text, and with it the snippet, stays. Raises Missing, Forbidden."""

        def work(change: Change) -> App:
            app = change.app(id, Action.TOKEN)
            token = present_token(app, change.now)
            expires = self._tokens.expiry(change.now)
            app = change.save(replace(app, token=replace(token, expires=expires, warned=False)))
            change.log(app, "token.renew", f"generation {app.token_generation}")
            return app

        return await self._changes.run(actor, work)

    async def rotate(self, actor: Actor, id: str, overlap_hours: int | None = None) -> App:
        """A new token beside the present one, which ends after the overlap. Raises Missing, Forbidden, Taken."""
        overlap = (self._settings.overlap_hours if overlap_hours is None else overlap_hours) * HOUR_MS

        def work(change: Change) -> App:
            app = change.app(id, Action.TOKEN)
            present = present_token(app, change.now)
            until = app.retiring.expires or 0 if app.retiring is not None else 0
            if until > change.now:
                raise Taken(
                    f"{app.full_name} was rotated, and both tokens work until {format_time(until)}; wait until then, "
                    "or issue a token, which ends all earlier ones"
                )
            end = change.now + overlap
            retiring = replace(present, expires=min(end, present.expires or end))
            token = self._tokens.make(app, change.now)
            app = change.save(replace(app, token=token, retiring=retiring, token_generation=token.generation))
            change.log(app, "token.rotate", f"generation {token.generation}, overlap {overlap // HOUR_MS} hours")
            return app

        return await self._changes.run(actor, work)

    async def revoke(self, actor: Actor, id: str) -> App:
        """No token is valid any more; the configuration stays locked. Raises Missing, Forbidden."""

        def work(change: Change) -> App:
            app = change.app(id, Action.TOKEN)
            if app.token is None and app.retiring is None:
                return app
            app = change.save(replace(app, token=None, retiring=None))
            change.log(app, "token.revoke")
            return app

        return await self._changes.run(actor, work)

    async def unlock(self, actor: Actor, id: str, confirm: str) -> App:
        """Revoke the token, seal the partition and put it into the archive. Raises Missing, Forbidden, Invalid."""

        def work(change: Change) -> tuple[App, int]:
            app = change.app(id, Action.UNLOCK)
            demand_confirmed(app, confirm)
            if not app.locked:
                return app, 0
            number = app.partition
            seal(change, app)
            app = change.save(replace(app, token=None, retiring=None, locked=False, partition=0))
            change.log(app, "app.unlock", f"partition {number} archived")
            change.tell(change.readers(app), Kind.UNLOCKED, app)
            return app, number

        app, number = await self._changes.run(actor, work)
        if number:
            await self._partitions.archive(app, number)
        return app

    async def begin_partition(self, id: str) -> App:
        """Give an app without an open partition its next one, for history. Raises Missing."""

        def work(change: Change) -> App:
            app = change.app(id, Action.CONFIGURE)
            begun = with_partition(change, app)
            change.log(app, "history.import", f"into partition {begun.partition}")
            return change.save(begun) if begun != app else app

        return await self._changes.run(OPERATOR, work)

    async def warn(self) -> None:
        """Tell the owners of tokens that end soon, once each."""
        for app in self._directory.all():
            if self._ends_soon(app):

                def work(change: Change, id: str = app.id) -> None:
                    current = change.app(id, Action.TOKEN)
                    if current.token is not None and self._ends_soon(current):
                        change.save(replace(current, token=replace(current.token, warned=True)))
                        change.tell([current.owner], Kind.TOKEN_EXPIRES, current, str(current.token.expires))

                await self._changes.run(APPLIANCE, work)

    def _ends_soon(self, app: App) -> bool:
        token = app.token
        soon = self._clock() + self._settings.warning_days * DAY_MS
        return token is not None and token.expires is not None and not token.warned and token.expires <= soon


def present_token(app: App, now_ms: int) -> IssuedToken:
    """The app's token; raises Missing where there is none or it has expired."""
    if app.token is None or (app.token.expires is not None and app.token.expires <= now_ms):
        raise Missing(f"{app.full_name} has no valid token; issue one")
    return app.token


def with_partition(change: Change, app: App) -> App:
    """The app with an open partition, its next one where it has none."""
    number = app.partition or app.last_partition + 1
    id = record_id(app.id, number)
    if change.collections.partitions.get(id) is None:
        change.collections.partitions.add(PartitionRecord(id=id, app=app.id, number=number, opened=change.now))
    return replace(app, partition=number, last_partition=max(app.last_partition, number))


def seal(change: Change, app: App) -> None:
    """Close the record of the app's open partition with what it was collected under."""
    record = change.collections.partitions.get(record_id(app.id, app.partition))
    if record is None:
        raise Missing(f"partition {app.partition} of {app.full_name} has no record; run `datalab verify`")
    change.collections.partitions.replace(
        replace(
            record,
            sealed=change.now,
            configuration=app.configuration,
            origins=app.origins,
            time_zone=app.time_zone,
        )
    )
