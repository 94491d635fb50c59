"""What was asked for and failed is tried again, as often as it says, after growing pauses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.engine.operation import OperationState
from agent.engine.status import ApplicationStatus
from agent.kube.errors import Forbidden
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People
from tests.syncer.harness import RETRY, Hub, bad_deployment, config_map, manifest_set


async def waiting(hub: Hub, attempt: int) -> OperationState:
    """Wait until an operation waits for what follows this attempt."""

    def holds(status: ApplicationStatus) -> bool:
        state = status.operation
        return state is not None and state.next_ms > 0 and state.attempt == attempt

    state = (await hub.wait(holds)).operation
    assert state is not None
    await hub.idle()
    return state


async def test_what_was_asked_for_is_tried_again_after_growing_pauses(hub: Hub, clock: TurnedClock) -> None:
    id = hub.operate([config_map("a"), bad_deployment("web")], retry=RETRY)
    for attempt, seconds in ((1, 10), (2, 30)):
        state = await waiting(hub, attempt)
        assert (state.id, state.phase, state.retry_limit, state.finished_ms) == (id, "Running", 2, 0)
        assert state.message.startswith(f"attempt {attempt} of 3 failed, the next one is {seconds} s later: ")
        clock.advance(seconds - 1)
        await hub.idle()
        assert hub.statuses[hub.application()].operation == state, "not before its time"
        clock.advance(1)
    state = await hub.operation(id)
    assert (state.phase, state.attempt, state.next_ms) == ("Failed", 3, 0)
    assert len(hub.finished) == 1, "it is told once that it has ended"
    clock.advance(3600)
    await hub.idle()
    assert hub.finished == [state]


async def test_an_attempt_that_succeeds_is_the_last(hub: Hub, cluster: Cluster, clock: TurnedClock) -> None:
    cluster.client.trouble = lambda call: Forbidden("not yet") if call.verb == "apply" else None
    id = hub.operate([config_map("a")], retry=replace(RETRY, limit=-1))
    assert (await waiting(hub, 1)).message.startswith("attempt 1 failed, ")
    cluster.client.trouble = lambda call: None
    clock.advance(10)
    state = await hub.operation(id)
    assert (state.phase, state.attempt) == ("Succeeded", 2)


async def test_the_wait_for_an_attempt_outlives_the_agent(hub: Hub, clock: TurnedClock) -> None:
    id = hub.operate([bad_deployment("web")], retry=replace(RETRY, limit=1))
    await waiting(hub, 1)
    await hub.restart()
    assert (await waiting(hub, 1)).id == id
    clock.advance(10)
    assert (await hub.operation(id)).attempt == 2


@pytest.mark.parametrize("refresh", [True, False])
async def test_a_later_attempt_is_for_the_newest_revision_where_that_is_wanted(
    hub: Hub, clock: TurnedClock, refresh: bool
) -> None:
    bad, good = [bad_deployment("web")], [config_map("a")]
    retry = replace(RETRY, limit=1, refresh=refresh)
    id = hub.operate(bad, retry=retry)
    await waiting(hub, 1)
    hub.operate(good, target=bad, id=id, retry=retry)
    await hub.idle()
    clock.advance(10)
    state = await hub.operation(id)
    assert (state.phase, state.attempt) == ("Succeeded" if refresh else "Failed", 2)
    assert state.manifest_set == manifest_set(good if refresh else bad)[0].digest


async def test_what_waits_for_its_next_attempt_can_be_ended(hub: Hub, clock: TurnedClock) -> None:
    id = hub.operate([bad_deployment("web")], retry=RETRY)
    await waiting(hub, 1)
    hub.operate([bad_deployment("web")], id=id, retry=RETRY, terminate=True)
    state = await hub.operation(id)
    assert (state.phase, state.message, state.next_ms) == ("Failed", "terminated on request", 0)


async def test_what_is_asked_for_next_ends_the_wait(hub: Hub, clock: TurnedClock) -> None:
    first = hub.operate([bad_deployment("web")], retry=RETRY)
    await waiting(hub, 1)
    second = hub.operate([config_map("a")])
    assert (await hub.operation(first)).message.startswith("something else is to be done now; attempt 1 of 3 failed")
    assert (await hub.operation(second)).phase == "Succeeded"


async def test_drift_is_told_while_an_attempt_is_waited_for(hub: Hub, people: People, clock: TurnedClock) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    hub.operate([config_map("a")], target=[bad_deployment("web")], retry=RETRY)
    await waiting(hub, 1)
    await people.remove(hub.key("ConfigMap", "a"))
    await hub.wait(lambda s: s.sync == "OutOfSync")


async def test_a_dry_run_is_not_tried_again(hub: Hub) -> None:
    state = await hub.operation(hub.operate([bad_deployment("web")], retry=RETRY, dry_run=True))
    assert (state.phase, state.attempt) == ("Failed", 1)
