"""Operations: once by their id, tried again as the policy says, ended on request, and taken up again after a kill."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from agent.engine.operation import OperationState
from agent.engine.resource import Object, ResourceKey
from agent.kube.errors import Unreachable
from agent.syncer import patience
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Call, Cluster, People, until
from tests.syncer.harness import AUTOMATED, MANUAL, RETRY, Hub, bad_deployment, config_map, deployment
from tests.syncer.hooks import hook
from tests.syncer.objects import crd, namespace, widget

RETRIED = replace(AUTOMATED, retry=RETRY)


class Gate:
    """Holds up the n-th request that something is said of, for good or until opened."""

    def __init__(self, cluster: Cluster, n: int = 1, verbs: tuple[str, ...] = ("apply", "delete")) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()
        self._left = n
        self._verbs = verbs
        cluster.client.gate = self._hold

    async def _hold(self, call: Call) -> None:
        if call.writes and call.verb in self._verbs:
            self._left -= 1
            if self._left == 0:
                self.reached.set()
                await self._open.wait()

    def open(self) -> None:
        self._open.set()


# --- what is asked for


async def test_rollback_goes_to_the_set_it_names(hub: Hub, people: People) -> None:
    first, second = [config_map("a", {"v": "1"})], [config_map("a", {"v": "2"})]
    hub.assign(first, policy=MANUAL)
    hub.operate(first)
    await hub.synced()
    hub.operate(second)
    await hub.synced()
    state = await hub.operation(hub.operate(second, target=first, kind="rollback"))
    assert state.kind == "rollback"
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"v": "1"}
    await hub.wait(lambda s: s.sync == "OutOfSync")


async def test_what_was_synced_to_another_set_once_is_compared_with_what_is_assigned(hub: Hub) -> None:
    first, other = [config_map("a", {"v": "1"}), config_map("b")], [config_map("a", {"v": "2"}), config_map("b")]
    hub.assign(first, policy=MANUAL)
    hub.operate(first)
    await hub.synced()
    await hub.operation(hub.operate(first, target=other))
    status = await hub.wait(lambda s: s.sync == "OutOfSync")
    assert [(state.key.name, state.sync) for state in status.resources] == [("a", "OutOfSync")]
    assert hub.drifts == [], "nobody has changed what is assigned"
    await hub.operation(hub.operate(first))
    await hub.synced()


async def test_rollback_to_a_set_that_is_not_there_fails_and_changes_nothing(hub: Hub, cluster: Cluster) -> None:
    first = [config_map("a", {"v": "1"})]
    hub.assign(first, policy=AUTOMATED)
    await hub.synced()
    cluster.client.calls.clear()
    # The hub sends a set along with the operation; here the disk has lost it.
    id = hub.operate(first, target=[config_map("a", {"v": "0"})], kind="rollback", policy=AUTOMATED)
    hub.storage.collect_blobs(set())
    state = await hub.operation(id)
    assert state.phase == "Error" and "not on this agent's disk" in state.message
    assert cluster.client.writes == []


async def test_an_operation_runs_once_by_its_id(hub: Hub, people: People) -> None:
    await hub.operation(hub.operate([config_map("a")]))
    await hub.synced()
    await people.remove(hub.key("ConfigMap", "a"))
    await hub.wait(lambda s: s.sync == "OutOfSync")
    await hub.restart()
    await hub.wait(lambda s: s.sync == "OutOfSync")
    assert await people.get(hub.key("ConfigMap", "a")) is None


async def test_a_dry_run_changes_nothing_and_says_what_it_would_do(hub: Hub, cluster: Cluster) -> None:
    hub.assign([config_map("changed"), config_map("gone"), config_map("same")])
    await hub.synced()
    cluster.client.calls.clear()
    objects = [config_map("new"), config_map("changed", {"k": "2"}), config_map("same")]
    state = await hub.operation(hub.operate(objects, dry_run=True, prune=True))
    assert state.phase == "Succeeded" and state.dry_run
    assert [(r.key.name, r.message) for r in state.results] == [
        ("changed", "would be changed"),
        ("gone", "would be pruned"),
        ("new", "would be created"),
    ]
    assert cluster.client.writes == []


async def test_a_dry_run_into_a_namespace_that_would_be_made(hub: Hub, cluster: Cluster, people: People) -> None:
    policy = replace(MANUAL, sync_options=("CreateNamespace=true",))
    name = f"{hub.namespace}-new"
    objects = [config_map("a"), deployment("web"), hook(config_map("before"), "PreSync")]
    id = hub.operate(objects, policy=policy, namespace=name, dry_run=True)
    state = await hub.operation(id)
    assert (state.phase, state.message) == (
        "Succeeded",
        f"dry run: nothing was changed; the namespace {name} would be created",
    )
    assert [(r.key.name, r.message) for r in state.results] == [
        ("a", f"would be created, once the namespace {name} is"),
        ("before", "would be run as PreSync hook"),
        ("web", f"would be created, once the namespace {name} is"),
    ]
    assert cluster.client.writes == []
    assert await people.get(ResourceKey("", "Namespace", "", name)) is None
    # One that is there is asked about as any other.
    state = await hub.operation(hub.operate([config_map("a")], policy=policy, dry_run=True))
    assert (state.message, state.results[0].message) == ("dry run: nothing was changed", "would be created")


async def test_a_dry_run_of_what_comes_with_its_namespace_or_definition(hub: Hub, cluster: Cluster) -> None:
    name = f"{hub.namespace}-new"
    objects = [
        namespace(name),
        config_map("a", namespace=name),
        crd(hub.namespace),
        widget(hub.namespace, "w"),
    ]
    state = await hub.operation(hub.operate(objects, dry_run=True))
    assert state.phase == "Succeeded"
    told = {r.key.kind: r.message for r in state.results}
    assert told == {
        "Namespace": "would be created",
        "ConfigMap": f"would be created, once the namespace {name} is",
        "CustomResourceDefinition": "would be created",
        "Widget": "would be created, once the cluster serves its kind",
    }
    assert cluster.client.writes == []


async def test_a_selective_sync_counts_what_there_is(hub: Hub) -> None:
    """A hub that does not know which kinds live in namespaces names an object twice; and hooks are not run so."""
    hook = config_map("h", annotations={"argocd.argoproj.io/hook": "PreSync"})
    objects = [config_map("a"), config_map("b"), hook]
    twice = (hub.key("ConfigMap", "b"), hub.key("ConfigMap", "b")._replace(namespace=""))
    assert (await hub.operation(hub.operate(objects, resources=twice))).message == "synced 1 resource"
    state = await hub.operation(hub.operate(objects, resources=(hub.key("ConfigMap", "h"),)))
    assert state.message == "synced no resource: a hook is not run by itself, and nothing else was named"


async def test_selective_sync_touches_only_what_it_names(hub: Hub, people: People) -> None:
    objects = [config_map("a"), config_map("b")]
    state = await hub.operation(hub.operate(objects, resources=(hub.key("ConfigMap", "b"),)))
    assert state.partial and state.message == "synced 1 resource"
    assert await people.get(hub.key("ConfigMap", "a")) is None
    assert await people.get(hub.key("ConfigMap", "b")) is not None
    status = await hub.wait(lambda s: s.sync == "OutOfSync")
    assert status.synced_manifest_set == "", "a selective sync is no deployment of the revision"


async def test_force_replaces_what_cannot_be_changed(hub: Hub, people: People) -> None:
    fixed = {**config_map("a", {"k": "1"}), "immutable": True}
    hub.assign([fixed], policy=MANUAL)
    await hub.operation(hub.operate([fixed]))
    changed = {**config_map("a", {"k": "2"}), "immutable": True}
    refused = await hub.operation(hub.operate([changed]))
    assert refused.phase == "Failed" and "immutable" in refused.message
    forced = await hub.operation(hub.operate([changed], force=True))
    assert forced.phase == "Succeeded", forced.message
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"k": "2"}


async def test_what_was_deleted_to_be_replaced_is_made_anew_even_by_an_operation_that_is_terminated(
    hub: Hub, people: People
) -> None:
    key = hub.key("ConfigMap", "a")
    fixed = {**config_map("a", {"k": "1"}), "immutable": True}
    await hub.operation(hub.operate([fixed]))
    await people.edit(key, {"metadata": {"finalizers": ["example.com/wait"]}})
    changed = {**config_map("a", {"k": "2"}), "immutable": True}
    id = hub.operate([changed], force=True)

    async def found() -> Object | None:
        return await people.get(key)

    await until(found, lambda obj: obj is not None and "deletionTimestamp" in obj["metadata"])
    hub.operate([changed], id=id, force=True, terminate=True)
    await people.edit(key, {"metadata": {"finalizers": None}})
    made = await until(found, lambda obj: obj is not None and obj["data"] == {"k": "2"})
    assert made is not None
    await hub.operation(id)


# --- trying again


async def test_a_failing_revision_is_tried_as_often_as_the_policy_says(
    hub: Hub, cluster: Cluster, clock: TurnedClock
) -> None:
    hub.assign([config_map("a"), bad_deployment("web")], policy=RETRIED)
    await finished(hub, 1)
    await hub.idle()
    clock.advance(9)
    await hub.idle()
    assert len(hub.finished) == 1, "not before its time"
    clock.advance(1)
    await finished(hub, 2)
    await hub.idle()
    clock.advance(30)
    last = await finished(hub, 3)
    assert last.phase == "Failed"
    assert hub.storage.attempts(hub.application()).count == 3
    clock.advance(3600)
    await hub.restart()
    await hub.wait(lambda s: s.sync == "OutOfSync")
    assert len({(o.id, o.attempt) for o in hub.finished}) == 3, "it has had its turns"
    await hub.synced_to(hub.assign([config_map("a")], policy=RETRIED), timeout=5)


async def test_a_new_revision_is_tried_at_once(hub: Hub, clock: TurnedClock) -> None:
    hub.assign([bad_deployment("web")], policy=RETRIED)
    await finished(hub, 1)
    hub.assign([bad_deployment("web"), config_map("a")], policy=RETRIED)
    assert (await finished(hub, 2)).attempt == 1
    status = await hub.synced_to(hub.assign([deployment("web")], policy=RETRIED))
    assert status.operation is not None and status.operation.attempt == 1


async def test_other_parameters_are_tried_at_once(hub: Hub, clock: TurnedClock) -> None:
    objects = [config_map("a", namespace=f"{hub.namespace}-absent")]
    hub.assign(objects, policy=replace(AUTOMATED, retry=replace(RETRY, limit=0)))
    await finished(hub, 1)
    options = ("CreateNamespace=true",)
    hub.assign(objects, policy=replace(AUTOMATED, retry=replace(RETRY, limit=0), sync_options=options))
    await finished(hub, 2)


async def test_what_fails_for_a_moment_is_repeated_within_the_operation(hub: Hub, cluster: Cluster) -> None:
    failures = 2

    def trouble(call: Call) -> Unreachable | None:
        nonlocal failures
        if call.verb != "apply" or not failures:
            return None
        failures -= 1
        return Unreachable("connection reset")

    cluster.client.trouble = trouble
    hub.assign([config_map("a")])
    status = await hub.synced()
    assert status.operation is not None and status.operation.attempt == 1


async def test_a_cluster_that_does_not_answer_is_waited_out(
    hub: Hub, cluster: Cluster, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "REQUEST_ATTEMPTS", 1)
    hub.assign([config_map("a")], policy=RETRIED)
    await hub.synced()
    cluster.client.trouble = lambda call: Unreachable("no route to host") if call.verb in ("apply", "get") else None
    changed = hub.assign([config_map("a", {"k": "2"})], policy=RETRIED)
    for number in range(2, 7):
        clock.advance(61)
        state = await finished(hub, number)
        assert state.phase == "Error" and "nothing was changed" in state.message
        await hub.idle()
    cluster.client.trouble = None
    clock.advance(61)
    await hub.synced_to(changed)


async def test_what_fails_between_the_writes_counts(
    hub: Hub, cluster: Cluster, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "REQUEST_ATTEMPTS", 1)
    cluster.client.trouble = lambda call: Unreachable("reset") if call.writes and call.name == "b" else None
    hub.assign([config_map("a"), config_map("b")], policy=replace(RETRIED, retry=replace(RETRY, limit=0)))
    state = await finished(hub, 1)
    assert state.phase == "Error"
    await hub.idle()
    cluster.client.trouble = None
    clock.advance(3600)
    status = await hub.wait(lambda s: s.sync == "OutOfSync")
    assert [r.key.name for r in status.resources] == ["b"]


# --- ending


async def test_terminate_ends_what_runs(hub: Hub, cluster: Cluster) -> None:
    gate = Gate(cluster)
    objects = [config_map("a"), deployment("web")]
    id = hub.operate(objects)
    await gate.reached.wait()
    hub.operate(objects, id=id, terminate=True)
    gate.open()
    state = await hub.operation(id)
    assert (state.phase, state.message) == ("Failed", "terminated on request")
    assert cluster.client.named("apply") == ["ConfigMap/a"], "the request under way is the last one"


async def test_a_terminated_automated_sync_is_not_begun_again(hub: Hub, cluster: Cluster, clock: TurnedClock) -> None:
    """An earlier request that is marked as to be terminated stands for whatever runs; it stays in later assignments."""
    first = [config_map("z")]
    id = hub.operate(first, policy=MANUAL)
    await hub.operation(id)
    gate = Gate(cluster)
    objects = [config_map("a"), deployment("web")]
    hub.assign(objects)
    await gate.reached.wait()
    hub.operate(objects, target=first, id=id, terminate=True, policy=AUTOMATED)
    gate.open()
    await hub.wait(lambda s: s.operation is not None and s.operation.message == "terminated on request")
    clock.advance(3600)
    hub.operate(objects, target=first, id=id, terminate=True, policy=replace(AUTOMATED, self_heal=False))
    status = await hub.wait(lambda s: s.generation == 4 and s.sync == "OutOfSync")
    assert status.operation is not None and status.operation.phase == "Failed"
    changed = [*objects, config_map("b")]
    hub.operate(changed, target=first, id=id, terminate=True, policy=AUTOMATED)
    await hub.synced()


async def test_an_operation_terminated_before_it_began_never_runs(hub: Hub, cluster: Cluster) -> None:
    state = await hub.operation(hub.operate([config_map("a")], terminate=True))
    assert state.phase == "Failed" and "before it began" in state.message
    assert cluster.client.writes == []


async def test_a_new_assignment_in_the_middle_of_a_sync_follows_it(hub: Hub, cluster: Cluster, people: People) -> None:
    gate = Gate(cluster)
    first = hub.assign([config_map("a", {"v": "1"}), deployment("web")])
    await gate.reached.wait()
    second = hub.assign([config_map("a", {"v": "2"}), config_map("b")])
    gate.open()
    await hub.synced_to(second)
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"v": "2"}
    assert await people.get(hub.key("Deployment", "web", "apps")) is None
    assert [o.manifest_set for o in hub.finished] == [first.manifest_set.digest, second.manifest_set.digest]


async def test_a_deletion_in_the_middle_of_a_sync_ends_it(hub: Hub, cluster: Cluster, people: People) -> None:
    gate = Gate(cluster)
    assignment = hub.assign([config_map("a"), deployment("web")])
    await gate.reached.wait()
    hub.delete(assignment)
    gate.open()
    await hub.wait(lambda s: s.deleted)
    assert await people.get(hub.key("ConfigMap", "a")) is None
    assert await people.get(hub.key("Deployment", "web", "apps")) is None


# --- killed


@pytest.mark.parametrize("step", range(1, 7))
async def test_an_agent_killed_at_any_write_goes_on_under_the_same_id(
    hub: Hub, cluster: Cluster, people: People, tmp_path: Path, clock: TurnedClock, step: int
) -> None:
    name = f"{hub.namespace}-team"
    people.leave(namespace(name))
    hub.assign([config_map("old1"), deployment("old2")])
    await hub.synced()
    gate = Gate(cluster, step)
    objects = [namespace(name), config_map("a", namespace=name), config_map("b"), deployment("web")]
    assignment = hub.assign(objects)
    await gate.reached.wait()
    # The first agent hangs in its request, as good as dead; another one takes up what it has on disk.
    running = hub.storage.last_operations()[assignment.application]
    assert not running.phase.finished and running.manifest_set == assignment.manifest_set.digest
    second = hub.killed(tmp_path / "second")
    await second.start()
    status = await second.synced_to(assignment)
    state = status.operation
    await second.stop()
    assert state is not None
    assert (state.id, state.started_ms, state.attempt) == (running.id, running.started_ms, 1)
    assert [(r.key.kind, r.key.name) for r in state.results] == [
        ("ConfigMap", "b"),
        ("ConfigMap", "old1"),
        ("ConfigMap", "a"),
        ("Namespace", name),
        ("Deployment", "old2"),
        ("Deployment", "web"),
    ]
    assert {o.id for o in second.finished} == {running.id}


async def test_a_requested_operation_that_was_killed_goes_on(
    hub: Hub, cluster: Cluster, tmp_path: Path, clock: TurnedClock
) -> None:
    gate = Gate(cluster, 2)
    id = hub.operate([config_map("a"), deployment("web")])
    await gate.reached.wait()
    second = hub.killed(tmp_path / "second")
    await second.start()
    state = await second.operation(id)
    await second.stop()
    assert state.phase == "Succeeded" and state.initiated_by == "somebody"


async def test_an_operation_that_was_killed_and_overtaken_has_ended(
    hub: Hub, cluster: Cluster, tmp_path: Path, clock: TurnedClock
) -> None:
    gate = Gate(cluster, 2)
    hub.assign([config_map("a"), deployment("web")])
    await gate.reached.wait()
    killed = hub.storage.last_operations()[hub.application()]
    newer = hub.assign([config_map("a"), config_map("b")])
    second = hub.killed(tmp_path / "second")
    await second.start()
    status = await second.synced_to(newer)
    await second.until(lambda: len(second.finished) == 2)
    await second.stop()
    assert status.operation is not None and status.operation.id != killed.id
    ended = next(o for o in second.finished if o.id == killed.id)
    assert ended.phase == "Error" and ended.message.startswith("interrupted")


async def test_an_operation_that_was_killed_and_overtaken_before_it_went_on_has_ended(
    hub: Hub, cluster: Cluster, tmp_path: Path, clock: TurnedClock
) -> None:
    gate = Gate(cluster, 2)
    hub.assign([config_map("a"), deployment("web")])
    await gate.reached.wait()
    killed = hub.storage.last_operations()[hub.application()]
    second = hub.killed(tmp_path / "second")
    await second.start()
    newer = second.assign([config_map("a"), config_map("b")])
    await second.synced_to(newer)
    await second.until(lambda: len(second.finished) == 2)
    assert second.storage.unfinished_operations() == []
    await second.stop()
    ended = next(o for o in second.finished if o.id == killed.id)
    assert ended.phase == "Error" and ended.message.startswith("interrupted")


async def test_an_operation_that_was_killed_and_is_terminated_has_ended(
    hub: Hub, cluster: Cluster, tmp_path: Path, clock: TurnedClock
) -> None:
    gate = Gate(cluster, 2)
    objects = [config_map("a"), deployment("web")]
    id = hub.operate(objects)
    await gate.reached.wait()
    hub.operate(objects, id=id, terminate=True)
    second = hub.killed(tmp_path / "second")
    await second.start()
    state = await second.operation(id)
    await second.stop()
    assert (state.phase, state.message) == ("Failed", "terminated on request")


async def finished(hub: Hub, count: int) -> OperationState:
    """Wait until so many operations have ended; return the last."""
    await hub.until(lambda: len(hub.finished) >= count, f"{count} operations finished")
    assert len(hub.finished) == count
    return hub.finished[-1]


async def test_an_operation_that_was_killed_goes_on_though_the_clock_was_set_back(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, tmp_path: Path
) -> None:
    await hub.synced_to(hub.assign([config_map("a")]))
    copies: list[Hub] = []

    async def gate(call: Call) -> None:
        if call.writes and not copies:
            copies.append(hub.killed(tmp_path / "again"))

    cluster.client.gate = gate
    clock.set_back(3600)
    second = hub.assign([config_map("a", {"k": "2"})])
    state = (await hub.synced_to(second)).operation
    await hub.stop()
    (again,) = copies
    await again.start()
    try:
        await again.until(lambda: bool(again.finished))
        assert state is not None and again.finished[-1].id == state.id
    finally:
        await again.stop()
        # Its fixture stops it.
        hub.open()
        await hub.start()
