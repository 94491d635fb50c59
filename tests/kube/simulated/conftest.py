from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agent.kube.simulated import SimulatedCluster


@pytest.fixture
async def cluster() -> AsyncIterator[SimulatedCluster]:
    simulated = SimulatedCluster(seed=1)
    yield simulated
    await simulated.close()
