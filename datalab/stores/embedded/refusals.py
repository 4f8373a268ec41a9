"""What a disk or SQLite refuses, as Unavailable with a reason that an operator can act on."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from datalab.errors import Unavailable

RETRY_AFTER = 5.0
"""Seconds; a full disk is seldom freed faster."""

FULL = "the disk is full, nothing was stored: free some space and try again"
READ_ONLY = "the disk is read-only, nothing was stored: make it writable and try again"
FAILING = "the disk fails to read or write, nothing was stored: see whether it is full or failing"
UNOPENED = "the file cannot be opened, nothing was stored: see whether it and its folder are there"
FORBIDDEN = "the file may not be written, nothing was stored: check its owner and mode"

BY_SQLITE = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: FORBIDDEN,
    sqlite3.SQLITE_IOERR: FAILING,
    sqlite3.SQLITE_CANTOPEN: UNOPENED,
    sqlite3.SQLITE_BUSY: "another process writes to the file, nothing was stored: try again",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: run `datalab verify`, then restore a backup",
    sqlite3.SQLITE_NOTADB: "the file is not a database (any more): restore a backup",
}
BY_SYSTEM = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EROFS: READ_ONLY,
    errno.EACCES: FORBIDDEN,
    errno.EPERM: FORBIDDEN,
    errno.EIO: FAILING,
    errno.ENOENT: UNOPENED,
    errno.ENOTDIR: UNOPENED,
    errno.EISDIR: UNOPENED,
}


@contextmanager
def refusals(what: object) -> Iterator[None]:
    """Raise Unavailable, naming `what`, for what is the disk's or system's fault; errors of our own pass through."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        detail = BY_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        if detail is None:
            raise
        raise Unavailable(f"{what}: {detail} ({error.sqlite_errorname})", retry_after=RETRY_AFTER) from error
    except OSError as error:
        detail = BY_SYSTEM.get(error.errno or 0) or f"{error.strerror or error}, nothing was stored: try again"
        raise Unavailable(f"{what}: {detail}", retry_after=RETRY_AFTER) from error
