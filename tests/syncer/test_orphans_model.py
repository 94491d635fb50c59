"""Whatever becomes of objects, of watches and of what is wanted: in the end the orphans are those that are there."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any

import pytest

from agent.engine.assignment import OrphanedResources
from agent.engine.orphans import OrphanRules, orphans_among
from agent.engine.resource import TRACKING_ANNOTATION, GroupKind, ResourceKey, tracking_id
from agent.kube.client import Kind
from agent.kube.errors import NotFound
from agent.kube.simulated import SimulatedCluster
from agent.storage import Storage
from agent.syncer.live import LiveState
from agent.syncer.orphans import OrphanWatch
from agent.syncer.served import Served
from agent.syncer.settings import Settings
from tests.kube.manifests import CONFIG_MAP, NAMESPACE, manifest
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import until

NAMESPACES = ("one", "two")
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "u"}
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts", namespaced=True)
KINDS = {"ConfigMap": CONFIG_MAP, "ServiceAccount": SERVICE_ACCOUNT}


@dataclass(frozen=True)
class Step:
    """Something that happens: an object as it is then, None where it goes; or one of the words below."""

    key: ResourceKey | None = None
    state: str = ""
    """plain | tracked | lost | owned | gone, of an object; else cut | expire | want | settle"""
    wanted: frozenset[str] = frozenset()


KEYS = (
    ResourceKey("", "ConfigMap", "one", "a"),
    ResourceKey("", "ConfigMap", "two", "a"),
    ResourceKey("", "ServiceAccount", "one", "default"),
)
STATES = ("plain", "tracked", "lost", "owned", "gone", "gone")
WANTED = tuple(map(frozenset, ((), ("one",), ("two",), NAMESPACES, NAMESPACES)))


def some_step(chance: random.Random) -> Step:
    what = chance.random()
    if what < 0.92:
        return Step(chance.choice(KEYS), chance.choice(STATES))
    if what < 0.96:
        return Step(None, chance.choice(("cut", "expire")))
    return Step(None, "want", chance.choice(WANTED))


async def happen(step: Step, cluster: SimulatedCluster, watch: OrphanWatch, clock: TurnedClock) -> None:
    if step.key is not None:
        await become(cluster, step.key, step.state)
    elif step.state == "want":
        watch.want(step.wanted)
    elif step.state == "cut":
        cluster.break_watches()
    elif step.state == "expire":
        cluster.expire_watches()
        cluster.break_watches()
    else:
        clock.advance(15)
        for _ in range(60):
            await asyncio.sleep(0)


async def become(cluster: SimulatedCluster, key: ResourceKey, state: str) -> None:
    kind = KINDS[key.kind]
    if state == "gone":
        await cluster.remove(key)
        return
    application = {"tracked": "shop", "lost": "nobody"}.get(state)
    metadata: dict[str, Any] = {
        "annotations": {TRACKING_ANNOTATION: tracking_id(application, key) if application else None},
        "ownerReferences": [OWNER] if state == "owned" else None,
    }
    try:
        await cluster.edit(key, {"metadata": metadata})
    except NotFound:
        await cluster.apply(kind, manifest(kind, key.namespace, key.name))
        await cluster.edit(key, {"metadata": metadata})


def expected(cluster: SimulatedCluster, namespace: str) -> list[str]:
    """Return what is orphaned, by looking at everything."""
    found = []
    for kind in KINDS:
        for obj in cluster.select(GroupKind("", kind), namespace):
            metadata = obj["metadata"]
            tracked = (metadata.get("annotations") or {}).get(TRACKING_ANNOTATION, "").startswith("shop:")
            usual = (kind, metadata["name"]) in (("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt"))
            if not (tracked or usual or metadata.get("ownerReferences")):
                found.append(f"{kind}/{metadata['name']}")
    return sorted(found)


async def run(chance: random.Random, storage: Storage) -> None:
    cluster, clock = SimulatedCluster(), TurnedClock()
    for name in NAMESPACES:
        await cluster.apply(NAMESPACE, manifest(NAMESPACE, "", name))
    lens = Settings(storage)
    live = LiveState(cluster, lens, lambda *_: None, lambda _: None, lambda *_: None)
    served = Served(cluster, live, clock)
    watch = OrphanWatch(cluster, served, lens.excludes, "shop".__eq__, clock, lambda _: None)
    rules = OrphanRules(OrphanedResources())
    wanted = frozenset(NAMESPACES)
    try:
        for step in (Step(None, "want", wanted), *(some_step(chance) for _ in range(30))):
            await happen(step, cluster, watch, clock)
            if chance.random() < 0.7:
                # There is time for it to be seen before the next.
                await happen(Step(None, "settle"), cluster, watch, clock)
            wanted = step.wanted if step.state == "want" else wanted
        for namespace in wanted:

            async def told(namespace: str = namespace) -> list[str] | None:
                clock.advance(1)
                if not watch.known(namespace):
                    return None
                found = orphans_among(watch.seen(namespace), rules, "shop".__eq__, ())
                return sorted(f"{key.kind}/{key.name}" for key in found)

            truth = expected(cluster, namespace)
            await until(told, partial(eq, truth))
    finally:
        await watch.stop()
        await cluster.close()


@pytest.mark.parametrize("seed", range(40))
async def test_in_the_end_the_orphans_are_those_that_are_there(tmp_path: Path, seed: int) -> None:
    storage = Storage(tmp_path / "agent.db")
    try:
        await run(random.Random(seed), storage)
    finally:
        storage.close()
