from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from hub.domain.manifest import ResourceKey
from hub.domain.operation import (
    HistoryEntry,
    OperationKind,
    OperationPhase,
    OperationRequest,
    OperationResult,
    RequestFailure,
)
from hub.domain.revision import Revision, SourceRevision
from hub.domain.status import Condition, HealthStatus, ResourceStatus, SyncStatus
from hub.store.sql import SqlStore
from tests.store.builders import START, add_clusters, content, drift, operation, request, status

SHOP = "argocd/shop"


@pytest.fixture
async def assigned(store: SqlStore) -> SqlStore:
    await add_clusters(store, "u1", "u2")
    await store.assign([("u1", content()), ("u2", content())])
    return store


async def test_a_status_comes_back_as_it_was_put(assigned: SqlStore) -> None:
    key = ResourceKey("apps", "Deployment", "shop", "web")
    given = status(
        "u1",
        sync=SyncStatus.OUT_OF_SYNC,
        health=HealthStatus.PROGRESSING,
        health_message="1 of 3 replicas",
        synced_revision=Revision((SourceRevision("https://a", "c" * 40, committed_at=START),)),
        resources=(
            ResourceStatus(key, "v1", SyncStatus.OUT_OF_SYNC, HealthStatus.PROGRESSING, drift=drift("x").fields),
            ResourceStatus(key, "v1", SyncStatus.SYNCED, None),
        ),
        total=9,
        operation=operation("op", results=(OperationResult(key, "v1", "Synced", "a\0b"),)),
        conditions=(Condition("SyncError", "why", START),),
    )
    await assigned.put_statuses([given])
    assert await assigned.statuses_of_application(SHOP) == [given]
    assert await assigned.get_statuses([("u1", SHOP), ("u2", SHOP)]) == [given]
    assert await assigned.get_statuses([]) == []


async def test_the_newest_status_of_a_pair_is_kept(assigned: SqlStore) -> None:
    await assigned.put_statuses([status("u1"), status("u2")])
    await assigned.put_statuses([status("u1", generation=2), status("u1", generation=3)])
    assert [s.generation for s in await assigned.statuses_of_application(SHOP)] == [3, 1]


async def test_statuses_of_what_is_not_assigned_are_passed_over(assigned: SqlStore) -> None:
    await assigned.put_statuses([status("u3"), status("u1", "argocd/other"), status("u1")])
    assert [s.cluster for s in await assigned.statuses_of_application(SHOP)] == ["u1"]
    assert await assigned.statuses_of_application("argocd/other") == []
    await assigned.put_statuses([status("u3")])
    await assigned.put_statuses([])


async def test_a_request_of_an_earlier_hub_is_read(assigned: SqlStore) -> None:
    """It knew nothing of several sources: neither in what was asked for nor in what an assignment carries."""
    await assigned.record_operation_request(SHOP, request("asked"))
    await assigned.assign([("u1", content(operation=request("asked")))])

    def age(connection: Connection) -> None:
        for table in ("operation_requests", "assignment_contents"):
            for (document,) in connection.execute(text(f"SELECT document FROM {table}")).all():
                older = document.replace(',"revisions":[]', "")
                assert older != document or '"operation":null' in document
                statement = text(f"UPDATE {table} SET document = :new WHERE document = :old")
                connection.execute(statement.bindparams(new=older, old=document))

    await assigned._database.write(age)
    assert await assigned.operation_requests(SHOP) == [request("asked")]
    found = await assigned.get_assignment("u1", SHOP)
    assert found is not None and found.content.operation == request("asked")
    assert await assigned.assign([("u1", found.content)]) == [], "nothing is assigned anew for it"


async def test_summaries(assigned: SqlStore) -> None:
    await assigned.put_statuses([status("u1", sync=SyncStatus.OUT_OF_SYNC), status("u2", health=HealthStatus.MISSING)])
    assert sorted(await assigned.status_summaries()) == [
        (SHOP, "u1", "OutOfSync", "Healthy", 1),
        (SHOP, "u2", "Synced", "Missing", 1),
    ]


async def test_followers_read_page_by_page(assigned: SqlStore) -> None:
    await add_clusters(assigned, "u3")
    await assigned.assign([("u3", content())])
    await assigned.put_statuses([status("u1"), status("u2"), status("u3")])
    first, sequence = await assigned.statuses_since(0, limit=2)
    second, newest = await assigned.statuses_since(sequence, limit=2)
    assert [s.cluster for s in first + second] == ["u1", "u2", "u3"]
    assert await assigned.statuses_since(newest) == ([], newest)
    await assigned.put_statuses([status("u1", generation=2)])
    changed, _ = await assigned.statuses_since(newest)
    assert [(s.cluster, s.generation) for s in changed] == [("u1", 2)]


async def test_index(assigned: SqlStore) -> None:
    await assigned.assign([("u1", content("argocd/other"))])
    await assigned.put_statuses([status("u1"), status("u1", "argocd/other", digest="e" * 64), status("u2")])
    assert await assigned.status_index(["u1", "u9"]) == {"u1": {SHOP: "d" * 64, "argocd/other": "e" * 64}}


async def test_concurrent_statuses_and_removal_leave_no_orphan(assigned: SqlStore) -> None:
    uids = [f"v{number}" for number in range(10)]
    await add_clusters(assigned, *uids)
    await assigned.assign([(uid, content()) for uid in uids])
    await asyncio.gather(
        *(assigned.put_statuses([status(uid) for uid in uids]) for _ in range(5)),
        *(assigned.unassign([(uid, SHOP)]) for uid in uids),
        *(assigned.put_statuses([status(uid) for uid in uids]) for _ in range(5)),
    )
    assert await assigned.status_summaries() == []


