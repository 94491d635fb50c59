"""The end of an application on this cluster: what is deleted there, the hooks of that, and when it is tried again."""

from __future__ import annotations

from dataclasses import replace

from agent.engine.assignment import Assignment
from agent.engine.manifest_set import IncompleteSet
from agent.engine.operation import OperationState, Phase
from agent.engine.reconcile import Action, surplus
from agent.engine.tasks import DELETION_HOOKS
from agent.kube import errors
from agent.syncer.context import Context
from agent.syncer.orders import deletes_resources
from agent.syncer.preparation import Preparation
from agent.syncer.standing import Standing
from agent.syncer.targets import NO_TARGETS, Targets

RETRY_SECONDS = 5.0
RETRY_CAP_SECONDS = 300.0


class Ending:
    """Of one application."""

    def __init__(self, context: Context, standing: Standing, preparation: Preparation) -> None:
        self._live, self._clock = context.live, context.clock
        self._standing = standing
        self._preparation = preparation
        self._failures = 0
        self._after = 0.0
        """When what failed may be tried again, by the monotonic clock."""

    def reset(self) -> None:
        """Something else is assigned: what failed before says nothing about that."""
        self._failures, self._after = 0, 0.0

    async def next(self, assignment: Assignment) -> Targets | float | None:
        """Return the hooks with which an operation is to delete what is tracked, or the seconds after which to look
        again: at once where something else is assigned meanwhile. None once all of it is gone."""
        try:
            waiting = await self._preparation.applied_listed()
        except errors.KubeError as error:
            self._standing.condition("DeletionError", f"the cluster's API does not answer: {error}")
            return RETRY_SECONDS
        if waiting is not None:
            return waiting
        hooks = await self._hooks(assignment)
        if self._standing.assignment is not assignment:
            # It may be kept by now: nothing is deleted for what was asked before.
            return 0.0
        if self._all_gone() and self._all_run(hooks):
            return None
        pause = self._after - self._clock.monotonic()
        return pause if pause > 0 else hooks

    def pause(self, state: OperationState) -> float:
        """Return when to look again at what an operation has left: at once where that is nothing, and after longer and
        longer where it failed, for its hooks run again each time."""
        self._failures = 0 if state.phase is Phase.SUCCEEDED else self._failures + 1
        pause = min(RETRY_SECONDS * 2.0 ** max(0, self._failures - 1), RETRY_CAP_SECONDS)
        self._after = self._clock.monotonic() + (pause if self._failures else 0.0)
        return 0.0 if state.phase is Phase.SUCCEEDED and self._all_gone() else pause

    def _all_gone(self) -> bool:
        """Say whether nothing is there any more that goes with the application."""
        name = self._standing.assignment.tracking_name
        mine = surplus(name, (), self._live.of_application(name), ends=True)
        return all(pair.action is Action.LEAVE for pair in mine)

    async def _hooks(self, assignment: Assignment) -> Targets:
        """Return the hooks that the end of the application runs. Without its manifests, which an agent may have lost
        with its disk, there are none. Raises KubeError."""
        try:
            targets = await self._preparation.resolve(assignment) if assignment.manifest_set.digest else NO_TARGETS
        except IncompleteSet:
            return NO_TARGETS
        found = {
            key: hook for key, hook in targets.hooks.items() if not DELETION_HOOKS.isdisjoint(hook.traits.hook or ())
        }
        return replace(NO_TARGETS, digest=targets.digest, kinds=targets.kinds, hooks=found) if found else NO_TARGETS

    def _all_run(self, hooks: Targets) -> bool:
        """Say whether every hook of the deletion has ended well."""
        last = self._standing.operation
        results = last.results if last is not None and carries_out(last, self._standing.assignment) else ()
        ended = {(r.sync_phase, r.key) for r in results if r.hook and r.state is Phase.SUCCEEDED}
        wanted = {(phase, key) for key, hook in hooks.hooks.items() for phase in (hook.traits.hook or ())}
        return {(phase, key) for phase, key in wanted if phase in DELETION_HOOKS} <= ended


def is_meant_otherwise(before: Assignment, now: Assignment) -> bool:
    """Say whether a deletion that may be under way is to delete otherwise, or nothing any more."""
    if before.deletion is None or now.deletion is None:
        return False
    if before.deletion.requested_ms != now.deletion.requested_ms:
        # In between it was assigned again, if not here: what ran before the end then is to run once more.
        return True
    same = before.deletion.propagation == now.deletion.propagation
    return not same or deletes_resources(before) != deletes_resources(now)


def carries_out(operation: OperationState, assignment: Assignment) -> bool:
    """Say whether an operation is, or was, about exactly the deletion that is assigned."""
    deletion = assignment.deletion
    if deletion is None or (operation.kind, operation.uid) != ("delete", assignment.uid):
        return False
    return operation.deletion_ms == deletion.requested_ms
