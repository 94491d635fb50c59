"""Waves: up one after the other, each waiting for health; down again for what is pruned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent.engine.resource import Object
from agent.engine.status import ApplicationStatus
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People, until
from tests.syncer.harness import AUTOMATED, MANUAL, Hub, config_map, deployment
from tests.syncer.hooks import (
    BROKEN,
    ONCE,
    WELL,
    annotated,
    ended,
    hook,
    key_of_widget,
    made,
    turned,
    until_waits,
    waits,
    wave,
)
from tests.syncer.hooks import slow as slow
from tests.syncer.objects import namespace
from tests.syncer.seeing import seen


def optional(obj: Object, options: str) -> Object:
    return annotated(obj, **{"argocd.argoproj.io/sync-options": options})


async def test_waves_go_up_and_wait_for_health(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    hub.assign([wave(config_map("last"), 2), config_map("middle"), wave(slow("first"), -1)])
    state = await waits(hub, "wave -1", "first", "to be healthy", "under way")
    assert [(r.key.name, r.wave, r.state) for r in state.results] == [("first", -1, "Running")]
    assert made(cluster) == ["Widget/first"]
    await people.edit(key_of_widget(hub, "first"), WELL)
    await turned(hub, clock)
    await hub.synced()
    assert made(cluster) == ["Widget/first", "ConfigMap/middle", "ConfigMap/last"]


async def test_there_is_time_between_waves(hub: Hub, cluster: Cluster, clock: TurnedClock) -> None:
    hub.assign([wave(config_map("a"), 1), wave(config_map("b"), 2)])
    await hub.wait(lambda s: s.operation is not None and s.operation.message == "applying")
    await hub.idle()
    assert made(cluster) == ["ConfigMap/a"]
    clock.advance(1.5)
    await hub.idle()
    assert made(cluster) == ["ConfigMap/a"]
    clock.advance(1)
    await hub.synced()
    assert made(cluster) == ["ConfigMap/a", "ConfigMap/b"]


async def test_the_last_wave_is_not_waited_for(hub: Hub, people: People, slow: Any, clock: TurnedClock) -> None:
    assignment = hub.assign([config_map("a"), wave(slow("end"), 1)])
    await turned(hub, clock)
    status = await hub.wait(lambda s: s.synced_manifest_set == assignment.manifest_set.digest)
    assert status.operation is not None and status.operation.phase == "Succeeded"
    status = await hub.wait(lambda s: s.health == "Progressing")
    assert status.sync == "Synced"


async def test_a_single_wave_is_not_waited_for(hub: Hub, slow: Any) -> None:
    assignment = hub.assign([config_map("a"), slow("one")])
    status = await hub.wait(lambda s: s.synced_manifest_set == assignment.manifest_set.digest)
    assert status.health == "Progressing"


async def test_a_wave_that_breaks_ends_the_sync(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    hub.assign([wave(slow("first"), -1), config_map("b")], policy=ONCE)
    await waits(hub, "first")
    await people.edit(key_of_widget(hub, "first"), BROKEN)
    state = await ended(hub, "Failed")
    assert "first" in state.message and "out of luck" in state.message
    assert made(cluster) == ["Widget/first"]


async def test_a_wave_that_is_in_place_is_waited_for_too(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    first = [wave(slow("first"), -1), config_map("b")]
    hub.assign(first)
    await waits(hub, "first")
    await people.edit(key_of_widget(hub, "first"), WELL)
    await turned(hub, clock)
    await hub.synced()
    await people.edit(
        key_of_widget(hub, "first"), {"status": {"conditions": [{"type": "Reconciling", "status": "True"}]}}
    )
    await hub.wait(lambda s: s.health == "Progressing")
    second = hub.assign([first[0], config_map("b", {"k": "2"})])
    await waits(hub, "first", "to be healthy")
    assert "ConfigMap/b" not in made(cluster)[2:]
    await people.edit(key_of_widget(hub, "first"), WELL)
    await hub.synced_to(second)


async def test_what_is_ill_may_be_cured_by_its_own_wave(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    ill, key = wave(slow("ill"), -1), key_of_widget(hub, "ill")
    hub.assign([ill, wave(config_map("cure"), -1), config_map("b")], policy=ONCE)
    await waits(hub, "ill")
    await people.edit(key, WELL)
    await turned(hub, clock)
    await hub.synced()
    await people.edit(key, BROKEN)
    await hub.wait(lambda s: s.health == "Degraded")
    cure = wave(config_map("cure", {"k": "2"}), -1)
    second = hub.assign([ill, cure, config_map("b", {"k": "2"})], policy=ONCE)
    # It was brought, and has its time to work: what is ill now is no reason to fail yet.
    await waits(hub, "wave -1", "ill", "to be healthy")
    assert made(cluster)[-1] == "ConfigMap/cure"
    await people.edit(key, WELL)
    await hub.wait(lambda s: s.health == "Healthy")
    await turned(hub, clock)
    await hub.synced_to(second)


async def test_with_out_of_sync_only_what_is_in_place_does_not_count(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    policy = replace(AUTOMATED, sync_options=("ApplyOutOfSyncOnly=true",))
    first = [wave(slow("first"), -1), config_map("b")]
    hub.assign(first, policy=policy)
    await waits(hub, "first")
    await people.edit(key_of_widget(hub, "first"), WELL)
    await turned(hub, clock)
    await hub.synced()
    await people.edit(key_of_widget(hub, "first"), BROKEN)
    await hub.wait(lambda s: s.health == "Degraded")
    second = hub.assign([first[0], config_map("b", {"k": "2"})], policy=policy)
    await hub.wait(lambda s: s.synced_manifest_set == second.manifest_set.digest)


async def test_prunes_go_down_the_waves(hub: Hub, cluster: Cluster, people: People, clock: TurnedClock) -> None:
    hub.assign(
        [wave(config_map("one"), 1), wave(deployment("two"), 2), wave(config_map("three"), 3), config_map("kept")]
    )
    await turned(hub, clock)
    await hub.synced()
    second = hub.assign([config_map("kept")])
    await hub.wait(lambda s: s.generation == second.generation)
    await turned(hub, clock)
    await hub.synced_to(second)
    assert cluster.client.named("delete") == ["ConfigMap/three", "Deployment/two", "ConfigMap/one"]


async def test_a_wave_waits_until_what_it_pruned_is_gone(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    hub.assign([wave(config_map("one"), 1), wave(config_map("two"), 2), config_map("kept")])
    await turned(hub, clock)
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "two"), {"metadata": {"finalizers": ["example.com/wait"]}})
    await seen(hub, people, hub.key("ConfigMap", "two"))
    hub.assign([config_map("kept")])
    await until_waits(hub, clock, "to be gone")
    await until_waits(hub, clock, "example.com/wait")
    assert cluster.client.named("delete") == ["ConfigMap/two"]
    await people.edit(hub.key("ConfigMap", "two"), {"metadata": {"finalizers": []}})
    await turned(hub, clock)
    await hub.synced()
    assert cluster.client.named("delete") == ["ConfigMap/two", "ConfigMap/one"]


async def test_prune_last_comes_after_every_wave(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    last = optional(config_map("old"), "PruneLast=true")
    hub.assign([last, config_map("a")])
    await turned(hub, clock)
    await hub.synced()
    order = len(cluster.client.writes)
    second = hub.assign([config_map("a"), wave(config_map("b"), 5)])
    await hub.wait(lambda s: s.generation == second.generation)
    await turned(hub, clock)
    await hub.synced_to(second)
    assert [(c.verb, c.name) for c in cluster.client.writes[order:]] == [("apply", "b"), ("delete", "old")]


async def test_a_namespace_comes_with_the_first_wave_that_needs_it(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    name = f"{hub.namespace}-team"
    hub.assign([wave(people.leave(namespace(name)), 3), wave(config_map("early", namespace=name), -2), config_map("a")])
    await turned(hub, clock)
    await hub.synced()
    assert made(cluster) == [f"Namespace/{name}", "ConfigMap/early", "ConfigMap/a"]


async def test_a_newer_commit_does_not_wait_for_the_health_of_an_older_one(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    hub.assign([wave(slow("first"), -1), config_map("b")])
    await waits(hub, "first")
    # A real cluster's garbage collector takes half a minute to learn of a new kind.
    policy = replace(AUTOMATED, sync_options=("PrunePropagationPolicy=background",))
    second = hub.assign([config_map("b", {"k": "mended"})], policy=policy)
    await hub.synced_to(second)
    assert next(s.message for s in hub.finished).startswith("given up before its end for revision ")
    await people.gone(key_of_widget(hub, "first"))


async def test_while_one_application_waits_others_go_on(hub: Hub, slow: Any, clock: TurnedClock) -> None:
    """More of them than are worked on at once."""
    for number in range(10):
        hub.assign([wave(slow(f"first{number}"), -1), config_map(f"b{number}")], name=f"app{number}")
    for number in range(10):
        await waits(hub, f"first{number}", name=f"app{number}")
    hub.assign([config_map("other")], name="other")
    await hub.synced("other")


async def test_an_object_that_somebody_deletes_while_it_is_waited_for(
    hub: Hub, people: People, slow: Any, clock: TurnedClock
) -> None:
    hub.assign([wave(slow("first"), -1), config_map("b")], policy=ONCE)
    await waits(hub, "first")
    await people.remove(key_of_widget(hub, "first"))
    state = await ended(hub, "Failed")
    assert "somebody deleted it" in state.message


# --- what is told meanwhile


async def test_what_differs_while_a_wave_is_waited_for_is_told(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    await hub.synced_to(
        hub.assign(
            [config_map("a"), config_map("b")],
        )
    )
    objects = [wave(config_map("a"), -2), wave(slow("first"), -1), config_map("b", {"k": "2"})]
    hub.assign(objects)
    await until_waits(hub, clock, "first")
    clock.advance(20)
    status = await hub.wait(lambda s: told(s, "b") == "OutOfSync")
    assert told(status, "a") == "" and told(status, "first") == "Synced", "applied a moment ago, and so judged"
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "by hand"}})
    status = await hub.wait(lambda s: told(s, "a") == "OutOfSync")
    assert [d.key.name for d in hub.drifts] == ["a"]
    await people.edit(key_of_widget(hub, "first"), BROKEN)
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase == "Failed")
    assert status.health == "Degraded"


async def test_what_is_assigned_while_an_operation_waits_is_compared(hub: Hub, slow: Any, clock: TurnedClock) -> None:
    objects = [wave(slow("first"), -1), config_map("b")]
    id = hub.operate(objects)
    await waits(hub, "first")
    newer = hub.assign([objects[0], config_map("b", {"k": "2"})], policy=MANUAL)
    clock.advance(20)
    status = await hub.wait(lambda s: s.generation == newer.generation and s.sync == "OutOfSync")
    assert status.operation is not None and (status.operation.id, status.operation.phase) == (id, "Running")


def told(status: ApplicationStatus, name: str) -> str:
    """Return the sync status that an object is told with, "" for one that is fine."""
    return next((str(r.sync) for r in status.resources if r.key.name == name), "")


async def test_a_commit_that_is_taken_back_while_its_predecessor_runs_is_nothing(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    objects = [hook(slow("gate"), "PreSync"), config_map("a")]
    hub.assign(objects, policy=ONCE)
    await waits(hub, "gate")
    other = hub.assign([config_map("other")], policy=ONCE)
    await hub.wait(lambda s: s.generation == other.generation)
    hub.assign(objects, policy=ONCE)
    await people.edit(key_of_widget(hub, "gate"), WELL)
    await turned(hub, clock)
    await hub.synced()
    assert made(cluster) == ["Widget/gate", "ConfigMap/a"]


async def test_a_newer_commit_waits_for_the_hooks_of_a_failure(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    hub.assign([hook(slow("gate"), "PreSync"), hook(config_map("sorry"), "SyncFail")], policy=ONCE)
    await waits(hub, "gate")
    second = hub.assign([config_map("a")], policy=ONCE)
    await hub.wait(lambda s: s.generation == second.generation)
    await people.edit(key_of_widget(hub, "gate"), BROKEN)
    await hub.synced_to(second)
    assert made(cluster) == ["Widget/gate", "ConfigMap/sorry", "ConfigMap/a"]
    assert "out of luck" in hub.finished[0].message


async def test_another_application_of_the_name_does_not_wait_for_the_first(
    hub: Hub, people: People, slow: Any, clock: TurnedClock
) -> None:
    objects = [wave(slow("first"), -1), config_map("b")]
    hub.operate(objects)
    await waits(hub, "first")
    # A real cluster's garbage collector takes half a minute to learn of a new kind.
    policy = replace(AUTOMATED, sync_options=("PrunePropagationPolicy=background",))
    other = hub.assign([config_map("b")], uid="uid-other", policy=policy)
    await hub.synced_to(other)
    assert hub.finished[0].message == "terminated on request"


async def test_what_was_compared_while_an_operation_waited_stays_compared(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    """A controller has written to it meanwhile: it is as assigned, and no longer as it was applied."""
    early = wave(config_map("early"), -2)
    hub.assign([early, wave(slow("first"), -1), config_map("b")])
    await until_waits(hub, clock, "first")
    key = hub.key("ConfigMap", "early")
    cluster.client.calls.clear()
    await people.edit(key, {"metadata": {"labels": {"seen-by": "a-controller"}}})

    async def compared() -> list[str]:
        clock.advance(5)
        return cluster.client.named("apply", dry_run=True)

    await until(compared, lambda names: "ConfigMap/early" in names)
    status = await hub.wait(lambda s: not any(r.key == key for r in s.resources))
    assert status.operation is not None and status.operation.phase == "Running", "compared while it waits"
    await people.edit(key_of_widget(hub, "first"), WELL)
    await turned(hub, clock)
    await hub.synced()


# --- confirmations


async def test_a_prune_waits_for_its_confirmation(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    hub.assign([config_map("a"), optional(config_map("dear"), "Prune=confirm"), config_map("old")])
    await hub.synced()
    second = hub.assign([config_map("a", {"k": "2"})])
    state = await waits(hub, "confirm that ConfigMap", "dear may be deleted", "escadre app confirm-deletion app-")
    assert cluster.client.named("delete") == ["ConfigMap/old"]
    # Confirmed before it was asked for: that was for something else.
    hub.assign([config_map("a", {"k": "2"})], approved_ms=state.started_ms - 1)
    await hub.idle()
    assert await people.get(hub.key("ConfigMap", "dear")) is not None
    hub.assign([config_map("a", {"k": "2"})], approved_ms=clock.now_ms())
    await people.gone(hub.key("ConfigMap", "dear"))
    status = await hub.wait(lambda s: s.synced_manifest_set == second.manifest_set.digest)
    assert status.operation is not None and status.operation.id == state.id


async def test_a_confirmation_that_was_there_before_confirms_nothing(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    """Even if it is of a time to come, where the hub's clock is ahead or somebody has written so."""
    later = clock.now_ms() + 3_600_000
    hub.assign([config_map("a"), optional(config_map("dear"), "Prune=confirm")], approved_ms=later)
    await hub.synced()
    hub.assign([config_map("a")], approved_ms=later)
    await waits(hub, "confirm that ConfigMap")
    await hub.idle()
    assert cluster.client.named("delete") == []
    hub.assign([config_map("a")], approved_ms=later + 1)
    await people.gone(hub.key("ConfigMap", "dear"))


