"""PostgreSQL, shared by many replicas of the hub.

Reads run on one snapshot each (REPEATABLE READ), so that what a method gathers with several statements belongs
together. Writes run READ COMMITTED and take turns where it matters, by an advisory lock: see `database.serialize`.
"""

from __future__ import annotations

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

from hub.errors import StoreUnavailable, Unsupported
from hub.store.schema import upgrade
from hub.store.sql.database import Database, T, Work
from hub.store.sql.errors import worth_repeating

READERS = 6
WRITERS = 4
ATTEMPTS = 5
"""How often a transaction is tried that the database chose to break off, for a deadlock."""

_SESSION = {
    # A replica that hangs must not hold up the others for ever.
    "lock_timeout": "30s",
    "statement_timeout": "120s",
    "idle_in_transaction_session_timeout": "60s",
}
_CONNECT: dict[str, Any] = {
    "application_name": "escadre-hub",
    "connect_timeout": 5,
    # A server that is gone without a word is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class PostgresDatabase(Database):
    def __init__(self, url: URL) -> None:
        self._engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            # A connection that a restart has broken is replaced when it is next taken.
            pool_pre_ping=True,
            hide_parameters=True,
            pool_size=READERS + WRITERS,
            max_overflow=0,
            connect_args={name: value for name, value in _CONNECT.items() if name not in url.query},
        )
        _limit_sessions(self._engine)
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._readers: ThreadPoolExecutor | None = None
        self._writers: ThreadPoolExecutor | None = None

    async def _open(self) -> None:
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="store-write")
        await self._write(upgrade)

    async def close(self) -> None:
        pools = [pool for pool in (self._readers, self._writers) if pool is not None]
        self._readers = self._writers = None
        for pool in pools:
            await asyncio.to_thread(pool.shutdown)
        await asyncio.to_thread(self._engine.dispose)

    async def _backup(self, path: str) -> None:
        raise Unsupported("a hub on PostgreSQL is backed up with PostgreSQL's own tools: pg_dump --format=custom")

    async def _read(self, work: Work[T]) -> T:
        return await _run(self._readers, partial(self._read_now, work))

    async def _write(self, work: Work[T]) -> T:
        return await _run(self._writers, partial(self._write_now, work))

    def _read_now(self, work: Work[T]) -> T:
        with self._snapshots.connect() as connection, connection.begin():
            return work(connection)

    def _write_now(self, work: Work[T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except Exception as error:
                if attempt == ATTEMPTS or not worth_repeating(error):
                    raise
            # In a thread of its own, so nobody else waits; random, so that the two do not meet again.
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - no secret depends on it
        raise AssertionError("the last attempt returns or raises")


def connect_options(url: URL) -> dict[str, Any]:
    """Return psycopg's arguments for a connection outside the store's pool."""
    url = url.set(drivername="postgresql+psycopg")
    _, named = url.get_dialect()().create_connect_args(url)
    return {**_CONNECT, **named}


async def _run(pool: ThreadPoolExecutor | None, call: partial[T]) -> T:
    if pool is None:
        raise StoreUnavailable("the store is closed: the hub is stopping")
    return await asyncio.get_running_loop().run_in_executor(pool, call)


def _limit_sessions(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(dbapi: Any, _record: object) -> None:
        dbapi.autocommit = True
        for name, value in _SESSION.items():
            dbapi.execute("SELECT set_config(%s, %s, false)", (name, value))
        dbapi.autocommit = False
