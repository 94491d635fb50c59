"""The hooks of an application's end: before anything is deleted, and after all of it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.engine.assignment import Assignment, Deletion, Revision
from agent.engine.resource import GroupKind
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People, until
from tests.syncer.harness import MANUAL, Hub, config_map, manifest_set
from tests.syncer.hooks import (
    BROKEN,
    WELL,
    hook,
    job,
    key_of_widget,
    made,
    until_gone,
    until_waits,
    waits,
)
from tests.syncer.hooks import slow as slow


async def test_the_hooks_of_a_deletion(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    assignment = hub.assign(
        [config_map("a"), hook(slow("before"), "PreDelete"), hook(slow("after"), "PostDelete", "HookSucceeded")]
    )
    await hub.synced()
    assert made(cluster) == ["ConfigMap/a"]
    hub.delete(assignment)
    await waits(hub, "PreDelete hook")
    assert await people.get(hub.key("ConfigMap", "a")) is not None
    await people.edit(key_of_widget(hub, "before"), WELL)
    await until_waits(hub, clock, "PostDelete hook")
    assert await people.get(hub.key("ConfigMap", "a")) is None
    await people.edit(key_of_widget(hub, "after"), WELL)
    await hub.wait(lambda s: s.deleted)
    await people.gone(key_of_widget(hub, "after"))
    await people.gone(key_of_widget(hub, "before"))
    assert made(cluster) == ["ConfigMap/a", "Widget/before", "Widget/after"]


async def test_an_application_has_left_as_soon_as_its_last_hook_has_ended(
    hub: Hub, people: People, slow: Any, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.syncer.ending.RETRY_SECONDS", 3600.0)
    monkeypatch.setattr("agent.syncer.ending.RETRY_CAP_SECONDS", 3600.0)
    assignment = hub.assign([config_map("a"), hook(slow("after"), "PostDelete")])
    await hub.synced()
    hub.delete(assignment)
    await until_waits(hub, clock, "PostDelete hook")
    await people.edit(key_of_widget(hub, "after"), WELL)
    await hub.wait(lambda s: s.deleted)


async def test_a_deletion_whose_hook_fails_deletes_nothing_and_tries_again(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    assignment = hub.assign([config_map("a"), hook(slow("before"), "PreDelete")], policy=MANUAL)
    await hub.operation(hub.operate([config_map("a"), hook(slow("before"), "PreDelete")]))
    assignment = hub.assign([config_map("a"), hook(slow("before"), "PreDelete")], policy=MANUAL)
    hub.delete(assignment)
    await waits(hub, "PreDelete hook")
    first = await people.edit(key_of_widget(hub, "before"), BROKEN)
    status = await hub.wait(lambda s: any("out of luck" in c.message for c in s.conditions))
    assert [c.type for c in status.conditions] == ["DeletionError"]
    assert await people.get(hub.key("ConfigMap", "a")) is not None
    await until_waits(hub, clock, "PreDelete hook")
    second = await people.edit(key_of_widget(hub, "before"), WELL)
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    await until_gone(hub, clock)
    assert await people.get(hub.key("ConfigMap", "a")) is None


async def taken_up(hub: Hub) -> None:
    """Let what the clock has woken take its turn."""
    for _ in range(5):
        await asyncio.sleep(0)
    await hub.idle()


async def failing(hub: Hub) -> tuple[Assignment, Callable[[], Awaitable[int]]]:
    """Delete an application whose hook fails. Returns what was assigned, and a count of its ends."""
    assignment = hub.assign([config_map("a"), hook(job("before", fails=True), "PreDelete")])
    await hub.synced()
    hub.delete(assignment, requested_ms=1000)

    async def told() -> int:
        return len([state for state in hub.finished if state.kind == "delete"])

    return assignment, told


async def test_a_deletion_whose_hook_fails_is_tried_again_after_longer_and_longer(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    _, told = await failing(hub)
    for failures in (1, 2, 3):
        await until(told, failures.__eq__)
        await taken_up(hub)
        clock.advance(5 * 2 ** (failures - 1) - 2)
        await taken_up(hub)
        assert made(cluster).count("Job/before") == failures, "it waits"
        clock.advance(3)
    assert await people.get(hub.key("ConfigMap", "a")) is not None


async def test_a_deletion_that_is_asked_for_anew_is_tried_at_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.syncer.ending.RETRY_SECONDS", 3600.0)
    monkeypatch.setattr("agent.syncer.ending.RETRY_CAP_SECONDS", 3600.0)
    assignment, told = await failing(hub)
    await until(told, (1).__eq__)
    hub.delete(assignment, requested_ms=2000)
    await until(told, (2).__eq__)


async def test_the_hooks_of_a_deletion_are_fetched_where_they_are_not_held(hub: Hub) -> None:
    """The cluster was away when the application was changed last, and then deleted."""
    objects = [config_map("a"), hook(job("before"), "PreDelete")]
    ref, blobs = manifest_set(objects)
    hub.storage.add_kinds(hub.application(), [GroupKind("", "ConfigMap")])
    gone = Assignment(
        application=hub.application(),
        uid="uid-app",
        generation=2,
        digest="0" * 64,
        project="default",
        namespace=hub.namespace,
        manifest_set=ref,
        revision=Revision(),
        policy=MANUAL,
        deletion=Deletion(cascade=True, propagation="background"),
    )
    assert hub.syncer.missing([gone], {}) == [ref.digest]
    assert sorted(hub.syncer.missing([gone], {ref.digest: blobs[ref.digest]})) == sorted(set(blobs) - {ref.digest})
    left = replace(gone, deletion=Deletion(cascade=False, propagation="background"))
    assert hub.syncer.missing([left], {}) == [], "nothing of it is run"
