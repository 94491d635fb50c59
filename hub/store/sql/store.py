"""The store as a whole: the facets put together over the database that a URL names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from hub.errors import Invalid
from hub.store.sql.access import SqlAccess
from hub.store.sql.applications import SqlApplications
from hub.store.sql.assignments import SqlAssignments
from hub.store.sql.blobs import SqlBlobs
from hub.store.sql.clusters import SqlClusters
from hub.store.sql.collect import SqlCollect
from hub.store.sql.database import Database
from hub.store.sql.leases import SqlLeases
from hub.store.sql.pki import SqlPki
from hub.store.sql.postgres import PostgresDatabase
from hub.store.sql.repositories import SqlRepositories
from hub.store.sql.settings import SqlSettings
from hub.store.sql.sqlite import SqliteDatabase
from hub.store.sql.statuses import SqlStatuses


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqlStore(
    SqlApplications,
    SqlClusters,
    SqlAssignments,
    SqlStatuses,
    SqlBlobs,
    SqlPki,
    SqlRepositories,
    SqlAccess,
    SqlSettings,
    SqlLeases,
    SqlCollect,
):
    """A store on "sqlite:///<path>" or "postgresql://<user>@<host>/<database>"; `now` is the clock it reads.

    Raises Invalid for any other URL, without repeating it: it may hold a password.
    """

    def __init__(self, url: str | URL, *, now: Callable[[], datetime] = _utc_now) -> None:
        self._database = _database(parse_url(url))
        self._now = now


def parse_url(url: str | URL) -> URL:
    """Read a database URL. Raises Invalid, without repeating it."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    backend = parsed.get_backend_name() if parsed else ""
    if parsed is None or backend not in ("sqlite", "postgres", "postgresql"):
        raise Invalid("the database URL is neither sqlite:///<path> nor postgresql://<user>@<host>/<database>")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise Invalid("the database URL names no file: write sqlite:///<path>")
    return parsed


def _database(url: URL) -> Database:
    if url.get_backend_name() == "sqlite":
        return SqliteDatabase(Path(url.database or ""))
    return PostgresDatabase(url)
