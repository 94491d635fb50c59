"""Applications from assignment to Synced and Healthy, revision after revision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.engine.resource import MANAGED_LABEL, TRACKING_ANNOTATION, GroupKind
from agent.kube.client import Discovery
from tests.syncer.cluster import Cluster, People, Tap
from tests.syncer.harness import AUTOMATED, MANUAL, Hub, bad_deployment, config_map, deployment
from tests.syncer.objects import crd, group_of, namespace, widget


async def test_assigned_objects_are_applied_and_tracked(hub: Hub, people: People) -> None:
    hub.assign([config_map("a"), deployment("web", 2)])
    status = await hub.synced()
    assert status.total == 2
    assert status.operation is not None and status.operation.initiated_by == "automated"
    found = await people.get(hub.key("ConfigMap", "a"))
    assert found is not None
    assert found["metadata"]["labels"] == {MANAGED_LABEL: "true"}
    tracking = f"{hub.tracking()}:/ConfigMap:{hub.namespace}/a"
    assert found["metadata"]["annotations"] == {TRACKING_ANNOTATION: tracking}
    assert found["metadata"]["managedFields"][0]["manager"] == "escadre-agent"


async def test_a_new_revision_changes_adds_and_prunes(hub: Hub, people: People) -> None:
    hub.assign([config_map("a"), config_map("b")])
    await hub.synced()
    await hub.synced_to(hub.assign([config_map("a", {"k": "new"}), config_map("c")]))
    assert await data(people, hub, "a") == {"k": "new"}
    assert await data(people, hub, "b") is None
    assert await data(people, hub, "c") is not None


async def test_a_field_removed_from_git_is_removed(hub: Hub, people: People) -> None:
    labelled = config_map("a", {"kept": "1", "gone": "2"}, labels={"team": "blue"}, annotations={"note": "x"})
    hub.assign([labelled])
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "a"), {"metadata": {"labels": {"theirs": "stays"}}}, manager="somebody")
    await hub.synced_to(hub.assign([config_map("a", {"kept": "1"})]))
    found = await people.get(hub.key("ConfigMap", "a"))
    assert found is not None
    assert found["data"] == {"kept": "1"}
    assert found["metadata"]["labels"] == {MANAGED_LABEL: "true", "theirs": "stays"}
    assert list(found["metadata"]["annotations"]) == [TRACKING_ANNOTATION]


async def test_an_unchanged_object_costs_a_new_revision_nothing(hub: Hub, cluster: Cluster) -> None:
    hub.assign([config_map("a"), config_map("b")])
    await hub.synced()
    cluster.client.calls.clear()
    await hub.synced_to(hub.assign([config_map("a"), config_map("b", {"k": "new"})]))
    assert cluster.client.named("apply", dry_run=True) == ["ConfigMap/b"]
    assert cluster.client.named("apply") == ["ConfigMap/b"]


async def test_manual_policy_reports_and_waits(hub: Hub, cluster: Cluster) -> None:
    hub.assign([config_map("a")], policy=MANUAL)
    status = await hub.wait(lambda s: s.sync == "OutOfSync")
    assert status.resources[0].health == "Missing"
    assert cluster.client.writes == []
    state = await hub.operation(hub.operate([config_map("a")]))
    assert state.phase == "Succeeded" and state.initiated_by == "somebody"
    await hub.synced()


async def test_a_rejected_object_stops_the_sync_before_the_first_write(hub: Hub, cluster: Cluster) -> None:
    hub.assign([*(config_map(f"c{n}") for n in range(9)), bad_deployment("web")])
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase.finished)
    assert status.operation is not None and status.operation.phase == "Failed"
    assert "nothing was changed" in status.operation.message and "web" in status.operation.message
    failed = [r for r in status.operation.results if r.status == "SyncFailed"]
    assert [r.key.name for r in failed] == ["web"] and "selector" in failed[0].message
    assert cluster.client.writes == []
    assert len(cluster.client.named("apply", dry_run=True)) == 10


async def test_a_rejected_object_stops_a_sync_into_a_namespace_the_application_brought(
    hub: Hub, cluster: Cluster, people: People
) -> None:
    """The content of a namespace that is coming cannot be asked about; that of one that is there can."""
    name = f"{hub.namespace}-team"
    first = [people.leave(namespace(name)), config_map("a", namespace=name)]
    hub.assign(first)
    await hub.synced()
    cluster.client.calls.clear()
    bad = bad_deployment("web")
    bad["metadata"]["namespace"] = name
    hub.assign([*first, config_map("b", namespace=name), bad])
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase == "Failed")
    assert status.operation is not None and "nothing was changed" in status.operation.message
    assert cluster.client.writes == []


async def test_empty_revision_is_not_pruned_without_allow_empty(hub: Hub, people: People) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    hub.assign([])
    status = await hub.wait(lambda s: any(c.type == "SyncError" for c in s.conditions))
    assert "allowEmpty" in status.conditions[0].message
    assert await data(people, hub, "a") is not None
    await hub.synced_to(hub.assign([], policy=replace(AUTOMATED, allow_empty=True)))
    assert await data(people, hub, "a") is None


async def test_an_empty_revision_taken_back_is_forgotten(hub: Hub) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    hub.assign([])
    await hub.wait(lambda s: any(c.type == "SyncError" for c in s.conditions))
    status = await hub.synced_to(hub.assign([config_map("a")]))
    assert not status.conditions


async def test_annotations_that_are_misspelt_are_told(hub: Hub) -> None:
    """Whoever meant to protect an object reads of it before it is pruned."""
    options = "argocd.argoproj.io/sync-options"
    hub.assign([config_map("a", annotations={options: "Pruen=false"}), config_map("b")])
    status = await hub.wait(lambda s: any(c.type == "RenderWarning" for c in s.conditions) and s.sync == "Synced")
    [warning] = status.conditions
    assert warning.message == f"ConfigMap/a: {options}: 'Pruen=false' is not a known sync option (did you mean Prune?)"
    await hub.synced_to(hub.assign([config_map("a", annotations={options: "Prune=false"}), config_map("b")]))
    await hub.wait(lambda s: not s.conditions)


async def test_an_older_generation_is_refused(hub: Hub, people: People) -> None:
    hub.assign([config_map("a")])
    newest = hub.assign([config_map("a"), config_map("b")])
    await hub.synced()
    hub.assign([config_map("a")], generation=1)
    assert hub.refusals[0].refusal == "stale-generation"
    assert hub.refusals[0].held_generation == newest.generation
    assert await data(people, hub, "b") is not None


async def test_create_namespace(hub: Hub, people: People) -> None:
    name = f"{hub.namespace}-fresh"
    people.leave(namespace(name))
    policy = replace(AUTOMATED, sync_options=("CreateNamespace=true",))
    hub.assign([config_map("a")], namespace=name, policy=policy)
    await hub.synced()
    assert await people.get(hub.key("ConfigMap", "a")._replace(namespace=name)) is not None


async def test_without_create_namespace_the_sync_says_what_is_missing(hub: Hub, cluster: Cluster) -> None:
    name = f"{hub.namespace}-absent"
    hub.assign([config_map("a")], namespace=name)
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase.finished)
    assert status.operation is not None and name in status.operation.message
    assert status.operation.message.endswith("create the namespace, or set the sync option CreateNamespace=true)")
    assert cluster.client.writes == []


async def test_a_namespace_and_its_content_in_one_application(hub: Hub, people: People) -> None:
    name = f"{hub.namespace}-team"
    hub.assign([config_map("a", namespace=name), people.leave(namespace(name))])
    await hub.synced()
    assert await people.get(hub.key("ConfigMap", "a")._replace(namespace=name)) is not None


@pytest.mark.parametrize("order", [1, -1])
async def test_a_crd_and_its_resource_in_one_application(hub: Hub, people: People, order: int) -> None:
    definition = people.leave(crd(hub.namespace))
    hub.assign([definition, widget(hub.namespace, "w")][::order])
    await hub.synced()
    assert await people.get(hub.key("Widget", "w", f"{hub.namespace}.example.com")) is not None


async def test_a_kind_that_is_served_only_a_while_after_its_crd(
    hub: Hub, cluster: Cluster, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a busy API server, or by one of several that has heard of the CRD later than another."""
    monkeypatch.setattr("agent.syncer.brought.SERVED_POLL_SECONDS", 0.01)
    late = LateDiscovery(cluster.client, GroupKind(group_of(hub.namespace), "Widget"), 4)
    monkeypatch.setattr(cluster.client, "discover", late.discover)
    hub.assign([people.leave(crd(hub.namespace)), widget(hub.namespace, "w")])
    status = await hub.synced()
    assert status.operation is not None and (status.operation.attempt, status.operation.phase) == (1, "Succeeded")
    assert late.held_back == 0
    assert await people.get(hub.key("Widget", "w", group_of(hub.namespace))) is not None


