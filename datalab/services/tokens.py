"""App tokens: public, signed, and valid for one app's origins until they expire or a newer one is issued."""

import msgspec

from datalab.errors import TokenRefused, WrongOrigin
from datalab.keys import Key
from datalab.model.apps import App, IssuedToken
from datalab.settings import Tokens as TokenSettings

DAY_MS = 86_400_000


class Claims(msgspec.Struct, frozen=True, array_like=True):
    """What a token says."""

    app: str
    generation: int
    issued: int
    expires: int | None
    """Milliseconds since the epoch, as issued; a renewal puts it off in the app alone. None never expires."""


class Tokens:
    """Makes and reads tokens; whether one is the app's current one is up to `check`."""

    def __init__(self, key: Key, settings: TokenSettings) -> None:
        self._key = key
        self._settings = settings

    def make(self, app: App, now_ms: int) -> IssuedToken:
        """The app's next token."""
        claims = Claims(app.id, app.token_generation + 1, now_ms, self.expiry(now_ms))
        return IssuedToken(
            text=self._key.sign(msgspec.msgpack.encode(claims)),
            generation=claims.generation,
            issued=now_ms,
            expires=claims.expires,
        )

    def expiry(self, now_ms: int) -> int | None:
        """When a token issued or renewed now ends."""
        return now_ms + self._settings.days * DAY_MS if self._settings.days else None

    def read(self, text: str) -> Claims:
        """Raises TokenRefused where this appliance did not sign it."""
        payload = self._key.read(text)
        if payload is None:
            raise TokenRefused("the app token was not issued by this appliance; copy the snippet anew")
        try:
            return msgspec.msgpack.decode(payload, type=Claims)
        except msgspec.DecodeError:
            raise TokenRefused("the app token is of a kind this appliance does not know") from None


def check(app: App, generation: int, now_ms: int) -> None:
    """Raises TokenRefused where a token of this generation is not valid for the app any more."""
    token = app.valid_token(generation)
    if token is None:
        raise TokenRefused("the app token was revoked or replaced; copy the snippet anew")
    if token.expires is not None and now_ms >= token.expires:
        raise TokenRefused("the app token has expired; issue a new one and copy the snippet anew")


def check_origin(app: App, origin: str | None) -> None:
    """Raises WrongOrigin where a page of this origin may not send events for the app."""
    if origin is None or origin.lower() not in app.origins:
        raise WrongOrigin(
            f"pages of {(origin or 'no origin')[:200]} may not send events for this app; add the origin to its URLs"
        )
