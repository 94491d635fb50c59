"""On connect: equal digests cost nothing, differing ones the difference, and nothing is deleted for want of mention."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from escadre.v1 import agent_pb2 as pb
from hub.domain.application import Deletion
from hub.domain.assignment import Assignment
from hub.errors import StoreUnavailable
from hub.fleet.agreement import Agreement, inventory_digest
from hub.fleet.convert import Malformed
from hub.fleet.dispatch import Dispatcher
from hub.fleet.incidents import Incidents
from hub.fleet.registry import Registry
from hub.fleet.session import Session
from hub.store.bus import InProcessBus
from hub.store.sql import SqlStore
from tests.fleet.parts import SHOP, assign, items, kinds, sent, session, watched
from tests.store.builders import add_clusters, application, status

OTHER = "argocd/other"
TOMBSTONE = Deletion(True, "foreground", "ada", datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path}/escadre.db")
    await store.open()
    await add_clusters(store, *(f"u{n}" for n in range(100)))
    yield store
    await store.close()


class Table:
    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.watched = watched(store)
        self.registry = Registry()
        self.bus = InProcessBus()
        dispatcher = Dispatcher(store, self.bus, self.registry)
        self.agreement = Agreement(self.watched, self.bus, dispatcher, Incidents(store))

    def connect(self, cluster: str = "u1") -> Session:
        connected = session(cluster)
        self.registry.add(connected)
        return connected

    async def stored(self, application: str = SHOP, cluster: str = "u1") -> Assignment:
        found = await self.store.get_assignment(cluster, application)
        assert found is not None
        return found


@pytest.fixture
def table(store: SqlStore) -> Table:
    return Table(store)


def hello(assignments: Iterable[Assignment] = (), statuses: bytes = b"") -> pb.Hello:
    digest = inventory_digest({a.content.application: a.digest for a in assignments})
    return pb.Hello(inventory_digest=digest, status_digest=statuses)


def held(assignment: Assignment, **values: Any) -> pb.HeldAssignment:
    of = assignment.content
    given: dict[str, Any] = {
        "uid": of.application_uid,
        "generation": assignment.generation,
        "digest": bytes.fromhex(assignment.digest),
    }
    return pb.HeldAssignment(application=of.application, **(given | values))


async def test_equal_digests_cost_no_word(table: Table) -> None:
    mine = await assign(table.store, "u1")
    it = table.connect()
    assert await table.agreement.begin(it, hello(mine))
    assert it.assigned == {SHOP}
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(it.outgoing(), 0.01)


async def test_the_order_of_applications_does_not_matter_to_the_digest() -> None:
    assert inventory_digest({"a": "1", "b": "2"}) == inventory_digest({"b": "2", "a": "1"})
    assert len({inventory_digest(d) for d in ({}, {"a": "1"}, {"a": "2"}, {"b": "1"})}) == 4


async def test_differing_digests_ask_for_the_inventory(table: Table) -> None:
    await assign(table.store, "u1")
    it = table.connect()
    assert not await table.agreement.begin(it, hello())
    assert kinds(await sent(it)) == ["inventory_request"]


@pytest.mark.parametrize("digest", [b"", inventory_digest({SHOP: "e" * 64})])
async def test_differing_status_digests_ask_for_the_statuses(table: Table, digest: bytes) -> None:
    mine = await assign(table.store, "u1")
    await table.store.put_statuses([status("u1")])
    it = table.connect()
    assert await table.agreement.begin(it, hello(mine, digest))
    assert kinds(await sent(it)) == ["status_request"]
    assert await table.agreement.begin(it, hello(mine, inventory_digest({SHOP: "d" * 64})))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(it.outgoing(), 0.01)


async def test_only_what_differs_is_sent(table: Table) -> None:
    for name in (SHOP, OTHER, "argocd/third"):
        await assign(table.store, "u1", application=name)
    it = table.connect()
    await table.agreement.begin(it, hello())
    await sent(it)
    same, third = await table.stored(SHOP), await table.stored("argocd/third")
    await table.agreement.settle(it, pb.Inventory(held=[held(same), held(third, digest=b"\1" * 32)]))
    assert items(await sent(it)) == {OTHER: 1, "argocd/third": 1}
    assert (await table.stored(SHOP)).acknowledged_generation == 1
    assert (await table.stored(OTHER)).acknowledged_generation == 0


async def test_another_application_of_the_name_is_sent_whatever_its_generation(table: Table) -> None:
    (mine,) = await assign(table.store, "u1")
    it = table.connect()
    await table.agreement.settle(it, pb.Inventory(held=[held(mine, uid="an older one", generation=9)]))
    assert items(await sent(it)) == {SHOP: 1}
    assert not (await table.stored()).held


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_newer_generation_is_held_back_until_git_was_read(table: Table, deleted: bool) -> None:
    await table.store.put_application(application())
    (mine,) = await assign(table.store, "u1")
    it = table.connect()
    async with table.bus.subscribe("refresh") as told:
        theirs = held(mine, generation=9, digest=b"\1" * 32, deleted=deleted)
        await table.agreement.settle(it, pb.Inventory(held=[theirs]))
        assert await told.next(timeout=5)
    stored = await table.stored()
    assert (stored.generation, stored.held) == (9, True)
    assert await table.store.take_refresh_requests() == {SHOP: "hard"}
    assert not await table.agreement.begin(it, hello([mine])), "what is held is no agreement"
    asked, again = await sent(it)
    assert asked.status_request.operations, "what was done since the backup is known to the agent only"
    assert kinds([again]) == ["inventory_request"]
    assert (await assign(table.store, "u1"))[0].generation == 10


async def test_a_tombstone_that_was_carried_out_ends_the_assignment(table: Table) -> None:
    (mine,) = await assign(table.store, "u1", deletion=TOMBSTONE)
    it = table.connect()
    async with table.bus.subscribe("statuses") as told:
        await table.agreement.settle(it, pb.Inventory(held=[held(mine, deleted=True)]))
        assert await told.next(timeout=5)
    assert await table.store.get_assignment("u1", SHOP) is None


@pytest.mark.parametrize("acknowledged", [0, 1, 2])
async def test_a_tombstone_says_nothing_of_another_application_of_the_name(table: Table, acknowledged: int) -> None:
    """The hub was restored from a backup made before the tombstone was carried out and the application made anew."""
    await assign(table.store, "u1")
    (mine,) = await assign(table.store, "u1", deletion=TOMBSTONE)
    await table.store.acknowledge([("u1", SHOP, acknowledged, "")])
    it = table.connect()
    await table.agreement.settle(it, pb.Inventory(held=[held(mine, uid="a newer one", generation=1)]))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(it.outgoing(), 0.01)
    assert await table.store.get_assignment("u1", SHOP) is None


async def test_a_tombstone_goes_to_an_agent_that_has_carried_out_an_older_ones(table: Table) -> None:
    (mine,) = await assign(table.store, "u1", deletion=TOMBSTONE)
    it = table.connect()
    await table.agreement.settle(it, pb.Inventory(held=[held(mine, uid="an older one", generation=9, deleted=True)]))
    assert items(await sent(it)) == {SHOP: 1}


async def test_a_tombstone_carried_out_at_a_generation_the_hub_forgot_ends_the_assignment(table: Table) -> None:
    (mine,) = await assign(table.store, "u1", deletion=TOMBSTONE)
    await table.agreement.settle(table.connect(), pb.Inventory(held=[held(mine, generation=7, deleted=True)]))
    assert await table.store.get_assignment("u1", SHOP) is None


async def test_an_application_made_anew_is_not_replaced_by_its_old_self(table: Table) -> None:
    """The agent had taken an earlier generation of what this hub remembers: what it holds now can only be newer."""
    await table.store.put_application(application())
    await assign(table.store, "u1")
    await table.store.acknowledge([("u1", SHOP, 1, "")])
    (mine,) = await assign(table.store, "u1", set_digest="b" * 64)
    it = table.connect()
    await table.agreement.settle(it, pb.Inventory(held=[held(mine, uid="a newer one", generation=1)]))
    assert "assignments" not in kinds(await sent(it))
    assert (await table.stored()).held


async def test_what_the_hub_does_not_know_is_recorded_and_left_alone(table: Table) -> None:
    (mine,) = await assign(table.store, "u1")
    it = table.connect()
    strangers = [pb.HeldAssignment(application=f"argocd/{n:02}" + "x" * 5000, generation=3) for n in range(20)]
    buried = pb.HeldAssignment(application="argocd/gone", deleted=True)
    await table.agreement.settle(it, pb.Inventory(held=[held(mine), buried, *strangers]))
    (event,) = await table.store.list_events()
    assert (event.reason, event.cluster) == ("UnknownApplications", "u1")
    assert "20 applications" in event.message and "argocd/00x" in event.message and "gone" not in event.message
    assert len(event.message) < 2000
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(it.outgoing(), 0.01)


async def test_a_generation_beyond_all_measure_is_malformed(table: Table) -> None:
    (mine,) = await assign(table.store, "u1")
    with pytest.raises(Malformed):
        await table.agreement.settle(table.connect(), pb.Inventory(held=[held(mine, generation=2**64 - 1)]))
    assert (await table.stored()).generation == 1


async def test_a_hundred_agents_at_once_are_one_query(table: Table) -> None:
    clusters = [f"u{n}" for n in range(100)]
    mine = await assign(table.store, *clusters)
    agreed = await asyncio.gather(*(table.agreement.begin(table.connect(a.cluster), hello([a])) for a in mine))
    assert agreed == [True] * 100
    assert table.watched.calls["assignment_index"] == table.watched.calls["status_index"] == 1
    assert set(table.watched.arguments["assignment_index"]) == set(clusters)


async def test_a_store_that_fails_fails_those_who_asked_then_and_nobody_after(table: Table) -> None:
    mine = await assign(table.store, "u1", "u2")
    table.watched.failures = {"assignment_index": [StoreUnavailable("away")]}
    asked = [table.agreement.begin(table.connect(a.cluster), hello([a])) for a in mine]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(r) for r in results] == [StoreUnavailable] * 2
    assert await table.agreement.begin(table.connect(), hello(mine[:1]))
