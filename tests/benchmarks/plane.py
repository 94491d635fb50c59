"""A hub, one real Kubernetes control plane, and the agent's own program between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
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


def start_plane(directory: Path, *, audited: bool = False) -> ControlPlane:
    """With `audited` it logs the agent's requests."""
    users = (User(AGENT, ("system:masters",)),)
    return ControlPlane.start(directory, controllers=True, users=users, audited=AGENT if audited else "")


@asynccontextmanager
async def real_cluster(
    root: Path, *, audited: bool = False, plane: ControlPlane | None = None
) -> AsyncIterator[RealCluster]:
    """Start them, each in a process of its own, the agent connected; the plane, too, unless there is one already."""
    name, directory = "cluster-real", root / "agent"
    async with AsyncExitStack() as stack:
        if plane is None:
            plane = await asyncio.to_thread(start_plane, root / "plane", audited=audited)
            stack.push_async_callback(asyncio.to_thread, plane.stop)
        bench = await stack.enter_async_context(fleet(root, 0))
        enrolled = await bench.hub.call("enrol", {name: request(directory)})
        install(directory, name, bench.port, enrolled)
        agent = start_agent(root, directory, plane.kubeconfig_for(AGENT))
        stack.callback(agent.kill)
        await bench.all_connected(1)
        yield RealCluster(bench, plane, agent)


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
