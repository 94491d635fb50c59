"""Who is connected: beats, silence, expiry, and what gateways that share a store may say of each other's agents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.domain.cluster import Liveness as State
from hub.errors import StoreUnavailable
from hub.fleet import liveness as module
from hub.fleet.liveness import Liveness
from hub.fleet.registry import Registry
from hub.fleet.session import Session
from hub.store.bus import InProcessBus
from hub.store.sql import SqlStore
from tests.faults.waiting import answered, until
from tests.fleet.parts import kinds, running, sent, session, watched
from tests.store.builders import add_clusters


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqlStore]:
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
    store = SqlStore(f"sqlite:///{tmp_path}/escadre.db")
    await store.open()
    await add_clusters(store, "u1", "u2")
    yield store
    await store.close()


class Gateway:
    """One replica's liveness."""

    def __init__(self, store: SqlStore, name: str = "gateway-1", heartbeat: float = 60.0) -> None:
        self.store = store
        self.watched = watched(store)
        self.bus = InProcessBus()
        self.registry = Registry()
        self.liveness = Liveness(self.watched, self.bus, self.registry, name, heartbeat)

    def connect(self, cluster: str = "u1", id: str = "s1", at: float = 0.0) -> Session:
        connected = session(cluster, id=id, connected_at=at or time.time(), agent_version="1.2\0")
        self.registry.add(connected)
        self.liveness.connected(connected)
        return connected

    def disconnect(self, it: Session) -> None:
        if self.registry.remove(it):
            self.liveness.disconnected(it)

    async def state(self, cluster: str = "u1") -> tuple[State, str]:
        found = await self.store.get_cluster(cluster)
        assert found is not None
        return found.connection.liveness, found.connection.replica


async def test_both_ends_hear_of_each_other(store: SqlStore) -> None:
    gateway = Gateway(store, heartbeat=0.05)
    it = gateway.connect()
    async with running(gateway.liveness.run()):
        for _ in range(3):
            it.heard = time.monotonic()
            assert kinds(await sent(it)) == ["heartbeat"]
    assert not it.closing


async def test_an_agent_that_is_silent_for_three_beats_is_let_go(store: SqlStore) -> None:
    gateway = Gateway(store)
    it, other = gateway.connect(), gateway.connect("u2", "s2")
    it.heard -= 181
    other.heard -= 179
    async with running(gateway.liveness.run()):
        await until(lambda: it.closing, "the silent one to be closed")
        assert it.closing == "silent"
    assert not other.closing


async def test_a_stream_ends_with_the_certificate_it_was_opened_with(store: SqlStore) -> None:
    gateway = Gateway(store)
    it = gateway.connect()
    it.expires_at = time.time() - 1
    async with running(gateway.liveness.run()):
        await until(lambda: it.closing, "the stream to end")
    assert it.closing == "expired"


async def test_coming_and_going_is_in_the_store(store: SqlStore) -> None:
    gateway = Gateway(store)
    async with running(gateway.liveness.run()):
        it = gateway.connect()
        await answered(lambda: _reached(gateway, State.CONNECTED), "the connection in the store")
        found = await store.get_cluster("u1")
        assert found is not None and found.connection.replica == "gateway-1" and found.connection.session == "s1"
        async with gateway.bus.subscribe("clusters") as told:
            gateway.disconnect(it)
            assert await told.next(timeout=5) == [("clusters", "u1")]
    assert await gateway.state() == (State.UNREACHABLE, "")


async def _reached(gateway: Gateway, state: State) -> bool:
    return (await gateway.state())[0] is state


async def test_a_store_that_is_away_is_told_later(store: SqlStore) -> None:
    gateway = Gateway(store)
    gateway.watched.failures = {"put_connections": [StoreUnavailable("away")], "disconnect": [StoreUnavailable("away")]}
    gone, stays = gateway.connect(), gateway.connect("u2", "s2")
    gateway.disconnect(gone)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await gateway.liveness.flush()
    await gateway.liveness.flush()
    assert await gateway.state("u2") == (State.CONNECTED, "gateway-1")
    assert gateway.registry.of_cluster("u2") is stays
    assert gateway.watched.calls["disconnect"] == 2


async def test_the_newest_stream_of_a_cluster_counts(store: SqlStore) -> None:
    gateway = Gateway(store)
    old = gateway.connect(id="old")
    new = gateway.connect(id="new")
    assert old.closing == "replaced" and not new.closing
    gateway.disconnect(old)
    await gateway.liveness.flush()
    assert await gateway.state() == (State.CONNECTED, "gateway-1")
    assert gateway.registry.of_cluster("u1") is new and len(gateway.registry) == 1


async def test_a_gateway_that_starts_again_has_nobody(store: SqlStore) -> None:
    before, other = Gateway(store), Gateway(store, "gateway-2")
    before.connect()
    other.connect("u2", "s2")
    await before.liveness.flush()
    await other.liveness.flush()
    await Gateway(store).liveness.start()
    assert await before.state("u1") == (State.UNREACHABLE, "")
    assert await other.state("u2") == (State.CONNECTED, "gateway-2")


async def test_a_gateway_with_a_dead_stream_does_not_take_the_agent_back(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent has come back to another gateway before the first has noticed."""
    first, second = Gateway(store, "first"), Gateway(store, "second")
    old = first.connect(id="old", at=time.time() - 30)
    await first.liveness.flush()
    second.connect(id="new")
    await second.liveness.flush()
    monkeypatch.setattr(module, "SEEN_SECONDS", 0.0)
    async with running(first.liveness.run()):
        seen = first.watched.calls["put_connections"] + 2
        await until(lambda: first.watched.calls["put_connections"] > seen, "the first to say whom it sees")
        assert await second.state() == (State.CONNECTED, "second")
        first.disconnect(old)
        await until(lambda: first.watched.calls["disconnect"], "the first to notice")
    assert await second.state() == (State.CONNECTED, "second")


async def test_agents_of_a_gateway_that_died_for_good_are_unreachable_since_they_were_seen(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, alive = Gateway(store, "dead"), Gateway(store, "alive")
    dead.connect("u1")
    alive.connect("u2", "s2")
    await dead.liveness.flush()
    monkeypatch.setattr(module, "SEEN_SECONDS", 0.0)
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.3)
    async with running(alive.liveness.run()), alive.bus.subscribe("clusters") as told:
        while ("clusters", "u1") not in (messages := await told.next(timeout=10)):
            assert messages, "nobody was told"
        assert await alive.state("u2") == (State.CONNECTED, "alive")
    found = await store.get_cluster("u1")
    assert found is not None and found.connection.liveness is State.UNREACHABLE
    assert found.connection.changed_at == found.connection.last_seen_at
    assert found.connection.changed_at is not None
    assert datetime.now(UTC) - found.connection.changed_at < timedelta(minutes=1)


async def test_liveness_goes_on_when_the_store_fails(store: SqlStore) -> None:
    gateway = Gateway(store)
    gateway.watched.failures = {"put_connections": [StoreUnavailable("away")] * 3}
    async with running(gateway.liveness.run()) as task:
        gateway.connect()
        await answered(lambda: _reached(gateway, State.CONNECTED), "the connection in the store")
        await asyncio.sleep(0)
        assert not task.done()
