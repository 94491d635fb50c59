"""An agent that is killed around a hook: the hook is made once, and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent.kube.errors import Rejected
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Call, Cluster, People
from tests.syncer.harness import Hub, config_map
from tests.syncer.hooks import (
    ONCE,
    WELL,
    ended,
    hook,
    key_of_widget,
    made,
    turned,
    until_waits,
    waits,
)
from tests.syncer.hooks import slow as slow


async def test_a_killed_agent_goes_on_with_the_hook_that_runs(
    hub: Hub, cluster: Cluster, people: People, slow: Any, tmp_path: Path, clock: TurnedClock
) -> None:
    hub.assign(
        [
            config_map("a"),
            hook(config_map("first"), "PreSync", **{"argocd.argoproj.io__sync-wave": "-1"}),
            hook(slow("gate"), "PreSync"),
        ]
    )
    await until_waits(hub, clock, "gate")
    before = await people.get(key_of_widget(hub, "gate"))
    again = hub.killed(tmp_path / "again")
    await hub.stop()
    cluster.client.calls.clear()
    await again.start()
    try:
        await waits(again, "gate")
        assert made(cluster) == [], "none of them is made again"
        now = await people.get(key_of_widget(hub, "gate"))
        assert before is not None and now is not None and before["metadata"]["uid"] == now["metadata"]["uid"]
        await people.edit(key_of_widget(hub, "gate"), WELL)
        await turned(again, clock)
        await again.synced()
        assert made(cluster) == ["ConfigMap/a"]
    finally:
        await again.stop()
        # Its fixture stops it.
        hub.open()
        await hub.start()


async def test_an_agent_killed_as_it_makes_a_hook_makes_it_once(
    hub: Hub, cluster: Cluster, people: People, tmp_path: Path, slow: Any, clock: TurnedClock
) -> None:
    """Its object is there, and that it is, is not on disk."""
    copies: list[Hub] = []

    async def gate(call: Call) -> None:
        if call.writes and call.name == "gate" and not copies:
            copies.append(hub.killed(tmp_path / "again"))

    cluster.client.gate = gate
    hub.assign([config_map("a"), hook(slow("gate"), "PreSync")])
    await waits(hub, "gate")
    before = await people.get(key_of_widget(hub, "gate"))
    await hub.stop()
    (again,) = copies
    await again.start()
    try:
        await waits(again, "gate")
        now = await people.get(key_of_widget(hub, "gate"))
        assert before is not None and now is not None and before["metadata"]["uid"] == now["metadata"]["uid"]
    finally:
        await again.stop()
        # Its fixture stops it.
        hub.open()
        await hub.start()


async def test_an_agent_killed_as_it_deletes_a_hook_that_ended_well_goes_on(
    hub: Hub, cluster: Cluster, people: People, tmp_path: Path, slow: Any, clock: TurnedClock
) -> None:
    """Its object is gone, and nothing but the disk tells how it ended."""
    copies: list[Hub] = []

    async def gate(call: Call) -> None:
        if call.verb == "delete" and call.name == "gate" and not copies:
            copies.append(hub.killed(tmp_path / "again"))

    cluster.client.gate = gate
    hub.assign([config_map("a"), hook(slow("gate"), "PreSync", "HookSucceeded")], policy=ONCE)
    await waits(hub, "gate")
    await people.edit(key_of_widget(hub, "gate"), WELL)
    await turned(hub, clock)
    await people.gone(key_of_widget(hub, "gate"))
    await hub.stop()
    (again,) = copies
    cluster.client.calls.clear()
    await again.start()
    try:
        await turned(again, clock)
        await again.synced()
        assert "Widget/gate" not in made(cluster)
    finally:
        await again.stop()
        # Its fixture stops it.
        hub.open()
        await hub.start()


async def test_a_failed_sync_that_was_killed_goes_on_with_the_hooks_for_that(
    hub: Hub, cluster: Cluster, people: People, tmp_path: Path, slow: Any, clock: TurnedClock
) -> None:
    """Whatever a dry run would say by now of what has failed."""
    cluster.client.trouble = lambda call: Rejected("not now") if call.writes and call.name == "a" else None
    hub.assign([config_map("a"), hook(slow("sorry"), "SyncFail")], policy=ONCE)
    await waits(hub, "SyncFail hook")
    again = hub.killed(tmp_path / "again")
    await hub.stop()
    cluster.client.trouble = lambda call: Rejected("not now") if call.verb == "apply" and call.name == "a" else None
    await again.start()
    try:
        await waits(again, "SyncFail hook")
        await people.edit(key_of_widget(hub, "sorry"), WELL)
        state = await ended(again, "Failed")
        assert "not now" in state.message and not state.message.startswith("nothing was changed")
    finally:
        await again.stop()
        # Its fixture stops it.
        hub.open()
        await hub.start()
