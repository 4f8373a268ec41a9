"""Keys of the appliance, one for each purpose, made at first start and readable by its user only."""

import hmac
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from hashlib import sha256
from pathlib import Path

KEY_BYTES = 32
SIGNATURE_BYTES = 16
"""128 bits of HMAC-SHA-256 (RFC 2104 allows a truncation to half)."""


class Key:
    """Signs short payloads and recognises what it signed."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, payload: bytes) -> str:
        """URL-safe text that carries the payload, readable by all."""
        return f"{encode(payload)}.{encode(self._signature(payload))}"

    def read(self, text: str) -> bytes | None:
        """The payload, None where this key did not sign it."""
        body, _, signature = text.partition(".")
        try:
            payload = decode(body)
            given = decode(signature)
        except (Error, ValueError):
            return None
        # One spelling each: neither spare bits in the last letter nor padding.
        if (
            encode(payload) != body
            or encode(given) != signature
            or not hmac.compare_digest(given, self._signature(payload))
        ):
            return None
        return payload

    def _signature(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret, payload, sha256)[:SIGNATURE_BYTES]


def encode(data: bytes) -> str:
    """Base64, URL-safe and without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Raises ValueError or binascii.Error."""
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))


class Keys:
    """The keys in a folder; `tokens` signs app tokens, `sessions` the session strings of the wire."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.tokens = Key(load(folder / "tokens.key"))
        self.sessions = Key(load(folder / "sessions.key"))


def load(path: Path) -> bytes:
    """Read a key; make it where there is none. Raises ValueError where the file is no key."""
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        secret = secrets.token_bytes(KEY_BYTES)
        temporary = path.with_suffix(".new")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, secret)
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    if len(secret) != KEY_BYTES:
        raise ValueError(f"{path} is no key: it has {len(secret)} bytes, not {KEY_BYTES}; restore it from a backup")
    return secret
