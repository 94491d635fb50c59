"""drift: how soon what somebody does behind its back is seen, and undone.

One real control plane with ten applications of ten ConfigMaps, automated with self-heal, the agent's own program on
it, all at rest. A client that is neither hub nor agent edits 50 of the ConfigMaps and deletes the other 50, one every
50 ms, each a different one. Measured for each from the moment the API server's answer to the edit or deletion arrives:

- seen: to the moment a report of that drift is in the hub's database;
- healed: to the moment a watch of the client's own shows the object as it was before.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from agent.engine.resource import MANAGED_LABEL, Object
from agent.kube.client import DeleteOptions, EventType, Kind, KubeClient
from tests.benchmarks.fanout import percentile
from tests.benchmarks.fleet import applications, commit_config_maps, say
from tests.benchmarks.plane import client_of, real_cluster
from tests.controlplane.cluster import ControlPlane
from tests.fleet.kit import Repository

APPLICATIONS = 10
CONFIG_MAPS = 10
EVERY_SECONDS = 0.05
HEALED_SECONDS = 60.0
NAMESPACE = "default"
ASSIGNED = {"round": "0"}
SPOILED = {"round": "spoiled"}


async def run(
    root: Path, apps: int = APPLICATIONS, every: float = EVERY_SECONDS, plane: ControlPlane | None = None
) -> dict[str, float]:
    repository = Repository(root / "repository")
    names = [f"app-{n:02}" for n in range(apps)]
    objects = [f"{name}-{n}" for name in names for n in range(CONFIG_MAPS)]
    async with real_cluster(root, plane=plane) as cluster:
        commit_config_maps(repository, names, CONFIG_MAPS, 0)
        await cluster.bench.hub.call("apply", applications(names, repository))
        await cluster.bench.all_synced(apps)
        await cluster.bench.at_rest()
        async with client_of(cluster.plane.kubeconfig_path) as (client, kind), _watching(client, kind) as watch:
            await _spoil(client, kind, watch, objects, every)
            healed = await watch.all_healed(len(objects))

        async def reported() -> bool:
            return len(await cluster.bench.hub.call("drifts")) == len(objects)

        await cluster.bench.until(reported, f"{len(objects)} drifts reported", 60)
        seen_at: dict[str, float] = await cluster.bench.hub.call("drifts")
    seen = sorted(seen_at[name] - at for name, at in watch.spoiled.items())
    say(f"seen p50 {statistics.median(seen):.3f} s, slowest {seen[-1]:.3f} s; slowest healed {healed[-1]:.3f} s")
    return {
        "seen_p99_s": round(percentile(seen, 0.99), 3),
        "healed_p50_s": round(statistics.median(healed), 3),
        "healed_p99_s": round(percentile(healed, 0.99), 3),
        "objects": len(objects),
    }


class _Watch:
    """When each object was spoiled, and when it was seen to be as it was before. Unix times."""

    def __init__(self) -> None:
        self.spoiled: dict[str, float] = {}
        self._restored: dict[str, list[tuple[int, str, float]]] = {}
        """name → (resourceVersion, uid, when) of every state as assigned."""
        self._after: dict[str, Callable[[int, str], bool]] = {}

    def edited(self, edited: Object) -> None:
        version = int(edited["metadata"]["resourceVersion"])
        self._spoiled(edited["metadata"]["name"], lambda restored, uid: restored > version)

    def deleted(self, last: Object) -> None:
        gone = last["metadata"]["uid"]
        self._spoiled(last["metadata"]["name"], lambda restored, uid: uid != gone)

    def _spoiled(self, name: str, after: Callable[[int, str], bool]) -> None:
        self.spoiled[name] = time.time()
        self._after[name] = after

    def see(self, obj: Object) -> None:
        metadata = obj["metadata"]
        if obj.get("data") == ASSIGNED and "deletionTimestamp" not in metadata:
            state = int(metadata["resourceVersion"]), metadata["uid"], time.time()
            self._restored.setdefault(metadata["name"], []).append(state)

    def _healed(self) -> list[float]:
        result = []
        for name, at in self.spoiled.items():
            found = [seen for version, uid, seen in self._restored.get(name, []) if self._after[name](version, uid)]
            if found:
                result.append(min(found) - at)
        return result

    async def all_healed(self, count: int) -> list[float]:
        """Wait until so many are; returns the seconds each took, in order."""
        deadline = time.monotonic() + HEALED_SECONDS
        while len(healed := self._healed()) < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(healed)} of {count} objects were healed within {HEALED_SECONDS:.0f} s")
            await asyncio.sleep(0.05)
        return sorted(healed)


async def _spoil(client: KubeClient, kind: Kind, watch: _Watch, names: list[str], every: float) -> None:
    """Edit every other object, and delete the others."""
    live = {o["metadata"]["name"]: o for o in (await client.list(kind, namespace=NAMESPACE)).items}
    for number, name in enumerate(names):
        if number % 2:
            watch.edited(await client.replace(kind, live[name] | {"data": SPOILED}, field_manager="kubectl-edit"))
        else:
            await client.delete(kind, NAMESPACE, name, DeleteOptions("background"))
            watch.deleted(live[name])
        await asyncio.sleep(every)


@asynccontextmanager
async def _watching(client: KubeClient, kind: Kind) -> AsyncIterator[_Watch]:
    watch = _Watch()
    selector = f"{MANAGED_LABEL}=true"
    version = (await client.list(kind, namespace=NAMESPACE, selector=selector)).resource_version

    async def follow() -> None:
        events = client.watch(kind, namespace=NAMESPACE, selector=selector, resource_version=version)
        async for event in events:
            if event.type in (EventType.ADDED, EventType.MODIFIED):
                watch.see(event.object)

    task = asyncio.create_task(follow())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
