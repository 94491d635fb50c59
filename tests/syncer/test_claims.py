"""Two applications that claim one object, whoever looks first: one of them has it, the other is told and gets it when
it is given up, and they do not fight."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agent.engine.resource import TRACKING_ANNOTATION, tracking_id
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Call, Cluster, People, until
from tests.syncer.harness import AUTOMATED, MANUAL, Hub, config_map
from tests.syncer.hooks import WELL, hook, key_of_widget, until_waits
from tests.syncer.hooks import slow as slow


async def quiet(hub: Hub, cluster: Cluster, clock: TurnedClock) -> None:
    """See that nobody writes or operates any more, however much time passes."""
    await hub.idle()
    for _ in range(3):
        clock.advance(10)
        await hub.idle()
    count, ended = len(cluster.client.writes), len(hub.finished)
    for _ in range(5):
        clock.advance(400)
        await hub.idle()
        await asyncio.sleep(0.05)
    assert (cluster.client.writes[count:], hub.finished[ended:]) == ([], [])


def shared_with(hub: Hub, name: str) -> str:
    status = hub.statuses[hub.application(name)]
    return next((c.message for c in status.conditions if c.type == "SharedResourceWarning"), "")


async def test_at_once(hub: Hub, cluster: Cluster, people: People, clock: TurnedClock) -> None:
    begun: set[str] = set()
    both = asyncio.Event()

    async def gate(call: Call) -> None:
        """Hold the write of what both claim until each of them has come to what is applied beside it."""
        if call.verb == "apply" and not call.dry_run:
            begun.add(call.name)
            if begun >= {"a", "own-first", "own-second"}:
                both.set()
            if call.name == "a":
                await both.wait()

    cluster.client.gate = gate
    for name in ("first", "second"):
        hub.assign([config_map("a", {"owner": name}), config_map(f"own-{name}")], name=name)
    for name in ("first", "second"):
        await hub.wait(lambda s: s.operation is not None and s.operation.phase.finished, name)
    found = (await people.get(hub.key("ConfigMap", "a")) or {})["data"]["owner"]
    other = {"first": "second", "second": "first"}[found]

    async def standing() -> tuple[bool, str, str, str]:
        # The watch tells each of them what the last write was.
        clock.advance(5)
        await hub.idle()
        one, two = hub.statuses[hub.application(found)], hub.statuses[hub.application(other)]
        return hub.tracking(found) in shared_with(hub, other), shared_with(hub, found), one.sync, two.sync

    settled = (True, "", "Synced", "OutOfSync")
    await until(standing, lambda now: now == settled)
    await quiet(hub, cluster, clock)
    assert await standing() == settled


async def test_while_a_sync_waits(hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock) -> None:
    hub.assign([config_map("a", {"owner": "app"}), hook(slow("gate"), "PreSync")])
    await until_waits(hub, clock, "gate")
    hub.assign([config_map("a", {"owner": "second"})], name="second")
    await hub.synced("second")
    await people.edit(key_of_widget(hub, "gate"), WELL)
    await hub.wait(lambda s: s.operation is not None and s.operation.phase.finished)
    await quiet(hub, cluster, clock)
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"owner": "second"}
    assert hub.tracking("second") in shared_with(hub, "app") and not shared_with(hub, "second")


async def test_what_is_taken_from_an_application_is_left_to_the_one_that_has_it(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    """Whoever took it, by other means than a sync: what would be put back is another's now."""
    hub.assign([config_map("b")], name="second", policy=replace(AUTOMATED, prune=False))
    await hub.synced("second")
    hub.assign([config_map("a", {"owner": "app"})])
    await hub.synced()
    mark = tracking_id(hub.tracking("second"), hub.key("ConfigMap", "a"))
    await people.edit(hub.key("ConfigMap", "a"), {"metadata": {"annotations": {TRACKING_ANNOTATION: mark}}})
    await hub.wait(lambda s: any(c.type == "SharedResourceWarning" for c in s.conditions))
    await quiet(hub, cluster, clock)
    assert hub.tracking("second") in shared_with(hub, "app")


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_goes_from_one_application_to_another(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, restarted: bool
) -> None:
    """It comes to the second as soon as the first has given it up, and no commit says so."""
    hub.assign([config_map("a", {"owner": "first"}), config_map("b")], name="first")
    await hub.synced("first")
    hub.assign([config_map("a", {"owner": "second"})], name="second")
    await hub.wait(lambda s: any(c.type == "SharedResourceWarning" for c in s.conditions), "second")
    if restarted:
        await hub.restart()
        await hub.wait(lambda s: any(c.type == "SharedResourceWarning" for c in s.conditions), "second")
    hub.assign([config_map("b")], name="first")
    await hub.synced("first")

    async def taken() -> bool:
        clock.advance(30)
        return hub.statuses[hub.application("second")].sync == "Synced"

    await until(taken, bool)
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"owner": "second"}
    assert not shared_with(hub, "second")


async def test_what_is_claimed_no_more_is_told_no_more(hub: Hub, cluster: Cluster, clock: TurnedClock) -> None:
    hub.assign([config_map("a")], name="first")
    await hub.synced("first")
    hub.assign([config_map("a", {"owner": "second"})], name="second", policy=MANUAL)
    await hub.wait(lambda s: any(c.type == "SharedResourceWarning" for c in s.conditions), "second")
    hub.assign([config_map("b")], name="second", policy=MANUAL)

    async def told() -> str:
        clock.advance(30)
        return shared_with(hub, "second")

    await until(told, lambda words: not words)
