"""What is waited for has its time, whatever is done to the clock on the wall, and however often agents are started."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.syncer.clock import TurnedClock
from tests.syncer.harness import Hub, config_map
from tests.syncer.hooks import ONCE, ended, hook, job, waits, wave
from tests.syncer.hooks import slow as slow

DAY = 24 * 3600.0
HOUR = {"escadre.io__time-limit": "1h"}
WAYS = pytest.mark.parametrize("back", [-DAY, DAY], ids=["forward", "back"])


async def still_waits(hub: Hub) -> None:
    # What the clock has woken takes its turn, and then there is nothing to do.
    for _ in range(5):
        await asyncio.sleep(0)
    await hub.idle()
    assert [state.message for state in hub.storage.unfinished_operations()] != [], hub.finished


async def waiting(hub: Hub, slow: Any) -> None:
    hub.assign([config_map("a"), hook(slow("gate"), "PreSync", **HOUR)], policy=ONCE)
    await waits(hub, "gate")


@WAYS
async def test_the_clock_is_set_while_a_hook_runs(hub: Hub, slow: Any, clock: TurnedClock, back: float) -> None:
    await waiting(hub, slow)
    clock.set_back(back)
    clock.advance(1800)
    await still_waits(hub)
    clock.advance(1650)
    await still_waits(hub)
    clock.advance(200)
    assert "it has not ended in 1 h" in (await ended(hub, "Failed")).message


@WAYS
async def test_the_clock_is_set_while_a_wave_waits(hub: Hub, slow: Any, clock: TurnedClock, back: float) -> None:
    hub.assign([wave(slow("first"), -1), config_map("b")], policy=ONCE)
    await waits(hub, "first")
    clock.set_back(back)
    clock.advance(3400)
    await still_waits(hub)
    clock.advance(300)
    assert "it has not become healthy in 1 h" in (await ended(hub, "Failed")).message


@WAYS
async def test_the_clock_is_set_while_there_is_no_agent(hub: Hub, slow: Any, clock: TurnedClock, back: float) -> None:
    await waiting(hub, slow)
    clock.advance(1000)
    await still_waits(hub)
    clock.set_back(back)
    await hub.restart()
    await waits(hub, "gate")
    clock.advance(2050)
    await still_waits(hub)
    clock.advance(700)
    assert "it has not ended in 1 h" in (await ended(hub, "Failed")).message


@pytest.mark.parametrize("kind", ["hook", "wave"])
async def test_a_wait_ends_though_the_agent_is_started_again_and_again(
    hub: Hub, slow: Any, clock: TurnedClock, kind: str
) -> None:
    first = hook(slow("gate"), "PreSync", **HOUR) if kind == "hook" else wave(slow("gate"), -1)
    hub.assign([config_map("a"), first], policy=ONCE)
    await waits(hub, "gate")
    for _ in range(3):
        clock.advance(1000)
        await still_waits(hub)
        # Each time to before it had begun.
        clock.set_back(DAY)
        await hub.restart()
        await waits(hub, "gate")
    clock.advance(700)
    assert "in 1 h" in (await ended(hub, "Failed")).message


async def test_the_time_without_an_agent_counts_as_far_as_it_can_be_believed(
    hub: Hub, slow: Any, clock: TurnedClock
) -> None:
    await waiting(hub, slow)
    clock.advance(3200)
    await still_waits(hub)
    await hub.stop()
    clock.advance(290)
    hub.statuses.clear()
    hub.open()
    await hub.start()
    await waits(hub, "gate")
    clock.advance(150)
    assert "it has not ended in 1 h" in (await ended(hub, "Failed")).message


async def test_a_wait_ends_though_there_is_hardly_ever_an_agent(hub: Hub, slow: Any, clock: TurnedClock) -> None:
    await waiting(hub, slow)
    for _ in range(12):
        await still_waits(hub)
        await hub.stop()
        clock.advance(290)
        hub.statuses.clear()
        hub.open()
        await hub.start()
        await waits(hub, "gate")
    clock.advance(150)
    assert "it has not ended in 1 h" in (await ended(hub, "Failed")).message


async def test_a_job_that_does_not_start_has_its_time_too(hub: Hub, clock: TurnedClock) -> None:
    hub.assign([config_map("a"), hook(job("before", suspend=True), "PreSync")], policy=ONCE)
    await waits(hub, "before")
    clock.set_back(-DAY)
    clock.advance(700)
    await still_waits(hub)
    clock.advance(300)
    assert "nothing of it has run in 15 minutes" in (await ended(hub, "Failed")).message
