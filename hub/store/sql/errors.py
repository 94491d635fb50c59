"""Every database error becomes one of the hub's errors here, and nowhere else.

What worked before and will work again (locked, full, restarting, cut off) is StoreUnavailable; a broken uniqueness is
Conflict; a value that no column takes is Invalid. Anything else is a defect of the store and passes unchanged, for the
log. The database's own text stays in the exception's chain: it may quote rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import exc

from hub.errors import Conflict, HubError, Invalid, StoreUnavailable, TooLarge

_FULL = (
    "the database's disk is full: nothing can be stored until space on it is freed; a running hub then goes on by"
    " itself"
)
_LOCKED = "the database is locked by another process; look for backups or shells that hold it open"
_LOST = "the database cannot be reached, or refuses the hub; check the database URL and server"
_BUSY = "the database is too busy to answer in time; retry"
_RESTART = "the database is starting, stopping or failing over; retry"
_DAMAGED = "the database file is damaged or not an Escadre database; restore a backup"
_DENIED = "the database refuses the hub's account or database name; check the database URL"
_UNWRITABLE = "the database cannot be written; check its permissions, and that it is not a read-only replica"

_SQLITE = {
    sqlite3.SQLITE_PERM: _UNWRITABLE,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_NOMEM: "the hub is out of memory",
    sqlite3.SQLITE_READONLY: _UNWRITABLE,
    sqlite3.SQLITE_INTERRUPT: _BUSY,
    sqlite3.SQLITE_IOERR: "the disk that holds the database fails to read or write; check the volume",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened; check that its directory exists and can be written",
}

_POSTGRES = {
    "08": _LOST,
    "25P02": _LOST,
    "25P03": _BUSY,
    "25006": _UNWRITABLE,
    "28": _DENIED,
    "3D": _DENIED,
    "40": _BUSY,
    "42501": _DENIED,
    "53100": _FULL,
    "53200": "the database server is out of memory",
    "53300": "the database server has no connection left; raise max_connections or run fewer replicas",
    "53": _BUSY,
    "55": _BUSY,
    "57014": _BUSY,
    "57": _RESTART,
    "58": "the database server fails to read or write its disk; see its log",
    "XX": "the database server reports damage; see its log",
}
"""SQLSTATEs, whole or their class; the whole one wins."""

_RETRIED = ("40001", "40P01")
"""Serialization failure and deadlock: the database chose a loser, which may try again at once."""


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Raise the hub's error for a database's."""
    try:
        yield
    except Exception as error:
        mapped = hub_error(error)
        if mapped is None:
            raise
        raise mapped from error


def hub_error(error: Exception) -> HubError | None:
    """Return what the hub raises for an error, or None for one that is not the database's, or is a defect."""
    match error:
        case exc.TimeoutError():
            return StoreUnavailable(_BUSY)
        case OverflowError() | exc.StatementError(orig=OverflowError()):
            return Invalid("a number is too large to be stored")
        case UnicodeEncodeError() | exc.StatementError(orig=UnicodeEncodeError()):
            return Invalid("a text is not valid Unicode")
        case exc.DBAPIError(orig=sqlite3.Error() as orig):
            return _from_sqlite(orig)
        case exc.DBAPIError(orig=psycopg.Error() as orig):
            return _from_postgres(orig)
        case sqlite3.Error():
            return _from_sqlite(error)
        case psycopg.Error():
            return _from_postgres(error)
    return None


def worth_repeating(error: Exception) -> bool:
    """Whether the same transaction may be tried again at once."""
    orig = error.orig if isinstance(error, exc.DBAPIError) else error
    return isinstance(orig, psycopg.Error) and orig.sqlstate in _RETRIED


def _from_sqlite(error: sqlite3.Error) -> HubError | None:
    extended = getattr(error, "sqlite_errorcode", 0)
    # Extended codes hold the plain one in their low byte.
    code = extended & 0xFF
    if extended in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
        return Conflict("it exists already, or was changed meanwhile")
    if code == sqlite3.SQLITE_TOOBIG:
        return TooLarge("a value is too large to be stored")
    # What readers and writers share is a file beside the database, and cannot be made longer on a full disk.
    message = _FULL if extended == sqlite3.SQLITE_IOERR_SHMSIZE else _SQLITE.get(code)
    return StoreUnavailable(message) if message else None


def _from_postgres(error: psycopg.Error) -> HubError | None:
    state = error.sqlstate or ""
    if state == "23505":
        return Conflict("it exists already, or was changed meanwhile")
    if state[:2] == "54":
        return TooLarge("a value is too large to be stored")
    if state[:2] == "22" or isinstance(error, psycopg.DataError):
        return Invalid("a value does not fit where it is to be stored")
    if not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnavailable(_LOST)
    message = _POSTGRES.get(state) or _POSTGRES.get(state[:2])
    return StoreUnavailable(message) if message else None
