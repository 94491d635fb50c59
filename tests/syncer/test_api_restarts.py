"""An API server that is killed and started again while an operation waits: it goes on, and runs no hook twice."""

from __future__ import annotations

import asyncio
import gc
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.engine.resource import Object, ResourceKey
from agent.kube.cluster import ClusterClient
from agent.syncer.doubt import DOUBT_SECONDS
from tests.controlplane.cluster import ControlPlane
from tests.kube.manifests import NAMESPACE, manifest
from tests.kube.planes import CUT_HANDSHAKES, connect
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People, Tap, until
from tests.syncer.harness import AUTOMATED, Hub, config_map
from tests.syncer.hooks import WELL, hook, key_of_widget, made, turned, until_waits, waits, wave
from tests.syncer.hooks import slow as slow

pytestmark = [pytest.mark.controlplane, pytest.mark.slow, *CUT_HANDSHAKES]


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A plane of this module's own, that can be stopped. Nothing but the API server and its store runs on it."""
    with ControlPlane.start(tmp_path_factory.mktemp("fragile")) as plane:
        yield plane


@pytest.fixture
async def cluster(fragile: ControlPlane) -> AsyncIterator[Cluster]:
    reach = connect(fragile)
    agents, peoples = ClusterClient(reach, timeout=2.0), ClusterClient(reach)
    namespace = f"test-{secrets.token_hex(4)}"
    await peoples.apply(NAMESPACE, manifest(NAMESPACE, "", namespace))
    yield Cluster(Tap(agents), People(peoples, namespace), namespace)
    await agents.close()
    await peoples.close()
    gc.collect()


@pytest.fixture
async def hub(cluster: Cluster, clock: TurnedClock, tmp_path: Path) -> AsyncIterator[Hub]:
    hub = Hub(cluster.client, tmp_path, namespace=cluster.namespace, clock=clock)
    await hub.start()
    yield hub
    await hub.stop()


async def restarted(fragile: ControlPlane, hub: Hub, clock: TurnedClock, *, doubted: bool) -> None:
    """Kill the API server, let the agent look in vain, and start it again."""
    await asyncio.to_thread(fragile.kill_apiserver)
    clock.advance(DOUBT_SECONDS + 1 if doubted else 6)
    await hub.idle()
    operation = hub.statuses[hub.application()].operation
    assert operation is not None and operation.phase == "Running"
    starting = asyncio.create_task(asyncio.to_thread(fragile.restart_apiserver))
    while not starting.done():
        # It is asked as it starts, when not everything is served yet.
        clock.advance(6)
        await asyncio.sleep(0.1)
    await starting


async def known(hub: Hub, key: ResourceKey, obj: Object | None) -> None:
    """Wait until the agent has seen what became of an object: only then may time pass."""

    async def version() -> str:
        record = hub.syncer.live.records.get(key)
        return record.live.resource_version if record is not None else ""

    await until(version, lambda found: found == (obj["metadata"]["resourceVersion"] if obj is not None else ""), 60)


@pytest.mark.parametrize("doubted", [False, True])
async def test_while_a_hook_runs(
    fragile: ControlPlane, hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock, doubted: bool
) -> None:
    hub.assign([config_map("a"), hook(slow("before"), "PreSync")])
    operation = await waits(hub, "PreSync hook")
    first = await people.get(key_of_widget(hub, "before"))
    await restarted(fragile, hub, clock, doubted=doubted)
    second = await people.edit(key_of_widget(hub, "before"), WELL)
    await known(hub, key_of_widget(hub, "before"), second)
    await turned(hub, clock)
    status = await hub.synced(timeout=30)
    assert status.operation is not None and status.operation.id == operation.id
    assert first is not None and first["metadata"]["uid"] == second["metadata"]["uid"]
    assert made(cluster) == ["Widget/before", "ConfigMap/a"]


@pytest.mark.parametrize("doubted", [False, True])
async def test_while_a_wave_waits(
    fragile: ControlPlane, hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock, doubted: bool
) -> None:
    objects = [wave(slow("first"), 1), wave(config_map("b"), 2), hook(config_map("before"), "PreSync")]
    hub.assign(objects)
    await until_waits(hub, clock, "first")
    operation = await waits(hub, "first")
    await restarted(fragile, hub, clock, doubted=doubted)
    await known(hub, key_of_widget(hub, "first"), await people.edit(key_of_widget(hub, "first"), WELL))
    await turned(hub, clock)
    status = await hub.synced(timeout=30)
    assert status.operation is not None and status.operation.id == operation.id
    assert made(cluster) == ["ConfigMap/before", "Widget/first", "ConfigMap/b"]


@pytest.mark.parametrize("doubted", [False, True])
async def test_while_a_prune_waits(
    fragile: ControlPlane, hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock, doubted: bool
) -> None:
    """What is not seen for a while is not taken for gone."""
    gate = slow("two")
    hub.assign([wave(config_map("one"), 1), wave({**gate, **WELL}, 2), config_map("kept")])
    await turned(hub, clock)
    await hub.synced()
    held = await people.edit(key_of_widget(hub, "two"), {"metadata": {"finalizers": ["example.com/wait"]}})
    await known(hub, key_of_widget(hub, "two"), held)
    # Nobody here collects what is deleted in the foreground.
    policy = replace(AUTOMATED, sync_options=("PrunePropagationPolicy=background",))
    hub.assign([config_map("kept"), hook(config_map("before"), "PreSync")], policy=policy)
    await until_waits(hub, clock, "to be gone")
    operation = await waits(hub, "to be gone")
    await restarted(fragile, hub, clock, doubted=doubted)
    assert await people.get(hub.key("ConfigMap", "one")) is not None
    await people.edit(key_of_widget(hub, "two"), {"metadata": {"finalizers": []}})
    await known(hub, key_of_widget(hub, "two"), None)
    await turned(hub, clock)
    status = await hub.synced(timeout=30)
    assert status.operation is not None and status.operation.id == operation.id
    assert cluster.client.named("delete") == ["Widget/two", "ConfigMap/one"]
    assert made(cluster).count("ConfigMap/before") == 1