async def test_drifts(assigned: SqlStore) -> None:
    for number in range(3):
        await assigned.put_drifts([drift(f"d{number}", minutes=number)])
    healed = replace(drift("d1", minutes=1), healed_at=START + timedelta(minutes=5))
    await assigned.put_drifts([healed])
    found = await assigned.drifts_of_application(SHOP)
    assert [d.id for d in found] == ["d2", "d1", "d0"]
    assert found[1] == healed
    assert [d.id for d in await assigned.drifts_of_application(SHOP, limit=2)] == ["d2", "d1"]
    await assigned.put_drifts([])


async def test_a_cluster_cannot_overwrite_anothers_drift(assigned: SqlStore) -> None:
    await assigned.put_drifts([drift("same", "u1")])
    await assigned.put_drifts([drift("same", "u2", minutes=1), drift("x", "u1", "argocd/not-assigned")])
    assert [d.cluster for d in await assigned.drifts_of_application(SHOP)] == ["u2", "u1"]
    assert await assigned.drifts_of_application("argocd/not-assigned") == []


async def test_a_deployment_leaves_one_entry_however_often_reported(assigned: SqlStore) -> None:
    state = operation("op-1", revision=Revision((SourceRevision("https://a", "c" * 40),)))
    for _ in range(3):
        await assigned.put_operations([("u1", SHOP, state), ("u1", SHOP, state)])
    await assigned.put_operations([("u2", SHOP, state), ("u1", SHOP, operation("op-2", minutes=5))])
    expected = HistoryEntry(1, SHOP, "u1", "op-1", "a" * 64, state.revision, "alice", START, START)
    assert await assigned.history(SHOP, "u1") == [
        replace(expected, id=2, operation="op-2", revision=Revision(), deployed_at=START + timedelta(minutes=5)),
        expected,
    ]
    assert [(e.cluster, e.id) for e in await assigned.history(SHOP, "u2")] == [("u2", 1)]
    assert len(await assigned.history(SHOP)) == 3


async def test_an_entry_says_what_it_was_made_from(assigned: SqlStore) -> None:
    rolled = replace(request("back", set_digest="b" * 64), sources="old")
    await assigned.assign([("u1", content(sources="new", operation=rolled))])
    await assigned.put_operations([("u1", SHOP, operation("op-1")), ("u2", SHOP, operation("op-1"))])
    await assigned.put_operations([("u1", SHOP, operation("back", manifest_set="b" * 64))])
    # Of what is assigned no more, as long as it is kept.
    await assigned.assign([("u1", content(set_digest="c" * 64, sources="newest"))])
    await assigned.put_operations([("u1", SHOP, operation("late"))])
    await assigned.put_operations([("u1", SHOP, operation("unknown", manifest_set="d" * 64))])
    found = {entry.operation: entry.sources for entry in await assigned.history(SHOP, "u1")}
    assert found == {"op-1": "new", "back": "old", "late": "new", "unknown": ""}


async def test_what_is_no_deployment_leaves_no_entry(assigned: SqlStore) -> None:
    states = [
        operation("running", phase=OperationPhase.RUNNING),
        operation("failed", phase=OperationPhase.FAILED),
        operation("partial", partial=True),
        operation("dry", dry_run=True),
        operation("delete", kind=OperationKind.DELETE, manifest_set=""),
        operation("nothing", manifest_set=""),
    ]
    await assigned.put_operations([("u1", SHOP, state) for state in states])
    await assigned.put_operations([("u9", SHOP, operation("elsewhere"))])
    assert await assigned.history(SHOP) == []


async def test_concurrent_reports_of_one_operation_leave_one_entry(assigned: SqlStore) -> None:
    await asyncio.gather(*(assigned.put_operations([("u1", SHOP, operation("op"))]) for _ in range(8)))
    assert [e.id for e in await assigned.history(SHOP)] == [1]


async def test_how_a_request_went_is_kept_with_it(assigned: SqlStore) -> None:
    await assigned.record_operation_request(SHOP, request("r"))

    async def concluded(**values: Any) -> OperationRequest:
        await assigned.conclude_operation_request(SHOP, "r", **values)
        (found,) = await assigned.operation_requests(SHOP)
        return found

    one, all_of_them = RequestFailure("denied", START, ("u1",)), RequestFailure("nowhere", START)
    assert await concluded(began=True) == replace(request("r"), began=True)
    assert (await concluded(began=False, failures=[one])).failures == (one,)
    # Told again, it says nothing new.
    again = await concluded(began=False, failures=[replace(one, message="again"), all_of_them, all_of_them])
    assert (again.began, again.failures) == (True, (one, all_of_them))
    await assigned.conclude_operation_request(SHOP, "gone", began=True, failures=[one])
    assert len(await assigned.operation_requests(SHOP)) == 1


async def test_operation_requests(assigned: SqlStore) -> None:
    for number in range(25):
        await assigned.record_operation_request(SHOP, request(f"r{number}", minutes=number))
    await assigned.record_operation_request(SHOP, request("r24", minutes=24))
    await assigned.record_operation_request("argocd/other", request("r24"))
    found = await assigned.operation_requests(SHOP)
    assert [r.id for r in found] == [f"r{number}" for number in range(24, 4, -1)]
    assert found[0] == request("r24", minutes=24)
