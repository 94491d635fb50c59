"""Something else is assigned while the agent asks the cluster: what was asked about is no longer wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from agent.engine.resource import TRACKING_ANNOTATION
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Call, Cluster, People, until
from tests.syncer.harness import AUTOMATED, MANUAL, Hub, config_map


class Held:
    """Holds up the requests of one sort that come while it is there."""

    def __init__(self, cluster: Cluster, which: Callable[[Call], bool]) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self._which = which
        cluster.client.gate = self._pass

    async def _pass(self, call: Call) -> None:
        if self._which(call):
            self.begun.set()
            await self.go_on.wait()


async def test_an_end_that_is_taken_back_deletes_nothing(hub: Hub, cluster: Cluster, people: People) -> None:
    assignment = hub.assign([config_map("a")])
    await hub.synced()
    await hub.idle()
    held = Held(cluster, lambda call: call.verb == "discover")
    hub.delete(assignment)
    await held.begun.wait()
    again = hub.assign([config_map("a")], policy=MANUAL)
    held.go_on.set()
    await hub.wait(lambda s: s.generation == again.generation and s.sync == "Synced")
    await hub.idle()
    assert cluster.client.named("delete") == []
    assert await people.get(hub.key("ConfigMap", "a")) is not None


async def test_what_is_assigned_while_a_claim_is_looked_at_is_synced(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    """The attempt that is due by then is one for that, and not for what was assigned before."""
    hub.assign([config_map("a", {"owner": "first"}), config_map("b")], name="first")
    await hub.synced("first")
    policy = replace(AUTOMATED, self_heal=False)
    hub.assign([config_map("a", {"owner": "second"})], name="second", policy=policy)
    await hub.wait(lambda s: any(c.type == "SharedResourceWarning" for c in s.conditions), "second")
    await hub.idle()
    held = Held(cluster, lambda call: (call.verb, call.name, call.dry_run) == ("get", "a", False))
    await people.edit(hub.key("ConfigMap", "a"), {"metadata": {"annotations": {TRACKING_ANNOTATION: None}}})

    async def looked_at() -> bool:
        clock.advance(30)
        return held.begun.is_set()

    await until(looked_at, bool)
    newer = hub.assign([config_map("c")], name="second", policy=policy)
    held.go_on.set()
    await hub.synced_to(newer, "second")
