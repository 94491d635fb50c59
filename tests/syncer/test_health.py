"""How an application's health is made of that of its resources, and told."""

from __future__ import annotations

from agent.engine.resource import Object
from tests.syncer.cluster import People
from tests.syncer.harness import MANUAL, Hub, config_map, deployment
from tests.syncer.objects import crd, group_of, widget


def condition(type: str, status: str, message: str = "") -> Object:
    return {"status": {"conditions": [{"type": type, "status": status, "reason": "Test", "message": message}]}}


async def test_the_worst_resource_decides(hub: Hub, people: People) -> None:
    group = group_of(hub.namespace)
    await people.create(people.leave(crd(hub.namespace)))
    await people.kind(group, "Widget")
    hub.assign([config_map("a"), widget(hub.namespace, "one"), widget(hub.namespace, "two")])
    await hub.synced()
    await people.edit(hub.key("Widget", "one", group), condition("Reconciling", "True", "warming up"))
    status = await hub.wait(lambda s: s.health == "Progressing")
    assert "one" in status.health_message and "warming up" in status.health_message
    assert [(r.key.name, r.sync, r.health) for r in status.resources] == [("one", "Synced", "Progressing")]
    await people.edit(hub.key("Widget", "two", group), condition("Stalled", "True", "out of memory"))
    status = await hub.wait(lambda s: s.health == "Degraded")
    assert "two" in status.health_message and "out of memory" in status.health_message
    assert [r.key.name for r in status.resources] == ["two", "one"], "the worst first"
    assert status.total == 3 and status.not_fine == 2 and status.sync == "Synced"
    await people.edit(hub.key("Widget", "two", group), condition("Ready", "True"))
    await people.edit(hub.key("Widget", "one", group), condition("Ready", "True"))
    await hub.synced()


async def test_a_rollout_is_progressing_until_it_is_done(hub: Hub) -> None:
    hub.assign([deployment("web", 3)])
    await hub.synced()
    seen = [s.health for s in hub.told if s.sync == "Synced"]
    assert seen[-1] == "Healthy" and set(seen) <= {"Progressing", "Healthy"}
    hub.assign([{**deployment("web", 3), "spec": {**deployment("web", 3)["spec"], "paused": True}}])
    await hub.wait(lambda s: s.health == "Suspended")


async def test_what_is_missing_counts_only_where_nothing_is_there(hub: Hub) -> None:
    hub.assign([config_map("a"), config_map("b")], policy=MANUAL)
    status = await hub.wait(lambda s: s.sync == "OutOfSync")
    assert status.health == "Missing"
    await hub.operation(hub.operate([config_map("a"), config_map("b")], resources=(hub.key("ConfigMap", "a"),)))
    status = await hub.wait(lambda s: s.sync == "OutOfSync" and len(s.resources) == 1)
    assert status.health == "Healthy" and status.resources[0].health == "Missing"


async def test_what_asks_not_to_be_counted_is_not_counted(hub: Hub, people: People) -> None:
    group = group_of(hub.namespace)
    await people.create(people.leave(crd(hub.namespace)))
    await people.kind(group, "Widget")
    ignored = widget(hub.namespace, "ignored")
    ignored["metadata"]["annotations"] = {"argocd.argoproj.io/ignore-healthcheck": "true"}
    hub.assign([config_map("a"), ignored, widget(hub.namespace, "counted")])
    await hub.synced()
    await people.edit(hub.key("Widget", "ignored", group), condition("Stalled", "True", "out of memory"))
    await people.edit(hub.key("Widget", "counted", group), condition("Reconciling", "True", "warming up"))
    status = await hub.wait(lambda s: s.health == "Progressing")
    assert [r.key.name for r in status.resources] == ["counted"]
    assert "Degraded" not in {s.health for s in hub.told}
    await people.edit(hub.key("Widget", "counted", group), condition("Ready", "True"))
    await hub.synced()
