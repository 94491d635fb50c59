"""Applications from assignment to Synced and Healthy, and what happens when somebody interferes."""

from __future__ import annotations

import pytest

from agent.engine.resource import MANAGED_LABEL, TRACKING_ANNOTATION
from agent.kube.simulated import SimulatedCluster
from tests.syncer.harness import AUTOMATED, MANUAL, Hub, config_map, deployment, key


async def test_assigned_objects_are_applied_and_tracked(hub: Hub) -> None:
    hub.assign([config_map("a"), deployment("web", 2)])
    status = await hub.synced()
    assert status.total == 2
    assert status.operation is not None and status.operation.initiated_by == "automated"
    found = await hub.config_map("a")
    assert found is not None
    assert found["metadata"]["labels"] == {MANAGED_LABEL: "true"}
    assert found["metadata"]["annotations"] == {TRACKING_ANNOTATION: "app:/ConfigMap:default/a"}
    assert found["metadata"]["managedFields"][0]["manager"] == "escadre-agent"


async def test_a_new_revision_changes_adds_and_prunes(hub: Hub) -> None:
    hub.assign([config_map("a"), config_map("b")])
    await hub.synced()
    second = hub.assign([config_map("a", {"k": "new"}), config_map("c")])
    await hub.wait(lambda s: s.sync == "Synced" and s.synced_manifest_set == second.manifest_set.digest)
    assert (await hub.config_map("a") or {})["data"] == {"k": "new"}
    assert await hub.config_map("b") is None
    assert await hub.config_map("c") is not None


async def test_without_prune_the_surplus_is_told_and_kept(hub: Hub) -> None:
    from dataclasses import replace

    policy = replace(AUTOMATED, prune=False)
    hub.assign([config_map("a"), config_map("b")], policy=policy)
    await hub.synced()
    hub.assign([config_map("a")], policy=policy)
    status = await hub.wait(lambda s: s.sync == "OutOfSync" and any(r.requires_pruning for r in s.resources))
    assert [r.key.name for r in status.resources] == ["b"]
    assert await hub.config_map("b") is not None


async def test_manual_policy_reports_and_waits(hub: Hub) -> None:
    hub.assign([config_map("a")], policy=MANUAL)
    status = await hub.wait(lambda s: s.sync == "OutOfSync")
    assert status.resources[0].health == "Missing"
    assert await hub.config_map("a") is None
    id = hub.operate([config_map("a")])
    state = await hub.operation(id)
    assert state.phase == "Succeeded" and state.initiated_by == "somebody"
    await hub.synced()


async def test_an_edit_is_reported_with_its_author_and_healed(hub: Hub, cluster: SimulatedCluster) -> None:
    hub.assign([config_map("a", {"k": "v"})])
    await hub.synced()
    await cluster.edit(key("ConfigMap", "a"), {"data": {"k": "hacked"}}, manager="kubectl-edit")
    await hub.wait(lambda s: any(d.healed_ms for d in hub.drifts) and s.sync == "Synced")
    drift = next(d for d in hub.drifts if d.healed_ms)
    assert drift.kind == "modified"
    assert [(f.path, f.assigned, f.live, f.manager) for f in drift.fields] == [
        ("/data/k", '"v"', '"hacked"', "kubectl-edit")
    ]
    assert (await hub.config_map("a") or {})["data"] == {"k": "v"}


async def test_a_deleted_object_comes_back(hub: Hub, cluster: SimulatedCluster) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    await cluster.remove(key("ConfigMap", "a"))
    await hub.wait(lambda s: any(d.kind == "deleted" and d.healed_ms for d in hub.drifts) and s.sync == "Synced")
    assert await hub.config_map("a") is not None


async def test_a_removed_label_is_drift(hub: Hub, cluster: SimulatedCluster) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    await cluster.edit(key("ConfigMap", "a"), {"metadata": {"labels": {MANAGED_LABEL: None}}})
    await hub.wait(lambda s: any(d.kind == "label-removed" and d.healed_ms for d in hub.drifts) and s.sync == "Synced")
    assert (await hub.config_map("a") or {})["metadata"]["labels"] == {MANAGED_LABEL: "true"}


