"""Who did what when: append-only logs, one for each app and one for each organisation."""

from msgspec import Struct


class AuditLog(Struct, frozen=True, kw_only=True):
    """How long a log is; `id` is the app's id or `organisation:domain`."""

    id: str
    length: int = 0


class AuditEntry(Struct, frozen=True, kw_only=True):
    """`id` is `log/number`; numbers count from 1 without a gap."""

    id: str
    number: int
    at: int
    """Milliseconds since the epoch."""
    by: str
    """User id, `(operator)` for the command line, empty for the appliance itself."""
    action: str
    """For instance `app.unlock`."""
    details: list[str] = []
    """What changed, a line each."""
    section: str = ""
    """Of the configuration, where that changed."""
    revision: int = 0
    """Which the section has from then on."""
