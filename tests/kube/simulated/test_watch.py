"""What the contract of watches leaves to the implementation: bookmarks, history, slow and lost watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from agent.engine.resource import Object
from agent.kube.client import EventType, WatchEvent
from agent.kube.errors import Gone, KindUnknown, Unreachable
from agent.kube.simulated import SimulatedCluster, storage, watch
from tests.kube.manifests import CONFIG_MAP, CRD, config_map, custom_kind, definition


async def change(cluster: SimulatedCluster, value: object, name: str = "settings") -> Object:
    return await cluster.apply(CONFIG_MAP, config_map("default", name, data={"value": str(value)}))


async def now(cluster: SimulatedCluster) -> str:
    return (await cluster.list(CONFIG_MAP)).resource_version


async def take(events: AsyncIterator[WatchEvent], count: int) -> list[WatchEvent]:
    async with asyncio.timeout(5):
        return [await anext(events) for _ in range(count)]


async def close(events: AsyncIterator[WatchEvent]) -> None:
    await cast(Any, events).aclose()


async def started(events: AsyncIterator[WatchEvent]) -> asyncio.Task[WatchEvent]:
    """Begin to wait for an event, and return when the watch is open."""
    waiting = asyncio.create_task(cast("Any", anext(events)))
    await asyncio.sleep(0)
    return waiting


async def test_a_bookmark_at_the_end_tells_how_far_it_came(cluster: SimulatedCluster) -> None:
    version = await now(cluster)
    events = cluster.watch(CONFIG_MAP, resource_version=version, timeout_seconds=0.05)
    waiting = await started(events)
    await cluster.apply(CRD, definition("Other"))
    bookmark = await waiting
    assert bookmark.type is EventType.BOOKMARK
    assert bookmark.object == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"resourceVersion": await now(cluster)},
    }
    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_bookmarks_come_in_between(cluster: SimulatedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BOOKMARK_SECONDS", 0.01)
    events = cluster.watch(CONFIG_MAP, resource_version=await now(cluster))
    assert [event.type for event in await take(events, 2)] == [EventType.BOOKMARK] * 2
    await close(events)


async def test_a_version_older_than_the_history_is_gone(cluster: SimulatedCluster) -> None:
    old = await now(cluster)
    for value in range(3 * storage.HISTORY):
        await change(cluster, value)
    with pytest.raises(Gone):
        await anext(cluster.watch(CONFIG_MAP, resource_version=old))
    recent = cluster.watch(CONFIG_MAP, resource_version=str(int(await now(cluster)) - storage.HISTORY))
    assert len(await take(recent, storage.HISTORY)) == storage.HISTORY
    await close(recent)


async def test_the_history_of_one_kind_is_not_pushed_out_by_another(cluster: SimulatedCluster) -> None:
    old = await now(cluster)
    await cluster.apply(CRD, definition("Other"))
    for value in range(3 * storage.HISTORY):
        await change(cluster, value)
    events = cluster.watch(CRD, resource_version=old)
    assert (await take(events, 1))[0].type is EventType.ADDED
    await close(events)


async def test_an_open_watch_misses_nothing_however_many_changes_come_at_once(cluster: SimulatedCluster) -> None:
    events = cluster.watch(CONFIG_MAP, resource_version=await now(cluster))
    waiting = await started(events)
    for value in range(5 * storage.HISTORY):
        await change(cluster, value)
    seen = [await waiting, *await take(events, 5 * storage.HISTORY - 1)]
    assert [event.object["data"]["value"] for event in seen] == [str(value) for value in range(5 * storage.HISTORY)]
    await close(events)


async def test_a_watch_that_is_far_too_slow_has_to_list_again(
    cluster: SimulatedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "MAX_BACKLOG", 2 * storage.HISTORY)
    events = cluster.watch(CONFIG_MAP, resource_version=await now(cluster))
    waiting = await started(events)
    for value in range(5 * storage.HISTORY):
        await change(cluster, value)
    with pytest.raises(Gone):
        await waiting


async def test_a_closed_watch_holds_no_history(cluster: SimulatedCluster) -> None:
    events = cluster.watch(CONFIG_MAP, resource_version=await now(cluster))
    waiting = await started(events)
    await change(cluster, "first")
    await waiting
    await close(events)
    (table,) = (table for kind, table in cluster._storage.tables.items() if kind.kind == "ConfigMap")
    assert table.watches == []
    for value in range(5 * storage.HISTORY):
        await change(cluster, value)
    assert len(table.log) <= 2 * storage.HISTORY


async def test_expired_watches_have_to_list_again(cluster: SimulatedCluster) -> None:
    version = await now(cluster)
    running = cluster.watch(CONFIG_MAP, resource_version=version)
    waiting = await started(running)
    cluster.expire_watches()
    with pytest.raises(Gone):
        await anext(cluster.watch(CONFIG_MAP, resource_version=version))
    await change(cluster, "still told to those who listen")
    assert (await waiting).type is EventType.ADDED
    await close(running)


async def test_broken_watches_raise_and_can_be_resumed(cluster: SimulatedCluster) -> None:
    version = await now(cluster)
    waiting = await started(cluster.watch(CONFIG_MAP, resource_version=version))
    cluster.break_watches()
    with pytest.raises(Unreachable):
        await waiting
    await change(cluster, "meanwhile")
    resumed = cluster.watch(CONFIG_MAP, resource_version=version)
    assert (await take(resumed, 1))[0].object["data"] == {"value": "meanwhile"}
    await close(resumed)


@pytest.mark.parametrize("version", ["", "not a number", "999999999"])
async def test_a_version_that_is_none_of_ours_is_gone(cluster: SimulatedCluster, version: str) -> None:
    with pytest.raises(Gone):
        await anext(cluster.watch(CONFIG_MAP, resource_version=version))


async def test_watchers_do_not_share_objects(cluster: SimulatedCluster) -> None:
    version = await now(cluster)
    one, two = (cluster.watch(CONFIG_MAP, resource_version=version) for _ in range(2))
    await change(cluster, "x")
    (first,), (second,) = await take(one, 1), await take(two, 1)
    first.object["data"]["value"] = "scribble"
    assert second.object["data"] == {"value": "x"}
    for events in (one, two):
        await close(events)


async def test_the_watch_of_a_kind_ends_with_its_definition(cluster: SimulatedCluster) -> None:
    await cluster.apply(CRD, definition("Thing"))
    thing = custom_kind("Thing")
    waiting = await started(cluster.watch(thing, resource_version=await now(cluster)))
    await cluster.delete(CRD, "", definition("Thing")["metadata"]["name"])
    with pytest.raises(Unreachable):
        await waiting
    with pytest.raises(KindUnknown):
        await anext(cluster.watch(thing, resource_version=await now(cluster)))