async def test_a_kind_that_its_crd_does_not_bring_is_told(
    hub: Hub, cluster: Cluster, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.syncer.brought.SERVED_SECONDS", 0.0)
    other = widget(hub.namespace, "w") | {"apiVersion": f"{group_of(hub.namespace)}/v2"}
    hub.assign([people.leave(crd(hub.namespace)), other])
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase.finished)
    assert status.operation is not None and status.operation.phase == "Failed"
    assert "still serves no kind Widget after its CRD" in status.operation.message


class LateDiscovery:
    """A tap's discovery that leaves out a kind the first times it is there."""

    def __init__(self, tap: Tap, kind: GroupKind, times: int) -> None:
        self._ask = tap.discover
        self._kind = kind
        self.held_back = times

    async def discover(self, *, refresh: bool = False) -> Discovery:
        found = await self._ask(refresh=refresh)
        if self._kind not in found.preferred or not self.held_back:
            return found
        self.held_back -= refresh
        kinds = {k: v for k, v in found.kinds.items() if v.group_kind != self._kind}
        preferred = {k: v for k, v in found.preferred.items() if k != self._kind}
        return replace(found, kinds=kinds, preferred=preferred)


async def test_an_unserved_kind_is_told_by_name(hub: Hub, cluster: Cluster) -> None:
    hub.assign([config_map("a"), widget(hub.namespace, "w")])
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase.finished)
    assert status.operation is not None and "Widget" in status.operation.message and "CRD" in status.operation.message
    assert cluster.client.writes == []


