"""agent-size: what an agent takes in a cluster that is not small.

The program `escadre-agent run` with its defaults on one real control plane that has 5,000 ConfigMaps and Secrets of
others in it, and ten applications of ten ConfigMaps that are the agent's. Once these are Synced and the agent has come
to rest, it is watched for a minute in which nothing happens but its watches and its link. `rss_mb` is the largest
resident memory seen, `cpu_percent` the mean use, of one core.
"""

from __future__ import annotations

from pathlib import Path

from agent.engine.resource import GroupKind, Object
from tests.benchmarks.fleet import applications, commit_config_maps, say
from tests.benchmarks.plane import apply_all, client_of, real_cluster
from tests.benchmarks.program import settled, size_at_rest
from tests.fleet.kit import Repository
from tests.syncer.harness import config_map

APPLICATIONS = 10
CONFIG_MAPS = 10
OTHERS = 5000
REST_SECONDS = 60.0
MANAGER = "others"


async def run(
    root: Path, apps: int = APPLICATIONS, others: int = OTHERS, rest: float = REST_SECONDS
) -> dict[str, float]:
    repository = Repository(root / "repository")
    names = [f"app-{n:02}" for n in range(apps)]
    commit_config_maps(repository, names, CONFIG_MAPS, 0)
    async with real_cluster(root) as cluster:
        await _populate(cluster.plane.kubeconfig_path, others)
        await cluster.bench.hub.call("apply", applications(names, repository))
        await cluster.bench.all_synced(apps)
        await settled(cluster.agent.pid)
        say(f"{others} objects of others are there, {apps * CONFIG_MAPS} are Synced")
        size = await size_at_rest(cluster.agent.pid, rest)
    return {"rss_mb": size.rss_mb, "cpu_percent": size.cpu_percent, "managed": apps * CONFIG_MAPS, "others": others}


async def _populate(kubeconfig: Path, count: int) -> None:
    async with client_of(kubeconfig) as (client, kind):
        secret = (await client.discover()).preferred[GroupKind("", "Secret")]
        await apply_all(client, kind, map(_config_map, range(count // 2)), MANAGER)
        await apply_all(client, secret, map(_secret, range(count // 2, count)), MANAGER)


def _config_map(number: int) -> Object:
    return config_map(f"other-{number}", _data(number), namespace="default")


def _data(number: int) -> dict[str, str]:
    return {"content": f"{number} " * 100}


def _secret(number: int) -> Object:
    metadata = {"name": f"other-{number}", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": _data(number)}
