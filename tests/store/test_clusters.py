from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hub.domain.cluster import Capabilities, Cluster, Connection, Liveness
from hub.domain.pki import CertificateRecord, JoinToken
from hub.errors import Conflict, Invalid, NotFound
from hub.store.sql import SqlStore
from tests.store.builders import START, Clock, add_clusters, content, drift, status

CONNECTED = Connection("replica-1", "session-1", START, START + timedelta(seconds=5), "1.2.3", True)


async def test_a_cluster_comes_back_as_it_was_added(store: SqlStore) -> None:
    given = Cluster("u1", "paris", {"tier": "prod", "é": ""}, "https://10.0.0.1:6443", START)
    await store.add_cluster(given)
    assert await store.get_cluster("u1") == given
    assert await store.find_cluster("paris") == given
    assert await store.get_cluster("paris") is None
    assert await store.find_cluster("u1") is None


async def test_created_now_unless_said_otherwise(store: SqlStore, clock: Clock) -> None:
    await store.add_cluster(Cluster("u1", "paris"))
    added = await store.get_cluster("u1")
    assert added is not None and added.created_at == clock.now


async def test_a_taken_name_is_a_conflict(store: SqlStore) -> None:
    await store.add_cluster(Cluster("u1", "paris", {"a": "b"}))
    with pytest.raises(Conflict, match="paris"):
        await store.add_cluster(Cluster("u2", "paris"))
    with pytest.raises(Conflict):
        await store.add_cluster(Cluster("u1", "lyon"))
    version = await store.clusters_version()
    await store.add_cluster(Cluster("u1", "paris", {"a": "b"}))
    assert await store.clusters_version() == version
    assert [c.name for c in await store.list_clusters()] == ["paris"]


async def test_of_concurrent_adds_under_one_name_one_wins(store: SqlStore) -> None:
    adds = [store.add_cluster(Cluster(f"u{number}", "paris")) for number in range(8)]
    outcomes = await asyncio.gather(*adds, return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7


async def test_update(store: SqlStore) -> None:
    await store.add_cluster(Cluster("u1", "paris", {"a": "b"}, "https://old"))
    assert (await store.update_cluster("u1", labels={"c": "d"})).labels == {"c": "d"}
    updated = await store.update_cluster("u1", server="https://new")
    assert (updated.server, updated.labels) == ("https://new", {"c": "d"})
    assert await store.get_cluster("u1") == updated
    with pytest.raises(NotFound, match="u2"):
        await store.update_cluster("u2", labels={})
    labels: dict[str, Any] = {"n": 1}
    with pytest.raises(Invalid):
        await store.update_cluster("u1", labels=labels)


async def test_the_version_grows_with_what_decides_targets(store: SqlStore) -> None:
    seen = [await store.clusters_version()]

    async def grew() -> bool:
        seen.append(await store.clusters_version())
        return seen[-1] > seen[-2]

    await store.add_cluster(Cluster("u1", "paris"))
    assert await grew()
    await store.update_cluster("u1", labels={"a": "b"})
    assert await grew()
    await store.update_cluster("u1", labels={"a": "b"})
    assert not await grew()
    await store.put_capabilities("u1", Capabilities("1.35", ("v1",), "d"), "")
    assert await grew()
    await store.put_capabilities("u1", Capabilities("1.35", ("v1",), "d"), "")
    assert not await grew()
    await store.put_connections({"u1": CONNECTED})
    assert not await grew()
    await store.remove_cluster("u1", START)
    assert await grew()
    await store.remove_cluster("u1", START)
    assert not await grew()


async def test_connections(store: SqlStore) -> None:
    await add_clusters(store, "u1", "u2")
    await store.put_connections({"u1": CONNECTED, "gone": CONNECTED})
    await store.put_connections({})
    first, second = await store.list_clusters()
    assert (first.connection, first.connection.liveness) == (CONNECTED, Liveness.CONNECTED)
    assert (second.connection, second.connection.liveness) == (Connection(), Liveness.NEVER_CONNECTED)


async def test_disconnect_knows_its_own_session_only(store: SqlStore) -> None:
    await add_clusters(store, "u1")
    await store.put_connections({"u1": CONNECTED})
    at = START + timedelta(minutes=1)
    await store.disconnect("u1", "session-0", at)
    assert (await store.list_clusters())[0].connection == CONNECTED
    await store.disconnect("u1", "session-1", at)
    gone = replace(CONNECTED, replica="", session="", changed_at=at)
    assert (await store.list_clusters())[0].connection == gone
    assert gone.liveness is Liveness.UNREACHABLE
    await store.disconnect("u1", "session-1", at + timedelta(minutes=1))
    await store.disconnect("u1", "", at + timedelta(minutes=1))
    assert (await store.list_clusters())[0].connection == gone


async def test_a_dead_replica_loses_its_clusters_only(store: SqlStore) -> None:
    await add_clusters(store, "u1", "u2", "u3")
    other = replace(CONNECTED, replica="replica-2")
    await store.put_connections({"u1": CONNECTED, "u2": other})
    at = START + timedelta(minutes=1)
    await store.disconnect_replica("replica-1", at)
    await store.disconnect_replica("", at + timedelta(minutes=1))
    found = [c.connection for c in await store.list_clusters()]
    assert found == [replace(CONNECTED, replica="", session="", changed_at=at), other, Connection()]


async def test_capabilities_and_the_server_an_agent_reports(store: SqlStore) -> None:
    await store.add_cluster(Cluster("u1", "paris"))
    await store.add_cluster(Cluster("u2", "lyon", server="https://by-hand"))
    capabilities = Capabilities("v1.35.2", ("v1", "apps/v1"), "d" * 64)
    for uid in ("u1", "u2", "gone"):
        await store.put_capabilities(uid, capabilities, "https://reported")
    lyon, paris = await store.list_clusters()
    assert (lyon.server, paris.server) == ("https://by-hand", "https://reported")
    assert (lyon.capabilities, paris.capabilities) == (capabilities, capabilities)
    assert (await store.update_cluster("u2", server="")).server == "https://reported"
    await store.put_capabilities("u1", capabilities, "https://moved")
    assert (await store.list_clusters())[1].server == "https://moved"


async def test_removal_takes_everything_along_but_the_revocations(store: SqlStore, clock: Clock) -> None:
    await add_clusters(store, "u1", "u2")
    later = clock.now + timedelta(days=1)
    for uid in ("u1", "u2"):
        await store.assign([(uid, content())])
        await store.put_statuses([status(uid)])
        await store.put_drifts([drift(f"drift-{uid}", uid)])
        await store.put_join_token(JoinToken(f"token-{uid}", uid, later))
        await store.add_certificate(CertificateRecord(f"cert-{uid}", uid, clock.now, later))
    assert await store.remove_cluster("u1", clock.now)
    assert not await store.remove_cluster("u1", clock.now)
    assert [c.uid for c in await store.list_clusters()] == ["u2"]
    assert [a.cluster for a in await store.assignments_of_application("argocd/shop")] == ["u2"]
    assert [s.cluster for s in await store.statuses_of_application("argocd/shop")] == ["u2"]
    assert [d.cluster for d in await store.drifts_of_application("argocd/shop")] == ["u2"]
    assert await store.get_join_token("token-u1") is None
    assert await store.get_join_token("token-u2") is not None
    assert await store.revoked_serials() == {"cert-u1"}
    await store.add_cluster(Cluster("u3", "cluster-u1"))
