"""Event streams, over a real connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hub.api import feed, streams
from hub.domain.application import Deletion
from hub.domain.operation import OperationPhase
from hub.domain.status import HealthStatus, SyncStatus
from hub.errors import StoreUnavailable
from tests.api.kit import World, operation
from tests.api.serving import Served

ALL = "/api/v1/applications/watch"
SHOP = "/api/v1/applications/shop/watch"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "LEAST_INTERVAL", 0.01)
    monkeypatch.setattr(feed, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(streams, "RECHECK_SECONDS", 0.0)


async def test_all_applications_first_then_what_changes(world: World, served: Served) -> None:
    shop = await world.shop()
    await world.application("bank")
    async with served.watch(ALL) as stream:
        assert stream.reply.headers["Content-Type"].startswith("text/event-stream")
        assert {(await stream.next()).data["name"] for _ in range(2)} == {"bank", "shop"}
        await world.report(shop, "uid-paris", health=HealthStatus.DEGRADED, sync=SyncStatus.OUT_OF_SYNC)
        event = await stream.next()
        assert (event.name, event.data["name"], event.data["sync"]) == ("application", "shop", "OutOfSync")
        first = event.id
        await world.store.remove_application((await world.application("bank")).id)
        await world.bus.publish("applications", "argocd/bank")
        event = await stream.next()
        assert (event.name, event.data["id"]) == ("deleted", "argocd/bank")
        assert event.id > first
        await world.application("new")
        await world.bus.publish("applications", "argocd/new")
        assert (await stream.next()).data["name"] == "new"


async def test_a_message_that_was_lost_costs_one_heartbeat(world: World, served: Served) -> None:
    async with served.watch(ALL) as stream:
        await stream.heartbeat()
        await world.application()
        assert (await stream.next()).data["name"] == "shop"


async def test_many_changes_between_two_looks_are_one(
    world: World, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    interval = 0.5
    monkeypatch.setattr(feed, "LEAST_INTERVAL", interval)
    shop = await world.shop()
    async with served.watch(ALL) as stream:
        await stream.next()
        began = time.monotonic()
        for _ in range(10):
            await world.report(shop, "uid-paris", sync=SyncStatus.OUT_OF_SYNC)
            await world.report(shop, "uid-paris", sync=SyncStatus.SYNCED, health=HealthStatus.HEALTHY)
        await world.report(shop, "uid-paris", sync=SyncStatus.SYNCED, health=HealthStatus.SUSPENDED)
        told = 1
        while (await stream.next()).data["clusters"]["healthy"]:
            told += 1
        # One, on any machine that makes twenty-one changes within an interval.
        assert told <= 1 + (time.monotonic() - began) / interval


async def test_operations_are_told_as_they_go(world: World, served: Served) -> None:
    shop = await world.shop()
    async with served.watch(ALL) as stream:
        await stream.until("application")
        running = operation(world.clock, phase=OperationPhase.RUNNING, finished_at=None, done=1, total=3)
        await world.report(shop, "uid-paris", operation=running)
        event = await stream.until("operation")
        assert (event.data["application"], event.data["cluster"]) == ("argocd/shop", "paris")
        assert event.data["operation"]["phase"] == "Running"
        done = replace(running, phase=OperationPhase.SUCCEEDED, done=3, finished_at=world.clock())
        await world.report(shop, "uid-paris", operation=done)
        assert (await stream.until("operation")).data["operation"]["phase"] == "Succeeded"


async def test_a_reader_that_comes_back_is_told_what_was_deleted(world: World, served: Served) -> None:
    bank = await world.application("bank")
    async with served.watch(ALL) as stream:
        last = (await stream.next()).id
    await world.store.remove_application(bank.id)
    await world.shop()
    async with served.watch(ALL, last=last) as stream:
        event = await stream.next()
        assert (event.name, event.data["name"]) == ("deleted", "bank")
        assert (await stream.next()).data["name"] == "shop"
    await world.application("bank")
    async with served.watch(ALL, last=last) as stream:
        assert {(await stream.next()).name for _ in range(2)} == {"application"}, "it is there again"


async def test_only_what_was_asked_for(world: World, served: Served) -> None:
    await world.shop()
    bank = await world.application("bank", project="money")
    await world.store.put_application(replace(bank, labels={"tier": "gold"}))
    for query in ("project=money", "selector=tier%3Dgold"):
        async with served.watch(f"{ALL}?{query}") as stream:
            assert (await stream.next()).data["name"] == "bank"
            await stream.heartbeat()


async def test_one_application_with_its_clusters(world: World, served: Served) -> None:
    shop = await world.shop()
    async with served.watch(SHOP) as stream:
        assert (await stream.next()).name == "application"
        rows = [await stream.next() for _ in range(2)]
        assert [(e.name, e.data["cluster"]) for e in rows] == [("cluster", "oslo"), ("cluster", "paris")]
        await world.connect("uid-oslo")
        await world.bus.publish("clusters", "uid-oslo")
        event = await stream.until("cluster")
        assert (event.data["cluster"], event.data["liveness"]) == ("oslo", "Connected")
        running = operation(world.clock, phase=OperationPhase.RUNNING, finished_at=None)
        await world.report(shop, "uid-paris", operation=running)
        assert (await stream.until("operation")).data["cluster"] == "paris"
        deletion = Deletion(True, "foreground", "ada", world.clock())
        await world.store.put_application(replace(shop, deletion=deletion))
        await world.bus.publish("applications", "argocd/shop")
        assert (await stream.until("application")).data["deleting"] is True
        await world.store.remove_application(shop.id)
        await world.bus.publish("applications", "argocd/shop")
        assert (await stream.until("deleted")).data["id"] == "argocd/shop"
        assert await stream.ended()


async def test_an_application_there_is_not(world: World, served: Served) -> None:
    async with served.client() as client:
        reply = await client.get(SHOP)
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not-found")
        for wrong in ("x", "-1", "9" * 20):
            reply = await client.get(ALL, headers={"Last-Event-ID": wrong})
            assert reply.status_code == 422


async def test_a_stream_ends_with_its_session(world: World, served: Served) -> None:
    async with served.watch(ALL, name="reader") as stream:
        await stream.heartbeat()
        await world.services.accounts.set_enabled("reader", False, actor="admin")
        assert await stream.ended()
    await world.services.accounts.set_enabled("reader", True, actor="admin")
    async with served.watch(ALL, name="reader") as stream:
        await stream.heartbeat()
        world.clock.offset += timedelta(hours=2)
        assert await stream.ended()


async def test_a_store_that_is_away_ends_no_stream(
    world: World, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("away")

    async with served.watch(ALL) as stream:
        await stream.heartbeat()
        with monkeypatch.context() as patch:
            patch.setattr(world.store, "status_summaries", away)
            await world.bus.publish("statuses")
            await stream.heartbeat()
            await stream.heartbeat()
        await world.application()
        assert (await stream.next()).data["name"] == "shop"


async def test_a_place_is_free_again_when_its_reader_leaves(
    world: World, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.api.feed, "_limit", 1)
    async with served.watch(ALL) as stream, served.client() as client:
        await stream.heartbeat()
        reply = await client.get(ALL)
        assert (reply.status_code, reply.json()["error"]["code"]) == (429, "busy")
    for _ in range(100):
        async with served.watch(ALL) as stream:
            if stream.reply.status_code == 200:
                await stream.heartbeat()
                return
    raise AssertionError("the place was never free again")


async def test_streams_end_when_the_hub_stops(world: World, served: Served) -> None:
    async with served.watch(ALL) as stream, served.watch(ALL) as other:
        await stream.heartbeat()
        await other.heartbeat()
        await served.listener.stop(5)
        assert await stream.ended()
        assert await other.ended()


async def test_an_idle_watcher_costs_no_backlog(world: World) -> None:
    """Operations are read from where the last watcher left off, and not from the beginning of time."""
    operations = feed.Operations(world.store, world.clock)
    shop = await world.shop()
    old = operation(world.clock, finished_at=world.clock() - timedelta(hours=1))
    await world.report(shop, "uid-paris", operation=old)
    number = await operations.newest()
    assert await operations.after(number) == []
    await world.report(shop, "uid-paris", operation=old)
    assert await operations.after(number) == [], "it ended long ago"
    await world.report(shop, "uid-paris", operation=operation(world.clock))
    assert len(await operations.after(number)) == 1
    assert await operations.after(number + 1) == []


async def test_a_reader_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STALLED_SECONDS", 0.01)
    closed = asyncio.Event()

    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b": x\n\n"
        finally:
            closed.set()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def receive() -> Any:
        await asyncio.Event().wait()

    await streams.EventStream(chunks())({"type": "http"}, receive, send)
    assert closed.is_set()
