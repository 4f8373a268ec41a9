"""People: made, logged in, recognised by their cookie."""

import asyncio
import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from datalab.clock import Clock
from datalab.errors import Missing, Taken, TooMany, Unauthenticated
from datalab.model.accounts import Login, Organisation, User
from datalab.settings import Accounts as AccountSettings
from datalab.stores.documents import Collections, Documents

R = TypeVar("R")
MINUTE_MS = 60_000
MAX_WATCHED = 10_000
"""Usernames and addresses whose failed attempts are remembered."""
MAX_WAITING = 50
"""Log-ins that wait for their turn; each takes a tenth of a second or more."""
WRONG = "user name or password is wrong"
DAY_MS = 86_400_000


class Attempts:
    """Failed log-ins of the last minute, per username or address."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._failed: dict[str, list[int]] = {}

    def check(self, watched: tuple[str, ...], now_ms: int) -> None:
        """Raises TooMany where any of these failed too often."""
        for whose in watched:
            recent = [at for at in self._failed.get(whose, []) if at > now_ms - MINUTE_MS]
            if len(recent) >= self._limit:
                seconds = (recent[-self._limit] + MINUTE_MS - now_ms) / 1000
                raise TooMany("too many failed log-ins; wait a minute and try again", retry_after=max(1.0, seconds))

    def failed(self, watched: tuple[str, ...], now_ms: int) -> None:
        """Remember a failure of each."""
        for whose in watched:
            recent = [at for at in self._failed.pop(whose, []) if at > now_ms - MINUTE_MS]
            self._failed[whose] = [*recent, now_ms]
            if len(self._failed) > MAX_WATCHED:
                del self._failed[next(iter(self._failed))]


class Accounts:
    """Password hashes are made and checked on a thread, one at a time: each takes tens of megabytes for a moment."""

    def __init__(self, documents: Documents, settings: AccountSettings, clock: Clock) -> None:
        self._documents = documents
        self._settings = settings
        self._clock = clock
        self._hasher = PasswordHasher()
        self._hashing = asyncio.Semaphore(1)
        self._waiting = 0
        self._attempts = Attempts(settings.login_attempts)
        self._nobody = ""
        """A hash that no password fits, made when it is first needed."""

    async def add(
        self, username: str, organisation: str, password: str, first_name: str, last_name: str, position: str
    ) -> User:
        """A new person; the first one of an organisation becomes its admin. Raises Taken."""
        now = self._clock()
        async with self._hashing:
            password_hash = await on_thread(lambda: self._hasher.hash(password.strip()))
        domain = organisation.lower()

        def work(collections: Collections) -> User:
            first = collections.organisations.get(domain) is None
            if first:
                collections.organisations.add(Organisation(id=domain, created=now))
            user = User(
                id=username.lower(),
                username=username,
                organisation=domain,
                password_hash=password_hash,
                created=now,
                first_name=first_name,
                last_name=last_name,
                position=position,
                admin=first,
            )
            if collections.users.get(user.id) is not None:
                raise Taken(f"the user name {username} is in use; choose another")
            collections.users.add(user)
            return user

        return await self._documents.run(work)

    async def log_in(self, username: str, password: str, address: str) -> str:
        """The value of the cookie. Raises Unauthenticated with one text for every wrong pair, TooMany, Unavailable."""
        now = self._clock()
        name = username.strip().lower()
        watched = (f"user {name}", f"address {address}")
        self._attempts.check(watched, now)
        if self._waiting >= MAX_WAITING:
            raise TooMany("many people log in at this moment; try again", retry_after=5.0)
        self._waiting += 1
        try:
            async with self._hashing:
                # Again, since attempts that were let in together may have failed while this one waited.
                self._attempts.check(watched, now)
                user = await self._documents.run(lambda collections: collections.users.get(name))
                if not self._nobody:
                    self._nobody = await on_thread(lambda: self._hasher.hash(secrets.token_hex(16)))
                stored = user.password_hash if user is not None else self._nobody
                right = await on_thread(lambda: self._verify(stored, password.strip()))
                if user is None or not right or user.disabled:
                    self._attempts.failed(watched, now)
                    raise Unauthenticated(WRONG)
        finally:
            self._waiting -= 1
        return await self._open_login(user, now)

    async def _open_login(self, user: User, now: int) -> str:
        cookie = secrets.token_urlsafe(32)
        login = Login(id=digest(cookie), user=user.id, created=now, expires=now + self._settings.login_days * DAY_MS)

        def work(collections: Collections) -> None:
            for old in collections.logins.where(user=user.id):
                if old.expires <= now:
                    collections.logins.remove(old.id)
            collections.logins.add(login)

        await self._documents.run(work)
        return cookie

    async def log_out(self, cookie: str) -> None:
        """End the log-in of a cookie, if there is one."""
        await self._documents.run(lambda collections: collections.logins.remove(digest(cookie)))

    async def person(self, cookie: str) -> User | None:
        """Who is logged in with a cookie."""
        now = self._clock()

        def work(collections: Collections) -> User | None:
            login = collections.logins.get(digest(cookie))
            if login is None or login.expires <= now:
                return None
            user = collections.users.get(login.user)
            return user if user is not None and not user.disabled else None

        return await self._documents.run(work)

    async def find(self, username: str) -> User:
        """Raises Missing."""
        user = await self._documents.run(lambda collections: collections.users.get(username.lower()))
        if user is None:
            raise Missing(f"there is no user {username}; `datalab user add` makes one")
        return user

    async def all(self) -> list[User]:
        """Everybody, by username."""
        return await self._documents.run(lambda collections: collections.users.where())

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


async def on_thread(work: Callable[[], R]) -> R:
    """Work that would hold up the event loop."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


def digest(cookie: str) -> str:
    """What is stored of a cookie, so that a stolen store logs nobody in."""
    return sha256(cookie.encode(errors="surrogateescape")).hexdigest()
