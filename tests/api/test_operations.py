from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from hub.domain.application import SKIP_RECONCILE, Application, Backoff, Retry, Source, with_annotation
from hub.domain.manifest import ResourceKey, digest_of
from hub.domain.operation import OperationKind, OperationPhase, OperationRequest, OperationResult, RequestFailure
from hub.domain.status import HealthStatus, ResourceStatus, SyncStatus
from hub.formats.source import describe_sources
from tests.api.kit import COMMIT, OLDER, SECRET, SETTINGS, WEB, World, operation

SHOP = "/api/v1/applications/shop"


async def newest(world: World, shop: Application) -> OperationRequest:
    return (await world.store.operation_requests(str(shop.id)))[0]


async def test_a_sync_is_written_down_and_told(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    body = {"prune": True, "force": True, "dry_run": True, "sync_options": ["PruneLast=true"]}
    async with world.bus.subscribe("applications") as subscription:
        reply = await admin.post(f"{SHOP}/sync", json=body)
        assert reply.status_code == 202, reply.text
        assert await subscription.next(1) == [("applications", "argocd/shop")]
    request = await newest(world, shop)
    assert request.id == reply.json()["operation_id"]
    assert (request.kind, request.initiated_by, request.clusters) == (OperationKind.SYNC, "admin", ())
    assert (request.prune, request.force, request.dry_run, request.terminate) == (True, True, True, False)
    assert request.sync_options == ("PruneLast=true",)
    assert request.requested_at <= world.clock()


async def test_what_an_agent_does_tells_when_it_was_asked_for(world: World, admin: httpx2.AsyncClient) -> None:
    """Whoever has asked earlier sees by it that theirs will not begin: also two within a second."""
    shop = await world.shop()
    first = (await admin.post(f"{SHOP}/sync", json={})).json()
    world.clock.advance(seconds=0.000001)
    second = (await admin.post(f"{SHOP}/sync", json={})).json()
    await world.report(shop, "uid-paris", operation=operation(world.clock, id=second["operation_id"]))
    await world.report(shop, "uid-oslo", operation=operation(world.clock, id="self-heal-7"))
    rows = {row["cluster"]: row for row in (await admin.get(SHOP)).json()["clusters"]}
    assert rows["paris"]["operation_requested_at"] == second["requested_at"] > first["requested_at"]
    assert rows["oslo"]["operation_requested_at"] is None


async def test_a_sync_of_some_clusters_and_resources(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    left_over = ResourceKey("batch", "Job", "shop", "old")
    orphan = ResourceStatus(left_over, "batch/v1", SyncStatus.OUT_OF_SYNC, HealthStatus.HEALTHY, requires_pruning=True)
    await world.report(shop, "uid-paris", resources=(orphan,), not_fine=1)
    resources = ["apps:Deployment:web", ":ConfigMap:shop/settings", ":Secret:shop/credentials", "batch:Job:old"]
    reply = await admin.post(f"{SHOP}/sync", json={"clusters": ["paris"], "resources": resources})
    assert reply.status_code == 202, reply.text
    request = await newest(world, shop)
    assert request.clusters == ("uid-paris",)
    assert request.resources == (WEB, SETTINGS, SECRET, left_over), "as rendered, where the namespace is left out"


async def test_what_an_application_has_is_not_known_before_it_was_rendered(
    world: World, admin: httpx2.AsyncClient
) -> None:
    await world.application()
    reply = await admin.post(f"{SHOP}/sync", json={"resources": ["apps:Deployment:web"]})
    assert reply.status_code == 409 and "is not known yet: nothing was rendered" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"clusters": ["rome"]},
        {"resources": ["web"]},
        {"resources": ["apps:Deployment:"]},
        {"resources": ["apps:Deployment:other/web"]},
        {"resources": ["apps:Deployment:missing"]},
        {"sync_options": ["Replace=perhaps"]},
        {"sync_options": ["Nonsense=true"]},
    ],
)
async def test_a_sync_of_what_is_not_there(world: World, admin: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    shop = await world.shop()
    reply = await admin.post(f"{SHOP}/sync", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid")
    assert await world.store.operation_requests(str(shop.id)) == []


async def test_a_rollback(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    reply = await admin.post(f"{SHOP}/rollback", json={})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not-found"), "nothing to go back to"
    await world.deployed(shop, "uid-paris", OLDER, COMMIT)
    reply = await admin.post(f"{SHOP}/rollback", json={"history_id": 1, "clusters": ["paris"], "prune": True})
    assert reply.status_code == 202, reply.text
    request = await newest(world, shop)
    assert (request.kind, request.history_id, request.clusters, request.prune) == (
        OperationKind.ROLLBACK,
        1,
        ("uid-paris",),
        True,
    )
    assert (await admin.post(f"{SHOP}/rollback", json={})).status_code == 202, "to the one before the newest"
    assert (await admin.post(f"{SHOP}/rollback", json={"history_id": 9})).status_code == 404
    assert (await admin.post(f"{SHOP}/rollback", json={"history_id": 1, "clusters": ["oslo"]})).status_code == 404


async def test_a_rollback_under_automated_sync_is_refused(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop(automated=True)
    await world.deployed(shop, "uid-paris", OLDER, COMMIT)
    reply = await admin.post(f"{SHOP}/rollback", json={})
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "conflict")
    assert "manual" in reply.json()["error"]["message"]


async def test_ending_an_operation(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    assert (await admin.post(f"{SHOP}/terminate", json={})).status_code == 409, "nothing is under way"
    await admin.post(f"{SHOP}/sync", json={})
    reply = await admin.post(f"{SHOP}/terminate", json={})
    assert reply.status_code == 202, "asked for, though no agent has begun"
    assert (await newest(world, shop)).terminate
    assert (await admin.post(f"{SHOP}/terminate", json={})).status_code == 409, "its end was asked for already"
    running = operation(world.clock, phase=OperationPhase.RUNNING, finished_at=None)
    await world.report(shop, "uid-paris", operation=running)
    assert (await admin.post(f"{SHOP}/terminate", json={"clusters": ["oslo"]})).status_code == 409
    assert (await admin.post(f"{SHOP}/terminate", json={"clusters": ["paris"]})).status_code == 202


async def test_a_confirmation_says_whether_anything_is_under_way(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    await world.report(shop, "uid-paris", operation=operation(world.clock))
    assert (await admin.post(f"{SHOP}/confirm-deletion")).json()["clusters"] == []
    running = operation(world.clock, phase=OperationPhase.RUNNING, finished_at=None)
    await world.report(shop, "uid-paris", operation=running)
    assert (await admin.post(f"{SHOP}/confirm-deletion")).json()["clusters"] == ["paris"]
    await admin.delete(SHOP)
    assert (await admin.post(f"{SHOP}/confirm-deletion")).json()["clusters"] == ["oslo", "paris"]


async def test_what_is_not_for_a_cluster_is_not_under_way_there(world: World, admin: httpx2.AsyncClient) -> None:
    """It came after the sync had begun on the others, and nothing was asked of it."""
    shop = await world.shop()
    id = (await admin.post(f"{SHOP}/sync", json={})).json()["operation_id"]
    [oslo] = [a for a in await world.store.assignments_of_application(str(shop.id)) if a.cluster == "uid-oslo"]
    assert (await admin.post(f"{SHOP}/terminate", json={"clusters": ["oslo"]})).status_code == 202
    id = (await admin.post(f"{SHOP}/sync", json={})).json()["operation_id"]
    content = replace(oslo.content, namespace="elsewhere", passed_over=id)
    await world.store.assign([("uid-oslo", content)])
    assert (await admin.post(f"{SHOP}/terminate", json={"clusters": ["oslo"]})).status_code == 409


async def test_what_was_asked_for_on_no_cluster_can_be_taken_back(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.application()
    assert (await admin.post(f"{SHOP}/terminate", json={})).status_code == 409, "nothing was asked for"
    await admin.post(f"{SHOP}/sync", json={})
    assert (await admin.post(f"{SHOP}/terminate", json={})).status_code == 202
    assert (await newest(world, shop)).terminate


async def fail(world: World, id: str, message: str, *uids: str, began: bool = False) -> None:
    failure = RequestFailure(message, world.clock(), uids)
    await world.store.conclude_operation_request("argocd/shop", id, began=began, failures=[failure])


async def test_what_could_not_be_assigned_has_failed(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    before = operation(world.clock)
    await world.report(shop, "uid-paris", operation=before)
    world.clock.advance(seconds=1)
    id = (await admin.post(f"{SHOP}/sync", json={"prune": True})).json()["operation_id"]
    assert (await admin.get(SHOP)).json()["failed_operation"] is None
    await fail(world, id, "no revision v9")
    detail = (await admin.get(SHOP)).json()
    whole = detail["failed_operation"]
    assert (whole["id"], whole["phase"], whole["message"], whole["initiated_by"]) == (
        id,
        "Failed",
        "no revision v9",
        "admin",
    )
    assert [(row["operation"]["id"], row["operation"]["phase"]) for row in detail["clusters"]] == [(id, "Failed")] * 2
    (asked,) = (await admin.get(f"{SHOP}/operations")).json()["items"]
    assert [(f["clusters"], f["message"]) for f in asked["failures"]] == [([], "no revision v9")]
    assert [(state["cluster"], state["phase"]) for state in asked["states"]] == [
        ("oslo", "Failed"),
        ("paris", "Failed"),
    ]
    assert (await admin.post(f"{SHOP}/terminate", json={})).status_code == 409, "it has ended"
    # What the agent began by itself after that is the newest.
    world.clock.advance(seconds=5)
    healed = operation(world.clock, initiated_by="automated")
    await world.report(shop, "uid-paris", operation=healed)
    oslo, paris = (await admin.get(SHOP)).json()["clusters"]
    assert (oslo["operation"]["id"], paris["operation"]["id"]) == (id, healed.id)


async def test_what_could_not_be_assigned_to_some_names_them(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    id = (await admin.post(f"{SHOP}/sync", json={})).json()["operation_id"]
    await fail(world, id, "not permitted", "uid-oslo", began=True)
    await world.report(shop, "uid-paris", operation=operation(world.clock, id=id))
    detail = (await admin.get(SHOP)).json()
    assert detail["failed_operation"]["message"] == "oslo: not permitted"
    assert [row["operation"]["phase"] for row in detail["clusters"]] == ["Failed", "Succeeded"]


async def test_what_failed_on_no_cluster_has_ended(world: World, admin: httpx2.AsyncClient) -> None:
    await world.application()
    id = (await admin.post(f"{SHOP}/sync", json={})).json()["operation_id"]
    await fail(world, id, "no cluster matches")
    detail = (await admin.get(SHOP)).json()
    assert (detail["clusters"], detail["failed_operation"]["id"]) == ([], id)
    assert (await admin.post(f"{SHOP}/terminate", json={})).status_code == 409


async def test_a_refresh(world: World, admin: httpx2.AsyncClient) -> None:
    await world.shop()
    async with world.bus.subscribe("refresh") as subscription:
        reply = await admin.post(f"{SHOP}/refresh", params={"hard": True})
        assert (reply.status_code, reply.json()) == (202, {"application": "argocd/shop", "mode": "hard"})
        assert await subscription.next(1) == [("refresh", "argocd/shop")]
    assert await world.store.take_refresh_requests() == {"argocd/shop": "hard"}
    await admin.post(f"{SHOP}/refresh")
    assert await world.store.take_refresh_requests() == {"argocd/shop": "normal"}


@pytest.mark.parametrize("what", ["sync", "rollback", "refresh"])
async def test_nothing_begins_of_what_is_left_as_it_is(world: World, admin: httpx2.AsyncClient, what: str) -> None:
    shop = await world.shop()
    await world.deployed(shop, "uid-paris", OLDER, COMMIT)
    await world.store.put_application(with_annotation(shop, SKIP_RECONCILE, "true"))
    reply = await admin.post(f"{SHOP}/{what}", json={})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (409, "conflict")
    assert f"escadre app set shop --annotation {SKIP_RECONCILE}-" in error["message"]
    assert await world.store.operation_requests(str(shop.id)) == []
    assert await world.store.take_refresh_requests() == {}
    await world.store.put_application(with_annotation(shop, SKIP_RECONCILE, "false"))
    assert (await admin.post(f"{SHOP}/{what}", json={})).status_code == 202


async def test_what_runs_can_be_ended_although_it_is_left_as_it_is(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    await admin.post(f"{SHOP}/sync", json={})
    await world.store.put_application(with_annotation(shop, SKIP_RECONCILE, "true"))
    assert (await admin.post(f"{SHOP}/terminate", json={})).status_code == 202
    assert (await admin.post(f"{SHOP}/confirm-deletion")).status_code == 202
    assert (await admin.delete(SHOP)).status_code == 202


async def test_operations_tell_how_far_each_cluster_is(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    world.clock.advance(seconds=1)
    id = (await admin.post(f"{SHOP}/sync", json={"resources": ["apps:Deployment:web"]})).json()["operation_id"]
    result = OperationResult(WEB, "apps/v1", "SyncFailed", "admission denied it")
    state = operation(world.clock, id=id, phase=OperationPhase.FAILED, results=(result,), message="1 failed")
    await world.report(shop, "uid-paris", operation=state)
    world.clock.advance(seconds=1)
    other = (await admin.post(f"{SHOP}/sync", json={"clusters": ["oslo"]})).json()["operation_id"]
    second, first = (await admin.get(f"{SHOP}/operations")).json()["items"]
    assert (second["id"], second["clusters"], second["states"]) == (other, ["oslo"], [])
    assert (first["id"], first["resources"]) == (id, ["apps:Deployment:web"])
    [paris] = first["states"]
    assert (paris["cluster"], paris["phase"], paris["message"]) == ("paris", "Failed", "1 failed")
    assert paris["results"][0]["message"] == "admission denied it"


async def test_history(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    await world.deployed(shop, "uid-paris", OLDER, COMMIT)
    await world.deployed(shop, "uid-oslo", OLDER)
    items = (await admin.get(f"{SHOP}/history", params={"cluster": "paris"})).json()["items"]
    assert [(i["id"], i["cluster"], i["revision"]) for i in items] == [
        (2, "paris", COMMIT[:7]),
        (1, "paris", OLDER[:7]),
    ]
    assert items[0]["revisions"][0]["revision"] == COMMIT
    assert len((await admin.get(f"{SHOP}/history")).json()["items"]) == 3
    assert len((await admin.get(f"{SHOP}/history", params={"limit": 1})).json()["items"]) == 1
    assert (await admin.get(f"{SHOP}/history", params={"cluster": "rome"})).status_code == 404


async def test_a_sync_to_a_revision(world: World, admin: httpx2.AsyncClient) -> None:
    await world.shop()
    assert (await admin.post(f"{SHOP}/sync", json={"revision": "v2"})).status_code == 202
    [request] = await world.store.operation_requests("argocd/shop")
    assert request.target_revision == "v2"
    [item] = (await admin.get(f"{SHOP}/operations")).json()["items"]
    assert item["revision"] == "v2"


async def test_an_automated_application_is_synced_to_no_other_revision(world: World, admin: httpx2.AsyncClient) -> None:
    await world.shop(automated=True)
    reply = await admin.post(f"{SHOP}/sync", json={"revision": "v2"})
    assert (reply.status_code, "synced automatically to 'HEAD'" in reply.json()["error"]["message"]) == (409, True)
    for harmless in ({"revision": "HEAD"}, {"revision": "v2", "dry_run": True}, {}):
        assert (await admin.post(f"{SHOP}/sync", json=harmless)).status_code == 202


async def test_history_says_with_what_a_deployment_was_made(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    source = Source("https://u:secret@git.example/shop.git", path="deploy", target_revision="v2")
    document = describe_sources([source])
    await world.store.put_blobs({digest_of(document): document})
    [assigned] = await world.assign(shop, "uid-paris", commit=OLDER)
    await world.store.assign([("uid-paris", replace(assigned.content, sources=digest_of(document), namespace="x"))])
    await world.deployed(shop, "uid-paris", OLDER, "f" * 40)
    reply = await admin.get(f"{SHOP}/history")
    assert "secret" not in reply.text
    newest, first = reply.json()["items"]
    assert newest["sources"] == []
    assert (first["sources"][0]["path"], first["sources"][0]["targetRevision"]) == ("deploy", "v2")


async def test_a_sync_that_is_tried_again(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    retry = {"limit": 3, "duration": 7, "factor": 3, "max_duration": 60, "refresh": True}
    assert (await admin.post(f"{SHOP}/sync", json={"retry": retry})).status_code == 202
    assert (await newest(world, shop)).retry == Retry(3, Backoff(7, 3, 60), refresh=True)
    for refused in ({"retry": retry, "revision": "v2"}, {"retry": {"limit": -2}}, {"retry": {"factor": 0.5}}):
        assert (await admin.post(f"{SHOP}/sync", json=refused)).status_code == 422


async def test_when_the_next_attempt_begins_is_told(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    state = operation(world.clock, phase=OperationPhase.RUNNING, attempt=2, retry_limit=3, next_at=world.clock())
    await world.report(shop, "uid-paris", operation=state)
    rows = (await admin.get(SHOP)).json()["clusters"]
    told = next(row["operation"] for row in rows if row["cluster"] == "paris")
    assert (told["attempt"], told["retry_limit"], bool(told["next_at"])) == (2, 3, True)
