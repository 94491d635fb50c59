"""The contract of `KubeClient`, over a real cluster with workloads."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agent.kube.client import KubeClient
from agent.kube.cluster import ClusterClient
from tests.controlplane.access import ClusterAccess
from tests.kube import contract
from tests.kube.planes import connect

pytestmark = pytest.mark.controlplane


@pytest.fixture
async def kube(workload_plane: ClusterAccess) -> AsyncIterator[KubeClient]:
    client = ClusterClient(connect(workload_plane))
    yield client
    await client.close()


class TestWorkloads(contract.WorkloadContract):
    pass
