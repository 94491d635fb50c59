from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import yaml

from hub.api import rendered
from hub.api.convert import drift_item
from hub.domain.status import DriftReport, FieldDrift, HealthStatus, ResourceStatus, SyncStatus
from tests.api.kit import COMMIT, OLDER, SETTINGS, WEB, Agents, World

SHOP = "/api/v1/applications/shop"
KEY = ["apps", "Deployment", "shop", "web"]


async def test_manifests_with_secrets_masked(world: World, admin: httpx2.AsyncClient) -> None:
    await world.shop()
    reply = await admin.get(f"{SHOP}/manifests")
    [item] = reply.json()["items"]
    assert (item["clusters"], item["revision"]) == (["oslo", "paris"], COMMIT[:7])
    assert [o["kind"] for o in item["objects"]] == ["Deployment", "ConfigMap", "Secret"]
    secret = item["objects"][2]
    assert (secret["data"], secret["stringData"]) == ({"password": "++++++++"}, {"token": "++++++++"})
    assert "hunter" not in reply.text and "aHVudGVy" not in reply.text


async def test_manifests_as_yaml(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    reply = await admin.get(f"{SHOP}/manifests", params={"format": "yaml"})
    assert reply.headers["Content-Type"].startswith("application/yaml")
    assert [o["kind"] for o in yaml.safe_load_all(reply.text)] == ["Deployment", "ConfigMap", "Secret"]
    await world.assign(shop, "uid-oslo", commit=OLDER)
    reply = await admin.get(f"{SHOP}/manifests", params={"format": "yaml"})
    assert f"# oslo: {OLDER[:7]}\n" in reply.text
    assert len(list(yaml.safe_load_all(reply.text))) == 6


async def test_manifests_of_another_time(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    await world.deployed(shop, "uid-paris", OLDER)

    async def of(**parameters: str) -> Any:
        reply = await admin.get(f"{SHOP}/manifests", params=parameters)
        return [(i["clusters"], i["revision"]) for i in reply.json()["items"]] if reply.status_code == 200 else reply

    assert await of(revision=OLDER[:7]) == [(["paris"], OLDER[:7])]
    assert await of(revision=COMMIT) == [(["oslo", "paris"], COMMIT[:7])]
    assert await of(manifest_set=(await world.rendered(OLDER)).digest) == [(["paris"], OLDER[:7])]
    assert await of(cluster="oslo") == [(["oslo"], COMMIT[:7])]
    assert (await of(cluster="oslo", revision=OLDER)).status_code == 404
    assert (await of(revision="feedface")).status_code == 404
    assert (await of(manifest_set="f" * 64)).status_code == 404
    assert (await of(revision="%")).status_code == 422


async def test_a_manifest_set_of_another_application_is_not_given_out(world: World, admin: httpx2.AsyncClient) -> None:
    await world.shop()
    other = await world.application("other")
    await world.assign(other, "uid-paris", commit=OLDER)
    digest = (await world.rendered(OLDER)).digest
    assert (await admin.get(f"{SHOP}/manifests", params={"manifest_set": digest})).status_code == 404


async def test_manifests_that_are_too_many(
    world: World, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.shop()
    monkeypatch.setattr(rendered, "MOST_BYTES", 10)
    reply = await admin.get(f"{SHOP}/manifests")
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too-large")


async def rows(client: httpx2.AsyncClient, **parameters: str) -> dict[tuple[str, str], tuple[str, str]]:
    items = (await client.get(f"{SHOP}/resources", params=parameters)).json()["items"]
    return {(i["cluster"], i["name"]): (i["sync"], i["health"]) for i in items}


async def test_every_resource_of_every_cluster(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    old = WEB._replace(name="old")
    told = (
        ResourceStatus(WEB, "apps/v1", SyncStatus.OUT_OF_SYNC, HealthStatus.DEGRADED),
        ResourceStatus(old, "apps/v1", SyncStatus.OUT_OF_SYNC, None, requires_pruning=True),
    )
    await world.report(shop, "uid-paris", resources=told, not_fine=2)
    found = await rows(admin, cluster="paris")
    assert found == {
        ("paris", "web"): ("OutOfSync", "Degraded"),
        ("paris", "settings"): ("Synced", "Healthy"),
        ("paris", "credentials"): ("Synced", "Healthy"),
        ("paris", "old"): ("OutOfSync", ""),
    }
    assert set((await rows(admin)).values()) > {("Unknown", "Unknown")}, "oslo has told nothing"


async def test_a_resource_that_names_no_namespace_is_in_the_destinations(
    world: World, admin: httpx2.AsyncClient
) -> None:
    """An agent reports it there: it is one resource and not two, one of them fine."""
    shop = await world.shop()
    told = (ResourceStatus(WEB._replace(namespace="shop"), "apps/v1", SyncStatus.OUT_OF_SYNC, HealthStatus.DEGRADED),)
    await world.report(shop, "uid-paris", resources=told, not_fine=1)
    items = (await admin.get(f"{SHOP}/resources", params={"cluster": "paris"})).json()["items"]
    assert [(i["namespace"], i["name"], i["sync"]) for i in items] == [
        ("shop", "web", "OutOfSync"),
        ("shop", "settings", "Synced"),
        ("shop", "credentials", "Synced"),
    ]


async def test_what_a_report_could_not_tell_is_unknown(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    told = (ResourceStatus(WEB, "apps/v1", SyncStatus.OUT_OF_SYNC, HealthStatus.DEGRADED),)
    await world.report(shop, "uid-paris", resources=told, not_fine=2)
    assert (await rows(admin, cluster="paris"))["paris", "settings"] == ("Unknown", "Unknown")
    await world.report(shop, "uid-paris", manifest_set=(await world.rendered(OLDER)).digest)
    assert (await rows(admin, cluster="paris"))["paris", "settings"] == ("Unknown", "Unknown"), "of another set"


async def test_resources_are_bounded(world: World, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.shop()
    monkeypatch.setattr(rendered, "MOST_RESOURCES", 4)
    body = (await admin.get(f"{SHOP}/resources")).json()
    assert (len(body["items"]), body["truncated"]) == (4, True)


# --- questions to clusters


async def test_a_diff_of_all_clusters(world: World, admin: httpx2.AsyncClient, agents: Agents) -> None:
    shop = await world.shop()
    await world.cluster("rome")
    await world.assign(shop, "uid-rome")
    row = {"key": KEY, "change": "update", "diff": "-1\n+3\n", "message": ""}
    agents.answers["uid-paris"] = {"resources": [row]}
    agents.answers["uid-rome"] = ("not-assigned", "no such application here")
    items = {i["cluster"]: i for i in (await admin.get(f"{SHOP}/diff")).json()["items"]}
    assert items["paris"]["error"] is None
    assert items["paris"]["resources"][0] == {
        "group": "apps",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "web",
        "change": "update",
        "diff": "-1\n+3\n",
        "message": "",
    }
    assert items["oslo"]["error"]["code"] == "cluster-unreachable"
    assert items["rome"]["error"] == {"code": "not-assigned", "message": "no such application here"}
    assert {q["cluster"] for q in agents.asked} == {"uid-paris", "uid-rome"}, "who is away is not asked"
    assert {(q["kind"], q["application"]) for q in agents.asked} == {("diff", "argocd/shop")}


async def test_a_tree(world: World, admin: httpx2.AsyncClient, agents: Agents) -> None:
    await world.shop()
    node = {"key": KEY, "uid": "u1", "parent": "", "health": None, "message": "", "managed": True}
    agents.answers["uid-paris"] = {"nodes": [node]}
    [paris] = (await admin.get(f"{SHOP}/tree", params={"cluster": "paris"})).json()["items"]
    assert (paris["nodes"][0]["name"], paris["nodes"][0]["health"], paris["nodes"][0]["uid"]) == ("web", "", "u1")


async def test_orphans(world: World, admin: httpx2.AsyncClient, agents: Agents) -> None:
    await world.shop()
    key = ["", "ConfigMap", "shop", "left"]
    agents.answers["uid-paris"] = {"resources": [key], "more": 2, "unseen": ["Secret (v1): forbidden"]}
    items = {i["cluster"]: i for i in (await admin.get(f"{SHOP}/orphans")).json()["items"]}
    assert items["paris"] == {
        "cluster": "paris",
        "error": None,
        "resources": [{"group": "", "kind": "ConfigMap", "namespace": "shop", "name": "left"}],
        "more": 2,
        "unseen": ["Secret (v1): forbidden"],
    }
    assert (items["oslo"]["error"]["code"], items["oslo"]["resources"]) == ("cluster-unreachable", [])
    agents.answers["uid-paris"] = ("not-looked-for", "the project does not ask")
    [paris] = (await admin.get(f"{SHOP}/orphans", params={"cluster": "paris"})).json()["items"]
    assert paris["error"] == {"code": "not-looked-for", "message": "the project does not ask"}


@pytest.mark.parametrize(
    "answer", [{"resources": [{}]}, {"resources": [["a"]]}, {"resources": None}, {"more": "x"}, {"unseen": 1}]
)
async def test_orphans_that_are_none(world: World, admin: httpx2.AsyncClient, agents: Agents, answer: Any) -> None:
    await world.shop()
    agents.answers["uid-paris"] = answer
    [paris] = (await admin.get(f"{SHOP}/orphans", params={"cluster": "paris"})).json()["items"]
    assert (paris["error"]["code"], paris["resources"]) == ("malformed-answer", [])


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"{", {"resources": [{}]}, {"resources": 1}, {"resources": [{"key": ["a"]}]}, {"resources": None}],
)
async def test_an_answer_that_is_none(world: World, admin: httpx2.AsyncClient, agents: Agents, answer: Any) -> None:
    await world.shop()
    agents.answers["uid-paris"] = answer
    [paris] = (await admin.get(f"{SHOP}/diff", params={"cluster": "paris"})).json()["items"]
    assert paris["error"]["code"] == "malformed-answer"


async def test_an_agent_that_is_silent(
    world: World, admin: httpx2.AsyncClient, agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.api.asking.ANSWER_SECONDS", 0.05)
    monkeypatch.setattr("hub.fleet.desk.GRACE_SECONDS", 0.05)
    await world.shop()
    [paris] = (await admin.get(f"{SHOP}/diff", params={"cluster": "paris"})).json()["items"]
    assert paris["error"]["code"] == "cluster-silent"


async def test_questions_about_clusters_it_is_not_on(world: World, admin: httpx2.AsyncClient) -> None:
    await world.shop()
    await world.cluster("rome")
    for what in ("diff", "tree", "orphans", "resources", "manifests"):
        assert (await admin.get(f"{SHOP}/{what}", params={"cluster": "rome"})).status_code == 404


# --- drifts and events


async def test_drifts(world: World, admin: httpx2.AsyncClient) -> None:
    await world.shop()
    field = FieldDrift("/spec/replicas", "1", "3", manager="kubectl", likely=True)
    reports = [
        DriftReport(f"d{n}", "argocd/shop", "uid-paris", key, "modified", (field,), world.clock())
        for n, key in enumerate((WEB, SETTINGS))
    ]
    await world.store.put_drifts(reports)
    items = (await admin.get(f"{SHOP}/drifts")).json()["items"]
    assert {(i["cluster"], i["name"], i["change"]) for i in items} == {
        ("paris", "web", "modified"),
        ("paris", "settings", "modified"),
    }
    assert items[0]["fields"][0]["likely"] is True
    assert len((await admin.get(f"{SHOP}/drifts", params={"limit": 1})).json()["items"]) == 1


def test_a_cluster_is_named_even_when_it_is_gone() -> None:
    report = DriftReport("d", "argocd/shop", "gone", WEB, "deleted", (), datetime.now(UTC))
    assert drift_item(report, {}).cluster == "gone"
