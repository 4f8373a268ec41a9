"""Log-ins: a browser that proved who sits before it, recognised by its cookie until it ends."""

import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pyotp
from msgspec import Struct
from msgspec.structs import replace

from datalab.clock import Clock
from datalab.errors import Forbidden, Invalid, Missing, SecondFactorNeeded, Unauthenticated
from datalab.model.accounts import Login, SecondFactor, User
from datalab.model.permissions import Actor, demand_present
from datalab.services.attempts import Attempts
from datalab.services.changes import Change, Changes
from datalab.services.passwords import Passwords, digest
from datalab.settings import Accounts as AccountSettings
from datalab.stores.documents import Collections

R = TypeVar("R")
MINUTE_MS = 60_000
DAY_MS = 86_400_000
MAX_BROWSER = 200
MAX_LOGINS = 50
"""Of one person; the oldest end first."""
WRONG = "user name or password is wrong"
NEEDED = "enter the code of your authenticator, or a recovery code"
STEP_SECONDS = 30
"""Life of a code (RFC 6238's default)."""


class LoginShown(Struct, frozen=True):
    """A log-in, without its secret."""

    id: str
    created: int
    expires: int
    browser: str
    current: bool


class Logins:
    """Opened with user name, password and, where there is one, the second factor."""

    def __init__(self, changes: Changes, passwords: Passwords, settings: AccountSettings, clock: Clock) -> None:
        self._changes = changes
        self._passwords = passwords
        self._settings = settings
        self._clock = clock
        self._attempts = Attempts(
            settings.login_attempts, MINUTE_MS, "too many failed log-ins; wait a minute and try again"
        )

    async def log_in(self, username: str, password: str, address: str, code: str = "", browser: str = "") -> str:
        """The value of the cookie.

        Raises Unauthenticated with one text for every wrong pair, SecondFactorNeeded where only the code is missing
        or wrong, TooMany, Unavailable.
        """
        now = self._clock()
        name = username.strip().lower()
        watched = (f"user {name}", f"address {address}")
        self._attempts.check(watched, now)
        async with self._passwords.turn():
            # Again, since attempts that were let in together may have failed while this one waited.
            self._attempts.check(watched, now)
            user = await self._changes.transact(lambda collections: collections.users.get(name))
            right = await self._passwords.fits(user.password_hash if user is not None else None, password)
        if user is None or not right or not user.active:
            self._attempts.count(watched, now)
            raise Unauthenticated(WRONG)
        try:
            return await self._changes.transact(lambda collections: self._open(collections, user, code, browser, now))
        except SecondFactorNeeded:
            # Also where none was given: else a stolen password could be told from a wrong one without end.
            self._attempts.count(watched, now)
            raise

    def _open(self, collections: Collections, proven: User, code: str, browser: str, now: int) -> str:
        user = collections.users.get(proven.id)
        # The password may have been changed while the hash of the old one was checked.
        if user is None or not user.active or user.password_hash != proven.password_hash:
            raise Unauthenticated(WRONG)
        if user.second_factor is not None and user.second_factor.confirmed:
            collections.users.replace(replace(user, second_factor=spent(user.second_factor, code, now)))
        mine = sorted(collections.logins.where(user=user.id), key=lambda login: login.created)
        for index, old in enumerate(mine):
            if old.expires <= now or index < len(mine) - MAX_LOGINS + 1:
                collections.logins.remove(old.id)
        cookie = secrets.token_urlsafe(32)
        collections.logins.add(
            Login(
                id=digest(cookie),
                user=user.id,
                created=now,
                expires=now + self._settings.login_days * DAY_MS,
                browser=browser.encode(errors="replace").decode()[:MAX_BROWSER],
            )
        )
        return cookie

    async def log_out(self, cookie: str) -> None:
        """End the log-in of a cookie, if there is one."""
        await self._changes.transact(lambda collections: collections.logins.remove(digest(cookie)))

    async def person(self, cookie: str) -> User | None:
        """Who is logged in with a cookie."""
        now = self._clock()

        def work(collections: Collections) -> User | None:
            login = collections.logins.get(digest(cookie))
            if login is None or login.expires <= now:
                return None
            user = collections.users.get(login.user)
            return user if user is not None and user.active else None

        return await self._changes.transact(work)

    async def confirm(self, actor: Actor, password: str) -> User:
        """Make sure that it is the person who sits there; raises Forbidden, TooMany."""
        user, now = demand_present(actor), self._clock()
        watched = (f"user {user.id}",)
        self._attempts.check(watched, now)
        async with self._passwords.turn():
            self._attempts.check(watched, now)
            right = await self._passwords.fits(user.password_hash, password)
        if not right:
            self._attempts.count(watched, now)
            raise Forbidden("the present password is wrong")
        return user

    async def counted(self, actor: Actor, work: Callable[[], Awaitable[R]]) -> R:
        """Do something that checks a code; a wrong one counts as a failed log-in. Raises TooMany."""
        now, watched = self._clock(), (f"user {demand_present(actor).id}",)
        self._attempts.check(watched, now)
        try:
            return await work()
        except Invalid:
            self._attempts.count(watched, now)
            raise

    async def change_password(self, actor: Actor, old: str, new: str, cookie: str) -> None:
        """Ends the person's other log-ins; raises Forbidden where the old password is wrong."""
        user = await self.confirm(actor, old)
        await self.set_password(actor, user.id, new, keep=digest(cookie))

    async def set_password(self, actor: Actor, user: str, new: str, keep: str = "") -> None:
        """Set a password and end all log-ins but the one kept."""
        password_hash = await self._passwords.hash(new)

        def work(change: Change) -> None:
            current = change.collections.users.get(user.lower())
            if current is None:
                raise Missing(f"there is no user {user}")
            change.collections.users.replace(replace(current, password_hash=password_hash))
            end_logins(change.collections, current.id, keep)
            change.log(current.organisation, "account.password", f"of {current.username}")

        await self._changes.run(actor, work)

    async def all(self, actor: Actor, cookie: str) -> list[LoginShown]:
        """The person's log-ins that have not ended, newest first."""
        user, now = demand_present(actor), self._clock()
        found = await self._changes.transact(lambda collections: collections.logins.where(user=user.id))
        return [
            LoginShown(login.id, login.created, login.expires, login.browser, login.id == digest(cookie))
            for login in sorted(found, key=lambda login: -login.created)
            if login.expires > now
        ]

    async def end(self, actor: Actor, id: str) -> None:
        """End one of the person's log-ins; raises Missing."""
        user = demand_present(actor)

        def work(change: Change) -> None:
            login = change.collections.logins.get(id)
            if login is None or login.user != user.id:
                raise Missing("there is no such log-in")
            change.collections.logins.remove(id)
            change.log(user.organisation, "account.log-in.end", user.username)

        await self._changes.run(actor, work)

    async def end_others(self, actor: Actor, cookie: str) -> None:
        """End all of the person's log-ins but this one."""
        user = demand_present(actor)

        def work(change: Change) -> None:
            end_logins(change.collections, user.id, digest(cookie))
            change.log(user.organisation, "account.log-in.end", f"all others of {user.username}")

        await self._changes.run(actor, work)


def end_logins(collections: Collections, user: str, keep: str = "") -> None:
    """End a person's log-ins, but the one kept."""
    for login in collections.logins.where(user=user):
        if login.id != keep:
            collections.logins.remove(login.id)


def code_fits(factor: SecondFactor, code: str, now_ms: int) -> int | None:
    """The time step of a code that is right now, one before or one after, and later than all used; else None."""
    totp, given = pyotp.TOTP(factor.secret), code.replace(" ", "")
    present = now_ms // 1000 // STEP_SECONDS
    for step in (present - 1, present, present + 1):
        if step > factor.used and pyotp.utils.strings_equal(totp.at(step * STEP_SECONDS), given):
            return step
    return None


def spent(factor: SecondFactor, code: str, now_ms: int) -> SecondFactor:
    """The factor once a code was taken, which never counts again; raises SecondFactorNeeded."""
    text = code.replace(" ", "").lower()
    step = code_fits(factor, text, now_ms)
    if step is not None:
        return replace(factor, used=step)
    if digest(text) in factor.recovery:
        return replace(factor, recovery=[left for left in factor.recovery if left != digest(text)])
    raise SecondFactorNeeded(NEEDED)
