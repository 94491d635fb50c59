"""A hub, one real Kubernetes control plane, and the agent's own program between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from agent.engine.resource import GroupKind, Object
from agent.kube.client import ApplyOptions, Kind, KubeClient
from agent.kube.cluster import ClusterClient
from agent.kube.kubeconfig import load_kubeconfig
from tests.benchmarks.fleet import BenchFleet, fleet
from tests.benchmarks.host import cpu_seconds
from tests.benchmarks.program import start_agent
from tests.benchmarks.swarm import install, request
from tests.controlplane.access import User
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.process import Process

IN_FLIGHT = 16
AGENT = "escadre-agent"
"""The user the agent is to an API server that keeps a log of its requests."""
CONFIG_MAP = GroupKind("", "ConfigMap")


class RealCluster:
    """What a bench is given."""

    def __init__(self, bench: BenchFleet, plane: ControlPlane, agent: Process) -> None:
        self.bench = bench
        self.plane = plane
        self.agent = agent

    def cpu_seconds(self) -> float:
        """What hub and agent have used so far, their children included."""
        return self.bench.hub.cpu_seconds() + cpu_seconds(self.agent.pid)


@asynccontextmanager
async def real_cluster(root: Path, *, audited: bool = False) -> AsyncIterator[RealCluster]:
    """Start them, each in a process of its own, the agent connected. With `audited` the plane logs its requests."""
    name, directory = "cluster-real", root / "agent"
    users = (User(AGENT, ("system:masters",)),)
    plane = await asyncio.to_thread(
        ControlPlane.start, root / "plane", controllers=True, users=users, audited=AGENT if audited else ""
    )
    agent: Process | None = None
    try:
        async with fleet(root, 0) as bench:
            enrolled = await bench.hub.call("enrol", {name: request(directory)})
            install(directory, name, bench.port, enrolled)
            agent = start_agent(root, directory, plane.kubeconfig_for(AGENT))
            try:
                await bench.all_connected(1)
                yield RealCluster(bench, plane, agent)
            finally:
                agent.kill()
    finally:
        await asyncio.to_thread(plane.stop)


@asynccontextmanager
async def client_of(kubeconfig: Path) -> AsyncIterator[tuple[ClusterClient, Kind]]:
    """A client of the bench's own, and what ConfigMaps are to it."""
    client = ClusterClient(load_kubeconfig(kubeconfig), max_in_flight=IN_FLIGHT)
    try:
        kind = (await client.discover()).preferred[CONFIG_MAP]
        yield client, kind
    finally:
        await client.close()


async def apply_all(client: KubeClient, kind: Kind, manifests: Iterable[Object], manager: str) -> None:
    """Apply so many at once that `IN_FLIGHT` requests are under way all the time."""
    options = ApplyOptions(field_manager=manager)
    rest = iter(manifests)

    async def work() -> None:
        for manifest in rest:
            await client.apply(kind, manifest, options)

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
