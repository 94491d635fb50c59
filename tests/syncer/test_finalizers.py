"""Finalizers that nobody takes away: what waits for such an object ends with a reason that names them, within its
limit, and holds up nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from agent.engine.operation import Phase
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People, until
from tests.syncer.harness import MANUAL, Hub, config_map
from tests.syncer.hooks import ONCE, WELL, hook, key_of_widget, made, turned, until_waits, waits, wave
from tests.syncer.hooks import slow as slow

STUCK = "example.com/stuck"
HELD = {"metadata": {"finalizers": [STUCK]}}
FREE: dict[str, Any] = {"metadata": {"finalizers": []}}


async def test_a_pruned_object_that_never_goes_ends_the_sync(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    hub.assign([wave(config_map("one"), 1), wave(config_map("two"), 2), config_map("kept")])
    await turned(hub, clock)
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "two"), HELD)
    hub.assign([config_map("kept"), hook(config_map("sorry"), "SyncFail")], policy=ONCE)
    await until_waits(hub, clock, "to be gone")
    begun = hub.statuses[hub.application()].operation
    assert begun is not None and begun.phase is Phase.RUNNING
    clock.advance(880)
    await hub.idle()
    assert hub.statuses[hub.application()].operation.phase == "Running"  # type: ignore[union-attr]
    clock.advance(20)
    await hub.until(lambda: any(o.id == begun.id for o in hub.finished), "the end of the sync")
    state = next(o for o in hub.finished if o.id == begun.id)
    assert state.phase == "Failed" and "it has not gone away in 15 min" in state.message and STUCK in state.message
    assert "ConfigMap/sorry" in made(cluster), "the hooks for a failure run"
    assert await people.get(hub.key("ConfigMap", "one")) is not None, "what comes after it is not touched"
    hub.assign([config_map("other")], name="other")
    await hub.synced("other")
    await people.edit(hub.key("ConfigMap", "two"), FREE)


@pytest.mark.parametrize("policy", ["BeforeHookCreation", "HookSucceeded"])
async def test_a_hook_of_an_earlier_run_that_never_goes(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, slow: Any, policy: str
) -> None:
    """It is not applied onto what is going, whether it was to go before the next run or after its own."""
    before = hook(slow("before"), "PreSync", policy)
    hub.assign([config_map("a"), before])
    await until_waits(hub, clock, "before")
    key = key_of_widget(hub, "before")
    await people.edit(key, {**HELD, **WELL})
    await turned(hub, clock)
    await hub.synced()
    second = hub.assign([config_map("a", {"v": "2"}), before], policy=ONCE)
    await waits(hub, "before to be gone, the hook of an earlier run")
    hub.assign([config_map("other")], name="other")
    await hub.synced("other")
    clock.advance(130)
    await hub.until(lambda: hub.finished[-1].manifest_set == second.manifest_set.digest, "the end of the sync")
    state = hub.finished[-1]
    assert state.phase == "Error" and "has not gone away in 120 s: being deleted since " in state.message
    assert f"held by finalizers {STUCK}" in state.message and "before" in state.message
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"k": "v"}
    gone = await people.edit(key, FREE)
    await people.gone(key)
    third = hub.assign([config_map("a", {"v": "3"}), before])
    await until_waits(hub, clock, "before")
    anew = await people.edit(key, WELL)
    assert anew["metadata"]["uid"] != gone["metadata"]["uid"]
    await turned_to(hub, clock, third.manifest_set.digest)


async def turned_to(hub: Hub, clock: TurnedClock, digest: str) -> None:
    """Let time pass until a manifest set is synced."""

    async def synced() -> bool:
        clock.advance(2)
        return hub.statuses[hub.application()].synced_manifest_set == digest

    await until(synced, bool)


async def test_an_application_with_an_object_that_never_goes(hub: Hub, people: People, clock: TurnedClock) -> None:
    """The rest of it is deleted, it is told why it is still there, and it goes as soon as it can."""
    objects = [config_map("a"), config_map("b"), config_map("stuck")]
    await hub.operation(hub.operate(objects))
    assignment = hub.assign(objects, policy=MANUAL)
    await people.edit(hub.key("ConfigMap", "stuck"), HELD)
    hub.delete(assignment)
    status = await hub.wait(lambda s: any(STUCK in c.message for c in s.conditions))
    assert [c.type for c in status.conditions] == ["DeletionError"]
    for name in ("a", "b"):
        await people.gone(hub.key("ConfigMap", name))
    clock.advance(910)
    await hub.until(lambda: any(o.kind == "delete" for o in hub.finished), "the end of the first run")
    state = next(o for o in hub.finished if o.kind == "delete")
    assert state.phase == "Failed" and "it has not gone away in 15 min" in state.message and STUCK in state.message
    hub.assign([config_map("other")], name="other")
    await hub.synced("other")
    await people.edit(hub.key("ConfigMap", "stuck"), FREE)

    async def gone() -> bool:
        clock.advance(2)
        return hub.statuses[hub.application()].deleted

    await until(gone, bool)


async def test_an_object_that_is_to_be_replaced_and_never_goes(hub: Hub, people: People, clock: TurnedClock) -> None:
    fixed = {**config_map("a", {"v": "1"}), "immutable": True}
    hub.assign([fixed])
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "a"), HELD)
    objects = [{**fixed, "data": {"v": "2"}}]
    id = hub.operate(objects, force=True)

    async def over() -> bool:
        clock.advance(10)
        return any(o.id == id for o in hub.finished)

    await until(over, bool)
    state = await hub.operation(id)
    assert state.phase == "Error" and "has not gone away in 60 s: being deleted since " in state.message
    assert f"held by finalizers {STUCK}" in state.message
    await people.edit(hub.key("ConfigMap", "a"), FREE)
    await hub.operation(hub.operate(objects))
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"v": "2"}
