"""The second factor: time-based one-time passwords (RFC 6238) and recovery codes."""

import secrets

import pyotp
from msgspec import Struct
from msgspec.structs import replace

from datalab.errors import Invalid, Taken
from datalab.model.accounts import SecondFactor
from datalab.model.permissions import Actor, demand_person
from datalab.services.changes import Change, Changes
from datalab.services.logins import Logins, code_fits
from datalab.services.passwords import digest

ISSUER = "datalab"
RECOVERY_CODES = 10
RECOVERY_BYTES = 8


class Enrolment(Struct, frozen=True):
    """What a person puts into an authenticator app; shown once."""

    secret: str
    """Base32."""
    uri: str
    """`otpauth://totp/...`, for a QR code."""


class RecoveryCodes(Struct, frozen=True):
    """Each logs in once where the authenticator is lost; shown once."""

    codes: list[str]


class SecondFactors:
    """Begun with the password, in force once a first code was right."""

    def __init__(self, changes: Changes, logins: Logins) -> None:
        self._changes = changes
        self._logins = logins

    async def begin(self, actor: Actor, password: str) -> Enrolment:
        """A new secret; raises Forbidden for a wrong password, Taken where a factor is in force."""
        user = await self._logins.confirm(actor, password)
        secret = pyotp.random_base32()

        def work(change: Change) -> Enrolment:
            current = demand_person(change.actor)
            if current.second_factor is not None and current.second_factor.confirmed:
                raise Taken("a second factor is in force already; remove it first")
            change.collections.users.replace(replace(current, second_factor=SecondFactor(secret=secret)))
            return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name=ISSUER))

        return await self._changes.run(actor, work)

    async def confirm(self, actor: Actor, code: str) -> RecoveryCodes:
        """Put the begun factor in force; raises Invalid for a wrong code."""
        codes = [secrets.token_hex(RECOVERY_BYTES) for _ in range(RECOVERY_CODES)]

        def work(change: Change) -> RecoveryCodes:
            current = demand_person(change.actor)
            factor = current.second_factor
            if factor is None or factor.confirmed:
                raise Invalid("no second factor waits for its first code; begin one")
            step = code_fits(factor, code, change.now)
            if step is None:
                raise Invalid("code: it is not the authenticator's present one; check the clock of the phone")
            confirmed = replace(factor, confirmed=True, used=step, recovery=[digest(text) for text in codes])
            change.collections.users.replace(replace(current, second_factor=confirmed))
            change.log(current.organisation, "account.second-factor", f"{current.username} put it in force")
            return RecoveryCodes(codes)

        return await self._logins.counted(actor, lambda: self._changes.run(actor, work))

    async def remove(self, actor: Actor, password: str) -> None:
        """Log in by password alone again; raises Forbidden for a wrong one."""
        await self._logins.confirm(actor, password)

        def work(change: Change) -> None:
            current = demand_person(change.actor)
            change.collections.users.replace(replace(current, second_factor=None))
            change.log(current.organisation, "account.second-factor", f"{current.username} removed it")

        await self._changes.run(actor, work)
