"""One suite over every cluster: a test that takes `cluster` or `hub` runs on the simulated one and on a real one."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.kube.client import DeleteOptions, KubeClient
from agent.kube.cluster import ClusterClient
from agent.kube.errors import KubeError
from agent.kube.simulated import SimulatedCluster
from tests.kube.manifests import NAMESPACE, manifest
from tests.kube.planes import connect
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People, Tap
from tests.syncer.harness import Hub


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.controlplane)])
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    client: KubeClient
    if request.param == "real":
        # One whose workloads come up: what is applied becomes Healthy.
        client = ClusterClient(connect(request.getfixturevalue("workload_plane")))
    else:
        client = SimulatedCluster(rollout_seconds=0.02)
    namespace = f"test-{secrets.token_hex(4)}"
    await client.apply(NAMESPACE, manifest(NAMESPACE, "", namespace))
    people = People(client, namespace)
    yield Cluster(Tap(client), people, namespace, request.param == "simulated")
    with contextlib.suppress(KubeError):
        await people.clean()
        await client.delete(NAMESPACE, "", namespace, DeleteOptions("background"))
    await client.close()


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
async def hub(cluster: Cluster, clock: TurnedClock, tmp_path: Path) -> AsyncIterator[Hub]:
    hub = Hub(cluster.client, tmp_path, namespace=cluster.namespace, clock=clock)
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
def people(cluster: Cluster) -> People:
    return cluster.people
