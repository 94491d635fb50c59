"""health-latency: how soon a change of health is known in the hub.

One real control plane with one application of 100 custom resources, which says that they are Ready. A client that is
neither hub nor agent changes the status of one after the other, every 50 ms, to Stalled. Measured for each from the
moment the API server's answer to that arrives to the moment a status in which the resource is Degraded is in the hub's
database.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from agent.engine.resource import GroupKind, Object
from agent.kube.cluster import ClusterClient
from agent.kube.kubeconfig import load_kubeconfig
from tests.benchmarks.fanout import percentile
from tests.benchmarks.fleet import applications, say
from tests.benchmarks.plane import real_cluster
from tests.controlplane.cluster import ControlPlane
from tests.fleet.kit import Repository
from tests.syncer.objects import crd, group_of, widget

OBJECTS = 100
EVERY_SECONDS = 0.05
KNOWN_SECONDS = 60.0
GROUP = "bench"
STALLED = {"conditions": [{"type": "Stalled", "status": "True", "reason": "Bench", "message": "out of memory"}]}


async def run(
    root: Path, objects: int = OBJECTS, every: float = EVERY_SECONDS, plane: ControlPlane | None = None
) -> dict[str, float]:
    repository = Repository(root / "repository")
    names = [f"w-{n:03}" for n in range(objects)]
    repository.write("web/all.yaml", crd(GROUP), *(widget(GROUP, name) for name in names))
    repository.commit("all")
    async with real_cluster(root, plane=plane) as cluster:
        await cluster.bench.hub.call("apply", applications(["web"], repository))
        await cluster.bench.all_synced(1)
        await cluster.bench.at_rest()
        changed = await _stall(cluster.plane.kubeconfig_path, names, every)

        async def known() -> bool:
            return len(await cluster.bench.hub.call("degraded")) >= objects

        await cluster.bench.until(known, f"{objects} degraded resources known", KNOWN_SECONDS)
        known_at: dict[str, float] = await cluster.bench.hub.call("degraded")
    seconds = sorted(known_at[name] - at for name, at in changed.items())
    say(f"known p50 {statistics.median(seconds):.3f} s, slowest {seconds[-1]:.3f} s")
    return {
        "p99_s": round(percentile(seconds, 0.99), 3),
        "p50_s": round(statistics.median(seconds), 3),
        "objects": objects,
    }


async def _stall(kubeconfig: Path, names: list[str], every: float) -> dict[str, float]:
    """Change the status of each; returns when that was done, Unix time by name."""
    client = ClusterClient(load_kubeconfig(kubeconfig))
    try:
        kind = (await client.discover(refresh=True)).preferred[GroupKind(group_of(GROUP), "Widget")]
        live: dict[str, Object] = {o["metadata"]["name"]: o for o in (await client.list(kind)).items}
        changed = {}
        for name in names:
            await client.replace(kind, live[name] | {"status": STALLED}, field_manager="operator")
            changed[name] = time.time()
            await asyncio.sleep(every)
        return changed
    finally:
        await client.close()
