"""One suite over every database: a test that takes `store` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from hub.store.models import METADATA
from hub.store.sql import SqlStore
from tests.postgres.server import PostgresServer
from tests.store.builders import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a migrated database for many tests, one after another; see `wipe`."""
    with postgres_server.database() as url:
        # In a thread, which has no event loop yet.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _migrate(url)).result()
        yield url


async def _migrate(url: str) -> None:
    store = SqlStore(url)
    await store.open()
    await store.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/escadre.db"
    url: str = request.getfixturevalue("migrated_postgres")
    wipe(url)
    return url


def wipe(url: str) -> None:
    """Bring a database back to what the first migration left: a tenth of the time that making another takes."""
    emptied = [f"DELETE FROM {name}" for name in METADATA.tables if name not in ("sequences", "projects")]
    seeded = ["UPDATE sequences SET value = 0", "DELETE FROM projects WHERE name <> 'default'"]
    with psycopg.connect(url, options="-c lock_timeout=10s") as connection:
        connection.execute("; ".join(emptied + seeded).encode())


@pytest.fixture
async def store(database_url: str, clock: Clock) -> AsyncIterator[SqlStore]:
    store = SqlStore(database_url, now=clock)
    await store.open()
    yield store
    await store.close()
