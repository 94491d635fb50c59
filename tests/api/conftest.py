from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from hub.api.listener import HttpsListener
from hub.store.sql import SqlStore
from tests.api.kit import Agents, World, make_world
from tests.api.serving import Served
from tests.pki.support import Clock


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database to copy: migrating one for every test would take longer than the tests."""
    path = tmp_path_factory.mktemp("template") / "escadre.db"

    async def migrate() -> None:
        store = SqlStore(f"sqlite:///{path}")
        await store.open()
        await store.close()

    asyncio.run(migrate())
    return path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(migrated: Path, tmp_path: Path, clock: Clock) -> AsyncIterator[SqlStore]:
    path = tmp_path / "escadre.db"
    shutil.copy(migrated, path)
    store = SqlStore(f"sqlite:///{path}", now=clock)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def world(store: SqlStore, clock: Clock) -> World:
    return await make_world(store, clock)


@pytest.fixture
async def admin(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.client() as client:
        yield client


@pytest.fixture
async def reader(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.client("reader") as client:
        yield client


@pytest.fixture
async def nobody(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.client("") as client:
        yield client


@pytest.fixture
async def agents(world: World) -> AsyncIterator[Agents]:
    agents = Agents(world)
    ready = asyncio.Event()
    task = asyncio.create_task(agents.run(ready))
    await ready.wait()
    yield agents
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def served(world: World) -> AsyncIterator[Served]:
    """The same hub on a real HTTPS port."""
    listener = HttpsListener(world.trust.server)
    port = await listener.bind("127.0.0.1", 0)
    await listener.serve(world.app)
    yield Served(world, port, listener)
    await listener.stop(1)
