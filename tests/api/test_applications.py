from __future__ import annotations

from dataclasses import replace

import httpx2
import pytest

from hub.domain.application import Application, ApplicationId, Automated, Destination, Source, SyncPolicy
from hub.domain.operation import OperationPhase
from hub.domain.selector import parse_selector
from hub.domain.status import (
    Condition,
    DriftReport,
    FieldDrift,
    HealthStatus,
    RefreshState,
    ResourceStatus,
    SyncStatus,
)
from hub.formats.application import dump_application, parse_application
from hub.store.sql import SqlStore
from tests.api.kit import COMMIT, WEB, World, manifest, operation, revision
from tests.pki.support import Clock

APPLICATIONS = "/api/v1/applications"
SHOP = f"{APPLICATIONS}/shop"


def drifted() -> ResourceStatus:
    drift = FieldDrift("/spec/replicas", "1", "3", manager="kubectl", changed="2026-01-01T00:00:00Z")
    return ResourceStatus(WEB, "apps/v1", SyncStatus.OUT_OF_SYNC, HealthStatus.DEGRADED, "crashing", drift=(drift,))


async def test_a_list_rolls_up_clusters_that_have_reported_nothing(world: World, admin: httpx2.AsyncClient) -> None:
    await world.shop(automated=True)
    [shop] = (await admin.get(APPLICATIONS)).json()["items"]
    assert shop["id"] == "argocd/shop"
    assert shop["sync"] == "Unknown"
    assert shop["clusters"] == {"total": 2, "synced": 1, "healthy": 1, "unreachable": 1}
    assert shop["sync_policy"] == "automated, prune, self-heal"
    assert shop["destinations"] == ["paris/shop"]
    source = {"repo": "https://git.example/shop.git", "path": "deploy", "chart": "", "target": "HEAD"}
    assert shop["sources"] == [{**source, "name": "", "ref": ""}]


async def test_a_list_says_what_was_just_written(world: World, admin: httpx2.AsyncClient) -> None:
    for number in range(5):
        assert len((await admin.get(APPLICATIONS)).json()["items"]) == number
        reply = await admin.post("/api/v1/objects/apply", json=manifest(f"app-{number}"))
        assert reply.status_code == 200
    assert (await admin.delete(f"{APPLICATIONS}/app-0")).json()["message"].startswith("every cluster that has it")
    assert (await admin.get(APPLICATIONS)).json()["items"][0]["deleting"] is True


async def test_a_list_is_filtered(world: World, admin: httpx2.AsyncClient) -> None:
    await world.shop()
    bank = await world.application("bank", project="money")
    await world.store.put_application(replace(bank, labels={"tier": "gold"}))

    async def ids(**parameters: str) -> list[str]:
        reply = await admin.get(APPLICATIONS, params=parameters)
        assert reply.status_code == 200, reply.text
        return [item["id"] for item in reply.json()["items"]]

    assert await ids() == ["argocd/bank", "argocd/shop"]
    assert await ids(project="money") == ["argocd/bank"]
    assert await ids(selector="tier in (gold)") == ["argocd/bank"]
    assert await ids(selector="tier!=gold") == ["argocd/shop"]
    assert await ids(cluster="oslo") == ["argocd/shop"]
    assert await ids(cluster="oslo", project="money") == []
    assert (await admin.get(APPLICATIONS, params={"cluster": "none"})).status_code == 404


async def test_a_list_comes_in_pages(world: World, admin: httpx2.AsyncClient) -> None:
    for name in ("a", "b", "c", "d", "e"):
        await world.application(name)
    seen, after = [], ""
    for _ in range(3):
        reply = (await admin.get(APPLICATIONS, params={"limit": 2, "continue": after})).json()
        seen += [item["name"] for item in reply["items"]]
        after = reply["continue"]
    assert seen == ["a", "b", "c", "d", "e"]
    assert after == ""


async def test_destinations_and_policies_in_words(world: World, admin: httpx2.AsyncClient) -> None:
    await world.application(
        destinations=(
            Destination("web", selector=parse_selector("region=eu,tier in (a,b)")),
            Destination("", server="https://10.0.0.1:6443"),
            Destination("all", selector=parse_selector("")),
        ),
        sync_policy=SyncPolicy(Automated()),
    )
    [shop] = (await admin.get(APPLICATIONS)).json()["items"]
    assert shop["destinations"] == ["region=eu,tier in (a,b)/web", "https://10.0.0.1:6443", "*/all"]
    assert shop["sync_policy"] == "automated"


