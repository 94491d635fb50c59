"""Objects that were there before: taken over from others, unless another application of this cluster has them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.engine.resource import MANAGED_LABEL, TRACKING_ANNOTATION, Object
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People
from tests.syncer.harness import AUTOMATED, Hub, config_map, deployment
from tests.syncer.hooks import hook, turned, wave


async def adopted(hub: Hub, people: People) -> Object:
    found = await people.get(hub.key("ConfigMap", "a"))
    assert found is not None
    assert found["metadata"]["labels"][MANAGED_LABEL] == "true"
    assert found["metadata"]["annotations"][TRACKING_ANNOTATION] == f"{hub.tracking()}:/ConfigMap:{hub.namespace}/a"
    return found


async def test_an_object_of_another_field_manager_is_taken_over(hub: Hub, people: People) -> None:
    await people.apply(config_map("a", {"k": "theirs", "more": "1"}, labels={"team": "x"}), manager="kubectl")
    hub.assign([config_map("a", {"k": "ours"})])
    await hub.synced()
    found = await adopted(hub, people)
    assert found["data"] == {"k": "ours", "more": "1"} and found["metadata"]["labels"]["team"] == "x"
    await hub.synced_to(hub.assign([config_map("b")]))
    assert await people.get(hub.key("ConfigMap", "a")) is None, "it is the application's to prune"


@pytest.mark.parametrize("manager", ["argocd-controller", "kubectl-client-side-apply"])
async def test_what_a_predecessor_applied_and_git_has_no_more_is_removed(
    hub: Hub, people: People, manager: str
) -> None:
    tracked = {TRACKING_ANNOTATION: f"{hub.tracking()}:/ConfigMap:{hub.namespace}/a"}
    await people.create(config_map("a", {"k": "1", "old": "2"}, annotations=tracked), manager=manager)
    hub.assign([config_map("a", {"k": "1"})])
    await hub.synced()
    found = await adopted(hub, people)
    assert found["data"] == {"k": "1"}
    assert [e["manager"] for e in found["metadata"]["managedFields"]] == ["escadre-agent"]


@pytest.mark.parametrize("of", ["application", "sync"])
async def test_what_a_predecessor_applied_stays_its_own_where_nothing_is_to_be_migrated(
    hub: Hub, people: People, of: str
) -> None:
    """What a client-side apply put there and Git never had is there still, and is no drift."""
    await people.create(config_map("a", {"k": "1", "old": "2"}), manager="kubectl-client-side-apply")
    options, objects = ("ClientSideApplyMigration=false",), [config_map("a", {"k": "1"})]
    if of == "application":
        hub.assign(objects, policy=replace(AUTOMATED, sync_options=options))
    else:
        state = await hub.operation(hub.operate(objects, sync_options=options))
        assert state.phase == "Succeeded"
    await hub.synced()
    found = await adopted(hub, people)
    assert found["data"] == {"k": "1", "old": "2"}
    fields = {entry["manager"]: entry["fieldsV1"]["f:data"] for entry in found["metadata"]["managedFields"]}
    assert fields.keys() == {"kubectl-client-side-apply", "escadre-agent"}
    assert "f:old" in fields["kubectl-client-side-apply"] and "f:old" not in fields["escadre-agent"]


async def test_an_object_that_is_as_assigned_already_is_only_marked(hub: Hub, people: People) -> None:
    created = await people.apply(deployment("web", 2), manager="argocd-controller")
    hub.assign([deployment("web", 2)])
    await hub.synced()
    found = await people.get(hub.key("Deployment", "web", "apps"))
    assert found is not None
    assert found["metadata"]["uid"] == created["metadata"]["uid"]
    assert found["metadata"]["generation"] == created["metadata"]["generation"] + 1, "its annotations"
    assert len(await people.list("apps", "ReplicaSet")) == 1, "no pod was restarted"


async def test_two_applications_that_claim_one_object_do_not_fight(hub: Hub, people: People) -> None:
    hub.assign([config_map("a", {"owner": "first"})], name="first")
    await hub.synced("first")
    hub.assign([config_map("a", {"owner": "second"}), config_map("b")], name="second")
    status = await hub.wait(lambda s: any(c.type == "SharedResourceWarning" for c in s.conditions), "second")
    text = next(c.message for c in status.conditions if c.type == "SharedResourceWarning")
    assert hub.tracking("first") in text
    assert status.sync == "OutOfSync" and status.operation is not None and status.operation.phase == "Succeeded"
    assert [(r.key.name, r.status) for r in status.operation.results] == [("a", "SyncSkipped"), ("b", "Synced")]
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"owner": "first"}
    assert await people.get(hub.key("ConfigMap", "b")) is not None
    await hub.synced_to(hub.assign([config_map("b")], name="second"), "second")
    assert not hub.statuses[hub.application("second")].conditions


async def test_a_sync_that_is_to_fail_on_a_shared_object_changes_nothing(hub: Hub, people: People) -> None:
    hub.assign([config_map("a", {"owner": "first"})], name="first")
    await hub.synced("first")
    policy = replace(AUTOMATED, sync_options=("FailOnSharedResource=true",), retry=replace(AUTOMATED.retry, limit=0))
    hub.assign([config_map("a", {"owner": "second"}), config_map("b")], name="second", policy=policy)
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase == "Failed", "second")
    assert (
        status.operation is not None and f"belongs to application {hub.tracking('first')}" in status.operation.message
    )
    assert await people.get(hub.key("ConfigMap", "b")) is None


async def test_the_object_of_an_application_that_has_left_is_taken_over(hub: Hub, people: People) -> None:
    first = hub.assign([config_map("a", {"owner": "first"})], name="first")
    await hub.synced("first")
    hub.delete(first, cascade=False)
    await hub.wait(lambda s: s.deleted, "first")
    hub.assign([config_map("a", {"owner": "app"})])
    await hub.synced()
    assert (await adopted(hub, people))["data"] == {"owner": "app"}


async def test_a_new_object_costs_a_dry_run_and_an_apply(hub: Hub, cluster: Cluster) -> None:
    hub.assign([config_map("a"), config_map("b")])
    await hub.synced()
    calls = [c.verb for c in cluster.client.calls if c.kind == "ConfigMap" and c.verb not in ("list", "watch")]
    assert calls == ["apply"] * 4


@pytest.mark.parametrize("policy", ["BeforeHookCreation", "HookSucceeded"])
async def test_a_hook_leaves_alone_what_another_application_has(hub: Hub, people: People, policy: str) -> None:
    """It neither deletes it to run in its place, nor writes over it."""
    hub.assign([config_map("a", {"owner": "first"})], name="first")
    await hub.synced("first")
    before = await people.get(hub.key("ConfigMap", "a"))
    once = replace(AUTOMATED, retry=replace(AUTOMATED.retry, limit=0))
    hub.assign(
        [hook(config_map("a", {"owner": "second"}), "PreSync", policy), config_map("b")], name="second", policy=once
    )
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase == "Failed", "second")
    message = status.operation.message if status.operation is not None else ""
    assert message.startswith("nothing was changed: ")
    assert f"belongs to application {hub.tracking('first')}; give the hook another name" in message
    after = await people.get(hub.key("ConfigMap", "a"))
    assert before is not None and after is not None and after["data"] == {"owner": "first"}
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert await people.get(hub.key("ConfigMap", "b")) is None


async def test_a_hook_does_not_delete_what_is_nobody_s(hub: Hub, people: People) -> None:
    theirs = await people.create(config_map("a", {"owner": "somebody"}))
    once = replace(AUTOMATED, retry=replace(AUTOMATED.retry, limit=0))
    hub.assign([hook(config_map("a"), "PreSync"), config_map("b")], policy=once)
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase == "Failed")
    assert status.operation is not None and "is no hook and of no application" in status.operation.message
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["metadata"]["uid"] == theirs["metadata"]["uid"]


async def test_a_hook_takes_over_from_the_same_hook_run_by_others(hub: Hub, people: People, clock: TurnedClock) -> None:
    """As Argo CD or Helm has left it."""
    theirs = await people.create(hook(config_map("a", {"owner": "argo"}), "PreSync"))
    hub.assign([hook(config_map("a"), "PreSync"), config_map("b")])
    await turned(hub, clock)
    await hub.synced()
    found = await people.get(hub.key("ConfigMap", "a"))
    assert found is not None and found["metadata"]["uid"] != theirs["metadata"]["uid"]


async def test_a_resource_is_left_to_the_application_whose_hook_it_is(
    hub: Hub, people: People, clock: TurnedClock
) -> None:
    hub.assign([hook(config_map("a", {"owner": "first"}), "PreSync"), config_map("c")], name="first")
    await turned(hub, clock, "first")
    await hub.synced("first")
    hub.assign([wave(config_map("a", {"owner": "second"}), 1), config_map("b")], name="second")
    await turned(hub, clock, "second")
    status = await hub.wait(lambda s: any(c.type == "SharedResourceWarning" for c in s.conditions), "second")
    assert status.operation is not None and status.operation.phase == "Succeeded"
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"owner": "first"}
    assert await people.get(hub.key("ConfigMap", "b")) is not None
