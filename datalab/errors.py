"""Every refusal the appliance can give, each with the HTTP status and the stable code a client may rely on."""

from typing import ClassVar


class Refusal(Exception):
    """A request that was understood and is refused; `detail` names what was wrong and what to do."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        """Seconds after which trying again makes sense, or None where it does not."""


class Invalid(Refusal):
    """An input is malformed or out of its bounds."""

    status = 422
    code = "invalid"


class Unauthenticated(Refusal):
    """Nobody is logged in, or the credentials are wrong."""

    status = 401
    code = "unauthenticated"


class Forbidden(Refusal):
    """The caller is known and may not do this."""

    status = 403
    code = "forbidden"


class Missing(Refusal):
    """The thing does not exist, or the caller may not know that it does."""

    status = 404
    code = "missing"


class Taken(Refusal):
    """A name that must be unique is in use."""

    status = 409
    code = "taken"


class Locked(Refusal):
    """The app's configuration is locked by a token."""

    status = 409
    code = "locked"


class Stale(Refusal):
    """A save was made from a state that has changed since; `changes` says what changed."""

    status = 409
    code = "stale"

    def __init__(self, detail: str, *, revision: int, changes: list[str]) -> None:
        super().__init__(detail)
        self.revision = revision
        """Which the section has now."""
        self.changes = changes


class SecondFactorNeeded(Unauthenticated):
    """Name and password are right; the code of the second factor is missing or wrong."""

    code = "second-factor"


class TooMany(Refusal):
    """A rate or count limit is reached."""

    status = 429
    code = "too-many"


class Unavailable(Refusal):
    """The appliance cannot do this at the moment: the disk refuses writes, or it is still starting."""

    status = 503
    code = "unavailable"


class Underway(Unavailable):
    """What was asked for is being made; `detail` says how far it has come."""

    code = "underway"


class WrongOrigin(Forbidden):
    """A page of an origin that is not registered for the app."""

    code = "wrong-origin"


class TokenRefused(Forbidden):
    """An app token that is forged, expired or revoked; the snippet stops."""

    code = "token-refused"


class TicketRefused(Forbidden):
    """A ticket that is unknown, expired or was used; the snippet says hello again."""

    code = "ticket-refused"


class SessionRefused(Forbidden):
    """A session string that was not made by this appliance; the snippet says hello again."""

    code = "session-refused"


class Malformed(Invalid):
    """A message that does not follow the protocol; sending it again cannot help."""

    status = 400
    code = "malformed"


class TooLarge(Refusal):
    """A body over the bound."""

    status = 413
    code = "too-large"


class NotAllowed(Refusal):
    """A method that the path does not know."""

    status = 405
    code = "method-not-allowed"


class Failure(Refusal):
    """A fault of the appliance; its log tells more."""

    status = 500
    code = "failure"


class BadSettings(Refusal):
    """A setting is unknown or out of its bounds; `detail` names file and line, or the environment variable."""

    code = "bad-settings"


class InUse(Refusal):
    """Another process works on the data directory."""

    status = 409
    code = "in-use"


class Occupied(Refusal):
    """The address to answer on is taken."""

    status = 409
    code = "occupied"
