from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.clock import Clock
from tests.faults.proxy import Proxy, proxy_to
from tests.faults.scene import Scene
from tests.faults.town import Town, settled
from tests.fleet.kit import Fleet, Repository


@pytest.fixture(autouse=True)
def brief_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that was killed, or restored from a backup, finds its own controller's lease, and waits for its end."""
    monkeypatch.setattr("hub.server.CONTROLLER_LEASE_SECONDS", 1.5)


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """A hub that learns of commits only when it is told, with heartbeats every second."""
    fleet = Fleet(tmp_path, poll_seconds=3600.0, heartbeat_seconds=1.0)
    await fleet.start()
    yield fleet
    await fleet.stop()


@pytest.fixture
async def wire(fleet: Fleet) -> AsyncIterator[Proxy]:
    """To the gateway."""
    async with proxy_to(fleet.hub.agent_port) as proxy:
        yield proxy


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def scene(fleet: Fleet, repository: Repository) -> Scene:
    return Scene(fleet, repository)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The hub's."""
    clock = Clock()
    monkeypatch.setattr("hub.server.now", clock)
    return clock


@pytest.fixture
async def renewing_fleet(tmp_path: Path, clock: Clock) -> AsyncIterator[Fleet]:
    """With the HTTPS port, by which agents come back, and certificates of an hour, which agents keep fresh."""
    fleet = Fleet(
        tmp_path,
        roles=("api", "gateway", "controller"),
        initial_password_file=tmp_path / "password",
        poll_seconds=3600.0,
        heartbeat_seconds=5.0,
        agent_certificate_hours=1.0,
    )
    fleet.renewing = True
    await fleet.start()
    yield fleet
    await fleet.stop()


@pytest.fixture
async def town(renewing_fleet: Fleet, repository: Repository) -> AsyncIterator[Town]:
    async with settled(Scene(renewing_fleet, repository)) as town:
        yield town
