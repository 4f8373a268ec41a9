"""Passwords: argon2id hashes, made and checked on a thread, one at a time: each takes much memory for a moment."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from datalab.errors import TooMany

MAX_WAITING = 50
"""Log-ins and registrations that wait for their turn; each takes a tenth of a second or more."""


class Passwords:
    """Blanks around a password do not count."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0
        self._nobody = ""
        """A hash that no password fits, made when it is first needed."""

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the one place at the hash; raises TooMany where too many wait already."""
        if self._waiting >= MAX_WAITING:
            raise TooMany("many people log in at this moment; try again", retry_after=5.0)
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    async def hash(self, password: str) -> str:
        """A new hash; takes its turn."""
        async with self.turn():
            return await asyncio.to_thread(self._hasher.hash, password.strip())

    async def fits(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; within a turn. None, for nobody's hash, takes as long and is never right."""
        if stored is None:
            if not self._nobody:
                self._nobody = await asyncio.to_thread(self._hasher.hash, secrets.token_hex(16))
            await asyncio.to_thread(self._verify, self._nobody, password.strip())
            return False
        return await asyncio.to_thread(self._verify, stored, password.strip())

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def digest(secret: str) -> str:
    """What is stored of a random secret (cookie, key, link, code), so that a stolen store opens nothing."""
    return sha256(secret.encode(errors="surrogateescape")).hexdigest()
