"""From Git and what people want to assignments, with the real store, Git and renderer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from agent.engine.assignment import KindRule
from agent.engine.assignment import OrphanedResources as AgentOrphans
from agent.engine.assignment import SyncWindow as AgentWindow
from agent.hubclient.convert import assignment_from_proto
from hub.domain.application import ApplicationId, Deletion
from hub.domain.assignment import Assignment
from hub.domain.manifest import ManifestSet
from hub.domain.operation import OperationKind, OperationPhase, OperationRequest, OperationState
from hub.domain.project import GroupKindRule, OrphanedResources, default_project
from hub.domain.window import SyncWindow
from hub.fleet.convert import assignment_to_proto
from hub.reconcile.assign import _tombstones
from tests.faults.waiting import answered
from tests.fleet.kit import Fleet, Repository, application
from tests.syncer.harness import config_map

Assignments = dict[str, Assignment]


async def until(fleet: Fleet, name: str, holds: Callable[[Assignments], bool], timeout: float = 20) -> Assignments:
    """Wait until the assignments of an application, by cluster name, satisfy a condition."""
    deadline = time.monotonic() + timeout
    names = {c.uid: c.name for c in await fleet.hub.store.list_clusters()}
    while True:
        found = {names[a.cluster]: a for a in await fleet.hub.store.assignments_of_application(f"argocd/{name}")}
        if holds(found):
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not reached: {found}\n{await fleet.hub.store.get_refresh_states()}")
        await asyncio.sleep(0.02)


async def condition(fleet: Fleet, name: str, type: str, timeout: float = 20) -> str:
    """Wait for a condition at the hub, and return its message."""
    deadline = time.monotonic() + timeout
    while True:
        state = (await fleet.hub.store.get_refresh_states([f"argocd/{name}"])).get(f"argocd/{name}")
        for found in state.conditions if state else ():
            if found.type == type:
                return found.message
        if time.monotonic() > deadline:
            raise AssertionError(f"no {type}: {state}")
        await asyncio.sleep(0.02)


async def names_in(fleet: Fleet, assignment: Assignment) -> list[str]:
    digest = assignment.content.manifest_set.digest
    content = (await fleet.hub.store.get_blobs([digest]))[digest]
    return [e.key.name for e in ManifestSet.decode(content).entries]


async def ask(fleet: Fleet, name: str, id: str, **fields: Any) -> None:
    kind = fields.pop("kind", OperationKind.SYNC)
    request = OperationRequest(id, kind, "ada", datetime.now(UTC), **fields)
    await fleet.hub.store.record_operation_request(f"argocd/{name}", request)
    await fleet.hub.bus.publish("applications", f"argocd/{name}")


async def settled(fleet: Fleet, repository: Repository, *objects: Any, name: str = "web") -> Assignment:
    """One cluster, one application of these objects, assigned."""
    repository.write(f"{name}/all.yaml", *objects)
    repository.commit("first")
    await fleet.add_cluster("one", {"region": "eu"})
    await fleet.apply(application(name, repository.url, name))
    return (await until(fleet, name, lambda a: len(a) == 1))["one"]


async def test_every_selected_cluster_is_assigned_the_same_signed_set(fleet: Fleet, repository: Repository) -> None:
    repository.write("web/all.yaml", config_map("a"))
    repository.commit()
    for name, region in (("paris", "eu"), ("oslo", "eu"), ("tokyo", "asia")):
        await fleet.add_cluster(name, {"region": region})
    destinations = [{"selector": {"matchLabels": {"region": "eu"}}, "namespace": "shop"}]
    await fleet.apply(application("web", repository.url, "web", destinations=destinations))
    found = await until(fleet, "web", lambda a: len(a) == 2)
    assert set(found) == {"paris", "oslo"}
    refs = {a.content.manifest_set for a in found.values()}
    assert len(refs) == 1 and refs.pop().signature
    assert {a.content.namespace for a in found.values()} == {"shop"}


async def test_a_commit_that_touches_nothing_it_reads_costs_nothing(fleet: Fleet, repository: Repository) -> None:
    first = await settled(fleet, repository, config_map("a"))
    assert fleet.hub.renderer is not None
    renders = fleet.hub.renderer.renders_total
    repository.write("other/all.yaml", config_map("b"))
    repository.commit("elsewhere")
    await fleet.refresh("web")
    await fleet.apply(application("other", repository.url, "other"))
    await until(fleet, "other", lambda a: len(a) == 1)
    (again,) = await fleet.hub.store.assignments_of_application("argocd/web")
    assert (again.generation, again.content.revision) == (first.generation, first.content.revision)
    assert fleet.hub.renderer.renders_total == renders + 1


async def test_equal_inputs_of_many_applications_are_rendered_once(fleet: Fleet, repository: Repository) -> None:
    repository.write("web/all.yaml", config_map("a"))
    repository.commit()
    await fleet.add_cluster("one")
    await fleet.apply(*(application(f"web-{n}", repository.url, "web") for n in range(20)))
    for n in range(20):
        await until(fleet, f"web-{n}", lambda a: len(a) == 1)
    assert fleet.hub.renderer is not None
    assert fleet.hub.renderer.renders_total == 1


async def test_a_changed_policy_is_a_new_generation_of_the_same_set(fleet: Fleet, repository: Repository) -> None:
    first = await settled(fleet, repository, config_map("a"))
    await fleet.apply(application("web", repository.url, "web", syncPolicy={}))
    found = await until(fleet, "web", lambda a: a["one"].generation > first.generation)
    assert found["one"].content.manifest_set.digest == first.content.manifest_set.digest
    assert found["one"].content.policy.automated is None


FRIDAYS = SyncWindow("deny", "0 8 * * 5", 64 * 3600.0, "Europe/Berlin", applications=("w*",), clusters=("two",))


async def change_windows(fleet: Fleet, *windows: SyncWindow) -> None:
    await fleet.hub.store.put_project(replace(default_project(), sync_windows=windows))
    await fleet.hub.bus.publish("applications", "argocd/web")


async def test_windows_that_match_are_assigned(fleet: Fleet, repository: Repository) -> None:
    first = await settled(fleet, repository, config_map("a"))
    await change_windows(fleet, FRIDAYS, replace(FRIDAYS, applications=("db",), clusters=("two",)))
    found = await until(fleet, "web", lambda a: a["one"].generation > first.generation)
    assert found["one"].content.windows == (replace(FRIDAYS, applications=(), clusters=()),)
    assert replace(found["one"].content, windows=()).digest() == first.digest
    sent = assignment_from_proto(assignment_to_proto(found["one"]))
    assert sent.windows == (AgentWindow("deny", "0 8 * * 5", "0 8 * * 5", "Europe/Berlin", 64 * 3600.0),)
    # What it is selected by changes nothing for it.
    await change_windows(fleet, replace(FRIDAYS, applications=("web",)))
    await change_windows(fleet)
    found = await until(fleet, "web", lambda a: not a["one"].content.windows)
    assert (found["one"].generation, found["one"].digest) == (first.generation + 2, first.digest)


async def test_what_the_project_says_of_orphans_is_assigned(fleet: Fleet, repository: Repository) -> None:
    first = await settled(fleet, repository, config_map("a"))
    wanted = OrphanedResources(False, (GroupKindRule("apps", "*", "x-*"),))
    project = replace(
        default_project(),
        orphaned_resources=wanted,
        namespace_resource_whitelist=(GroupKindRule("*", "*"),),
        namespace_resource_blacklist=(GroupKindRule("", "ResourceQuota"),),
    )
    await fleet.hub.store.put_project(project)
    await fleet.hub.bus.publish("applications", "argocd/web")
    found = await until(fleet, "web", lambda a: a["one"].content.orphans is not None)
    sent = assignment_from_proto(assignment_to_proto(found["one"]))
    assert sent.orphans == AgentOrphans(
        warn=False,
        ignore=(KindRule("apps", "*", "x-*"),),
        permitted=(KindRule("*", "*"),),
        denied=(KindRule("", "ResourceQuota"),),
    )
    open_to_all = replace(project, namespace_resource_whitelist=None, namespace_resource_blacklist=())
    await fleet.hub.store.put_project(replace(open_to_all, orphaned_resources=OrphanedResources()))
    await fleet.hub.bus.publish("applications", "argocd/web")
    found = await until(fleet, "web", lambda a: a["one"].generation == first.generation + 2)
    assert assignment_from_proto(assignment_to_proto(found["one"])).orphans == AgentOrphans()
    await fleet.hub.store.put_project(default_project())
    await fleet.hub.bus.publish("applications", "argocd/web")
    found = await until(fleet, "web", lambda a: a["one"].content.orphans is None)
    assert found["one"].digest == first.digest
    assert assignment_from_proto(assignment_to_proto(found["one"])).orphans is None


async def test_windows_change_while_nothing_can_be_rendered(fleet: Fleet, repository: Repository) -> None:
    first = await settled(fleet, repository, config_map("a"))
    repository.git("rm", "-r", "--quiet", "web")
    repository.write("other/all.yaml", config_map("b"))
    repository.commit("gone")
    await fleet.refresh("web")
    await condition(fleet, "web", "ComparisonError")
    await change_windows(fleet, FRIDAYS)
    found = await until(fleet, "web", lambda a: bool(a["one"].content.windows))
    assert replace(found["one"].content, windows=()).digest() == first.digest


async def test_a_missing_path_is_said_and_the_last_good_state_kept(fleet: Fleet, repository: Repository) -> None:
    first = await settled(fleet, repository, config_map("a"))
    repository.git("rm", "-r", "--quiet", "web")
    repository.write("other/all.yaml", config_map("b"))
    repository.commit("gone")
    await fleet.refresh("web")
    assert "web" in await condition(fleet, "web", "ComparisonError")
    (kept,) = await fleet.hub.store.assignments_of_application("argocd/web")
    assert kept.digest == first.digest
    repository.write("web/all.yaml", config_map("c"))
    repository.commit("back")
    await fleet.refresh("web")
    found = await until(fleet, "web", lambda a: a["one"].generation > first.generation)
    assert await names_in(fleet, found["one"]) == ["c"]

    async def fine() -> bool:
        return (await fleet.hub.store.get_refresh_states())["argocd/web"].conditions == ()

    # Written after the assignment.
    await answered(fine, "the condition to go")


async def test_an_unknown_project_and_an_unknown_cluster_are_said(fleet: Fleet, repository: Repository) -> None:
    repository.write("web/all.yaml", config_map("a"))
    repository.commit()
    await fleet.add_cluster("paris")
    await fleet.apply(application("web", repository.url, "web", project="nowhere"))
    assert "nowhere" in await condition(fleet, "web", "InvalidSpecError")
    destinations = [{"name": "pariss", "namespace": "default"}]
    await fleet.apply(application("lost", repository.url, "web", destinations=destinations))
    message = await condition(fleet, "lost", "InvalidSpecError")
    assert "pariss" in message and "paris" in message


async def test_a_cluster_no_longer_selected_is_pruned_where_pruning_is_on(fleet: Fleet, repository: Repository) -> None:
    repository.write("web/all.yaml", config_map("a"))
    repository.commit()
    cluster = await fleet.add_cluster("one", {"region": "eu"})
    destinations = [{"selector": {"matchLabels": {"region": "eu"}}, "namespace": "default"}]
    await fleet.apply(
        application("pruned", repository.url, "web", destinations=destinations),
        application("kept", repository.url, "web", destinations=destinations, syncPolicy={}),
    )
    await until(fleet, "pruned", lambda a: len(a) == 1)
    await until(fleet, "kept", lambda a: len(a) == 1)
    await fleet.hub.store.update_cluster(cluster.uid, labels={"region": "asia"})
    await fleet.hub.bus.publish("clusters", cluster.uid)
    pruned = await until(fleet, "pruned", lambda a: a["one"].content.deletion is not None)
    kept = await until(fleet, "kept", lambda a: a["one"].content.deletion is not None)
    assert pruned["one"].content.deletion is not None and pruned["one"].content.deletion.cascade
    assert kept["one"].content.deletion is not None and not kept["one"].content.deletion.cascade


async def test_a_sync_means_what_was_assigned_when_it_was_asked_for(fleet: Fleet, repository: Repository) -> None:
    first = await settled(fleet, repository, config_map("a"))
    await ask(fleet, "web", "op-1")
    found = await until(fleet, "web", lambda a: a["one"].content.operation is not None)
    repository.write("web/all.yaml", config_map("a", {"k": "new"}))
    repository.commit("second")
    await fleet.refresh("web")
    first_digest = first.content.manifest_set.digest
    found = await until(fleet, "web", lambda a: a["one"].content.manifest_set.digest != first_digest)
    operation = found["one"].content.operation
    assert operation is not None and operation.id == "op-1" and operation.manifest_set.digest == first_digest


async def test_a_sync_is_not_for_a_cluster_that_comes_after_it(fleet: Fleet, repository: Repository) -> None:
    """Nobody has asked for anything there: the policy is manual."""
    await settled(fleet, repository, config_map("a"))
    await ask(fleet, "web", "op-1")
    await until(fleet, "web", lambda a: a["one"].content.operation is not None)

    async def begun() -> bool:
        return (await fleet.hub.store.operation_requests("argocd/web"))[0].began

    await answered(begun, "that it has begun is written down")
    await fleet.add_cluster("two", {"region": "eu"})
    found = await until(fleet, "web", lambda a: "two" in a)
    assert found["two"].content.operation is None
    # Nor is it at any look after that.
    repository.write("web/all.yaml", config_map("a", {"k": "new"}))
    repository.commit("second")
    await fleet.refresh("web")
    first = found["two"].content.manifest_set.digest
    found = await until(fleet, "web", lambda a: a["two"].content.manifest_set.digest != first)
    assert found["two"].content.operation is None
    await ask(fleet, "web", "op-2")
    found = await until(fleet, "web", lambda a: a["two"].content.operation is not None)
    assert found["two"].content.operation is not None and found["two"].content.operation.id == "op-2"


async def test_while_nothing_can_be_rendered_one_can_go_back_and_end_what_runs(
    fleet: Fleet, repository: Repository
) -> None:
    first = await settled(fleet, repository, config_map("a"))
    old = first.content.manifest_set.digest
    state = OperationState("op-1", OperationKind.SYNC, OperationPhase.SUCCEEDED, manifest_set=old)
    await fleet.hub.store.put_operations([(first.cluster, "argocd/web", state)])
    (entry,) = await fleet.hub.store.history("argocd/web")
    repository.write("web/all.yaml", config_map("b"))
    repository.commit("second")
    await fleet.refresh("web")
    second = (await until(fleet, "web", lambda a: a["one"].content.manifest_set.digest != old))["one"]
    repository.git("rm", "-r", "--quiet", "web")
    repository.write("other/all.yaml", config_map("c"))
    repository.commit("broken")
    await fleet.apply(application("web", repository.url, "web", syncPolicy={}))
    assert "web" in await condition(fleet, "web", "ComparisonError")

    await ask(fleet, "web", "back", kind=OperationKind.ROLLBACK, history_id=entry.id)
    found = await until(fleet, "web", lambda a: a["one"].content.operation is not None)
    content = found["one"].content
    assert content.operation is not None and content.operation.manifest_set.digest == old
    assert content.manifest_set == second.content.manifest_set and content.policy.automated is None

    await ask(fleet, "web", "end", terminate=True)
    found = await until(fleet, "web", lambda a: a["one"].generation > found["one"].generation)
    operation = found["one"].content.operation
    assert operation is not None and operation.id == "back" and operation.terminate

    # A sync means what Git says, and that is not known.
    await ask(fleet, "web", "sync")
    await fleet.refresh("web")

    async def looked() -> bool:
        return not (await fleet.hub.store.get_refresh_states())["argocd/web"].requested

    await answered(looked, "another look")
    (now,) = await fleet.hub.store.assignments_of_application("argocd/web")
    assert now.generation == found["one"].generation


async def test_deleting_leaves_a_tombstone_until_the_agent_has_carried_it_out(
    fleet: Fleet, repository: Repository
) -> None:
    await settled(fleet, repository, config_map("a"))
    store = fleet.hub.store
    found = await store.get_application(ApplicationId("argocd", "web"))
    assert found is not None
    deletion = Deletion(True, "foreground", "ada", datetime.now(UTC))
    await store.put_application(replace(found, deletion=deletion))
    await fleet.hub.bus.publish("applications", "argocd/web")
    assigned = await until(fleet, "web", lambda a: a["one"].content.deletion is not None)
    assert await store.get_application(found.id) is not None
    await store.unassign([(assigned["one"].cluster, "argocd/web")])
    await fleet.hub.bus.publish("statuses")
    deadline = time.monotonic() + 10
    while await store.get_application(found.id) is not None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_deletion_that_is_to_propagate_otherwise_says_so_once(fleet: Fleet, repository: Repository) -> None:
    await settled(fleet, repository, config_map("a"))
    store = fleet.hub.store
    found = await store.get_application(ApplicationId("argocd", "web"))
    assert found is not None
    asked = Deletion(True, "foreground", "ada", datetime(2026, 1, 2, tzinfo=UTC))
    existing = (await store.assignments_of_application("argocd/web"))[0]
    standing = replace(existing, content=replace(existing.content, deletion=asked))
    wanted = replace(asked, propagation="background", requested_at=datetime(2026, 1, 3, tzinfo=UTC))
    ((_, content),) = _tombstones(found, [standing], wanted)
    assert content.deletion == replace(asked, propagation="background"), "what was confirmed since stays confirmed"
    assert _tombstones(found, [replace(standing, content=content)], wanted) == []


async def test_a_deletion_that_was_held_back_is_sent_and_that_of_a_cluster_not_selected_is_not(
    fleet: Fleet, repository: Repository
) -> None:
    """The hub was restored from a backup, and the agent holds newer generations than it remembers."""
    repository.write("web/all.yaml", config_map("a"))
    repository.commit()
    cluster = await fleet.add_cluster("one", {"region": "eu"})
    destinations = [{"selector": {"matchLabels": {"region": "eu"}}, "namespace": "default"}]
    for name in ("deleted", "left"):
        await fleet.apply(application(name, repository.url, "web", destinations=destinations))
        await until(fleet, name, lambda a: len(a) == 1)
    await fleet.delete("deleted")
    await until(fleet, "deleted", lambda a: a["one"].content.deletion is not None)
    await fleet.hub.store.update_cluster(cluster.uid, labels={"region": "asia"})
    await fleet.hub.bus.publish("clusters", cluster.uid)
    await until(fleet, "left", lambda a: a["one"].content.deletion is not None)
    for name in ("left", "deleted"):
        await fleet.hub.store.hold_back(cluster.uid, f"argocd/{name}", 9)
    await fleet.hub.bus.publish("refresh")
    assert (await until(fleet, "deleted", lambda a: not a["one"].held))["one"].generation == 10
    assert (await until(fleet, "left", lambda a: True))["one"].held


async def test_a_hard_refresh_renders_again(fleet: Fleet, repository: Repository) -> None:
    await settled(fleet, repository, config_map("a"))
    renderer = fleet.hub.renderer
    assert renderer is not None
    before = renderer.renders_total
    await fleet.refresh("web", "hard")
    deadline = time.monotonic() + 10
    while renderer.renders_total == before:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_rewritten_history_is_followed(fleet: Fleet, repository: Repository) -> None:
    first = await settled(fleet, repository, config_map("a"))
    repository.write("web/all.yaml", config_map("b"))
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--amend", "--message", "rewritten")
    await fleet.refresh("web")
    found = await until(fleet, "web", lambda a: a["one"].generation > first.generation)
    assert await names_in(fleet, found["one"]) == ["b"]


async def test_a_refresh_stands_until_its_look_is_done(
    fleet: Fleet, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for one and waits does not take the revision before it for the answer."""
    first = await settled(fleet, repository, config_map("a"))
    store, seen = fleet.hub.store, asyncio.Event()
    assign = store.assign

    async def late(*arguments: Any, **named: Any) -> list[Assignment]:
        assert (await store.get_refresh_states())["argocd/web"].requested == "normal"
        seen.set()
        return await assign(*arguments, **named)

    monkeypatch.setattr(store, "assign", late)
    repository.write("web/all.yaml", config_map("b"))
    repository.commit("second")
    await fleet.refresh("web")
    await asyncio.wait_for(seen.wait(), 20)

    async def done() -> bool:
        return (await store.get_refresh_states())["argocd/web"].requested == ""

    await answered(done, "the request to be done")
    (now,) = await store.assignments_of_application("argocd/web")
    assert now.generation > first.generation
    # One that finds nothing new is done as well.
    monkeypatch.undo()
    await fleet.refresh("web", "hard")
    await answered(done, "the second request to be done")


async def test_a_fault_in_writing_is_tried_again(
    fleet: Fleet, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await settled(fleet, repository, config_map("a"))
    monkeypatch.setattr("hub.reconcile.controller.RETRY_FIRST_SECONDS", 0.05)
    assign, failures = fleet.hub.store.assign, iter([RuntimeError("a fault")])

    async def faulty(*arguments: Any, **named: Any) -> list[Assignment]:
        for failure in failures:
            raise failure
        return await assign(*arguments, **named)

    monkeypatch.setattr(fleet.hub.store, "assign", faulty)
    repository.write("web/all.yaml", config_map("b"))
    repository.commit("second")
    await fleet.refresh("web")
    await until(fleet, "web", lambda a: a["one"].generation > first.generation)
    assert not list(failures)
