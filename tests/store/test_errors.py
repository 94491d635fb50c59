from __future__ import annotations

import inspect
import sqlite3

import psycopg
import pytest
from psycopg import errors as postgres_errors
from sqlalchemy import exc

from hub.errors import Conflict, HubError, Invalid, StoreUnavailable, TooLarge
from hub.store.sql.errors import hub_error, mapped_errors, worth_repeating

DEFECTS = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_INTERNAL,
    sqlite3.SQLITE_ABORT,
    sqlite3.SQLITE_NOTFOUND,
    sqlite3.SQLITE_EMPTY,
    sqlite3.SQLITE_SCHEMA,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_NOTICE,
    sqlite3.SQLITE_WARNING,
}
"""What SQLite answers when the store itself is wrong."""


def from_sqlite(code: int) -> HubError | None:
    error = sqlite3.OperationalError("secret row")
    error.sqlite_errorcode = code
    return hub_error(exc.OperationalError("INSERT", {}, error))


@pytest.mark.parametrize("code", range(1, sqlite3.SQLITE_WARNING + 1))
def test_every_sqlite_code_is_decided(code: int) -> None:
    mapped = from_sqlite(code)
    assert (mapped is None) == (code in DEFECTS)
    if mapped is not None:
        assert isinstance(mapped, TooLarge if code == sqlite3.SQLITE_TOOBIG else StoreUnavailable)
        assert "secret" not in mapped.message


def test_extended_codes_count_as_their_plain_one() -> None:
    assert isinstance(from_sqlite(sqlite3.SQLITE_IOERR_WRITE), StoreUnavailable)
    assert isinstance(from_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), StoreUnavailable)
    assert isinstance(from_sqlite(sqlite3.SQLITE_CONSTRAINT_UNIQUE), Conflict)
    assert isinstance(from_sqlite(sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY), Conflict)
    assert from_sqlite(sqlite3.SQLITE_CONSTRAINT_NOTNULL) is None


def postgres_kinds() -> list[type[psycopg.Error]]:
    kinds = [kind for _, kind in inspect.getmembers(postgres_errors, inspect.isclass)]
    return [kind for kind in kinds if issubclass(kind, psycopg.Error) and getattr(kind, "sqlstate", None)]


def expected(kind: type[psycopg.Error]) -> type[HubError] | None:
    state = kind.sqlstate or ""
    if state == "23505":
        return Conflict
    if state.startswith("54"):
        return TooLarge
    if state.startswith("22"):
        return Invalid
    if state in ("25006", "25P02", "25P03", "42501") or state[:2] in (
        "08",
        "28",
        "3D",
        "40",
        "53",
        "55",
        "57",
        "58",
        "XX",
    ):
        return StoreUnavailable
    return None


@pytest.mark.parametrize("kind", postgres_kinds(), ids=lambda kind: f"{kind.sqlstate}-{kind.__name__}")
def test_every_postgresql_state_is_decided(kind: type[psycopg.Error]) -> None:
    mapped = hub_error(exc.DBAPIError("INSERT", {}, kind("secret row")))
    wanted = expected(kind)
    assert type(mapped) is (wanted or type(None))
    if mapped is not None:
        assert "secret" not in mapped.message


def test_a_broken_connection_has_no_state() -> None:
    for error in (psycopg.OperationalError("server closed"), psycopg.InterfaceError("connection is closed")):
        assert isinstance(hub_error(exc.OperationalError("SELECT", {}, error)), StoreUnavailable)
        assert isinstance(hub_error(error), StoreUnavailable)


def test_a_full_disk_says_what_to_do() -> None:
    for mapped in (
        from_sqlite(sqlite3.SQLITE_FULL),
        from_sqlite(sqlite3.SQLITE_IOERR_SHMSIZE),
        hub_error(postgres_errors.DiskFull()),
    ):
        assert mapped is not None and "space on it is freed" in mapped.message


def test_values_that_do_not_fit() -> None:
    assert isinstance(hub_error(OverflowError()), Invalid)
    assert isinstance(hub_error(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogate")), Invalid)


def test_a_busy_pool() -> None:
    assert isinstance(hub_error(exc.TimeoutError()), StoreUnavailable)


def test_what_is_not_the_databases_passes_unchanged() -> None:
    for error in (KeyError("a"), Conflict("mine"), sqlite3.OperationalError("no such table")):
        with pytest.raises(type(error)) as caught, mapped_errors():
            raise error
        assert caught.value is error


def test_what_is_worth_repeating() -> None:
    for state in (postgres_errors.DeadlockDetected(), postgres_errors.SerializationFailure()):
        assert worth_repeating(exc.OperationalError("", {}, state))
    assert not worth_repeating(exc.OperationalError("", {}, postgres_errors.AdminShutdown()))
    assert not worth_repeating(KeyError())
