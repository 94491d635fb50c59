"""A sync that is overtaken by a newer commit, or terminated, in whatever phase it is: what runs comes to its end, what
was done stays told, and nothing hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from agent.engine.assignment import Deletion
from agent.engine.operation import OperationState
from agent.engine.resource import GroupKind, Object
from agent.kube.errors import Unreachable
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Call, Cluster, People, until
from tests.syncer.harness import AUTOMATED, Hub, config_map
from tests.syncer.hooks import (
    BROKEN,
    ONCE,
    WELL,
    hook,
    key_of_widget,
    made,
    turned,
    until_gone,
    until_waits,
    waits,
    waits_for_api,
    wave,
)
from tests.syncer.hooks import slow as slow
from tests.syncer.objects import crd, group_of, in_next_version
from tests.syncer.test_sync import LateDiscovery

OVERTAKEN = "given up before its end for revision "


async def first_end(hub: Hub) -> OperationState:
    """Wait for the end of the first operation."""
    await hub.until(lambda: bool(hub.finished), "the end of an operation")
    return hub.finished[0]


async def overtake(hub: Hub, objects: list[Object]) -> Any:
    """Have a newer commit come, and be known."""
    assignment = hub.assign(objects, policy=ONCE)
    await hub.wait(lambda s: s.generation == assignment.generation)
    await hub.idle()
    return assignment


# --- a newer commit


async def test_a_commit_during_a_wave_goes_first_and_nothing_more_of_the_older_is_applied(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    first = wave(slow("first"), -1)
    hub.assign([first, config_map("a", {"v": "1"}), hook(config_map("after"), "PostSync")])
    await waits(hub, "first", "to be healthy")
    hub.assign([first, config_map("a", {"v": "2"})])
    state = await first_end(hub)
    assert (state.phase, state.message.startswith(OVERTAKEN)) == ("Failed", True)
    await until_waits(hub, clock, "first")
    assert made(cluster) == ["Widget/first"]
    await people.edit(key_of_widget(hub, "first"), WELL)
    await turned(hub, clock)
    await hub.synced()
    assert made(cluster) == ["Widget/first", "ConfigMap/a"]
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"v": "2"}


async def test_a_commit_during_the_last_hook_leaves_the_sync_what_it_is(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    """Nothing of it is given up: all of it was done."""
    first = hub.assign([config_map("a", {"v": "1"}), hook(slow("after"), "PostSync", "HookSucceeded")])
    await until_waits(hub, clock, "PostSync hook")
    second = await overtake(hub, [config_map("a", {"v": "2"})])
    assert hub.finished == []
    await people.edit(key_of_widget(hub, "after"), WELL)
    await hub.synced_to(second)
    told = [(o.phase, o.message, o.manifest_set) for o in hub.finished]
    assert told == [
        ("Succeeded", "synced", first.manifest_set.digest),
        ("Succeeded", "synced", second.manifest_set.digest),
    ]
    assert made(cluster) == ["ConfigMap/a", "Widget/after", "ConfigMap/a"]
    await people.gone(key_of_widget(hub, "after"))


@pytest.mark.parametrize("when", ["before it fails", "while the hook for that runs"])
async def test_a_commit_does_not_take_the_hooks_for_a_failure_away(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock, when: str
) -> None:
    """They clean up after what has failed, and what has failed is told."""
    before = hook(slow("before"), "PreSync")
    sorry = hook(slow("sorry"), "SyncFail")
    later = hook(config_map("later"), "SyncFail", **{"argocd.argoproj.io__sync-wave": "1"})
    hub.assign([config_map("a", {"v": "1"}), before, sorry, later], policy=ONCE)
    await waits(hub, "PreSync hook")
    mended = [config_map("a", {"v": "2"})]
    if when == "before it fails":
        second = await overtake(hub, mended)
    await people.edit(key_of_widget(hub, "before"), BROKEN)
    await waits(hub, "SyncFail hook")
    if when != "before it fails":
        second = await overtake(hub, mended)
    assert hub.finished == []
    await people.edit(key_of_widget(hub, "sorry"), WELL)
    await until_ended(hub, clock)
    state = hub.finished[0]
    assert state.phase == "Failed" and "out of luck" in state.message
    assert made(cluster)[:3] == ["Widget/before", "Widget/sorry", "ConfigMap/later"]
    await hub.synced_to(second)
    assert made(cluster)[3:] == ["ConfigMap/a"]


async def until_ended(hub: Hub, clock: TurnedClock, count: int = 1) -> None:
    """Let time pass until so many operations are over."""

    async def over() -> bool:
        clock.advance(2)
        return len(hub.finished) >= count

    await until(over, bool)


# --- somebody terminates it


async def terminated(hub: Hub, id: str, objects: list[Object]) -> OperationState:
    hub.operate(objects, id=id, terminate=True)
    state = await hub.operation(id)
    assert state.phase == "Failed" and state.message.startswith("terminated on request")
    assert all(r.state != "Running" for r in state.results if r.hook)
    await hub.idle()
    return state


async def test_terminated_while_a_wave_waits(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    objects = [wave(slow("first"), -1), config_map("a"), hook(config_map("sorry"), "SyncFail")]
    id = hub.operate(objects)
    await waits(hub, "first", "to be healthy")
    state = await terminated(hub, id, objects)
    assert made(cluster) == ["Widget/first"], "nothing comes after it, and nothing has failed"
    assert await people.get(key_of_widget(hub, "first")) is not None, "what is no hook stays"
    assert [(r.key.name, r.status) for r in state.results] == [("first", "Synced")]


async def test_terminated_between_two_waves(hub: Hub, cluster: Cluster, clock: TurnedClock) -> None:
    objects = [wave(config_map("a"), 1), wave(config_map("b"), 2)]
    id = hub.operate(objects)
    await hub.wait(lambda s: s.operation is not None and s.operation.message == "applying")
    await hub.idle()
    await terminated(hub, id, objects)
    clock.advance(60)
    await hub.idle()
    assert made(cluster) == ["ConfigMap/a"]


async def test_terminated_while_a_prune_waits(hub: Hub, people: People, clock: TurnedClock) -> None:
    held = {"metadata": {"finalizers": ["example.com/wait"]}}
    before = [wave(config_map("one"), 1), wave(config_map("two"), 2), config_map("kept")]
    first = hub.operate(before)
    await turned(hub, clock)
    await hub.operation(first)
    await people.edit(hub.key("ConfigMap", "two"), held)
    objects = [config_map("kept")]
    id = hub.operate(objects, prune=True)
    await until_waits(hub, clock, "to be gone")
    await terminated(hub, id, objects)
    assert await people.get(hub.key("ConfigMap", "one")) is not None
    await people.edit(hub.key("ConfigMap", "two"), {"metadata": {"finalizers": []}})


async def test_terminated_in_the_hook_after_it(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    objects = [config_map("a"), hook(slow("after"), "PostSync"), hook(config_map("sorry"), "SyncFail")]
    id = hub.operate(objects)
    await until_waits(hub, clock, "PostSync hook")
    await terminated(hub, id, objects)
    await people.gone(key_of_widget(hub, "after"))
    assert made(cluster) == ["ConfigMap/a", "Widget/after"]
    assert await people.get(hub.key("ConfigMap", "a")) is not None


async def test_terminated_in_the_hook_for_a_failure(hub: Hub, cluster: Cluster, people: People, slow: Any) -> None:
    """Why it had failed is not lost with it."""
    objects = [config_map("a"), hook(slow("before"), "PreSync"), hook(slow("sorry"), "SyncFail")]
    id = hub.operate(objects)
    await waits(hub, "PreSync hook")
    await people.edit(key_of_widget(hub, "before"), BROKEN)
    await waits(hub, "SyncFail hook")
    state = await terminated(hub, id, objects)
    assert "before" in state.message and "out of luck" in state.message
    await people.gone(key_of_widget(hub, "sorry"))
    assert made(cluster) == ["Widget/before", "Widget/sorry"]


async def test_terminated_in_the_hook_before_a_deletion(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    """What it runs is ended; that the application is to go stands, and so it begins anew."""
    objects = [config_map("a"), hook(slow("before"), "PreDelete")]
    id = hub.operate(objects)
    await hub.operation(id)
    assignment = hub.assign(objects, policy=replace(AUTOMATED, automated=False))
    hub.delete(assignment)
    await waits(hub, "PreDelete hook")
    first = await people.get(key_of_widget(hub, "before"))
    deletion = hub.syncer.assignment(hub.application())
    assert deletion is not None and deletion.deletion is not None and first is not None
    hub.operate(objects, id=id, terminate=True, deletion=deletion.deletion)
    await hub.until(lambda: any(o.kind == "delete" for o in hub.finished), "the end of the deletion's run")
    state = next(o for o in hub.finished if o.kind == "delete")
    assert (state.phase, state.message) == ("Failed", "terminated on request")
    assert await people.get(hub.key("ConfigMap", "a")) is not None
    await until_waits(hub, clock, "PreDelete hook")
    second = await people.edit(key_of_widget(hub, "before"), WELL)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    await until_gone(hub, clock)
    assert await people.get(hub.key("ConfigMap", "a")) is None


async def test_terminated_before_it_was_heard_that_a_hook_was_made(
    hub: Hub, cluster: Cluster, people: People, slow: Any
) -> None:
    objects = [config_map("a"), hook(slow("gate"), "PreSync")]
    cluster.client.lose = lambda call: call.name == "gate" and not call.dry_run
    id = hub.operate(objects)
    await waits_for_api(hub)
    assert await people.get(key_of_widget(hub, "gate")) is not None
    await hub.idle()
    cluster.client.lose = None
    hub.operate(objects, id=id, terminate=True)
    state = await hub.operation(id)
    assert [(r.state, r.message) for r in state.results if r.hook] == [("Failed", "terminated on request")]
    await people.gone(key_of_widget(hub, "gate"))


# --- while there is no agent


@pytest.fixture(params=["before", "while"])
async def arrives(request: pytest.FixtureRequest) -> str:
    """When the word comes: before the operation is taken up again, or while that is under way."""
    return str(request.param)


@pytest.mark.parametrize("ending", ["terminate", "delete"])
async def test_what_ends_while_there_is_no_agent_leaves_no_hook_running(
    hub: Hub, cluster: Cluster, people: People, slow: Any, arrives: str, ending: str
) -> None:
    objects = [config_map("a"), hook(slow("gate"), "PreSync", "HookFailed")]
    id = hub.operate(objects)
    await waits(hub, "gate")
    await hub.stop()
    hub.statuses.clear()
    held, go_on = asyncio.Event(), asyncio.Event()

    async def gate(call: Call) -> None:
        held.set()
        await go_on.wait()

    hub.open()
    if arrives == "while":
        cluster.client.gate = gate
    await hub.start()
    if arrives == "while":
        await held.wait()
    if ending == "terminate":
        hub.operate(objects, id=id, terminate=True)
    else:
        hub.operate(objects, id=id, deletion=Deletion(cascade=False, propagation="background"))
    go_on.set()
    await hub.until(lambda: any(state.id == id for state in hub.finished), "the end of the operation")
    state = next(state for state in hub.finished if state.id == id)
    assert state.phase in ("Failed", "Error")
    assert [(r.state, r.message) for r in state.results if r.hook] == [("Failed", "terminated on request")]
    await people.gone(key_of_widget(hub, "gate"))
    assert await people.get(hub.key("ConfigMap", "a")) is None


@asynccontextmanager
async def terminated_while_away(hub: Hub, slow: Any) -> AsyncIterator[str]:
    """Have the word to end an operation come while no agent is there, with what else is done meanwhile. Yields its id;
    after that its hook is to be gone."""
    objects = [config_map("a"), hook(slow("gate"), "PreSync")]
    id = hub.operate(objects)
    await waits(hub, "gate")
    await hub.stop()
    hub.statuses.clear()
    yield id
    hub.open()
    await hub.start()
    hub.operate(objects, id=id, terminate=True)


async def terminating(hub: Hub, people: People, words: str) -> None:
    """Wait until the hooks of an operation cannot be ended, for a reason."""
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase == "Terminating")
    assert status.operation is not None
    assert f"its hooks are ended once the cluster's API takes that: {words}" in status.operation.message
    assert await people.get(key_of_widget(hub, "gate")) is not None
    await hub.idle()


async def over(hub: Hub, people: People, id: str) -> None:
    assert (await hub.operation(id)).message == "terminated on request"
    await people.gone(key_of_widget(hub, "gate"))


async def test_hooks_that_cannot_be_ended_now_are_ended_later(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    async with terminated_while_away(hub, slow) as id:
        cluster.client.trouble = lambda call: Unreachable("the API server is away") if call.verb == "delete" else None
    await terminating(hub, people, "the API server is away")
    cluster.client.trouble = None
    clock.advance(5)
    await over(hub, people, id)


async def test_hooks_of_a_kind_that_is_not_told_of_yet_are_ended_once_it_is(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by an API server that has just been started."""
    async with terminated_while_away(hub, slow) as id:
        late = LateDiscovery(cluster.client, GroupKind(group_of(hub.namespace), "Widget"), 10**6)
        monkeypatch.setattr(cluster.client, "discover", late.discover)
    await terminating(hub, people, "the cluster does not tell of Widget")
    late.held_back = 0
    clock.advance(5)
    await over(hub, people, id)


