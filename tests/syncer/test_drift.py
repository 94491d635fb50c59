"""What others do to managed objects: seen, told with their names, and put back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.engine.assignment import IgnoreDifference
from agent.engine.resource import MANAGED_LABEL, ResourceKey
from agent.kube.errors import Rejected
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People, until
from tests.syncer.harness import AUTOMATED, Hub, config_map, deployment
from tests.syncer.objects import secret
from tests.syncer.seeing import seen


async def test_an_edit_is_reported_with_its_author_and_healed(hub: Hub, people: People) -> None:
    hub.assign([config_map("a", {"k": "v"})])
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}}, manager="kubectl-edit")
    drift = await hub.healed()
    assert drift.kind == "modified"
    assert [(f.path, f.assigned, f.live, f.manager) for f in drift.fields] == [
        ("/data/k", '"v"', '"hacked"', "kubectl-edit")
    ]
    assert drift.fields[0].changed_at is not None
    found = await people.get(hub.key("ConfigMap", "a"))
    assert found is not None and found["data"] == {"k": "v"}


async def test_a_deleted_object_comes_back(hub: Hub, people: People) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    await people.remove(hub.key("ConfigMap", "a"))
    assert (await hub.healed()).kind == "deleted"
    assert await people.get(hub.key("ConfigMap", "a")) is not None


async def test_a_removed_label_is_drift(hub: Hub, people: People) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "a"), {"metadata": {"labels": {MANAGED_LABEL: None}}})
    assert (await hub.healed()).kind == "label-removed"
    found = await people.get(hub.key("ConfigMap", "a"))
    assert found is not None and found["metadata"]["labels"] == {MANAGED_LABEL: "true"}


async def test_a_field_of_somebody_else_is_no_drift(hub: Hub, cluster: Cluster, people: People) -> None:
    hub.assign([config_map("a", {"k": "v"})])
    await hub.synced()
    cluster.client.calls.clear()
    await people.edit(hub.key("ConfigMap", "a"), {"metadata": {"annotations": {"note": "mine"}}})
    await until(lambda: _dry_runs(cluster), lambda dry_runs: dry_runs == ["ConfigMap/a"])
    await hub.synced()
    assert hub.drifts == [] and cluster.client.writes == []


async def test_without_self_heal_drift_is_told_and_stays(hub: Hub, people: People) -> None:
    hub.assign([config_map("a")], policy=replace(AUTOMATED, self_heal=False))
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    status = await hub.wait(lambda s: s.sync == "OutOfSync")
    assert status.resources[0].drift[0].path == "/data/k"
    await hub.until(lambda: bool(hub.drifts))
    report = hub.drifts[-1]
    assert not report.healed_ms
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "v"}})
    await hub.synced()
    closed = await hub.healed()
    assert closed.id == report.id, "put back by hand, it is healed all the same"


async def test_a_standing_drift_is_one_report_across_a_restart(hub: Hub, people: People) -> None:
    hub.assign([config_map("a")], policy=replace(AUTOMATED, self_heal=False))
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    await hub.until(lambda: bool(hub.drifts))
    await hub.wait(lambda s: s.sync == "OutOfSync")
    await hub.restart()
    await hub.wait(lambda s: s.sync == "OutOfSync")
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "v"}})
    await hub.healed()
    assert len({d.id for d in hub.drifts}) == 1


async def test_the_report_of_an_object_that_leaves_the_application_is_closed(hub: Hub, people: People) -> None:
    policy = replace(AUTOMATED, self_heal=False)
    hub.assign([config_map("a"), config_map("b")], policy=policy)
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    await hub.until(lambda: bool(hub.drifts))
    await hub.synced_to(hub.assign([config_map("b")], policy=policy))
    await hub.until(lambda: bool(hub.drifts[-1].healed_ms))


async def test_a_status_that_changes_costs_no_request(hub: Hub, cluster: Cluster, people: People) -> None:
    hub.assign([deployment("web", 2)])
    await hub.synced()
    cluster.client.calls.clear()
    key = hub.key("Deployment", "web", "apps")
    before = hub.syncer.live.records[key].live.resource_version
    # Its pods go, and come again: the Deployment's status changes each time, and nothing else of it does.
    for pod in await people.list("", "Pod"):
        await people.remove(hub.key("Pod", pod["metadata"]["name"]))
    await until(lambda: _seen(hub, key), lambda version: version != before)
    await hub.synced()
    assert [call for call in cluster.client.calls if call.verb not in ("discover", "watch")] == []


@pytest.mark.parametrize(
    "ignore",
    [
        IgnoreDifference(group="apps", kind="Deployment", json_pointers=("/spec/replicas",)),
        IgnoreDifference(group="apps", kind="Deployment", jq_path_expressions=(".spec.replicas",)),
        IgnoreDifference(group="*", kind="*", managed_fields_managers=("autoscaler",)),
    ],
    ids=["pointer", "jq", "manager"],
)
async def test_an_autoscaler_that_edits_an_ignored_field_is_left_alone(
    hub: Hub, cluster: Cluster, people: People, ignore: IgnoreDifference
) -> None:
    hub.assign([deployment("web", 2)], ignore=(ignore,))
    await hub.synced()
    cluster.client.calls.clear()
    key = hub.key("Deployment", "web", "apps")
    await people.edit(key, {"spec": {"replicas": 3}}, manager="autoscaler")
    await until(lambda: people.get(key), lambda d: d is not None and d["status"].get("readyReplicas") == 3)
    await seen(hub, people, key)
    await hub.synced()
    assert hub.drifts == [] and cluster.client.writes == []
    # A manager that takes a field over has it ignored from then on, which is a change as such; and on a real cluster is
    # looked at once more where the object's controller was quicker than the answer.
    most = len(ignore.managed_fields_managers) * (1 if cluster.simulated else 2)
    assert len(await _dry_runs(cluster)) <= most, "an update of nothing but what is ignored costs no request"
    cluster.client.calls.clear()
    await people.edit(key, {"spec": {"replicas": 4}}, manager="autoscaler")
    await until(lambda: people.get(key), lambda d: d is not None and d["status"].get("readyReplicas") == 4)
    await seen(hub, people, key)
    await hub.synced()
    assert hub.drifts == [] and cluster.client.writes == []
    assert await _dry_runs(cluster) == [], "nor does the next one, whoever the field is"


async def test_an_ignored_field_hides_no_other(hub: Hub, people: People) -> None:
    ignore = IgnoreDifference(group="apps", kind="Deployment", json_pointers=("/spec/replicas",))
    hub.assign([deployment("web", 2)], ignore=(ignore,))
    await hub.synced()
    patch = {"spec": {"replicas": 3, "template": {"metadata": {"labels": {"app": "web", "team": "x"}}}, "paused": True}}
    await people.edit(hub.key("Deployment", "web", "apps"), {**patch, "metadata": {"labels": {MANAGED_LABEL: "no"}}})
    drift = await hub.healed()
    assert [f.path for f in drift.fields] == [f"/metadata/labels/{MANAGED_LABEL.replace('/', '~1')}"]


async def test_values_of_secrets_are_masked_in_reports(hub: Hub, people: People) -> None:
    hub.assign([secret("s", password="swordfish")])
    await hub.synced()
    await people.edit(hub.key("Secret", "s"), {"data": {"password": "aGFja2VkLWJ5LW1l"}})
    drift = await hub.healed()
    assert [f.path for f in drift.fields] == ["/data/password"]
    told = repr((hub.drifts, hub.told, hub.finished))
    for value in ("swordfish", "c3dvcmRmaXNo", "hacked", "aGFja2Vk"):
        assert value not in told
    on_disk = b"".join(path.read_bytes() for path in hub.path.glob("agent.db*"))
    assert b"aGFja2Vk" not in on_disk, "what others wrote into a Secret is not kept"


async def test_each_object_has_a_back_off_of_its_own(hub: Hub, people: People, clock: TurnedClock) -> None:
    hub.assign([config_map("a"), config_map("b")])
    await hub.synced()
    fought, other = hub.key("ConfigMap", "a"), hub.key("ConfigMap", "b")
    await people.edit(fought, {"data": {"k": "1"}})
    await hub.healed(1)
    await people.edit(fought, {"data": {"k": "2"}})
    await hub.wait(lambda s: s.sync == "OutOfSync")
    await people.edit(other, {"data": {"k": "1"}})
    await hub.until(lambda: any(d.key == other and d.healed_ms for d in hub.drifts), "the other is healed at once")
    assert await _value(people, fought) == "2"
    clock.advance(2)
    await hub.healed(3)
    # The third time it waits three times as long.
    await people.edit(fought, {"data": {"k": "3"}})
    await hub.wait(lambda s: s.sync == "OutOfSync")
    clock.advance(4)
    await people.edit(other, {"data": {"k": "2"}})
    await hub.until(lambda: sum(bool(d.key == other and d.healed_ms) for d in hub.drifts) == 2)
    assert await _value(people, fought) == "3"
    clock.advance(2)
    await hub.healed(5)
    assert await _value(people, fought) == "v"


async def test_a_heal_that_fails_is_told_and_tried_again(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    cluster.client.trouble = lambda call: Rejected("a webhook says no") if call.writes else None
    await people.remove(hub.key("ConfigMap", "a"))
    status = await hub.wait(lambda s: any(c.type == "SyncError" for c in s.conditions))
    assert "a webhook says no" in status.conditions[0].message
    cluster.client.trouble = None
    clock.advance(2)
    await hub.healed()
    await hub.wait(lambda s: not s.conditions)


async def _dry_runs(cluster: Cluster) -> list[str]:
    return cluster.client.named("apply", dry_run=True)


async def _seen(hub: Hub, key: ResourceKey) -> str:
    return hub.syncer.live.records[key].live.resource_version


async def _value(people: People, key: ResourceKey) -> str:
    found = await people.get(key)
    assert found is not None
    value: str = found["data"]["k"]
    return value
