"""The end of an application on a cluster: each is its own, and none overlooks what the cluster does not tell of yet."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.engine.resource import GroupKind, ResourceKey
from agent.engine.status import ApplicationStatus
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import LIMIT, Call, Cluster, People
from tests.syncer.harness import MANUAL, Hub, config_map
from tests.syncer.hooks import WELL, hook, job, key_of_widget, made, until_gone, until_waits, waits
from tests.syncer.hooks import slow as slow
from tests.syncer.objects import group_of, widget
from tests.syncer.test_sync import LateDiscovery


def held(name: str) -> dict[str, Any]:
    """Return a ConfigMap that stays until its finalizer is taken away."""
    return config_map(name, finalizers=["example.com/held"])


async def test_hooks_of_an_end_that_was_taken_back_run_again(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    objects = [held("a"), hook(slow("before"), "PreDelete")]
    await hub.operation(hub.operate(objects))
    assignment = hub.assign(objects, policy=MANUAL)
    hub.delete(assignment, requested_ms=1000)
    await waits(hub, "PreDelete hook")
    await people.edit(key_of_widget(hub, "before"), WELL)
    await until_waits(hub, clock, "ConfigMap")
    again = hub.assign(objects, policy=MANUAL)
    await hub.wait(
        lambda s: s.generation == again.generation and s.operation is not None and s.operation.phase.finished
    )
    hub.delete(again, requested_ms=2000)
    # With its finalizer the ConfigMap is still on its way out, but there is an end to run the hooks of.
    await waits(hub, "PreDelete hook")
    assert made(cluster).count("Widget/before") == 2
    await people.edit(key_of_widget(hub, "before"), WELL)
    await people.edit(hub.key("ConfigMap", "a"), {"metadata": {"finalizers": None}})
    await until_gone(hub, clock)


async def test_hooks_of_an_earlier_end_are_not_those_of_the_next(hub: Hub, cluster: Cluster) -> None:
    objects = [config_map("a"), hook(job("before"), "PreDelete")]
    first = hub.assign(objects, policy=MANUAL)
    await hub.wait(lambda s: s.generation == first.generation)
    hub.delete(first, requested_ms=1000)
    await hub.wait(lambda s: s.deleted)
    assert made(cluster) == ["Job/before"]
    again = hub.assign(objects, policy=MANUAL)
    await hub.wait(lambda s: s.generation == again.generation and not s.deleted)
    # What the disk remembers of the application is its end.
    await hub.restart()
    hub.delete(again, requested_ms=2000)
    await hub.wait(lambda s: s.deleted)
    assert made(cluster) == ["Job/before"] * 2


async def test_a_hook_that_ended_well_is_not_run_again_by_the_same_end(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    objects = [held("a"), hook(job("before"), "PreDelete")]
    await hub.operation(hub.operate(objects))
    hub.delete(hub.assign(objects, policy=MANUAL), requested_ms=1000)
    await until_waits(hub, clock, "ConfigMap")
    await hub.restart()
    await until_waits(hub, clock, "ConfigMap")
    await people.edit(hub.key("ConfigMap", "a"), {"metadata": {"finalizers": None}})
    await until_gone(hub, clock)
    assert made(cluster).count("Job/before") == 1


async def test_an_end_that_is_to_delete_otherwise_begins_anew(hub: Hub, people: People) -> None:
    assignment = hub.assign([held("a")], policy=MANUAL)
    await hub.operation(hub.operate([held("a")]))
    hub.delete(assignment, propagation="background")
    await waits(hub, "ConfigMap")
    hub.delete(assignment, propagation="orphan")
    await hub.until(lambda: any(o.kind == "delete" for o in hub.finished), "the end of the first run")
    (first,) = (o for o in hub.finished if o.kind == "delete")
    assert (first.phase, first.message) == ("Failed", "terminated on request")
    await people.edit(hub.key("ConfigMap", "a"), {"metadata": {"finalizers": None}})
    await hub.wait(lambda s: s.deleted)


# --- what discovery does not tell of


def condition(status: ApplicationStatus) -> str:
    return next((c.message for c in status.conditions if c.type == "DeletionError"), "")


async def restarted_without(
    hub: Hub, cluster: Cluster, kind: GroupKind, monkeypatch: pytest.MonkeyPatch
) -> LateDiscovery:
    """Start the agent anew at an API server that has not come to tell of a kind."""
    await hub.stop()
    hub.statuses.clear()
    late = LateDiscovery(cluster.client, kind, 10**6)
    monkeypatch.setattr(cluster.client, "discover", late.discover)
    hub.open()
    await hub.start()
    return late


async def test_kinds_that_are_not_told_of_yet_are_not_overlooked(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assignment = hub.assign([config_map("a"), widget(hub.namespace, "w")])
    await hub.synced()
    kind = GroupKind(group_of(hub.namespace), "Widget")
    late = await restarted_without(hub, cluster, kind, monkeypatch)
    hub.delete(assignment)
    status = await hub.wait(lambda s: "does not tell of" in condition(s))
    assert f"Widget ({kind.group}): its definition widgets.{kind.group} is there" in condition(status)
    assert not status.deleted and await people.get(hub.key("ConfigMap", "a")) is not None
    await hub.idle()
    late.held_back = 0
    clock.advance(5)
    status = await hub.wait(lambda s: s.deleted)
    await people.gone(key_of_widget(hub, "w"))


async def restarted_without_definition(
    hub: Hub, cluster: Cluster, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Start the agent anew at a cluster from which a kind has gone, with all of it."""
    group = group_of(hub.namespace)
    definition = ResourceKey("apiextensions.k8s.io", "CustomResourceDefinition", "", f"widgets.{group}")
    await people.remove(definition)
    await people.gone(definition)
    # Whose answer is an old one knows it no more, either.
    await restarted_without(hub, cluster, GroupKind(group, "Widget"), monkeypatch)


async def test_kinds_that_are_gone_hold_nothing_up(
    hub: Hub, cluster: Cluster, people: People, slow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assignment = hub.assign([config_map("a"), widget(hub.namespace, "w")])
    await hub.synced()
    await restarted_without_definition(hub, cluster, people, monkeypatch)
    hub.delete(assignment)
    await hub.wait(lambda s: s.deleted)
    assert await people.get(hub.key("ConfigMap", "a")) is None


async def test_an_end_that_is_taken_back_while_the_cluster_is_asked_deletes_nothing(
    hub: Hub, cluster: Cluster, people: People, slow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = [config_map("a"), widget(hub.namespace, "w")]
    assignment = hub.assign(objects)
    await hub.synced()
    await restarted_without_definition(hub, cluster, people, monkeypatch)
    await hub.wait(lambda s: s.total == len(objects))
    await hub.idle()
    asked, kept = asyncio.Event(), asyncio.Event()

    async def gate(call: Call) -> None:
        # What brings the kind is asked for last, before anything is deleted.
        if call.verb == "list-metadata":
            asked.set()
            await kept.wait()

    cluster.client.gate = gate
    hub.delete(assignment)
    async with asyncio.timeout(LIMIT):
        await asked.wait()
    again = hub.assign(objects, policy=MANUAL)
    kept.set()
    await hub.wait(lambda s: s.generation == again.generation and not s.deleted)
    await hub.idle()
    assert cluster.client.named("delete") == []
