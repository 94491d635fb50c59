"""Deleting: only what the application tracked, in every way it may be asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from agent.engine.assignment import Deletion
from agent.engine.resource import MANAGED_LABEL, TRACKING_ANNOTATION, ResourceKey
from agent.kube.errors import Rejected
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Call, Cluster, People, until
from tests.syncer.harness import AUTOMATED, MANUAL, Hub, config_map, deployment
from tests.syncer.objects import namespace

FINALIZER = {"metadata": {"finalizers": ["example.com/wait"]}}
NO_FINALIZER = {"metadata": {"finalizers": None}}


async def test_without_prune_the_surplus_is_told_and_kept(hub: Hub, people: People) -> None:
    policy = replace(AUTOMATED, prune=False)
    hub.assign([config_map("a"), config_map("b")], policy=policy)
    await hub.synced()
    hub.assign([config_map("a")], policy=policy)
    status = await hub.wait(lambda s: s.sync == "OutOfSync" and any(r.requires_pruning for r in s.resources))
    assert [r.key.name for r in status.resources] == ["b"]
    assert (status.not_fine, status.total) == (1, 2), (
        "what is to be pruned is among all, as it is among what is not fine"
    )
    finished = await hub.wait(lambda s: s.operation is not None and s.generation == 2 and s.operation.phase.finished)
    assert finished.operation is not None
    assert [(r.key.name, r.status) for r in finished.operation.results] == [("b", "PruneSkipped")]
    assert await people.get(hub.key("ConfigMap", "b")) is not None


async def test_surplus_that_asks_for_it_leaves_the_application_in_sync(hub: Hub, people: People) -> None:
    asking = {"argocd.argoproj.io/compare-options": "IgnoreExtraneous"}
    policy = replace(AUTOMATED, prune=False)
    hub.assign([config_map("a"), config_map("b", annotations=asking)], policy=policy)
    await hub.synced()
    hub.assign([config_map("a")], policy=policy)
    status = await hub.wait(lambda s: s.sync == "Synced" and any(r.requires_pruning for r in s.resources))
    assert [(r.key.name, r.sync) for r in status.resources] == [("b", "OutOfSync")]
    hub.assign([config_map("a"), config_map("c")], policy=AUTOMATED)
    await hub.synced()
    await people.gone(hub.key("ConfigMap", "b"))


async def test_what_the_application_does_not_track_is_not_pruned(hub: Hub, people: People) -> None:
    hub.assign([config_map("a"), config_map("gone")])
    await hub.synced()
    mine = (await people.get(hub.key("ConfigMap", "gone")) or {})["metadata"]["annotations"]
    labels = {MANAGED_LABEL: "true"}
    other = {TRACKING_ANNOTATION: f"other:/ConfigMap:{hub.namespace}/other"}
    await people.create(config_map("copied", labels=labels, annotations=mine))
    await people.create(config_map("other", labels=labels, annotations=other))
    await people.create(config_map("labelled", labels=labels))
    await people.create(config_map("garbled", labels=labels, annotations={TRACKING_ANNOTATION: "nonsense"}))
    await people.create(config_map("plain"))
    hub.assign([config_map("b")], name="neighbour")
    await hub.synced("neighbour")
    await hub.synced_to(hub.assign([config_map("a")]))
    left = {obj["metadata"]["name"] for obj in await people.list("", "ConfigMap")}
    assert left - {"kube-root-ca.crt"} == {"a", "b", "copied", "other", "labelled", "garbled", "plain"}


@pytest.mark.parametrize(
    "annotations",
    [
        {"argocd.argoproj.io/sync-options": "Validate=true, Prune=false"},
        {"helm.sh/resource-policy": "keep"},
    ],
)
async def test_what_asks_to_be_kept_is_kept(hub: Hub, people: People, annotations: dict[str, str]) -> None:
    assignment = hub.assign([config_map("a"), config_map("kept", annotations=annotations)])
    await hub.synced()
    second = hub.assign([config_map("a", {"k": "2"})])
    status = await hub.synced_to(second)
    assert status.operation is not None
    assert [(r.key.name, r.status) for r in status.operation.results] == [("a", "Synced"), ("kept", "PruneSkipped")]
    hub.delete(assignment)
    await hub.wait(lambda s: s.deleted)
    assert await people.get(hub.key("ConfigMap", "kept")) is not None
    assert await people.get(hub.key("ConfigMap", "a")) is None


@pytest.mark.parametrize("last", [False, True])
async def test_what_could_not_be_applied(hub: Hub, cluster: Cluster, people: People, last: bool) -> None:
    """The prunes of its wave come before it, and with PruneLast behind everything."""
    options = (f"PruneLast={str(last).lower()}",)
    hub.assign([config_map("old")])
    await hub.synced()
    cluster.client.trouble = lambda call: Rejected("not now") if call.writes and call.name == "new" else None
    hub.assign(
        [config_map("new"), deployment("web")],
        policy=replace(AUTOMATED, sync_options=options, retry=replace(AUTOMATED.retry, limit=0)),
    )
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase == "Failed")
    assert status.operation is not None and "not now" in status.operation.message
    if last:
        assert await people.get(hub.key("ConfigMap", "old")) is not None
    else:
        await until(partial(people.get, hub.key("ConfigMap", "old")), lambda found: found is None)
    assert await people.get(hub.key("Deployment", "web", "apps")) is None, "what comes after it was applied"


async def test_a_pruned_object_that_waits_for_a_finalizer_is_told_until_it_is_gone(
    hub: Hub, cluster: Cluster, people: People
) -> None:
    hub.assign([config_map("a"), config_map("slow")])
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "slow"), FINALIZER)
    hub.assign([config_map("a")])
    status = await hub.wait(lambda s: any("being deleted" in r.message for r in s.resources))
    assert status.sync == "OutOfSync" and [r.key.name for r in status.resources] == ["slow"]
    asked = cluster.client.named("delete")
    hub.operate([config_map("a")], policy=AUTOMATED, prune=True)
    await hub.wait(lambda s: s.operation is not None and s.operation.kind == "sync" and s.operation.id == "op-1")
    assert cluster.client.named("delete") == asked and set(asked) == {"ConfigMap/slow"}, "it is not asked for again"
    await people.edit(hub.key("ConfigMap", "slow"), NO_FINALIZER)
    await hub.synced()


async def test_an_assigned_object_that_is_being_deleted_comes_back(hub: Hub, people: People) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    key = hub.key("ConfigMap", "a")
    await people.edit(key, FINALIZER)
    await people.remove(key)
    status = await hub.wait(lambda s: s.sync == "OutOfSync" and bool(s.resources))
    assert status.resources[0].health in (None, "Progressing") and "delet" in status.resources[0].message.lower()
    await people.edit(key, NO_FINALIZER)
    await hub.healed()
    assert await people.get(key) is not None


async def test_an_object_made_anew_under_the_same_name_is_not_deleted(
    hub: Hub, cluster: Cluster, people: People
) -> None:
    hub.assign([config_map("a"), config_map("b")])
    await hub.synced()
    key = hub.key("ConfigMap", "b")
    reached, go = asyncio.Event(), asyncio.Event()

    async def hold(call: object) -> None:
        if getattr(call, "verb", "") == "delete":
            reached.set()
            await go.wait()

    cluster.client.gate = hold
    assignment = hub.assign([config_map("a")])
    await reached.wait()
    await people.remove(key)
    await people.create(config_map("b", {"whose": "theirs"}))
    go.set()
    status = await hub.synced_to(assignment)
    assert status.operation is not None and [r.message for r in status.operation.results] == ["was gone already"]
    assert (await people.get(key) or {})["data"] == {"whose": "theirs"}


@pytest.mark.parametrize(
    "annotations",
    [{"argocd.argoproj.io/sync-options": "Prune=false"}, {TRACKING_ANNOTATION: "another:/ConfigMap:x/y"}],
)
async def test_an_object_that_is_to_be_left_as_of_now_is_left(
    hub: Hub, cluster: Cluster, people: People, annotations: dict[str, str]
) -> None:
    """However late the watch tells of it."""
    hub.assign([config_map("a"), config_map("b"), config_map("c")])
    await hub.synced()
    reached, go = asyncio.Event(), asyncio.Event()

    async def hold(call: Call) -> None:
        if call.verb == "delete":
            reached.set()
            await go.wait()

    cluster.client.gate = hold
    assignment = hub.assign([config_map("a")])
    await reached.wait()
    await people.edit(hub.key("ConfigMap", "b"), {"metadata": {"annotations": annotations}})
    await people.edit(hub.key("ConfigMap", "c"), {"metadata": {"annotations": {"touched": "true"}}})
    go.set()
    status = await hub.synced_to(assignment)
    assert status.operation is not None
    assert {r.key.name: r.status for r in status.operation.results} == {"b": "PruneSkipped", "c": "Pruned"}
    assert await people.get(hub.key("ConfigMap", "b")) is not None
    assert await people.get(hub.key("ConfigMap", "c")) is None


# --- the end of an application


async def test_a_cascading_tombstone_deletes_what_is_tracked_and_nothing_else(hub: Hub, people: People) -> None:
    assignment = hub.assign([config_map("a"), deployment("web")])
    await hub.synced()
    other = hub.assign([config_map("b")], name="other")
    await hub.synced("other")
    hub.delete(assignment)
    await hub.wait(lambda s: s.deleted)
    assert await people.get(hub.key("ConfigMap", "a")) is None
    assert await people.get(hub.key("Deployment", "web", "apps")) is None
    assert await people.get(hub.key("ConfigMap", "b")) is not None
    assert other.application in {h.application for h in hub.syncer.inventory() if not h.deleted}


async def test_without_cascade_everything_keeps_running(hub: Hub, people: People) -> None:
    assignment = hub.assign([config_map("a")])
    await hub.synced()
    hub.delete(assignment, cascade=False)
    await hub.wait(lambda s: s.deleted)
    assert await people.get(hub.key("ConfigMap", "a")) is not None


@pytest.mark.parametrize("propagation", ["foreground", "background"])
async def test_a_deletion_takes_along_what_is_owned(hub: Hub, people: People, propagation: str) -> None:
    assignment = hub.assign([deployment("web", 2)])
    await hub.synced()
    hub.delete(assignment, propagation=propagation)
    await hub.wait(lambda s: s.deleted)
    for pod in await people.list("", "Pod"):
        await people.gone(hub.key("Pod", pod["metadata"]["name"]))
    assert await people.list("apps", "ReplicaSet") == []


async def test_what_asks_to_outlive_its_application_does(hub: Hub, people: People) -> None:
    left = config_map("left", annotations={"argocd.argoproj.io/sync-options": "Validate=true,Delete=false"})
    assignment = hub.assign([config_map("a"), left])
    await hub.synced()
    hub.delete(assignment)
    await hub.wait(lambda s: s.deleted)
    assert await people.get(hub.key("ConfigMap", "a")) is None
    assert await people.get(hub.key("ConfigMap", "left")) is not None


async def test_what_outlives_its_application_is_pruned_while_there_is_one(hub: Hub, people: People) -> None:
    hub.assign([config_map("a"), config_map("b", annotations={"argocd.argoproj.io/sync-options": "Delete=false"})])
    await hub.synced()
    await hub.synced_to(hub.assign([config_map("a")]))
    assert await people.get(hub.key("ConfigMap", "b")) is None


async def test_an_application_whose_resources_are_to_outlive_it(hub: Hub, people: People) -> None:
    assignment = hub.assign([config_map("a")], policy=replace(AUTOMATED, sync_options=("Delete=false",)))
    await hub.synced()
    hub.delete(assignment)
    await hub.wait(lambda s: s.deleted)
    assert await people.get(hub.key("ConfigMap", "a")) is not None


async def test_an_application_that_is_not_to_be_pruned(hub: Hub, people: People) -> None:
    policy = replace(AUTOMATED, sync_options=("Prune=false",))
    hub.assign([config_map("a"), config_map("b")], policy=policy)
    await hub.synced()
    hub.assign([config_map("a")], policy=policy)
    await hub.wait(lambda s: any(r.requires_pruning for r in s.resources) and s.operation is not None)
    await hub.idle()
    assert await people.get(hub.key("ConfigMap", "b")) is not None
    await hub.operation(hub.operate([config_map("a")], policy=replace(policy, automated=False), prune=True))
    assert await people.get(hub.key("ConfigMap", "b")) is not None


async def test_an_orphaning_deletion_leaves_what_is_owned(hub: Hub, people: People) -> None:
    assignment = hub.assign([deployment("web", 2)])
    await hub.synced()
    hub.delete(assignment, propagation="orphan")
    await hub.wait(lambda s: s.deleted)
    assert await people.get(hub.key("Deployment", "web", "apps")) is None
    sets = await people.list("apps", "ReplicaSet")
    assert [s["spec"]["replicas"] for s in sets] == [2]
    assert not any(s["metadata"].get("ownerReferences") for s in sets)


async def test_a_deletion_waits_for_finalizers_and_a_restart(hub: Hub, people: People, clock: TurnedClock) -> None:
    assignment = hub.assign([config_map("a"), config_map("slow")])
    await hub.synced()
    key = hub.key("ConfigMap", "slow")
    await people.edit(key, FINALIZER)
    hub.delete(assignment)
    status = await hub.wait(lambda s: any(f"{key} to be gone" in c.message for c in s.conditions))
    assert [c.type for c in status.conditions] == ["DeletionError"]
    await hub.restart()
    await hub.wait(lambda s: any("to be gone" in c.message for c in s.conditions))
    await people.edit(key, NO_FINALIZER)
    await hub.wait(lambda s: s.deleted)
    assert await people.get(key) is None


async def test_a_deletion_that_is_refused_is_told_and_tried_again(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    assignment = hub.assign([config_map("a")])
    await hub.synced()
    cluster.client.trouble = lambda call: Rejected("a webhook says no") if call.verb == "delete" else None
    hub.delete(assignment)
    status = await hub.wait(lambda s: any(c.type == "DeletionError" for c in s.conditions))
    assert "a webhook says no" in status.conditions[0].message and not status.deleted
    cluster.client.trouble = None
    clock.advance(10)
    await hub.wait(lambda s: s.deleted)
    assert await people.get(hub.key("ConfigMap", "a")) is None


async def test_the_tombstone_of_another_application_of_the_name_is_refused(hub: Hub, people: People) -> None:
    """A hub restored from a backup remembers a deletion, and not that the application was made anew since."""
    first = hub.assign([config_map("a")])
    await hub.synced()
    hub.delete(first)
    await hub.wait(lambda s: s.deleted)
    hub.assign([config_map("a"), config_map("b")], uid="made anew")
    await hub.synced()
    deleted = replace(first, generation=99, deletion=Deletion(True, "background"), digest="0" * 64)
    (verdict,) = hub.syncer.accept([deleted], {})
    assert verdict.refusal == "other-application" and "left alone" in verdict.message
    await hub.idle()
    assert await people.get(hub.key("ConfigMap", "b")) is not None
    await hub.restart()
    await hub.synced()
    assert {h.uid for h in hub.syncer.inventory()} == {"made anew"}


async def test_a_deletion_that_is_withdrawn_ends_and_what_is_left_stays(
    hub: Hub, cluster: Cluster, people: People
) -> None:
    """As of a cluster whose label is put back: it is selected again."""
    objects = [config_map("a"), deployment("web")]
    first = hub.assign(objects)
    await hub.synced()
    uid = (await people.get(hub.key("ConfigMap", "a")) or {})["metadata"]["uid"]
    deleting, kept = asyncio.Event(), asyncio.Event()

    async def gate(call: Call) -> None:
        if call.verb == "delete":
            deleting.set()
            await kept.wait()

    cluster.client.gate = gate
    hub.delete(first)
    await deleting.wait()
    again = hub.assign(objects)
    kept.set()
    status = await hub.synced_to(again, timeout=20)
    assert not status.conditions
    assert cluster.client.named("delete") == ["Deployment/web"]
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["metadata"]["uid"] == uid
    assert await people.get(hub.key("Deployment", "web", "apps")) is not None


async def test_what_is_assigned_again_while_it_is_buried_is_not_buried(
    hub: Hub, cluster: Cluster, people: People
) -> None:
    first = hub.assign([config_map("a")], policy=MANUAL)
    await hub.operation(hub.operate([config_map("a")]))
    await people.remove(hub.key("ConfigMap", "a"))
    await hub.wait(lambda s: s.health == "Missing")
    asking, assigned = asyncio.Event(), asyncio.Event()

    async def gate(call: Call) -> None:
        if call.verb == "discover":
            asking.set()
            await assigned.wait()

    cluster.client.gate = gate
    hub.delete(first)
    await asking.wait()
    again = hub.assign([config_map("a", {"k": "2"})])
    assigned.set()
    await hub.synced_to(again)
    assert not any(s.deleted for s in hub.told)
    assert [h.deleted for h in hub.syncer.inventory()] == [False]


async def test_a_namespace_stays_with_what_is_to_stay_in_it(hub: Hub, people: People) -> None:
    name = f"{hub.namespace}-team"
    team = people.leave(namespace(name))
    left = config_map("left", namespace=name, annotations={"argocd.argoproj.io/sync-options": "Prune=false"})
    hub.assign([team, left, config_map("gone", namespace=name), config_map("a")])
    await hub.synced()
    second = hub.assign([config_map("a")])
    status = await hub.synced_to(second)
    assert not [r for r in status.resources if r.requires_pruning]
    hub.delete(second)
    await hub.wait(lambda s: s.deleted)
    assert await people.get(ResourceKey("", "Namespace", "", name)) is not None
    assert await people.get(ResourceKey("", "ConfigMap", name, "left")) is not None
    assert await people.get(ResourceKey("", "ConfigMap", name, "gone")) is None


async def test_a_namespace_stays_while_something_in_it_is_assigned(hub: Hub, people: People) -> None:
    name = f"{hub.namespace}-team"
    hub.assign([people.leave(namespace(name)), config_map("a", namespace=name)])
    await hub.synced()
    await hub.synced_to(hub.assign([config_map("a", namespace=name)]))
    assert await people.get(ResourceKey("", "ConfigMap", name, "a")) is not None
    assert await people.get(ResourceKey("", "Namespace", "", name)) is not None
