"""Hooks: each in its phase, made once, waited for, told of, and deleted as it asks for."""

from __future__ import annotations

from typing import Any

import pytest

from agent.engine.resource import ResourceKey
from agent.kube.errors import KubeError, Rejected
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Call, Cluster, People, until
from tests.syncer.harness import Hub, config_map
from tests.syncer.hooks import (
    ONCE,
    UNDER_WAY,
    WELL,
    annotated,
    ended,
    hook,
    job,
    key_of_widget,
    made,
    run,
    turned,
    until_waits,
    waits,
    waits_for_api,
)
from tests.syncer.hooks import slow as slow
from tests.syncer.objects import crd, namespace, widget, workflow, workflow_crd

# --- phases


async def test_phases_follow_one_another(hub: Hub, cluster: Cluster, clock: TurnedClock, people: People) -> None:
    hub.assign(
        [
            config_map("a"),
            hook(job("after"), "PostSync"),
            hook(job("before"), "PreSync"),
            hook(config_map("fail"), "SyncFail"),
            hook(config_map("skipped"), "Skip"),
            annotated(config_map("tests"), **{"helm.sh/hook": "test"}),
            annotated(config_map("helm"), **{"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-weight": "-5"}),
        ]
    )
    await turned(hub, clock)
    state = (await hub.synced()).operation
    assert state is not None and state.phase == "Succeeded"
    assert made(cluster) == ["ConfigMap/helm", "Job/before", "ConfigMap/a", "Job/after"]
    told = [(r.sync_phase, r.wave, r.key.name, r.hook, r.state) for r in state.results]
    assert sorted(told) == [
        ("PostSync", 0, "after", True, "Succeeded"),
        ("PreSync", -5, "helm", True, "Succeeded"),
        ("PreSync", 0, "before", True, "Succeeded"),
        ("Sync", 0, "a", False, "Succeeded"),
    ]
    assert all(r.finished_ms >= r.started_ms > 0 for r in state.results)
    status = hub.statuses[hub.application()]
    assert status.total == 1 and not status.conditions, "hooks are none of its resources"


