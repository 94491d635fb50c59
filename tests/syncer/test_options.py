"""Sync options, of applications and of objects, each as it shows on a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.engine.assignment import IgnoreDifference
from agent.engine.resource import Object, ResourceKey
from agent.kube.client import DeleteOptions
from agent.kube.errors import Rejected
from tests.syncer.cluster import Call, Cluster, People
from tests.syncer.harness import AUTOMATED, MANUAL, Hub, config_map, deployment
from tests.syncer.hooks import ONCE, ended, job
from tests.syncer.objects import group_of, namespace, widget
from tests.syncer.test_waves import optional

FIXED = {"immutable": True}


def with_options(*options: str, **changes: Any) -> Any:
    return replace(AUTOMATED, sync_options=options, **changes)


async def uid(people: People, key: ResourceKey) -> str:
    found = await people.get(key)
    assert found is not None
    return str(found["metadata"]["uid"])


# --- Replace and Force


@pytest.mark.parametrize("of", ["application", "object"])
async def test_replace_puts_the_whole_object_there(hub: Hub, people: People, of: str) -> None:
    def cm(value: str) -> Object:
        made = config_map("a", {"k": value})
        return optional(made, "Replace=true") if of == "object" else made

    policy = with_options("Replace=true") if of == "application" else AUTOMATED
    hub.assign([cm("1")], policy=policy)
    await hub.synced()
    key = hub.key("ConfigMap", "a")
    before = await uid(people, key)
    await people.edit(key, {"data": {"added": "by hand"}})
    await hub.synced_to(hub.assign([cm("2")], policy=policy))
    found = await people.get(key)
    assert found is not None and found["data"] == {"k": "2"}, "an apply would have left what others added"
    assert found["metadata"]["uid"] == before


async def test_an_apply_leaves_what_others_added(hub: Hub, people: People) -> None:
    hub.assign([config_map("a", {"k": "1"})])
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"added": "by hand"}})
    await hub.synced_to(hub.assign([config_map("a", {"k": "2"})]))
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"k": "2", "added": "by hand"}


async def test_what_cannot_be_changed_says_what_there_is_to_do(hub: Hub, people: People) -> None:
    hub.assign([{**config_map("a", {"k": "1"}), **FIXED}])
    await hub.synced()
    hub.assign([{**config_map("a", {"k": "2"}), **FIXED}], policy=ONCE)
    state = await ended(hub, "Failed")
    assert "immutable" in state.message and "Force=true" in state.message and "--force" in state.message


@pytest.mark.parametrize("options", ["Force=true", "Replace=true,Force=true"])
async def test_force_makes_anew_what_cannot_be_changed(hub: Hub, people: People, options: str) -> None:
    key = hub.key("ConfigMap", "a")
    hub.assign([optional({**config_map("a", {"k": "1"}), **FIXED}, options)])
    await hub.synced()
    before = await uid(people, key)
    second = hub.assign([optional({**config_map("a", {"k": "2"}), **FIXED}, options)])
    await hub.synced_to(second)
    found = await people.get(key)
    assert found is not None and found["data"] == {"k": "2"} and found["metadata"]["uid"] != before


async def test_a_job_that_is_to_be_another_is_made_anew(hub: Hub, people: People) -> None:
    """A real server quotes the whole pod of it before it says what is wrong."""
    key = hub.key("Job", "once", "batch")
    hub.assign([optional(job("once"), "Force=true")])
    await hub.synced()
    before = await uid(people, key)
    other = job("once")
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "job:2"
    await hub.synced_to(hub.assign([optional(other, "Force=true")]))
    assert await uid(people, key) != before


async def test_force_leaves_alone_what_can_be_changed(hub: Hub, people: People) -> None:
    key = hub.key("ConfigMap", "a")
    hub.assign([optional(config_map("a", {"k": "1"}), "Force=true")])
    await hub.synced()
    before = await uid(people, key)
    await hub.synced_to(hub.assign([optional(config_map("a", {"k": "2"}), "Force=true")]))
    assert await uid(people, key) == before


@pytest.mark.parametrize("options", ["Force=true", "Replace=true,Force=true"])
async def test_force_deletes_nothing_that_could_not_be_made_anew(
    hub: Hub, cluster: Cluster, people: People, options: str
) -> None:
    key = hub.key("Deployment", "web", "apps")
    await hub.synced_to(hub.assign([optional(deployment("web"), options)]))
    before = await uid(people, key)
    hub.assign([optional(misspelt("web"), options)], policy=ONCE)
    state = await ended(hub, "Failed")
    assert state.message.startswith("nothing was changed: ") and "replicaz" in state.message
    assert await uid(people, key) == before


async def test_force_deletes_nothing_while_other_fields_are_wrong(hub: Hub, cluster: Cluster, people: People) -> None:
    """Beside a field that is fixed the refusal names one that no object may have."""
    words = "[data: Forbidden: field is immutable when `immutable` is set, metadata.labels: Invalid value: too long]"
    mixed = Rejected(f'ConfigMap "a" is invalid: {words}', ("data", "metadata.labels"))
    key = hub.key("ConfigMap", "a")
    await hub.synced_to(hub.assign([optional(config_map("a", {"k": "1"}), "Force=true")]))
    cluster.client.trouble = lambda call: mixed if call.verb == "apply" and call.name == "a" else None
    hub.assign([optional(config_map("a", {"k": "2"}), "Force=true")], policy=ONCE)
    state = await ended(hub, "Failed")
    assert "too long" in state.message and "--force" not in state.message
    assert cluster.client.named("delete") == []
    assert (await people.get(key) or {})["data"] == {"k": "1"}


async def test_force_makes_anew_a_binding_of_another_role(hub: Hub, people: People) -> None:
    def binding(role: str) -> Object:
        return {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "b"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        }

    await hub.synced_to(hub.assign([optional(binding("view"), "Force=true")]))
    await hub.synced_to(hub.assign([optional(binding("edit"), "Force=true")]))
    found = await people.get(hub.key("RoleBinding", "b", "rbac.authorization.k8s.io"))
    assert found is not None and found["roleRef"]["name"] == "edit"


async def test_force_deletes_exactly_what_refused(hub: Hub, cluster: Cluster, people: People, monkeypatch: Any) -> None:
    """Of an object that was nobody's, too."""
    options: list[DeleteOptions] = []
    delete = cluster.client.delete

    async def kept(kind: Any, namespace: str, name: str, given: DeleteOptions) -> bool:
        options.append(given)
        return await delete(kind, namespace, name, given)

    monkeypatch.setattr(cluster.client, "delete", kept)
    key = hub.key("ConfigMap", "a")
    await people.create({**config_map("a", {"k": "1"}), **FIXED})
    before = await uid(people, key)
    await hub.synced_to(hub.assign([optional({**config_map("a", {"k": "2"}), **FIXED}, "Force=true")]))
    assert [o.uid for o in options] == [before]


