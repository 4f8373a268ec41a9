"""What figures depend on besides the events."""

from hashlib import sha256

import msgspec

from datalab.model.configuration import Configuration

VERSION = 4
"""Raised whenever the same events would give other figures, so that old snapshots are not used."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """A change of any of these makes the figures be computed anew from the journal."""

    configuration: Configuration = Configuration()
    own_hosts: frozenset[str] = frozenset()
    session_timeout_ms: int = 1_800_000
    max_values: int = 10_000
    """Values kept apart per dimension; the rest is `(other)`."""
    zone: str = "UTC"
    """By whose midnights days begin."""

    def fingerprint(self) -> str:
        """Equal for rules that give equal figures."""
        plain = (
            VERSION,
            self.configuration,
            sorted(self.own_hosts),
            self.session_timeout_ms,
            self.max_values,
            self.zone,
        )
        return sha256(msgspec.json.encode(plain)).hexdigest()