async def test_a_sync_waits_for_its_hook(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    hub.assign([config_map("a"), hook(slow("gate"), "PreSync")])
    state = await waits(hub, "PreSync hook", "gate", "under way")
    assert [(r.key.name, r.state) for r in state.results] == [("gate", "Running")]
    assert made(cluster) == ["Widget/gate"]
    await people.edit(key_of_widget(hub, "gate"), WELL)
    await turned(hub, clock)
    await hub.synced()
    assert made(cluster) == ["Widget/gate", "ConfigMap/a"]


async def test_a_failed_hook_ends_the_sync_and_runs_the_hooks_for_that(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    objects = [config_map("a"), hook(job("before", fails=True), "PreSync"), hook(job("sorry"), "SyncFail")]
    hub.assign(objects, policy=ONCE)
    state = await ended(hub, "Failed")
    assert "PreSync hook Job" in state.message and "before" in state.message
    assert [(r.key.name, r.sync_phase, r.state) for r in state.results] == [
        ("before", "PreSync", "Failed"),
        ("sorry", "SyncFail", "Succeeded"),
    ]
    assert made(cluster) == ["Job/before", "Job/sorry"]
    status = hub.statuses[hub.application()]
    assert [c.type for c in status.conditions] == ["SyncError"]


async def test_an_object_that_cannot_be_applied_runs_the_hooks_for_that(
    hub: Hub, cluster: Cluster, people: People
) -> None:
    cluster.client.trouble = lambda call: Rejected("not now") if call.writes and call.name == "a" else None
    hub.assign([config_map("a"), hook(config_map("sorry"), "SyncFail")], policy=ONCE)
    state = await ended(hub, "Failed")
    assert "not now" in state.message
    assert made(cluster) == ["ConfigMap/sorry"]


async def test_what_a_dry_run_refuses_runs_no_hook(hub: Hub, cluster: Cluster) -> None:
    bad = {**config_map("BAD_NAME")}
    hub.assign([bad, hook(job("before"), "PreSync"), hook(config_map("sorry"), "SyncFail")], policy=ONCE)
    state = await ended(hub, "Failed")
    assert state.message.startswith("nothing was changed: ")
    assert made(cluster) == []


# --- once


async def test_hooks_run_again_with_the_next_sync(hub: Hub, people: People, clock: TurnedClock) -> None:
    objects = [config_map("a"), hook(job("before"), "PreSync")]
    hub.assign(objects)
    await turned(hub, clock)
    await hub.synced()
    first = await people.get(hub.key("Job", "before", "batch"))
    second = hub.assign([config_map("a", {"k": "2"}), objects[1]])
    await hub.wait(lambda s: s.generation == second.generation)
    await turned(hub, clock)
    await hub.synced_to(second)
    again = await people.get(hub.key("Job", "before", "batch"))
    assert first is not None and again is not None
    assert first["metadata"]["uid"] != again["metadata"]["uid"], "made anew: that is the policy where none is given"


async def test_names_are_generated_by_revision_phase_and_time(hub: Hub, people: People, clock: TurnedClock) -> None:
    migration = hook(job("x"), "PreSync")
    migration["metadata"]["generateName"] = migration["metadata"].pop("name")
    assignment = hub.assign([config_map("a"), migration])
    await turned(hub, clock)
    await hub.synced()
    (found,) = await people.list("batch", "Job")
    revision = assignment.revision.sources[0].revision[:7]
    assert found["metadata"]["name"].startswith(f"x{revision}-presync-")


async def test_a_hook_of_a_kind_that_the_sync_brings_is_ended_and_deleted(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    gate = hook({**widget(hub.namespace, "gate"), "status": UNDER_WAY}, "PostSync", "HookSucceeded")
    hub.assign([people.leave(crd(hub.namespace)), gate], policy=ONCE)
    await until_waits(hub, clock, "gate")
    await people.edit(key_of_widget(hub, "gate"), WELL)
    await turned(hub, clock)
    await hub.synced()
    await people.gone(key_of_widget(hub, "gate"))


async def test_a_hook_whose_health_is_not_counted_is_waited_for(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    uncounted = hook(slow("gate"), "PreSync", **{"argocd.argoproj.io__ignore-healthcheck": "true"})
    hub.assign([config_map("a"), uncounted], policy=ONCE)
    await waits(hub, "gate")
    clock.advance(3)
    await waits(hub, "gate", "under way")
    assert made(cluster) == ["Widget/gate"]


async def test_a_hook_that_another_application_has_is_left_to_it(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    hub.assign([config_map("a"), hook(job("before"), "PreSync")], name="first")
    await turned(hub, clock, "first")
    before = await people.get(hub.key("Job", "before", "batch"))
    hub.assign([config_map("b"), hook(job("before"), "PreSync")], policy=ONCE)
    state = await ended(hub, "Failed")
    assert f"belongs to application {hub.tracking('first')}" in state.message
    assert await people.get(hub.key("ConfigMap", "b")) is None
    assert await people.get(hub.key("Job", "before", "batch")) == before


async def test_a_hook_with_a_long_name_runs_again(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    """Jobs have their name in a label, which takes 63 characters."""
    name = "before-".ljust(60, "x")

    def trouble(call: Call) -> KubeError | None:
        return Rejected("must be no more than 63 characters") if len(call.name) > 63 else None

    cluster.client.trouble = trouble
    await hub.synced_to(await run(hub, clock, [config_map("a"), hook(job(name), "PreSync")]))
    changed = job(name)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "job:2"
    await hub.synced_to(await run(hub, clock, [config_map("a", {"k": "2"}), hook(changed, "PreSync")]))
    assert made(cluster).count(f"Job/{name}") == 2


async def test_a_namespace_that_a_hook_brings(hub: Hub, people: People, clock: TurnedClock) -> None:
    name = f"{hub.namespace}-team"
    brought = hook(people.leave(namespace(name)), "PreSync")
    hub.assign([config_map("a", namespace=name), brought], policy=ONCE)
    await turned(hub, clock)
    await hub.synced()


async def test_a_hook_that_the_api_server_was_not_there_for_is_made_once_it_is(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    """Its request had arrived, and the answer was lost with the server."""
    cluster.client.lose = lambda call: call.writes and call.name == "gate"
    hub.assign([config_map("a"), hook(slow("gate"), "PreSync")], policy=ONCE)
    state = await waits_for_api(hub)
    made = await people.get(key_of_widget(hub, "gate"))
    cluster.client.lose = None
    clock.advance(5)
    again = await waits(hub, "gate")
    assert again.id == state.id
    now = await people.get(key_of_widget(hub, "gate"))
    assert made is not None and now is not None and made["metadata"]["uid"] == now["metadata"]["uid"]
    await people.edit(key_of_widget(hub, "gate"), WELL)
    await turned(hub, clock)
    assert (await hub.synced()).operation.id == state.id  # type: ignore[union-attr]


# --- their ends


@pytest.mark.parametrize(
    ("policies", "fails", "stays"),
    [
        (("HookSucceeded",), False, False),
        (("HookSucceeded",), True, True),
        (("HookFailed",), True, False),
        (("HookFailed",), False, True),
        (("BeforeHookCreation",), False, True),
        (("BeforeHookCreation", "HookSucceeded"), False, False),
        ((), False, True),
    ],
)
async def test_hooks_are_deleted_as_they_ask(
    hub: Hub, people: People, clock: TurnedClock, policies: tuple[str, ...], fails: bool, stays: bool
) -> None:
    hub.assign([config_map("a"), hook(job("before", fails=fails), "PreSync", *policies)], policy=ONCE)
    await turned(hub, clock)
    key = hub.key("Job", "before", "batch")
    if stays:
        assert await people.get(key) is not None
    else:
        await people.gone(key)


async def test_a_hook_in_the_way_of_its_next_run_is_told_with_what_to_do(hub: Hub, clock: TurnedClock) -> None:
    hub.assign([config_map("a"), hook(job("before", fails=True), "PreSync", "HookSucceeded")], policy=ONCE)
    await ended(hub, "Failed")
    hub.assign([config_map("a", {"k": "2"}), hook(job("before"), "PreSync", "HookSucceeded")], policy=ONCE)
    status = await hub.wait(lambda s: s.operation is not None and "nothing was changed" in s.operation.message)
    assert status.operation is not None
    assert "the object of an earlier run is still there" in status.operation.message
    assert "BeforeHookCreation" in status.operation.message


async def test_a_hook_that_is_deleted_before_its_end_has_failed(hub: Hub, people: People, slow: Any) -> None:
    hub.assign([config_map("a"), hook(slow("gate"), "PreSync")], policy=ONCE)
    await waits(hub, "gate")
    await people.remove(key_of_widget(hub, "gate"))
    state = await ended(hub, "Failed")
    assert "deleted before it had ended" in state.message and "under way" in state.message


@pytest.mark.parametrize("quiet", [False, True])
async def test_what_a_failed_hook_has_written_is_told(
    hub: Hub, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    async def logs(namespace: str, pod: str, container: str, *, lines: int, limit: int) -> str:
        return f"{container}: no such table\n"

    monkeypatch.setattr(cluster.client, "logs", logs)
    options = {"escadre.io__hook-output": "none"} if quiet else {}
    hub.assign([config_map("a"), hook(job("before", fails=True), "PreSync", **options)], policy=ONCE)
    state = await ended(hub, "Failed")
    (result,) = [r for r in state.results if r.hook]
    if quiet:
        assert result.output == ""
    else:
        assert result.output.endswith("(main): main: no such table") and result.output.startswith("before-")


async def test_a_hook_that_goes_at_its_end_has_ended(hub: Hub, people: People, clock: TurnedClock) -> None:
    hub.assign([config_map("a"), hook(job("before", ttlSecondsAfterFinished=0), "PreSync")], policy=ONCE)
    await turned(hub, clock)
    await hub.synced()


async def test_a_hook_has_its_time(hub: Hub, people: People, slow: Any, clock: TurnedClock) -> None:
    limited = hook(slow("gate"), "PreSync", **{"escadre.io__time-limit": "10m"})
    hub.assign([config_map("a"), limited], policy=ONCE)
    await waits(hub, "gate")
    clock.advance(590)
    await hub.idle()
    assert hub.statuses[hub.application()].operation.phase == "Running"  # type: ignore[union-attr]
    clock.advance(20)
    state = await ended(hub, "Failed")
    assert "it has not ended in 10 min" in state.message and "under way" in state.message


async def test_a_job_that_never_starts_ends_with_its_reason(hub: Hub, people: People, clock: TurnedClock) -> None:
    stuck = hook(job("before", suspend=True), "PreSync")
    hub.assign([config_map("a"), stuck], policy=ONCE)
    await waits(hub, "before")
    clock.advance(1000)
    state = await ended(hub, "Failed")
    assert "nothing of it has run in 15 minutes" in state.message


async def test_a_workflow_ends_as_its_phase_says(hub: Hub, people: People, clock: TurnedClock) -> None:
    """Nothing runs it here: who is in its controller's place writes what that would."""
    await people.create(people.leave(workflow_crd()))
    await people.kind("argoproj.io", "Workflow")
    objects = [config_map("a"), hook(workflow("migrate-"), "PreSync", "HookSucceeded")]
    hub.assign(objects, policy=ONCE)
    name = (await waits(hub, "PreSync hook Workflow", "not begun")).results[0].name
    assert name.startswith("migrate-")
    key = hub.key("Workflow", name, "argoproj.io")
    await people.edit(key, {"status": {"phase": "Running", "message": "step 1 of 2"}})
    await waits(hub, "running", "step 1 of 2")
    assert await people.get(hub.key("ConfigMap", "a")) is None
    await people.edit(key, {"status": {"phase": "Succeeded"}})
    await turned(hub, clock)
    await hub.synced()
    await people.gone(key)

    hub.assign([*objects, config_map("b")], policy=ONCE)
    name = (await waits(hub, "not begun")).results[0].name
    key = hub.key("Workflow", name, "argoproj.io")
    await people.edit(key, {"status": {"phase": "Failed", "message": "step 2 exited with 1"}})
    state = await ended(hub, "Failed")
    assert "PreSync hook Workflow" in state.message and "step 2 exited with 1" in state.message
    assert await people.get(hub.key("ConfigMap", "b")) is None
    assert await people.get(key) is not None, "it is kept to be looked into"


async def test_a_namespace_that_ends_before_a_hook_in_it_ends_the_sync_with_its_reason(
    hub: Hub, people: People, slow: Any, clock: TurnedClock
) -> None:
    """It was there when the sync was tried by a dry run."""
    team = f"{hub.namespace}-team"
    await people.create(people.leave(namespace(team)))
    held = ResourceKey("", "ConfigMap", team, "held")
    await people.create(config_map("held", namespace=team, finalizers=["example.com/stuck"]))
    late = hook(config_map("late", namespace=team), "PostSync")
    hub.assign([config_map("a"), hook(slow("gate"), "PreSync"), late], policy=ONCE)
    await waits(hub, "gate")
    place = ResourceKey("", "Namespace", "", team)
    await people.remove(place)
    await until(lambda: people.get(place), lambda found: found is not None and "deletionTimestamp" in found["metadata"])
    await people.edit(key_of_widget(hub, "gate"), WELL)
    await turned(hub, clock)
    state = hub.statuses[hub.application()].operation
    assert state is not None and state.phase in ("Failed", "Error"), state
    assert "being terminated" in state.message and f"ConfigMap/{team}/late" in state.message
    assert await people.get(hub.key("ConfigMap", "a")) is not None, "what came before it is done"
    await people.edit(held, {"metadata": {"finalizers": []}})


async def test_a_hook_that_is_held_as_its_namespace_ends_ends_the_sync_with_its_reason(
    hub: Hub, people: People, slow: Any, clock: TurnedClock
) -> None:
    team = f"{hub.namespace}-team"
    await people.create(people.leave(namespace(team)))
    gate = slow("gate")
    gate["metadata"] |= {"namespace": team, "finalizers": ["example.com/stuck"]}
    hub.assign([config_map("a"), hook(gate, "PreSync", **{"escadre.io__time-limit": "10m"})], policy=ONCE)
    await waits(hub, f"{team}/gate", "under way")
    await people.remove(ResourceKey("", "Namespace", "", team))
    await waits(hub, f"{team}/gate", "its object is being deleted")
    clock.advance(700)
    state = await ended(hub, "Failed")
    assert f"{team}/gate" in state.message and "it has not ended in 10 min" in state.message
    assert "its object is being deleted" in state.message
    assert await people.get(hub.key("ConfigMap", "a")) is None
    key = key_of_widget(hub, "gate")._replace(namespace=team)
    await people.edit(key, {"metadata": {"finalizers": []}})


async def test_who_terminates_a_sync_ends_its_hooks(hub: Hub, people: People, slow: Any) -> None:
    objects = [config_map("a"), hook(slow("gate"), "PreSync")]
    id = hub.operate(objects)
    await waits(hub, "gate")
    hub.operate(objects, id=id, terminate=True)
    state = await hub.operation(id)
    assert (state.phase, state.message) == ("Failed", "terminated on request")
    await people.gone(key_of_widget(hub, "gate"))
    assert await people.get(hub.key("ConfigMap", "a")) is None


async def test_a_selective_sync_runs_no_hooks(hub: Hub, cluster: Cluster) -> None:
    objects = [config_map("a"), config_map("b"), hook(job("before"), "PreSync")]
    state = await hub.operation(hub.operate(objects, resources=(hub.key("ConfigMap", "b"),)))
    assert state.phase == "Succeeded"
    assert made(cluster) == ["ConfigMap/b"]


async def test_healing_runs_no_hooks(hub: Hub, people: People, clock: TurnedClock) -> None:
    hub.assign([config_map("a"), hook(job("before"), "PreSync")])
    await turned(hub, clock)
    await hub.synced()
    before = await people.get(hub.key("Job", "before", "batch"))
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    await hub.healed()
    after = await people.get(hub.key("Job", "before", "batch"))
    assert before is not None and after is not None and before["metadata"]["uid"] == after["metadata"]["uid"]


async def test_a_dry_run_says_which_hooks_would_run(hub: Hub, cluster: Cluster) -> None:
    objects = [config_map("a"), hook(job("before"), "PreSync")]
    state = await hub.operation(hub.operate(objects, dry_run=True))
    assert {r.key.name: r.message for r in state.results} == {
        "a": "would be created",
        "before": "would be run as PreSync hook",
    }
    assert cluster.client.writes == []


# --- newer commits


async def test_a_newer_commit_waits_for_the_hook_and_then_goes_first(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    hub.assign([config_map("a", {"v": "1"}), hook(slow("gate"), "PreSync")])
    await waits(hub, "gate")
    second = hub.assign([config_map("a", {"v": "2"})])
    await hub.wait(lambda s: s.generation == second.generation)
    await hub.idle()
    assert hub.statuses[hub.application()].operation.phase == "Running"  # type: ignore[union-attr]
    await people.edit(key_of_widget(hub, "gate"), WELL)
    await hub.synced_to(second)
    assert made(cluster) == ["Widget/gate", "ConfigMap/a"]
    assert next(s.message for s in hub.finished).startswith("given up before its end for revision ")