async def test_what_changes_while_it_is_replaced_is_read_again(hub: Hub, cluster: Cluster, people: People) -> None:
    key = hub.key("ConfigMap", "a")
    policy = with_options("Replace=true", retry=ONCE.retry)
    await hub.synced_to(hub.assign([config_map("a", {"k": "1"})], policy=policy))
    changes: list[Call] = []

    async def gate(call: Call) -> None:
        if call.verb == "replace" and not changes:
            changes.append(call)
            await people.edit(key, {"metadata": {"labels": {"changed": "meanwhile"}}})

    cluster.client.gate = gate
    await hub.synced_to(hub.assign([config_map("a", {"k": "2"})], policy=policy))
    assert changes


# --- Validate


def misspelt(name: str) -> Object:
    made = deployment(name)
    made["spec"]["replicaz"] = 2
    made["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    return made


async def test_a_field_nobody_knows_is_refused(hub: Hub, cluster: Cluster) -> None:
    hub.assign([misspelt("web")], policy=ONCE)
    state = await ended(hub, "Failed")
    assert "replicaz" in state.message or "imagee" in state.message
    assert cluster.client.writes == []


@pytest.mark.parametrize("of", ["application", "object"])
async def test_without_validation_it_is_left_out(hub: Hub, people: People, of: str) -> None:
    policy = with_options("Validate=false") if of == "application" else AUTOMATED
    web = misspelt("web")
    hub.assign([optional(web, "Validate=false") if of == "object" else web], policy=policy)
    await hub.synced()
    found = await people.get(hub.key("Deployment", "web", "apps"))
    assert found is not None and "replicaz" not in found["spec"]


# --- RespectIgnoreDifferences


REPLICAS = IgnoreDifference(group="apps", kind="Deployment", json_pointers=("/spec/replicas",))


@pytest.mark.parametrize("respected", [True, False])
async def test_ignored_fields_stay_as_they_are(hub: Hub, people: People, respected: bool) -> None:
    policy = with_options("RespectIgnoreDifferences=true") if respected else AUTOMATED
    hub.assign([deployment("web", 1)], policy=policy, ignore=(REPLICAS,))
    await hub.synced()
    key = hub.key("Deployment", "web", "apps")
    await people.edit(key, {"spec": {"replicas": 3}}, manager="autoscaler")
    second = hub.assign([deployment("web", 1, image="app:2")], policy=policy, ignore=(REPLICAS,))
    await hub.synced_to(second)
    found = await people.get(key)
    assert found is not None and found["spec"]["replicas"] == (3 if respected else 1)
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "app:2"


# --- SkipDryRunOnMissingResource


@pytest.mark.parametrize("of", ["application", "object"])
async def test_a_kind_that_comes_from_elsewhere(
    hub: Hub, people: People, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its definition is brought by what the sync brings: that comes first, and then it is seen."""
    monkeypatch.setattr("agent.syncer.brought.SERVED_SECONDS", 0.0)
    own = widget(hub.namespace, "w")
    policy = with_options("SkipDryRunOnMissingResource=true") if of == "application" else AUTOMATED
    own = optional(own, "SkipDryRunOnMissingResource=true") if of == "object" else own
    hub.assign([config_map("operator"), own], policy=replace(policy, retry=ONCE.retry))
    state = await ended(hub, "Failed")
    assert "serves no kind Widget" in state.message
    assert await people.get(hub.key("ConfigMap", "operator")) is not None, "the rest is there all the same"


async def test_without_it_nothing_is_changed(hub: Hub, cluster: Cluster) -> None:
    hub.assign([config_map("operator"), widget(hub.namespace, "w")], policy=ONCE)
    state = await ended(hub, "Failed")
    assert state.message.startswith("nothing was changed: ") and group_of(hub.namespace) in state.message
    assert cluster.client.writes == []


# --- CreateNamespace


def elsewhere(hub: Hub, people: People) -> str:
    name = f"{hub.namespace}-new"
    people.leave(namespace(name))
    return name


async def test_a_namespace_is_made_with_its_metadata(hub: Hub, people: People) -> None:
    name = elsewhere(hub, people)
    policy = with_options(
        "CreateNamespace=true", namespace_labels={"team": "shop"}, namespace_annotations={"note": "made"}
    )
    hub.assign([config_map("a")], policy=policy, namespace=name)
    await hub.synced()
    found = await people.get(ResourceKey("", "Namespace", "", name))
    assert found is not None
    assert found["metadata"]["labels"]["team"] == "shop" and found["metadata"]["annotations"] == {"note": "made"}
    changed = replace(policy, namespace_labels={"tier": "one"})
    await people.edit(ResourceKey("", "Namespace", "", name), {"metadata": {"labels": {"own": "label"}}})
    await hub.synced_to(hub.assign([config_map("a", {"k": "2"})], policy=changed, namespace=name))
    labels = (await people.get(ResourceKey("", "Namespace", "", name)) or {})["metadata"]["labels"]
    assert labels.get("tier") == "one" and labels.get("own") == "label" and "team" not in labels


async def test_a_namespace_that_is_there_is_left_as_it_is(hub: Hub, cluster: Cluster, people: People) -> None:
    name = elsewhere(hub, people)
    await people.create(namespace(name))
    hub.assign([config_map("a")], policy=with_options("CreateNamespace=true"), namespace=name)
    await hub.synced()
    assert cluster.client.named("apply") == ["ConfigMap/a"]


async def test_a_namespace_that_the_application_holds_is_applied_with_the_rest(
    hub: Hub, cluster: Cluster, people: People
) -> None:
    name = elsewhere(hub, people)
    hub.assign([namespace(name), config_map("a")], policy=with_options("CreateNamespace=true"), namespace=name)
    await hub.synced()
    assert cluster.client.named("apply") == [f"Namespace/{name}", "ConfigMap/a"]


async def test_without_a_namespace_nothing_is_changed(hub: Hub, cluster: Cluster) -> None:
    hub.assign([config_map("a")], policy=ONCE, namespace=f"{hub.namespace}-nowhere")
    state = await ended(hub, "Failed")
    assert "nowhere" in state.message
    assert cluster.client.writes == []


# --- propagation


@pytest.mark.parametrize("policy", ["foreground", "background", "orphan"])
async def test_prunes_propagate_as_the_option_says(hub: Hub, cluster: Cluster, people: People, policy: str) -> None:
    options = with_options(f"PrunePropagationPolicy={policy}")
    hub.assign([config_map("a"), deployment("web")], policy=options)
    await hub.synced()
    await hub.synced_to(hub.assign([config_map("a")], policy=options))
    await people.gone(hub.key("Deployment", "web", "apps"))
    left = await people.list("apps", "ReplicaSet")
    assert bool(left) is (policy == "orphan") or policy == "background"


# --- options of one sync


async def test_the_options_of_a_sync_outweigh_those_of_the_application(hub: Hub, people: People) -> None:
    policy = replace(MANUAL, sync_options=("Replace=false",))
    await hub.operation(hub.operate([config_map("a")], policy=policy))
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"added": "by hand"}})
    await hub.operation(hub.operate([config_map("a", {"k": "2"})], policy=policy, sync_options=("Replace=true",)))
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"k": "2"}
