"""An application of five thousand objects: it comes, changes in part, survives a restart, and goes."""

from __future__ import annotations

import time

import pytest

from agent.engine.resource import Object
from agent.engine.status import DETAILS_LIMIT
from tests.syncer.cluster import Cluster, People, until
from tests.syncer.harness import MANUAL, Hub, config_map

OBJECTS = 5000


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_five_thousand_objects(hub: Hub, cluster: Cluster, people: People) -> None:
    objects = [config_map(f"c{n}", {"k": "1"}) for n in range(OBJECTS)]
    hub.assign(objects)
    status = await hub.synced(timeout=120)
    assert status.total == OBJECTS and status.resources == ()
    cluster.client.calls.clear()

    changed = [config_map(f"c{n}", {"k": "2" if n < 10 else "1"}) for n in range(OBJECTS)]
    began = time.monotonic()
    await hub.synced_to(hub.assign(changed), timeout=30)
    assert time.monotonic() - began < 10, "a small change of a large application is a small matter"
    assert len(cluster.client.named("apply")) == len(cluster.client.named("apply", dry_run=True)) == 10

    cluster.client.calls.clear()
    await hub.restart()
    await hub.synced(timeout=60)
    assert not cluster.client.named("apply", dry_run=True)

    hub.assign([config_map("c0", {"k": "2"})], policy=MANUAL)
    status = await hub.wait(lambda s: s.sync == "OutOfSync", timeout=30)
    assert status.not_fine == OBJECTS - 1 and len(status.resources) == DETAILS_LIMIT
    await hub.operation(hub.operate([config_map("c0", {"k": "2"})], prune=True), timeout=120)
    # Deleted in the foreground, they go when the garbage collector has looked at each.
    await until(lambda: people.list("", "ConfigMap"), lambda left: _names(left) == {"c0"}, 120)


def _names(objects: list[Object]) -> set[str]:
    return {obj["metadata"]["name"] for obj in objects} - {"kube-root-ca.crt"}