async def test_what_cannot_be_compared_is_unknown_everywhere(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    await world.report(shop, "uid-oslo")
    broken = Condition("ComparisonError", "no such revision", world.clock())
    for conditions, sync in (((), "Synced"), ((broken,), "Unknown"), ((), "Synced")):
        await world.store.put_refresh_states([RefreshState("argocd/shop", revision(), conditions=conditions)])
        world.api.overviews.invalidate()
        detail = (await admin.get(SHOP)).json()
        (listed,) = (await admin.get("/api/v1/applications")).json()["items"]
        for summary in (detail["summary"], listed):
            assert (summary["sync"], summary["health"]) == (sync, "Healthy")
            assert summary["clusters"] == {"total": 2, "synced": 2, "healthy": 2, "unreachable": 1}
        assert {row["sync"] for row in detail["clusters"]} == {"Synced"}
        assert f'sync_status="{sync}"' in (await admin.get("/metrics")).text


async def test_an_application_tells_everything(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    running = operation(world.clock, phase=OperationPhase.RUNNING, finished_at=None, done=1, total=3)
    await world.report(
        shop,
        "uid-paris",
        sync=SyncStatus.OUT_OF_SYNC,
        health=HealthStatus.DEGRADED,
        health_message="web is crashing",
        resources=(drifted(),),
        not_fine=1,
        operation=running,
        synced_revision=revision(),
        conditions=(Condition("SyncError", "no such namespace", world.clock()),),
    )
    await world.store.put_drifts(
        [DriftReport("d1", "argocd/shop", "uid-paris", WEB, "modified", drifted().drift, world.clock())]
    )
    state = RefreshState(
        "argocd/shop",
        revision(),
        conditions=(Condition("ComparisonError", "no such path", world.clock()),),
        refreshed_at=world.clock(),
    )
    await world.store.put_refresh_states([state])
    await world.store.request_refresh(["argocd/shop"], "hard")

    detail = (await admin.get(SHOP)).json()
    assert detail["manifest"]["spec"]["source"]["path"] == "deploy"
    assert detail["refresh"]["revision"] == COMMIT[:7]
    assert detail["refresh"]["requested"] == "hard"
    assert detail["refresh"]["revisions"][0]["author"] == "Ada"
    assert [c["type"] for c in detail["conditions"]] == ["ComparisonError"]
    assert detail["summary"]["condition_count"] == 1
    assert detail["summary"]["sync"] == "Unknown", "whatever the clusters say of what is assigned"
    assert detail["summary"]["health"] == "Unknown"
    assert detail["deletion"] is None
    oslo, paris = detail["clusters"]
    assert (oslo["cluster"], oslo["liveness"], oslo["observed_generation"], oslo["total"]) == (
        "oslo",
        "NeverConnected",
        0,
        3,
    )
    assert (paris["cluster"], paris["liveness"], paris["labels"]) == ("paris", "Connected", {"region": "eu"})
    assert (paris["sync"], paris["health"], paris["message"]) == ("OutOfSync", "Degraded", "web is crashing")
    assert (paris["revision"], paris["synced_revision"]) == (COMMIT[:7], COMMIT[:7])
    assert (paris["total"], paris["not_fine"], paris["resources_truncated"]) == (3, 1, False)
    [web] = paris["resources"]
    assert (web["group"], web["kind"], web["name"], web["sync"], web["health"]) == (
        "apps",
        "Deployment",
        "web",
        "OutOfSync",
        "Degraded",
    )
    assert web["drift"][0]["manager"] == "kubectl"
    assert (paris["operation"]["phase"], paris["operation"]["done"]) == ("Running", 1)
    assert paris["conditions"][0]["message"] == "no such namespace"
    assert (paris["last_drift"]["change"], paris["last_drift"]["kind"]) == ("modified", "Deployment")


async def test_a_status_of_an_earlier_application_of_the_name_does_not_count(
    world: World, admin: httpx2.AsyncClient
) -> None:
    shop = await world.shop()
    await world.report(shop, "uid-paris", application_uid="another", health=HealthStatus.DEGRADED)
    [_, paris] = (await admin.get(SHOP)).json()["clusters"]
    assert (paris["health"], paris["observed_generation"]) == ("Unknown", 0)


async def test_only_so_many_resources_are_told_at_once(
    world: World, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await world.shop()
    many = tuple(replace(drifted(), key=WEB._replace(name=f"web-{n}")) for n in range(5))
    for uid in ("uid-paris", "uid-oslo"):
        await world.report(shop, uid, resources=many, not_fine=5)
    monkeypatch.setattr("hub.api.detail.RESOURCES_TOLD", 7)
    oslo, paris = (await admin.get(SHOP)).json()["clusters"]
    assert (len(oslo["resources"]), oslo["resources_truncated"]) == (5, False)
    assert (len(paris["resources"]), paris["resources_truncated"]) == (2, True)


async def test_namespaces_tell_applications_apart(world: World, admin: httpx2.AsyncClient) -> None:
    await world.application("shop", namespace="team-a")
    assert (await admin.get(SHOP)).status_code == 404
    reply = await admin.get(SHOP, params={"namespace": "team-a"})
    assert reply.json()["summary"]["id"] == "team-a/shop"


async def test_credentials_in_an_address_are_for_those_who_may_change_it(
    world: World, admin: httpx2.AsyncClient, reader: httpx2.AsyncClient
) -> None:
    await world.application(sources=(Source("https://ada:hunter2@git.example/shop.git", path="."),))
    assert "hunter2" not in (await reader.get(SHOP)).text
    assert "hunter2" not in (await admin.get(APPLICATIONS)).text
    assert "hunter2" in (await admin.get(SHOP)).text


FLAGS = {"name": "shop", "repo": "https://git.example/shop.git", "path": "deploy", "dest_name": "paris"}


async def test_create_and_change_in_the_words_of_the_command_line(world: World, admin: httpx2.AsyncClient) -> None:
    reply = await admin.post(APPLICATIONS, json=FLAGS | {"sync_policy": "auto", "helm_set": ["a=1"]})
    assert (reply.status_code, reply.json()["action"]) == (201, "created"), reply.text
    reply = await admin.patch(f"{SHOP}/flags", json={"revision": "v2", "auto_prune": True})
    assert (reply.json()["action"], reply.json()["generation"]) == ("configured", 2), reply.text
    stored = await world.store.get_application((await world.store.list_applications())[0].id)
    assert stored is not None
    assert stored.spec.sources[0].target_revision == "v2"
    assert stored.spec.sync_policy.automated == Automated(prune=True)
    assert (await admin.patch(f"{SHOP}/flags", json={"revision": "v2"})).json()["action"] == "unchanged"


async def test_a_destination_that_means_no_cluster_is_told(world: World, admin: httpx2.AsyncClient) -> None:
    await world.cluster("paris", region="eu")
    assert (await admin.post(APPLICATIONS, json=FLAGS)).json()["warnings"] == []
    mistyped = "no cluster named 'pariss' is registered (did you mean paris?): nothing is deployed there as yet"
    reply = await admin.patch(f"{SHOP}/flags", json={"dest_name": "pariss"})
    assert (reply.json()["action"], reply.json()["warnings"]) == ("configured", [mistyped])
    reply = await admin.patch(f"{SHOP}/flags", json={"dest_selectors": ["region=eu", "regoin=eu"]})
    nobody = "the selector 'regoin=eu' selects no registered cluster: nothing is deployed there as yet"
    assert reply.json()["warnings"] == [nobody]
    body = manifest(destination={"name": "pariss", "namespace": "shop"})
    reply = await admin.post("/api/v1/objects/apply", json=body, params={"dry_run": True})
    assert reply.json()["results"][0]["warnings"] == [mistyped]


async def test_creating_what_exists_needs_upsert(world: World, admin: httpx2.AsyncClient) -> None:
    assert (await admin.post(APPLICATIONS, json=FLAGS)).status_code == 201
    reply = await admin.post(APPLICATIONS, json=FLAGS)
    assert (reply.status_code, reply.json()["action"]) == (201, "unchanged")
    reply = await admin.post(APPLICATIONS, json=FLAGS | {"path": "other"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "conflict")
    reply = await admin.post(APPLICATIONS, params={"upsert": True}, json=FLAGS | {"path": "other"})
    assert (reply.status_code, reply.json()["action"]) == (201, "configured")


@pytest.mark.parametrize("what", ["flags", "confirmation", "deletion"])
async def test_what_somebody_else_changes_at_once_is_not_lost(
    world: World, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Be it a label alone, or a field of the spec: none of them is changed back to what was read before."""
    await world.shop()
    read = world.store.get_application

    async def read_and_changed(id: ApplicationId) -> Application | None:
        monkeypatch.undo()
        application = await read(id)
        assert application is not None
        theirs = replace(application, labels={"team": "theirs"})
        if what == "flags":
            theirs = replace(theirs, spec=replace(application.spec, revision_history_limit=3))
        manifest = dump_application(theirs)
        await world.store.put_application(parse_application(manifest).value)
        return application

    monkeypatch.setattr(world.store, "get_application", read_and_changed)
    if what == "flags":
        reply = await admin.patch(f"{SHOP}/flags", json={"revision": "v2", "labels": ["mine=x"]})
    elif what == "confirmation":
        reply = await admin.post(f"{SHOP}/confirm-deletion")
    else:
        reply = await admin.delete(SHOP)
    assert reply.status_code in (200, 202), reply.text
    stored = await world.store.get_application(ApplicationId("argocd", "shop"))
    assert stored is not None and stored.labels["team"] == "theirs"
    if what == "flags":
        assert stored.labels["mine"] == "x"
        assert (stored.spec.revision_history_limit, stored.spec.sources[0].target_revision) == (3, "v2")


async def test_an_application_cannot_be_renamed(world: World, admin: httpx2.AsyncClient) -> None:
    await world.application()
    assert (await admin.patch(f"{SHOP}/flags", json={"name": "other"})).status_code == 422
    assert (await admin.put(SHOP, json=manifest("other"))).status_code == 422


async def test_replacing_by_a_manifest(world: World, admin: httpx2.AsyncClient) -> None:
    assert (await admin.put(SHOP, json=manifest())).status_code == 404
    await world.application()
    reply = await admin.put(SHOP, json=manifest(revisionHistoryLimit=3, info=[{"name": "a", "value": "b"}]))
    assert reply.json()["action"] == "configured"
    assert any("info" in warning for warning in reply.json()["warnings"])
    reply = await admin.put(SHOP, params={"strict": True}, json=manifest(info=[{"name": "a", "value": "b"}]))
    assert reply.status_code == 422


async def test_warnings_name_what_will_not_work(store: SqlStore, clock: Clock, admin: httpx2.AsyncClient) -> None:
    source = {"repoURL": "file:///srv/git", "path": "."}
    reply = await admin.post("/api/v1/objects/apply", json=manifest(project="nowhere", source=source))
    told = "\n".join(reply.json()["results"][0]["warnings"])
    assert "project nowhere does not exist" in told
    assert "not among the directories" in told


async def test_deleting(world: World, admin: httpx2.AsyncClient) -> None:
    await world.shop()
    async with world.bus.subscribe("applications") as subscription:
        reply = await admin.delete(SHOP)
        assert await subscription.next(1) == [("applications", "argocd/shop")]
    body = reply.json()
    assert (reply.status_code, body["cascade"], body["propagation"]) == (202, True, "foreground")
    assert body["clusters"] == ["oslo", "paris"]
    assert "waits for them: oslo" in body["message"]
    detail = (await admin.get(SHOP)).json()
    assert detail["deletion"]["requested_by"] == "admin"
    for refused in (
        await admin.put(SHOP, json=manifest()),
        await admin.post(f"{SHOP}/sync", json={}),
        await admin.post("/api/v1/objects/apply", json=manifest()),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    # Whoever changes their mind about how may say so.
    assert (await admin.delete(SHOP, params={"cascade": False, "propagation": "orphan"})).status_code == 202
    assert (await admin.get(SHOP)).json()["deletion"]["cascade"] is False


async def test_what_is_to_outlive_its_application_is_told_to_stay(admin: httpx2.AsyncClient) -> None:
    await admin.post("/api/v1/objects/apply", json=manifest(syncPolicy={"syncOptions": ["Delete=false"]}))
    body = (await admin.delete(SHOP)).json()
    assert body["cascade"] is False and "leaves what it put there as it is" in body["message"]


async def test_deletions_are_confirmed(world: World, admin: httpx2.AsyncClient) -> None:
    await admin.post("/api/v1/objects/apply", json=manifest(syncPolicy={"syncOptions": ["Delete=confirm"]}))
    before = await world.store.get_application(ApplicationId.parse("shop"))
    assert before is not None and before.deletion_approved_at is None
    reply = await admin.post(f"{SHOP}/confirm-deletion")
    assert reply.status_code == 202, reply.text
    stored = await world.store.get_application(ApplicationId.parse("shop"))
    assert stored is not None and stored.deletion_approved_at is not None
    assert stored.generation == before.generation and stored.spec == before.spec
    shown = (await admin.get(SHOP)).json()["manifest"]
    assert "argocd.argoproj.io/deletion-approved" in shown["metadata"]["annotations"]
    # Also of one that is on its way out: there it is what its clusters wait for.
    assert (await admin.delete(SHOP)).json()["cascade"] is True
    assert (await admin.post(f"{SHOP}/confirm-deletion")).status_code == 202
    leaving = await world.store.get_application(ApplicationId.parse("shop"))
    assert leaving is not None and leaving.deletion is not None


async def test_the_finalizer_says_how_to_delete(world: World, admin: httpx2.AsyncClient) -> None:
    wanted = manifest()
    wanted["metadata"]["finalizers"] = ["resources-finalizer.argocd.argoproj.io/background"]
    await admin.post("/api/v1/objects/apply", json=wanted)
    assert (await admin.delete(SHOP)).json()["propagation"] == "background"


async def test_changes_are_recorded(world: World, admin: httpx2.AsyncClient) -> None:
    await admin.post(APPLICATIONS, json=FLAGS)
    await admin.patch(f"{SHOP}/flags", json={"revision": "v2"})
    await admin.delete(SHOP)
    events = (await admin.get(f"{SHOP}/events")).json()["items"]
    assert [(e["reason"], e["actor"]) for e in events] == [
        ("ApplicationDeleted", "admin"),
        ("ApplicationUpdated", "admin"),
        ("ApplicationCreated", "admin"),
    ]
