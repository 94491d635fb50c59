from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from hub.api.app import create_app
from hub.domain.operation import OperationPhase
from hub.domain.status import HealthStatus, SyncStatus
from hub.errors import StoreUnavailable
from hub.source.repository import GitRequest
from hub.store.sql import SqlStore
from tests.api.kit import World, make_world, operation
from tests.pki.support import Clock


async def scraped(client: httpx2.AsyncClient) -> dict[tuple[str, frozenset[str]], float]:
    """Return (sample, label values) → value."""
    reply = await client.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["Content-Type"].startswith("text/plain")
    samples = [s for family in text_string_to_metric_families(reply.text) for s in family.samples]
    return {(s.name, frozenset(s.labels.values())): s.value for s in samples}


def of(*values: str) -> frozenset[str]:
    return frozenset(values)


async def test_applications_and_clusters(world: World, nobody: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    await world.report(shop, "uid-paris", sync=SyncStatus.OUT_OF_SYNC, health=HealthStatus.DEGRADED)
    found = await scraped(nobody)
    assert found["escadre_app_info", of("shop", "argocd", "default", "OutOfSync", "Unknown")] == 1
    assert found["escadre_app_clusters", of("shop", "argocd", "default", "total")] == 2
    assert found["escadre_app_clusters", of("shop", "argocd", "default", "unreachable")] == 1
    assert found["escadre_cluster_connection_status", of("paris")] == 1
    assert found["escadre_cluster_connection_status", of("oslo")] == 0
    assert found["escadre_cluster_applications", of("paris")] == 1
    assert found["escadre_store_up", of()] == 1
    assert all(name.startswith("escadre_") for name, _ in found)


async def test_what_only_happens_is_counted(world: World, nobody: httpx2.AsyncClient) -> None:
    telemetry = world.services.telemetry
    telemetry.git_request(GitRequest("git.example", "fetch", 0.3, True))
    telemetry.git_request(GitRequest("git.example", "fetch", 9.0, False))
    done = operation(world.clock)
    for _ in range(3):
        telemetry.operation_finished("uid-paris", "argocd/shop", done)
    telemetry.operation_finished("uid-oslo", "argocd/shop", done)
    telemetry.operation_finished("uid-oslo", "argocd/shop", operation(world.clock, phase=OperationPhase.RUNNING))
    found = await scraped(nobody)
    assert found["escadre_git_request_total", of("fetch", "success")] == 1
    assert found["escadre_git_request_total", of("fetch", "failure")] == 1
    assert found["escadre_git_request_duration_seconds_count", of("fetch")] == 2
    assert found["escadre_app_sync_total", of("argocd", "shop", "Succeeded", "false")] == 2, "once for each cluster"


async def test_requests_are_counted(world: World, nobody: httpx2.AsyncClient, admin: httpx2.AsyncClient) -> None:
    await nobody.get("/api/v1/applications")
    await admin.request("BREW", "/api/v1/applications")
    found = await scraped(nobody)
    assert found["escadre_api_request_duration_seconds_count", of("GET", "4xx")] == 1
    assert found["escadre_api_request_duration_seconds_count", of("other", "4xx")] == 1


async def test_other_parts_give_theirs(world: World) -> None:
    def renders() -> Iterable[Metric]:
        yield CounterMetricFamily("escadre_render", "Renders", value=7)

    app = create_app(replace(world.services, metric_sources=(renders,)))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://hub") as client:
        assert (await scraped(client))["escadre_render_total", of()] == 7


async def test_a_store_that_is_away_costs_its_own_only(
    world: World, nobody: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.store, "list_applications", away)
    found = await scraped(nobody)
    assert found["escadre_store_up", of()] == 0
    assert ("escadre_hub_info", of(world.services.settings.version)) in found


async def test_metrics_can_be_closed(store: SqlStore, clock: Clock) -> None:
    world = await make_world(store, clock, metrics_public=False)
    async with world.client("") as nobody, world.client("reader") as reader:
        assert (await nobody.get("/metrics")).status_code == 401
        assert (await nobody.get("/metrics", headers={"Authorization": "Bearer x"})).status_code == 401
        assert (await reader.get("/metrics")).status_code == 200


async def test_health_and_readiness(world: World, nobody: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await nobody.get("/healthz")).text == "ok\n"
    assert (await nobody.get("/readyz")).text == "ok\n"

    async def away() -> None:
        raise StoreUnavailable("the database does not answer")

    monkeypatch.setattr(world.store, "ping", away)
    assert (await nobody.get("/healthz")).status_code == 200
    assert (await nobody.get("/readyz")).status_code == 503