async def test_hooks_are_ended_in_whatever_version_their_kind_is_served(hub: Hub, people: People, slow: Any) -> None:
    async with terminated_while_away(hub, slow) as id:
        await people.apply(in_next_version(crd(hub.namespace)))
        await people.look_again()
    await over(hub, people, id)


async def test_terminated_while_the_api_is_away(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    """Its hook runs on until the cluster lets it be ended, and so does the operation."""
    objects = [config_map("a"), hook(slow("gate"), "PreSync")]
    id = hub.operate(objects)
    await waits(hub, "gate")
    cluster.client.trouble = lambda call: Unreachable("away") if call.verb in ("delete", "get") else None
    hub.operate(objects, id=id, terminate=True)
    status = await hub.wait(lambda s: s.operation is not None and "its hooks are ended once" in s.operation.message)
    assert status.operation is not None and status.operation.phase == "Terminating"
    assert "terminated on request" in status.operation.message and "away" in status.operation.message
    assert not hub.finished
    cluster.client.trouble = None

    async def over() -> bool:
        clock.advance(5)
        return any(state.id == id for state in hub.finished)

    await until(over, bool)
    (state,) = [state for state in hub.finished if state.id == id]
    assert (state.phase, state.message) == ("Failed", "terminated on request")
    assert await people.get(key_of_widget(hub, "gate")) is None