async def test_without_self_heal_drift_is_told_and_stays(hub: Hub, cluster: SimulatedCluster) -> None:
    from dataclasses import replace

    hub.assign([config_map("a")], policy=replace(AUTOMATED, self_heal=False))
    await hub.synced()
    await cluster.edit(key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    status = await hub.wait(lambda s: s.sync == "OutOfSync")
    assert status.resources[0].drift[0].path == "/data/k"
    assert (await hub.config_map("a") or {})["data"] == {"k": "hacked"}


async def test_a_rejected_object_stops_the_sync_before_the_first_write(hub: Hub) -> None:
    bad = deployment("web")
    bad["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    hub.assign([config_map("a"), bad])
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase.finished)
    assert status.operation is not None and status.operation.phase == "Failed"
    assert "nothing was changed" in status.operation.message and "web" in status.operation.message
    assert await hub.config_map("a") is None


async def test_empty_revision_is_not_pruned_without_allow_empty(hub: Hub) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    hub.assign([])
    status = await hub.wait(lambda s: any(c.type == "SyncError" for c in s.conditions))
    assert "allowEmpty" in status.conditions[0].message
    assert await hub.config_map("a") is not None


async def test_a_cascading_tombstone_deletes_what_is_tracked_and_nothing_else(hub: Hub) -> None:
    assignment = hub.assign([config_map("a"), deployment("web")])
    await hub.synced()
    other = hub.assign([config_map("b")], name="other")
    await hub.synced("other")
    hub.delete(assignment)
    await hub.wait(lambda s: s.deleted)
    assert await hub.config_map("a") is None
    assert await hub.get("apps", "v1", "Deployment", "web") is None
    assert await hub.config_map("b") is not None
    assert other.application in {h.application for h in hub.syncer.inventory() if not h.deleted}


async def test_without_cascade_everything_keeps_running(hub: Hub) -> None:
    assignment = hub.assign([config_map("a")])
    await hub.synced()
    hub.delete(assignment, cascade=False)
    await hub.wait(lambda s: s.deleted)
    assert await hub.config_map("a") is not None


async def test_an_older_generation_is_refused(hub: Hub) -> None:
    hub.assign([config_map("a")])
    newest = hub.assign([config_map("a"), config_map("b")])
    await hub.synced()
    hub.assign([config_map("a")], generation=1)
    assert hub.refusals[0].refusal == "stale-generation"
    assert hub.refusals[0].held_generation == newest.generation
    assert await hub.config_map("b") is not None


async def test_a_restarted_agent_goes_on_alone_and_judges_nothing_again(hub: Hub, cluster: SimulatedCluster) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    calls = []
    apply = cluster.apply
    cluster.apply = lambda *a, **k: (calls.append(a), apply(*a, **k))[1]  # type: ignore[method-assign]
    await hub.restart()
    await hub.synced()
    assert calls == []
    await cluster.edit(key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    await hub.wait(lambda s: any(d.healed_ms for d in hub.drifts) and s.sync == "Synced")


async def test_rollback_goes_to_the_set_it_names(hub: Hub) -> None:
    first, second = [config_map("a", {"v": "1"})], [config_map("a", {"v": "2"})]
    hub.assign(first, policy=MANUAL)
    hub.operate(first)
    await hub.synced()
    hub.operate(second)
    await hub.synced()
    id = hub.operate(second, target=first, kind="rollback")
    await hub.operation(id)
    assert (await hub.config_map("a") or {})["data"] == {"v": "1"}
    await hub.wait(lambda s: s.sync == "OutOfSync")


async def test_an_operation_runs_once_by_its_id(hub: Hub, cluster: SimulatedCluster) -> None:
    id = hub.operate([config_map("a")])
    await hub.operation(id)
    await hub.synced()
    await cluster.remove(key("ConfigMap", "a"))
    await hub.wait(lambda s: s.sync == "OutOfSync")
    await hub.restart()
    await hub.wait(lambda s: s.sync == "OutOfSync")
    assert await hub.config_map("a") is None


async def test_a_dry_run_changes_nothing_and_says_what_it_would_do(hub: Hub) -> None:
    id = hub.operate([config_map("a")], dry_run=True)
    state = await hub.operation(id)
    assert state.phase == "Succeeded" and state.dry_run
    assert [(r.key.name, r.message) for r in state.results] == [("a", "would be created")]
    assert await hub.config_map("a") is None


async def test_selective_sync_touches_only_what_it_names(hub: Hub) -> None:
    objects = [config_map("a"), config_map("b")]
    id = hub.operate(objects, resources=(key("ConfigMap", "b"),))
    state = await hub.operation(id)
    assert state.partial
    assert await hub.config_map("a") is None
    assert await hub.config_map("b") is not None


async def test_create_namespace(hub: Hub) -> None:
    from dataclasses import replace

    hub.assign([config_map("a")], namespace="fresh", policy=replace(AUTOMATED, sync_options=("CreateNamespace=true",)))
    await hub.synced()
    assert await hub.config_map("a", "fresh") is not None


async def test_a_namespace_and_its_content_in_one_application(hub: Hub) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
    hub.assign([config_map("a", namespace="team"), namespace])
    await hub.synced()
    assert await hub.config_map("a", "team") is not None


@pytest.mark.parametrize("order", [1, -1])
async def test_a_crd_and_its_resource_in_one_application(hub: Hub, order: int) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}
    hub.assign([crd, widget][::order])
    await hub.synced()
    assert await hub.get("example.com", "v1", "Widget", "w") is not None


async def test_an_unserved_kind_is_told_by_name(hub: Hub) -> None:
    hub.assign([{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}])
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase.finished)
    assert status.operation is not None and "Widget" in status.operation.message and "CRD" in status.operation.message


async def test_two_applications_that_claim_one_object_do_not_fight(hub: Hub) -> None:
    hub.assign([config_map("a", {"owner": "first"})], name="first")
    await hub.synced("first")
    hub.assign([config_map("a", {"owner": "second"})], name="second")
    status = await hub.wait(lambda s: any(c.type == "SharedResourceWarning" for c in s.conditions), "second")
    assert "first" in next(c.message for c in status.conditions if c.type == "SharedResourceWarning")
    assert (await hub.config_map("a") or {})["data"] == {"owner": "first"}
