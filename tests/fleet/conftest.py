from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.server import Hub
from tests.fleet.handmade import Clients
from tests.fleet.kit import Fleet, Repository


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(tmp_path)
    await fleet.start()
    yield fleet
    await fleet.stop()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    fleet = Fleet(tmp_path, roles=("gateway",), heartbeat_seconds=60.0)
    await fleet.start()
    yield fleet.hub
    await fleet.stop()


@pytest.fixture
async def clients(hub: Hub) -> AsyncIterator[Clients]:
    clients = Clients(hub)
    yield clients
    await clients.close()
