"""Opens the store and the bus that belong together: SQLite with the in-process bus, PostgreSQL with its own."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL

from hub.store.bus import Bus, InProcessBus
from hub.store.contract import Store
from hub.store.postgres_bus import PostgresBus
from hub.store.sql import SqlStore
from hub.store.sql.store import parse_url

DATABASE_FILE = "escadre.db"


async def open_store(database_url: str = "", *, data_dir: Path | None = None) -> tuple[Store, Bus]:
    """Open the database a URL names, or without one the SQLite file in `data_dir`, and migrate it.

    The caller closes both. Raises Invalid for a URL that is none, StoreUnavailable, SchemaTooNew.
    """
    if database_url:
        url = parse_url(database_url)
    elif data_dir is not None:
        url = URL.create("sqlite", database=str(data_dir / DATABASE_FILE))
    else:
        raise ValueError("neither a database URL nor a data directory is given")
    store = SqlStore(url)
    await store.open()
    try:
        return store, await _open_bus(url)
    except BaseException:
        await store.close()
        raise


async def _open_bus(url: URL) -> Bus:
    if url.get_backend_name() == "sqlite":
        return InProcessBus()
    bus = PostgresBus(url)
    await bus.open()
    return bus