async def test_what_was_confirmed_while_the_agent_was_away_is_confirmed(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    hub.assign([config_map("a"), optional(config_map("dear"), "Prune=confirm")])
    await hub.synced()
    hub.assign([config_map("a")])
    state = await waits(hub, "confirm that ConfigMap")
    await hub.stop()
    hub.statuses.clear()
    hub.open()
    # Taken from the hub before anything goes on, as where both come up together.
    clock.advance(60)
    await hub.start()
    await hub.idle()
    hub.assign([config_map("a")], approved_ms=state.started_ms + 30_000)
    await people.gone(hub.key("ConfigMap", "dear"))


async def test_a_deletion_waits_for_its_confirmation(hub: Hub, people: People, clock: TurnedClock) -> None:
    assignment = hub.assign([config_map("a")], policy=replace(AUTOMATED, sync_options=("Delete=confirm",)))
    await hub.synced()
    hub.delete(assignment)
    status = await hub.wait(lambda s: any("confirm that ConfigMap" in c.message for c in s.conditions))
    assert [c.type for c in status.conditions] == ["DeletionError"]
    hub.delete(replace(assignment, approved_ms=clock.now_ms()))
    await hub.wait(lambda s: s.deleted)
    assert await people.get(hub.key("ConfigMap", "a")) is None


async def test_a_deletion_that_waits_and_is_to_leave_all_in_place_ends(
    hub: Hub, people: People, clock: TurnedClock
) -> None:
    assignment = hub.assign([config_map("a")], policy=replace(AUTOMATED, sync_options=("Delete=confirm",)))
    await hub.synced()
    hub.delete(assignment)
    await hub.wait(lambda s: any("confirm that ConfigMap" in c.message for c in s.conditions))
    hub.delete(assignment, cascade=False)
    await hub.wait(lambda s: (s.operation is not None and s.operation.phase == "Failed") or s.deleted)
    clock.advance(5)
    await hub.wait(lambda s: s.deleted)
    assert await people.get(hub.key("ConfigMap", "a")) is not None


async def test_what_is_to_be_confirmed_is_told_by_a_dry_run(hub: Hub, cluster: Cluster) -> None:
    hub.assign([config_map("a"), optional(config_map("dear"), "Prune=confirm")])
    await hub.synced()
    state = await hub.operation(hub.operate([config_map("a")], dry_run=True, prune=True))
    assert [(r.key.name, r.message) for r in state.results] == [
        ("dear", "would be pruned, once somebody has confirmed it")
    ]
