"""What becomes of an operation that ran when the agent was killed, where something else is to be done by then."""

from __future__ import annotations

from dataclasses import replace

from agent.engine.assignment import Deletion
from agent.engine.operation import OperationState, Phase, Result, ResultStatus
from agent.engine.traits import SyncPhase
from agent.kube.errors import KubeError, Unreachable
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Call, Cluster, until
from tests.syncer.harness import MANUAL, Hub, config_map

FAILED = "attempt 1 of 3 failed, the next one is 10 s later: out of luck"


async def test_hooks_that_cannot_be_ended_are_told_of_once(hub: Hub, cluster: Cluster, clock: TurnedClock) -> None:
    """However often it is tried."""
    assignment = hub.assign([config_map("a")], policy=MANUAL)
    await hub.wait(lambda s: s.generation == assignment.generation)
    await hub.stop()
    hub.statuses.clear()
    hub.open()
    gate = Result(
        key=hub.key("ConfigMap", "gate"),
        version="v1",
        status=ResultStatus.SYNCED,
        sync_phase=SyncPhase.PRE_SYNC,
        hook=True,
        state=Phase.RUNNING,
    )
    state = OperationState(
        id="op-1",
        application=assignment.application,
        uid=assignment.uid,
        kind="sync",
        phase=Phase.RUNNING,
        message=FAILED,
        manifest_set=assignment.manifest_set.digest,
        initiated_by="somebody",
        started_ms=1,
        next_ms=10**13,
        results=(gate,),
    )
    hub.storage.save_operation(state)
    end = Deletion(True, "background", 1000)
    deleted = replace(assignment, generation=assignment.generation + 1, deletion=end, digest="0" * 64)
    hub.storage.save_assignments([deleted], {})
    tried = 0

    def trouble(call: Call) -> KubeError | None:
        nonlocal tried
        tried += (call.verb, call.name) == ("get", "gate")
        return Unreachable("no answer") if call.name == "gate" else None

    cluster.client.trouble = trouble
    await hub.start()
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase is Phase.TERMINATING)
    assert status.operation is not None
    words = f"something else is to be done now; {FAILED}"
    told = f"{words}; its hooks are ended once the cluster's API takes that: no answer"
    assert status.operation.message.startswith(told)

    async def tried_again() -> bool:
        clock.advance(5)
        await hub.idle()
        return tried >= 3

    await until(tried_again, bool)
    cluster.client.trouble = None
    clock.advance(5)
    await hub.wait(lambda s: s.deleted)
    assert [(o.phase, o.message) for o in hub.finished] == [(Phase.FAILED, words)]
