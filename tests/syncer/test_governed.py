"""An application whose sync, or whose end, was terminated in any of its phases is still looked after: what differs is
told, nothing is begun anew by itself, and the next commit goes out with all its hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agent.engine.resource import Object
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People
from tests.syncer.harness import MANUAL, Hub, config_map
from tests.syncer.hooks import WELL, hook, job, key_of_widget, made, turned, until_gone, until_waits, wave
from tests.syncer.hooks import slow as slow
from tests.syncer.test_obstacles import BACKGROUND

Slow = Callable[[str], Object]
PHASES: dict[str, Callable[[Slow], list[Object]]] = {
    "PreSync hook": lambda slow: [hook(slow("gate"), "PreSync")],
    "gate to be healthy": lambda slow: [wave(slow("gate"), -1)],
    "Sync hook": lambda slow: [wave(hook(slow("gate"), "Sync"), -1)],
    "PostSync hook": lambda slow: [hook(slow("gate"), "PostSync")],
    "SyncFail hook": lambda slow: [hook(job("bad", fails=True), "PreSync"), hook(slow("gate"), "SyncFail")],
}


@pytest.mark.parametrize("phase", PHASES)
async def test_a_sync_that_was_terminated(
    hub: Hub, cluster: Cluster, people: People, slow: Slow, clock: TurnedClock, phase: str
) -> None:
    first = [config_map("kept")]
    id = hub.operate(first, policy=MANUAL)
    await hub.operation(id)
    objects = [
        config_map("kept"),
        config_map("a"),
        *PHASES[phase](slow),
        hook(config_map("sorry"), "SyncFail", "HookFailed"),
    ]
    hub.assign(objects, policy=BACKGROUND)
    await until_waits(hub, clock, phase)
    hub.operate(objects, target=first, id=id, terminate=True, policy=BACKGROUND)
    status = await hub.wait(
        lambda s: s.operation is not None and s.operation.message.startswith("terminated on request")
    )
    state = status.operation
    assert state is not None and state.phase == "Failed" and all(r.state != "Running" for r in state.results if r.hook)
    if phase.endswith("hook"):
        await people.gone(key_of_widget(hub, "gate"))
    await hub.idle()
    written = made(cluster)
    clock.advance(3600)
    await hub.idle()
    assert made(cluster) == written and [o.phase for o in hub.finished] == ["Succeeded", "Failed"]
    # What somebody does meanwhile is told.
    await people.edit(hub.key("ConfigMap", "kept"), {"data": {"k": "theirs"}})
    status = await hub.wait(lambda s: any(r.key.name == "kept" and r.sync == "OutOfSync" for r in s.resources))
    # After its Sync phase all was as assigned, and nothing was wrong any more.
    assert [c.type for c in status.conditions] == ([] if phase == "PostSync hook" else ["SyncError"])
    assert made(cluster) == written
    # The next commit needs nobody, and its hooks run.
    objects = [config_map("kept"), config_map("a", {"k": "2"}), hook(config_map("over"), "PostSync")]
    hub.operate(objects, target=first, id=id, terminate=True, policy=BACKGROUND)
    await turned(hub, clock)
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase == "Succeeded")
    assert made(cluster)[len(written) :] == ["ConfigMap/a", "ConfigMap/kept", "ConfigMap/over"]
    assert not status.conditions
    await people.edit(hub.key("ConfigMap", "kept"), {"data": {"k": "theirs"}})
    await hub.healed()


async def test_an_end_that_was_terminated_in_the_hook_after_it(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    """What is deleted stays so, what ran before it has run; only the hook that was ended runs anew."""
    objects = [config_map("a"), hook(config_map("before"), "PreDelete"), hook(slow("after"), "PostDelete")]
    id = hub.operate(objects)
    await hub.operation(id)
    hub.delete(hub.assign(objects, policy=MANUAL))
    await until_waits(hub, clock, "PostDelete hook")
    first = await people.get(key_of_widget(hub, "after"))
    deleted = hub.syncer.assignment(hub.application())
    assert deleted is not None and deleted.deletion is not None and first is not None
    hub.operate(objects, id=id, terminate=True, deletion=deleted.deletion)
    await hub.until(lambda: any(o.kind == "delete" for o in hub.finished), "the end of the deletion's run")
    state = next(o for o in hub.finished if o.kind == "delete")
    assert (state.phase, state.message) == ("Failed", "terminated on request")
    await until_waits(hub, clock, "PostDelete hook")
    second = await people.edit(key_of_widget(hub, "after"), WELL)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    await until_gone(hub, clock)
    assert made(cluster) == ["ConfigMap/a", "ConfigMap/before", "Widget/after", "Widget/after"]
    assert await people.get(hub.key("ConfigMap", "a")) is None
