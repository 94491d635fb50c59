"""What becomes of an operation that ran when the agent was killed: it goes on under its id, or is ended for good.

It is on disk as it was left. What is assigned by then may want something else, or have nothing left for it to do.
"""

from __future__ import annotations

from dataclasses import replace

from agent.engine.operation import OperationState, Phase
from agent.kube import errors
from agent.syncer.automation import Automation
from agent.syncer.context import Context
from agent.syncer.ending import carries_out
from agent.syncer.hooks import HOOKS_LEFT, TERMINATED, end_left
from agent.syncer.orders import Order
from agent.syncer.standing import Standing

RETRY_SECONDS = 5.0
"""Until it is tried again to end its hooks."""
INTERRUPTED = "interrupted: the agent was stopped while it ran"
OTHERWISE = "something else is to be done now; "


class Interrupted:
    """Of one application. Nothing is written here: what is returned is for the caller to keep and to tell."""

    def __init__(self, context: Context, standing: Standing, automation: Automation) -> None:
        self._client, self._served, self._clock = context.client, context.served, context.clock
        self._standing = standing
        self._automation = automation

    async def given_up(self) -> OperationState | None:
        """Return how an operation ends that is not to go on, or that it is Terminating while the cluster does not let
        its hooks be ended. None when there is none, or when it goes on."""
        operation, assignment = self._left(), self._standing.assignment
        if operation is None or self._goes_on(operation):
            return None
        terminated = assignment.operation is not None and assignment.operation.terminate
        phase, words = _verdict(operation, terminated=terminated)
        if terminated or assignment.deletion is not None:
            # Nobody waits for its hooks, and nothing else would end them.
            try:
                operation = await end_left(self._client, self._served, operation)
            except errors.KubeError as error:
                message = f"{words}{HOOKS_LEFT}{error}{error.hint}"
                return replace(operation, phase=Phase.TERMINATING, message=message)
        return replace(operation, next_ms=0).finish(phase, words, self._clock.now_ms())

    def pointless(self, *, deleted: bool) -> OperationState | None:
        """Return how a deletion ends that has nothing left to do, None where none was left. `deleted`: it was to delete
        the resources."""
        operation = self._left()
        if operation is None:
            return None
        assert operation.kind == "delete", "another has been given up"
        phase, words = (Phase.SUCCEEDED, "all of it is gone") if deleted else (Phase.ERROR, INTERRUPTED)
        return operation.finish(phase, words, self._clock.now_ms())

    def resumed(self, order: Order, attempt: int) -> OperationState | None:
        """Return the operation that this attempt of an order goes on with, None for one that begins anew."""
        last = self._standing.operation
        if last is None or (last.id, last.attempt, last.manifest_set) != (order.id, attempt, order.ref.digest):
            return None
        return last

    def _left(self) -> OperationState | None:
        operation = self._standing.operation
        return operation if operation is not None and not operation.phase.finished else None

    def _goes_on(self, operation: OperationState) -> bool:
        """Say whether it is what is to be done now."""
        assignment = self._standing.assignment
        request = assignment.operation
        if request is not None and request.id == operation.id:
            return not request.terminate and assignment.deletion is None
        if operation.kind == "delete":
            # Agents once did not write down which it was.
            return assignment.deletion is not None and (not operation.deletion_ms or carries_out(operation, assignment))
        automated = (operation.kind, operation.initiated_by) == ("sync", "automated")
        same = operation.manifest_set == assignment.manifest_set.digest and assignment.deletion is None
        return automated and same and self._automation.due() is not None


def _verdict(operation: OperationState, *, terminated: bool) -> tuple[Phase, str]:
    """Return as what an operation ends that does not go on, and why."""
    if terminated:
        return Phase.FAILED, TERMINATED
    if not operation.next_ms:
        return Phase.ERROR, INTERRUPTED
    # It had failed, and waited for its next attempt. It may have been told before that this will not come.
    failure = operation.message.partition(HOOKS_LEFT)[0].removeprefix(OTHERWISE)
    return Phase.FAILED, f"{OTHERWISE}{failure}"
