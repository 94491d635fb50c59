from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.kube.simulated import SimulatedCluster
from tests.syncer.harness import Hub


@pytest.fixture
async def cluster() -> AsyncIterator[SimulatedCluster]:
    cluster = SimulatedCluster()
    yield cluster
    await cluster.close()


@pytest.fixture
async def hub(cluster: SimulatedCluster, tmp_path: Path) -> AsyncIterator[Hub]:
    hub = Hub(cluster, tmp_path)
    await hub.start()
    yield hub
    await hub.stop()
