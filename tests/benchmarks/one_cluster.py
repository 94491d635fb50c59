"""one-cluster: one cluster with much on it, and all of it changes.

300 applications of ten ConfigMaps on one real control plane (etcd and kube-apiserver), worked on by the agent's own
program. One commit changes all 3,000; then a refresh is asked for. Measured from that moment to the moment when the
last of the 300 statuses, Synced at the new commit, is in the hub's database: 3,000 objects over that time is the rate.

The server's own rate is that of a plain client, which does nothing but server-side apply 3,000 other ConfigMaps of the
same size that are there already, each with other data than before, 16 requests in flight: same server, same machine,
measured right before and right after, while hub and agent are at rest. `ratio` is the first rate over the mean of these
two. `hub_agent_cpu_s` is what hub and agent used meanwhile, user and system time, children included. Of three rounds
the one with the middle ratio counts.
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks import plain
from tests.benchmarks.fleet import applications, commit_config_maps, say
from tests.benchmarks.host import Child
from tests.benchmarks.plane import RealCluster, real_cluster
from tests.controlplane.cluster import ControlPlane
from tests.fleet.kit import Repository

APPLICATIONS = 300
CONFIG_MAPS = 10
ROUNDS = 3
NAMESPACE = "plain"


async def run(
    root: Path, apps: int = APPLICATIONS, rounds: int = ROUNDS, plane: ControlPlane | None = None
) -> dict[str, float]:
    repository = Repository(root / "repository")
    names = [f"app-{n:03}" for n in range(apps)]
    async with real_cluster(root, plane=plane) as cluster:
        cluster.plane.apply(f"/api/v1/namespaces/{NAMESPACE}", _namespace())
        client = Child(plain.main, cluster.plane.kubeconfig_path, NAMESPACE, apps * CONFIG_MAPS)
        try:
            commit_config_maps(repository, names, CONFIG_MAPS, 0)
            await cluster.bench.hub.call("apply", applications(names, repository))
            await cluster.bench.all_synced(apps)
            await client.call("apply")  # makes them
            return await _rounds(cluster, client, repository, names, rounds)
        finally:
            await client.stop()


async def _rounds(
    cluster: RealCluster, client: Child, repository: Repository, names: list[str], rounds: int
) -> dict[str, float]:
    bench, objects = cluster.bench, len(names) * CONFIG_MAPS
    figures = []
    for number in range(1, rounds + 1):
        await bench.at_rest()
        before: float = await client.call("apply")
        commit_config_maps(repository, names, CONFIG_MAPS, number)
        cpu = cluster.cpu_seconds()
        async with bench.measured(f"one-cluster round {number}"):
            seconds = (await bench.spread(names, len(names)))[-1]
        cpu = cluster.cpu_seconds() - cpu
        await bench.at_rest()
        after: float = await client.call("apply")
        own = (before + after) / 2
        figures.append((objects / seconds / own, cpu, seconds, own))
        say(f"{seconds:.2f} s, server's own rate {before:.0f} and {after:.0f}/s, hub and agent {cpu:.1f} s of CPU")
    ratio, cpu, seconds, own = sorted(figures)[len(figures) // 2]
    return {
        "ratio": round(ratio, 2),
        "hub_agent_cpu_s": round(cpu, 1),
        "seconds": round(seconds, 2),
        "server_applies_per_s": round(own),
    }


def _namespace() -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
