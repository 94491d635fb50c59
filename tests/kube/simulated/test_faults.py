"""Faults do what they say, to every request they are about, and to nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from agent.engine.resource import GroupKind, ResourceKey
from agent.kube.client import Faults
from agent.kube.errors import Forbidden, KubeError, Rejected, Throttled, Unreachable
from agent.kube.simulated import SimulatedCluster
from tests.kube.manifests import CONFIG_MAP, DEPLOYMENT, config_map, deployment

KEY = ResourceKey("", "ConfigMap", "default", "settings")

REQUESTS: list[Callable[[SimulatedCluster], Awaitable[object]]] = [
    lambda cluster: cluster.discover(refresh=True),
    lambda cluster: cluster.get(CONFIG_MAP, "default", "settings"),
    lambda cluster: cluster.list(CONFIG_MAP),
    lambda cluster: cluster.apply(CONFIG_MAP, config_map("default")),
    lambda cluster: cluster.create(CONFIG_MAP, config_map("default", "new"), field_manager="m"),
    lambda cluster: cluster.replace(CONFIG_MAP, config_map("default"), field_manager="m"),
    lambda cluster: cluster.delete(CONFIG_MAP, "default", "settings"),
    lambda cluster: anext(cluster.watch(CONFIG_MAP, resource_version="1")),
]


@pytest.mark.parametrize(
    ("faults", "error"),
    [(Faults(down=True), Unreachable), (Faults(throttle=True), Throttled), (Faults(error_rate=1.0), Unreachable)],
)
async def test_every_request_feels_it_until_it_is_over(
    cluster: SimulatedCluster, faults: Faults, error: type[KubeError]
) -> None:
    await cluster.apply(CONFIG_MAP, config_map("default"))
    cluster.set_faults(faults)
    for request in REQUESTS:
        with pytest.raises(error):
            await request(cluster)
    assert cluster.find(KEY) is not None
    cluster.set_faults(Faults())
    for request in REQUESTS[:-1]:
        await request(cluster)


async def test_some_requests_fail(cluster: SimulatedCluster) -> None:
    cluster.set_faults(Faults(error_rate=0.5))
    outcomes = await asyncio.gather(
        *(cluster.get(CONFIG_MAP, "default", "x") for _ in range(200)), return_exceptions=True
    )
    failed = sum(isinstance(outcome, Unreachable) for outcome in outcomes)
    assert 50 < failed < 150


async def test_going_down_cuts_open_watches(cluster: SimulatedCluster) -> None:
    version = (await cluster.list(CONFIG_MAP)).resource_version
    events = cluster.watch(CONFIG_MAP, resource_version=version)
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    cluster.set_faults(Faults(down=True))
    with pytest.raises(Unreachable):
        await waiting


async def test_one_object_is_rejected(cluster: SimulatedCluster) -> None:
    cluster.set_faults(Faults(reject={KEY: "policy says no"}))
    for request in (REQUESTS[3], REQUESTS[5]):
        with pytest.raises(Rejected, match="policy says no"):
            await request(cluster)
    await cluster.apply(CONFIG_MAP, config_map("default", "other"))


async def test_one_kind_is_forbidden(cluster: SimulatedCluster) -> None:
    cluster.set_faults(Faults(forbid=frozenset({GroupKind("", "ConfigMap")})))
    for request in REQUESTS[1:]:
        with pytest.raises(Forbidden):
            await request(cluster)
    await cluster.apply(DEPLOYMENT, deployment("default"))


async def test_answers_take_their_time(cluster: SimulatedCluster) -> None:
    cluster.set_faults(Faults(latency_seconds=0.05))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await cluster.get(CONFIG_MAP, "default", "x")
    assert loop.time() - begun >= 0.05


async def test_people_are_not_touched(cluster: SimulatedCluster) -> None:
    await cluster.apply(CONFIG_MAP, config_map("default"))
    cluster.set_faults(Faults(down=True, throttle=True, reject={KEY: "no"}))
    edited = await cluster.edit(KEY, {"data": {"a": "by hand"}})
    assert edited["data"]["a"] == "by hand"
    assert cluster.select(GroupKind("", "ConfigMap")) == [edited]
    assert await cluster.remove(KEY)
    assert cluster.find(KEY) is None
