"""A cluster that is deselected, selected again and deselected once more: each end of an application is its own."""

from __future__ import annotations

from typing import Any

from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People
from tests.syncer.harness import MANUAL, Hub, config_map
from tests.syncer.test_hooks import WELL, hook, job, key_of_widget, made, until_gone, until_waits, waits
from tests.syncer.test_hooks import slow as slow


def held(name: str) -> dict[str, Any]:
    """Return a ConfigMap that stays until its finalizer is taken away."""
    return config_map(name, finalizers=["example.com/held"])


async def test_hooks_of_an_end_that_was_taken_back_run_again(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    objects = [held("a"), hook(slow("before"), "PreDelete")]
    await hub.operation(hub.operate(objects))
    assignment = hub.assign(objects, policy=MANUAL)
    hub.delete(assignment, requested_ms=1000)
    await waits(hub, "PreDelete hook")
    await people.edit(key_of_widget(hub, "before"), WELL)
    await until_waits(hub, clock, "ConfigMap")
    again = hub.assign(objects, policy=MANUAL)
    await hub.wait(
        lambda s: s.generation == again.generation and s.operation is not None and s.operation.phase.finished
    )
    hub.delete(again, requested_ms=2000)
    # With its finalizer the ConfigMap is still on its way out, but there is an end to run the hooks of.
    await waits(hub, "PreDelete hook")
    assert made(cluster).count("Widget/before") == 2
    await people.edit(key_of_widget(hub, "before"), WELL)
    await people.edit(hub.key("ConfigMap", "a"), {"metadata": {"finalizers": None}})
    await until_gone(hub, clock)


async def test_hooks_of_an_earlier_end_are_not_those_of_the_next(hub: Hub, cluster: Cluster) -> None:
    objects = [config_map("a"), hook(job("before"), "PreDelete")]
    first = hub.assign(objects, policy=MANUAL)
    await hub.wait(lambda s: s.generation == first.generation)
    hub.delete(first, requested_ms=1000)
    await hub.wait(lambda s: s.deleted)
    assert made(cluster) == ["Job/before"]
    again = hub.assign(objects, policy=MANUAL)
    await hub.wait(lambda s: s.generation == again.generation and not s.deleted)
    # What the disk remembers of the application is its end.
    await hub.restart()
    hub.delete(again, requested_ms=2000)
    await hub.wait(lambda s: s.deleted)
    assert made(cluster) == ["Job/before"] * 2


async def test_a_hook_that_ended_well_is_not_run_again_by_the_same_end(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    objects = [held("a"), hook(job("before"), "PreDelete")]
    await hub.operation(hub.operate(objects))
    hub.delete(hub.assign(objects, policy=MANUAL), requested_ms=1000)
    await until_waits(hub, clock, "ConfigMap")
    await hub.restart()
    await until_waits(hub, clock, "ConfigMap")
    await people.edit(hub.key("ConfigMap", "a"), {"metadata": {"finalizers": None}})
    await until_gone(hub, clock)
    assert made(cluster).count("Job/before") == 1
