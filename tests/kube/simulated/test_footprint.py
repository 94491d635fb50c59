"""A thousand simulated clusters fit in one process."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

from agent.kube.simulated import SimulatedCluster
from tests.kube.manifests import CONFIG_MAP, config_map

EMPTY = 40_000
"""Bytes an empty cluster may take."""
OBJECT = 2_000
"""Bytes a small object may take, its place in the history included."""


def _measured() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def test_an_empty_cluster_is_small() -> None:
    kept = [SimulatedCluster()]
    await kept[0].discover()
    tracemalloc.start()
    try:
        before = _measured()
        kept += [SimulatedCluster() for _ in range(20)]
        for cluster in kept:
            await cluster.discover()
        assert (_measured() - before) / 20 < EMPTY
    finally:
        tracemalloc.stop()


async def test_an_object_is_small() -> None:
    cluster = SimulatedCluster()
    await cluster.apply(CONFIG_MAP, config_map("default", "first"))
    tracemalloc.start()
    try:
        before = _measured()
        for index in range(200):
            await cluster.apply(CONFIG_MAP, config_map("default", f"c{index}", labels={"escadre.io/managed": "true"}))
        assert (_measured() - before) / 200 < OBJECT
    finally:
        tracemalloc.stop()
    await cluster.close()


async def test_a_request_does_not_yield_without_need() -> None:
    """A thousand agents share one loop; a step of one must not cost a turn of all."""
    cluster = SimulatedCluster()
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(count)

    asyncio.get_running_loop().call_soon(count)
    for index in range(10):
        await cluster.apply(CONFIG_MAP, config_map("default", data={"n": str(index)}))
        await cluster.list(CONFIG_MAP)
    assert turns == 0
    await cluster.close()
