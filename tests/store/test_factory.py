from __future__ import annotations

from pathlib import Path

import pytest

from hub.errors import Invalid, StoreUnavailable
from hub.store.bus import InProcessBus
from hub.store.factory import open_store
from hub.store.postgres_bus import PostgresBus
from hub.store.sql import SqlStore
from tests.postgres.server import PostgresServer


async def test_sqlite_in_the_data_directory(tmp_path: Path) -> None:
    odd = tmp_path / "a?b %20 #c"
    store, bus = await open_store(data_dir=odd)
    assert isinstance(bus, InProcessBus)
    await store.put_setting("a", "b")
    await store.close()
    again, _ = await open_store(data_dir=odd)
    assert await again.get_setting("a") == "b"
    await again.close()
    assert (odd / "escadre.db").stat().st_size


@pytest.mark.postgres
@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
async def test_postgresql_by_its_url(postgres_url: str, scheme: str, tmp_path: Path) -> None:
    url = postgres_url.replace("postgresql", scheme, 1) + "?application_name=mine"
    store, bus = await open_store(url, data_dir=tmp_path)
    assert isinstance(bus, PostgresBus)
    await store.ping()
    await bus.publish("clusters")
    await bus.close()
    await store.close()


@pytest.mark.parametrize(
    "url", ["mysql://root:secret@host/db", "secret", "sqlite://", "sqlite:///:memory:", "://secret"]
)
async def test_any_other_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Invalid, match="database URL") as caught:
        await open_store(url)
    assert "secret" not in str(caught.value)


async def test_nothing_to_open() -> None:
    with pytest.raises(ValueError, match="neither"):
        await open_store()


@pytest.mark.postgres
async def test_without_its_bus_the_store_is_closed_again(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer
) -> None:
    closed = []

    async def fail(_: PostgresBus) -> None:
        raise StoreUnavailable("no bus")

    close = SqlStore.close

    async def note(store: SqlStore) -> None:
        closed.append(store)
        await close(store)

    monkeypatch.setattr(PostgresBus, "open", fail)
    monkeypatch.setattr(SqlStore, "close", note)
    with pytest.raises(StoreUnavailable, match="no bus"):
        await open_store(postgres_url)
    assert len(closed) == 1