async def test_kinds_are_applied_in_order_and_pruned_in_reverse(hub: Hub, cluster: Cluster) -> None:
    metadata = {"name": "x"}
    port = {"port": 80}
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"}
    objects = [
        deployment("x"),
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [port]}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": role,
            "subjects": [],
        },
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
        config_map("x"),
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"k": "v"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": {"maxUnavailable": 1}},
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": []}},
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": "50"}}},
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata,
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
        },
    ]
    hub.assign([*objects, config_map("y")])
    await hub.synced()
    order = [
        "NetworkPolicy/x", "ResourceQuota/x", "LimitRange/x", "PodDisruptionBudget/x", "ServiceAccount/x", "Secret/x",
        "ConfigMap/x", "ConfigMap/y", "Role/x", "RoleBinding/x", "Service/x", "Deployment/x",
    ]  # fmt: skip
    assert cluster.client.named("apply") == order
    await hub.synced_to(hub.assign([config_map("y")]))
    # One whose status a controller has just changed is deleted at the second attempt.
    deleted = list(dict.fromkeys(cluster.client.named("delete")))
    assert deleted == [name for name in reversed(order) if name != "ConfigMap/y"]


async def data(people: People, hub: Hub, name: str) -> dict[str, str] | None:
    found = await people.get(hub.key("ConfigMap", name))
    return found["data"] if found is not None else None
