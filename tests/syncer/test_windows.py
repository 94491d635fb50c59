"""Sync windows hold on the agent: nothing is synced or healed outside them, and what waits begins when they open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.engine.assignment import Retry, SyncWindow
from agent.engine.status import ApplicationStatus
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People
from tests.syncer.harness import AUTOMATED, Hub, config_map
from tests.syncer.hooks import WELL, ended, hook, key_of_widget, made, turned, waits, wave
from tests.syncer.hooks import slow as slow

HOUR = 3600.0
WARNING = "SyncWindowWarning"


def window(clock: TurnedClock, kind: str, after: float, hours: float = 2, **changes: Any) -> SyncWindow:
    """Return a window that begins so many hours from now, to the minute, and then not for a year."""
    now = datetime.fromtimestamp(clock.now_ms() / 1000, UTC).replace(second=0, microsecond=0)
    start = now + timedelta(hours=after)
    cron = f"{start.minute} {start.hour} {start.day} {start.month} *"
    return replace(SyncWindow(kind, cron, cron, "", hours * HOUR), **changes)


def warning(status: ApplicationStatus) -> str:
    return next((c.message for c in status.conditions if c.type == WARNING), "")


async def told(hub: Hub, *words: str) -> str:
    """Wait until the application says that it waits for a window, with these words."""
    status = await hub.wait(lambda s: WARNING in {c.type for c in s.conditions} and all(w in warning(s) for w in words))
    # The clock may be turned from here on.
    await hub.idle()
    return warning(status)


@pytest.mark.parametrize(("kind", "after"), [("deny", -1), ("allow", 1)])
async def test_an_automated_sync_waits_for_its_window(
    hub: Hub, cluster: Cluster, clock: TurnedClock, kind: str, after: float
) -> None:
    held = window(clock, kind, after)
    assignment = hub.assign([config_map("a")], windows=(held,))
    message = await told(
        hub, "the sync to", assignment.manifest_set.digest[:12], f'the {kind} window "{held.schedule}"'
    )
    assert "until" in message
    assert hub.statuses[hub.application()].sync == "OutOfSync"
    clock.advance(0.9 * HOUR)
    await hub.idle()
    assert made(cluster) == [] and hub.finished == []
    clock.advance(0.2 * HOUR)
    await hub.synced_to(assignment)
    await hub.wait(lambda s: not s.conditions)


async def test_what_may_be_synced_is(hub: Hub, clock: TurnedClock) -> None:
    hub.assign([config_map("a")], windows=(window(clock, "allow", -1), window(clock, "deny", 1)))
    assert not (await hub.synced()).conditions


async def test_drift_is_told_and_healed_when_the_window_opens(hub: Hub, people: People, clock: TurnedClock) -> None:
    hub.assign([config_map("a", {"k": "v"})], windows=(window(clock, "deny", 1),))
    await hub.synced()
    clock.advance(1.5 * HOUR)
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    await told(hub, "ConfigMap", "drifted and is not healed", "denies it until")
    status = hub.statuses[hub.application()]
    assert status.sync == "OutOfSync" and [d.healed_ms for d in hub.drifts] == [0]
    clock.advance(2 * HOUR)
    await hub.healed()
    await hub.wait(lambda s: not s.conditions)


async def test_what_somebody_asks_for_is_refused_at_once(hub: Hub, cluster: Cluster, clock: TurnedClock) -> None:
    id = hub.operate([config_map("a")], windows=(window(clock, "deny", -1, description="no Fridays"),))
    state = await hub.operation(id)
    assert state.phase == "Failed"
    assert state.message.startswith("not begun: the deny window") and "(no Fridays) denies it until" in state.message
    assert "`escadre project windows list default` has them all; one with manual sync lets through" in state.message
    assert [o.id for o in hub.finished] == [id] and made(cluster) == []
    # It is not made up for.
    clock.advance(2 * HOUR)
    await hub.idle()
    assert made(cluster) == []


async def test_rollbacks_are_syncs(hub: Hub, clock: TurnedClock) -> None:
    id = hub.operate([config_map("a")], kind="rollback", windows=(window(clock, "allow", 1),))
    assert (await hub.operation(id)).message.startswith("not begun: no window that allows it is open")


async def test_windows_may_let_through_what_somebody_asks_for(hub: Hub, clock: TurnedClock) -> None:
    windows = (window(clock, "deny", -1, manual_sync=True),)
    id = hub.operate([config_map("a")], policy=AUTOMATED, windows=windows)
    assert (await hub.operation(id)).phase == "Succeeded"


async def test_a_dry_run_changes_nothing_and_may_be_at_any_time(hub: Hub, clock: TurnedClock) -> None:
    id = hub.operate([config_map("a")], dry_run=True, windows=(window(clock, "deny", -1),))
    assert (await hub.operation(id)).phase == "Succeeded"


async def test_a_window_that_is_taken_away_holds_nothing_up(hub: Hub, clock: TurnedClock) -> None:
    hub.assign([config_map("a")], windows=(window(clock, "deny", -1),))
    await told(hub, "denies it")
    hub.assign([config_map("a")])
    assert not (await hub.synced()).conditions


async def test_what_is_in_place_already_waits_for_no_window(hub: Hub, clock: TurnedClock) -> None:
    first = hub.assign([config_map("a")])
    await hub.synced()
    # Tried under another name, and nothing is to be done.
    policy = replace(AUTOMATED, sync_options=("PruneLast=true",))
    second = hub.assign([config_map("a")], policy=policy, windows=(window(clock, "deny", -1),))
    status = await hub.wait(lambda s: s.generation == second.generation and s.sync == "Synced")
    await hub.idle()
    assert not hub.statuses[hub.application()].conditions
    assert status.synced_manifest_set == first.manifest_set.digest


async def test_what_comes_to_be_in_place_waits_no_longer(hub: Hub, people: People, clock: TurnedClock) -> None:
    windows = (window(clock, "deny", 1),)
    hub.assign([config_map("a", {"k": "v"})], windows=windows)
    await hub.synced()
    clock.advance(1.5 * HOUR)
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    await told(hub, "is not healed")
    hub.assign(
        [config_map("a", {"k": "v"})], policy=replace(AUTOMATED, sync_options=("PruneLast=true",)), windows=windows
    )
    await told(hub, "the sync to", "is not healed")
    # Back, and not quite as it was, so that it has to be judged.
    back = {"data": {"k": "v"}, "metadata": {"annotations": {"note": "mine"}}}
    await people.edit(hub.key("ConfigMap", "a"), back)
    await hub.wait(lambda s: s.sync == "Synced" and not s.conditions)


async def test_a_deletion_is_no_sync(hub: Hub, people: People, clock: TurnedClock) -> None:
    assignment = hub.assign([config_map("a")], windows=(window(clock, "deny", 1),))
    await hub.synced()
    clock.advance(1.5 * HOUR)
    hub.delete(assignment)
    await hub.wait(lambda s: s.deleted)
    assert await people.get(hub.key("ConfigMap", "a")) is None


# --- what runs when a window closes


async def running(hub: Hub, slow: Any, **options: Any) -> None:
    """Have a sync under way that waits for its first wave."""
    objects = [wave(slow("first"), -1), config_map("b")]
    if options.pop("manual", False):
        hub.operate(objects, **options)
    else:
        hub.assign(objects, **options)
    await waits(hub, "wave -1", "first", "to be healthy")


@pytest.mark.parametrize("manual", [False, True])
async def test_a_sync_that_runs_is_held_before_its_next_wave(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock, manual: bool
) -> None:
    await running(hub, slow, manual=manual, windows=(window(clock, "deny", 0.5),))
    clock.advance(0.6 * HOUR)
    await people.edit(key_of_widget(hub, "first"), WELL)
    await waits(hub, "Sync wave 0: waiting: the deny window", "denies it until")
    await hub.idle()
    assert made(cluster) == ["Widget/first"]
    clock.advance(2 * HOUR)
    await ended(hub, "Succeeded")
    assert made(cluster) == ["Widget/first", "ConfigMap/b"]


async def test_a_sync_that_is_held_can_be_terminated(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    windows = (window(clock, "deny", 0.5),)
    await running(hub, slow, manual=True, windows=windows, id="op")
    clock.advance(0.6 * HOUR)
    await people.edit(key_of_widget(hub, "first"), WELL)
    await waits(hub, "denies it until")
    hub.operate([wave(slow("first"), -1), config_map("b")], id="op", terminate=True, windows=windows)
    state = await ended(hub, "Failed")
    assert state.message == "terminated on request" and made(cluster) == ["Widget/first"]


async def test_a_sync_that_runs_may_overrun(hub: Hub, people: People, slow: Any, clock: TurnedClock) -> None:
    windows = (
        window(clock, "allow", -1.5, sync_overrun=True),
        window(clock, "deny", 0.5, sync_overrun=True),
    )
    await running(hub, slow, windows=windows)
    clock.advance(0.6 * HOUR)
    await people.edit(key_of_widget(hub, "first"), WELL)
    await turned(hub, clock)
    await hub.synced()
    # What begins now does not.
    hub.assign([config_map("c")], windows=windows)
    await told(hub, "denies it until")


async def test_what_was_applied_is_waited_for_after_the_window(
    hub: Hub, people: People, slow: Any, clock: TurnedClock
) -> None:
    """Nothing is written any more, so the window does not matter."""
    hub.assign([config_map("a"), hook(slow("last"), "PostSync")], windows=(window(clock, "deny", 0.5),))
    await waits(hub, "PostSync hook", "last")
    clock.advance(0.6 * HOUR)
    await people.edit(key_of_widget(hub, "last"), WELL)
    assert (await ended(hub, "Succeeded")).phase == "Succeeded"


@pytest.mark.parametrize("manual", [False, True])
async def test_a_restart_changes_nothing_about_that(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock, manual: bool
) -> None:
    await running(hub, slow, manual=manual, windows=(window(clock, "deny", 0.5),))
    before = hub.statuses[hub.application()].operation
    clock.advance(0.6 * HOUR)
    await hub.restart()
    await people.edit(key_of_widget(hub, "first"), WELL)
    await told(hub, "waits: the deny window")
    await hub.idle()
    assert made(cluster) == ["Widget/first"] and hub.finished == []
    clock.advance(2 * HOUR)
    await turned(hub, clock)
    state = await ended(hub, "Succeeded")
    assert before is not None and state.id == before.id
    assert made(cluster)[-1] == "ConfigMap/b"


@pytest.mark.parametrize("manual", [False, True])
async def test_a_sync_that_overran_when_the_agent_stopped_goes_on(
    hub: Hub, people: People, slow: Any, clock: TurnedClock, manual: bool
) -> None:
    await running(hub, slow, manual=manual, windows=(window(clock, "deny", 0.5, sync_overrun=True),))
    clock.advance(0.6 * HOUR)
    await hub.restart()
    await people.edit(key_of_widget(hub, "first"), WELL)
    await turned(hub, clock)
    assert (await ended(hub, "Succeeded")).phase == "Succeeded"


async def test_the_next_attempt_of_what_somebody_asked_for_waits(hub: Hub, clock: TurnedClock) -> None:
    """It has begun, so it is not refused."""
    retry = Retry(limit=1, duration_seconds=0.6 * HOUR, max_seconds=HOUR)
    missing = config_map("a", namespace=f"{hub.namespace}-absent")
    id = hub.operate([missing], retry=retry, windows=(window(clock, "deny", 0.5),))
    await hub.wait(lambda s: s.operation is not None and "attempt 1 of 2 failed" in s.operation.message)
    await hub.idle()
    clock.advance(0.7 * HOUR)
    await told(hub, "the sync that somebody asked for waits: the deny window")
    assert hub.finished == []
    clock.advance(2 * HOUR)
    state = await hub.operation(id)
    assert (state.phase, state.attempt) == ("Failed", 2)
    await hub.wait(lambda s: WARNING not in {c.type for c in s.conditions})
