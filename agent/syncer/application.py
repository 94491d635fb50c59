"""One application on this cluster: operate when asked or due, judge what changed, heal what drifted, tell the hub.

`tick` is level-triggered: it looks at what is there and does what is next, and may be called at any time, any number of
times. It answers when it wants to be called again.
"""

from __future__ import annotations

import asyncio
import logging

from agent.engine.assignment import Assignment, Revision
from agent.engine.manifest_set import IncompleteSet
from agent.engine.operation import (
    Attempts,
    OperationState,
    Phase,
    attempt_parameters,
    automated_attempt,
    record_attempt,
)
from agent.engine.reconcile import Judged
from agent.engine.resource import Object, ResourceKey
from agent.engine.status import ApplicationStatus, with_digest
from agent.hubclient.outbox import Outbox
from agent.kube import errors
from agent.kube.client import Kind, KubeClient
from agent.storage import Storage
from agent.syncer.clock import Clock
from agent.syncer.drifts import DriftLog
from agent.syncer.judge import fetch, judge
from agent.syncer.live import LiveState
from agent.syncer.operation import Runner
from agent.syncer.orders import Order, automated_order, deletion_order, heal_order, requested_order
from agent.syncer.standing import Standing
from agent.syncer.targets import NO_TARGETS, Targets, load_targets, manifest_of

log = logging.getLogger(__name__)

LIST_TIMEOUT_SECONDS = 20.0
RETRY_SECONDS = 5.0
UNSERVED_RETRY_SECONDS = 15.0
JUDGED_TOGETHER = 64


class ApplicationLoop:
    """The next step of one application. Not re-entrant: the manager ticks it one at a time."""

    def __init__(
        self,
        client: KubeClient,
        storage: Storage,
        live: LiveState,
        outbox: Outbox,
        clock: Clock,
        assignment: Assignment,
    ) -> None:
        self._client = client
        self._storage = storage
        self._live = live
        self._outbox = outbox
        self._clock = clock
        self._standing = Standing(storage, live, clock, assignment)
        self._drifts = DriftLog(storage, outbox, clock)
        self._attempts = storage.attempts(assignment.application)
        self._runner: Runner | None = None
        self._done_operation = ""
        self._unserved = 0
        self._look_again = 0.0
        self.extra_kinds: frozenset[Kind] = frozenset()
        """Kinds this application applied earlier and may have to prune; set by the manager."""
        self.buried = False

    @property
    def assignment(self) -> Assignment:
        return self._standing.assignment

    # --- what others tell it

    def assign(self, assignment: Assignment) -> None:
        """Take a newer assignment; the manager has it on disk already."""
        if self.assignment.uid != assignment.uid:
            self._attempts = self._storage.attempts(assignment.application)
        self._standing.reassign(assignment)
        request = assignment.operation
        terminate = assignment.deletion is not None or (request is not None and request.terminate)
        if terminate and self._runner is not None:
            self._runner.terminate()

    def restore(self, operation: OperationState | None, synced: tuple[str, Revision] | None) -> None:
        """Take what the disk remembers, after a start of the agent."""
        self._standing.operation = operation
        self._standing.synced = synced or ("", Revision())

    def note(self, key: ResourceKey, obj: Object | None) -> None:
        """Something may have changed about an object of this application."""
        standing = self._standing
        if standing.targeted(key) and not standing.settled(key):
            standing.pending[key] = obj
            return
        if standing.targeted(key):
            self._settle(key)
        standing.update(key)

    def status(self) -> ApplicationStatus:
        if self.buried:
            a = self.assignment
            return with_digest(ApplicationStatus(a.application, a.uid, a.generation, deleted=True))
        return self._standing.status()

    def _tell(self, *, soon: bool = True) -> None:
        self._outbox.changed(self.assignment.application, self.status, soon=soon)

    # --- the loop

    async def tick(self) -> float | None:
        """Do what is next. Returns the seconds after which to call again, None to wait for news."""
        if self.buried:
            return None
        assignment = self.assignment
        if assignment.deletion is not None:
            return await self._delete(assignment, cascade=assignment.deletion.cascade)
        again = await self._prepare(assignment)
        targets = self._standing.targets
        if targets is None:
            self._tell()
            return again
        if await self._requested(assignment, targets):
            return 0.0
        due = self._automated_due(assignment)
        if due == 0.0:
            await self._automated(assignment, targets)
            return 0.0
        retry = await self._judge_pending(assignment, targets)
        heal = await self._heal(assignment, targets)
        self._tell()
        return _soonest(again, due, retry, heal)

    async def _prepare(self, assignment: Assignment) -> float | None:
        """Have the targets loaded and their kinds watched."""
        standing = self._standing
        if standing.targets is not None and standing.targets.unserved and self._clock.monotonic() >= self._look_again:
            standing.targets = None
        if standing.targets is None and not await self._load(assignment):
            return RETRY_SECONDS
        targets = standing.targets
        if targets is None:
            return RETRY_SECONDS
        unsynced = await self._watch({*targets.kinds.values(), *self.extra_kinds})
        if unsynced:
            standing.condition("ComparisonError", f"these kinds cannot be listed: {unsynced}")
            standing.targets = None
            return RETRY_SECONDS
        return UNSERVED_RETRY_SECONDS if targets.unserved else None

    async def _watch(self, kinds: set[Kind]) -> str:
        """Watch kinds and wait until each was listed; return in words which could not be."""
        self._live.watch(kinds)
        unsynced = await self._live.wait_synced(kinds, LIST_TIMEOUT_SECONDS)
        return "; ".join(f"{kind}: {reason}" for kind, reason in unsynced[:5])

    async def _load(self, assignment: Assignment) -> bool:
        """Load the targets. False when that is not possible now; the condition says why."""
        standing = self._standing
        try:
            targets = load_targets(self._storage, await self._client.discover(), assignment, assignment.manifest_set)
            if targets.unserved:
                discovery = await self._client.discover(refresh=True)
                targets = load_targets(self._storage, discovery, assignment, assignment.manifest_set)
        except IncompleteSet as error:
            standing.condition("ComparisonError", f"{error}; nothing is applied or pruned until it is complete")
            return False
        except errors.KubeError as error:
            standing.condition("ComparisonError", f"the cluster's API does not answer: {error}")
            return False
        if len(targets.unserved) < self._unserved:
            # A kind that was missing has come: what failed for want of it may be tried again.
            self._save_attempts(Attempts())
        self._unserved = len(targets.unserved)
        self._look_again = self._clock.monotonic() + UNSERVED_RETRY_SECONDS
        standing.load(targets)
        return True

    # --- operations

    async def _requested(self, assignment: Assignment, targets: Targets) -> bool:
        """Run the operation somebody asked for, once by its id. Returns whether it ran."""
        request = assignment.operation
        if request is None or request.id == self._done_operation:
            return False
        known = self._storage.operation(request.id)
        if request.terminate or (known is not None and known.phase.finished):
            self._done_operation = request.id
            return False
        await self._run(assignment, targets, requested_order(assignment, request))
        self._done_operation = request.id
        return True

    def _automated_due(self, assignment: Assignment) -> float | None:
        now = self._clock.now_ms()
        due = automated_attempt(assignment, self._attempts, now)
        fresh = self._attempts.parameters != attempt_parameters(assignment)
        standing = self._standing
        if due == 0.0 and fresh and standing.as_assigned and standing.synced[0] == assignment.manifest_set.digest:
            # Nothing to do: what is there is already what is wanted, and needs no operation.
            standing.record_synced(assignment.manifest_set.digest, assignment.revision)
            self._save_attempts(record_attempt(assignment, self._attempts, Phase.SUCCEEDED, now))
            return None
        return due

    async def _automated(self, assignment: Assignment, targets: Targets) -> None:
        refusal = self._empty_refusal(assignment, targets)
        if self._attempts.parameters != attempt_parameters(assignment):
            # Not written: should the agent be killed, the operation on disk says that the attempt was under way.
            self._attempts = Attempts(parameters=attempt_parameters(assignment))
        if refusal:
            self._standing.condition("SyncError", refusal)
            self._save_attempts(record_attempt(assignment, self._attempts, Phase.SUCCEEDED, self._clock.now_ms()))
            return
        order = automated_order(assignment, self._standing.operation)
        await self._run(assignment, targets, order, attempt=self._attempts.count + 1)

    def _empty_refusal(self, assignment: Assignment, targets: Targets) -> str:
        policy = assignment.policy
        count = len(self._live.keys_of(assignment.tracking_name))
        if not policy.prune or policy.allow_empty or targets.resources or not count:
            return ""
        return f"the revision has no resources at all and would prune all {count}; set allowEmpty if that is meant"

    async def _run(self, assignment: Assignment, targets: Targets, order: Order, attempt: int = 1) -> None:
        runner = Runner(self._client, self._storage, self._live, self._clock, assignment, order, self._progress)
        self._runner = runner
        try:
            if order.ref.digest != targets.digest:
                targets = load_targets(self._storage, await self._client.discover(), assignment, order.ref)
                await self._watch(set(targets.kinds.values()))
            state = await runner.run(targets, self._standing.judged, attempt)
        except (IncompleteSet, errors.KubeError) as error:
            state = runner.state.finish(Phase.ERROR, str(error), self._clock.now_ms())
        finally:
            self._runner = None
        self._finished(assignment, order, runner, state)

    def _finished(self, assignment: Assignment, order: Order, runner: Runner, state: OperationState) -> None:
        standing = self._standing
        standing.shared = standing.shared | runner.shared if order.kind == "self-heal" else runner.shared
        with self._storage.together():
            standing.keep_judged(runner.judged)
            if state.phase is not Phase.SUCCEEDED:
                standing.condition("SyncError", state.message)
            elif not order.dry_run and order.only is None:
                standing.record_synced(order.ref.digest, order.revision)
                standing.clear("SyncError")
            self._storage.save_operation(state)
            if order.automated and attempt_parameters(self.assignment) == self._attempts.parameters:
                self._save_attempts(record_attempt(assignment, self._attempts, state.phase, self._clock.now_ms()))
        standing.operation = state
        self._outbox.operation_finished(state)
        for key in {*standing.pending, *standing.drifted}:
            if standing.targeted(key) and standing.settled(key):
                self._settle(key)
        standing.rebuild()
        # The operation may have brought the kinds that were missing.
        self._look_again = 0.0
        self._unserved = 0

    def _progress(self, state: OperationState) -> None:
        self._standing.operation = state
        self._tell(soon=False)

    def _save_attempts(self, attempts: Attempts) -> None:
        self._attempts = attempts
        self._storage.save_attempts(self.assignment.application, attempts)

    # --- judging and healing

    def _settle(self, key: ResourceKey) -> None:
        """An object is as assigned."""
        self._standing.pending.pop(key, None)
        self._standing.drifted.pop(key, None)
        self._drifts.restored(key)

    async def _judge_pending(self, assignment: Assignment, targets: Targets) -> float | None:
        """Judge every object that changed or was never judged. Returns when to try again what could not be."""
        standing = self._standing
        keys = [k for k in standing.pending if k in targets.kinds]
        failed: list[str] = []

        async def one(key: ResourceKey) -> None:
            obj = standing.pending.pop(key, None)
            try:
                await self._judge_one(assignment, targets, key, obj)
            except errors.KubeError as error:
                standing.pending.setdefault(key, None)
                failed.append(f"{key}: {error}")

        for start in range(0, len(keys), JUDGED_TOGETHER):
            await asyncio.gather(*map(one, keys[start : start + JUDGED_TOGETHER]))
        if failed:
            standing.condition("ComparisonError", f"{len(failed)} resources could not be compared: {failed[0]}")
            return RETRY_SECONDS
        if keys:
            standing.clear("ComparisonError")
        return None

    async def _judge_one(self, assignment: Assignment, targets: Targets, key: ResourceKey, obj: Object | None) -> None:
        standing = self._standing
        target, kind = targets.resources[key], targets.kinds[key]
        if obj is None:
            obj = await fetch(self._client, kind, key)
        content = self._storage.blob(target.digest)
        if content is None:
            raise errors.Unreachable("its manifest is not on this agent's disk")
        manifest = manifest_of(content, target, assignment.tracking_name)
        verdict = await judge(self._client, kind, target, manifest, obj, standing.ignores)
        if standing.targets is not targets:
            return
        if verdict.synced:
            standing.keep_judged({key: Judged(target.digest, verdict.content_hash)})
            self._settle(key)
        else:
            standing.drifted[key] = verdict
            self._drifts.seen(assignment, key, verdict, standing.judged.get(key))
        standing.update(key)

    async def _heal(self, assignment: Assignment, targets: Targets) -> float | None:
        """Put back what drifted from what was synced. Returns when the next object is due."""
        standing = self._standing
        policy = assignment.policy
        if not (policy.automated and policy.self_heal) or standing.synced[0] != targets.digest:
            return None
        ready, later = self._drifts.due(standing.drifted)
        if not ready:
            return later
        self._tell()
        await self._run(assignment, targets, heal_order(assignment, ready))
        self._drifts.healed(ready)
        return 0.0

    # --- deletion

    async def _delete(self, assignment: Assignment, *, cascade: bool) -> float | None:
        if cascade and not await self._resources_gone(assignment):
            self._tell()
            return RETRY_SECONDS
        self._storage.bury(assignment.application)
        self.buried = True
        self._tell()
        log.info("application %s has left this cluster", assignment.application)
        return None

    async def _resources_gone(self, assignment: Assignment) -> bool:
        """Delete what is tracked; say whether all of it is gone."""
        standing = self._standing
        unsynced = await self._watch(set(self.extra_kinds))
        if unsynced:
            standing.condition("DeletionError", f"these kinds cannot be listed: {unsynced}")
            return False
        mine = [o for o in self._live.of_application(assignment.tracking_name) if o.prunable and not o.is_hook]
        if not mine:
            return True
        if all(o.deleting for o in mine):
            rest = ", ".join(str(o.key) for o in mine[:5])
            standing.condition("DeletionError", f"waiting for {len(mine)} resources to go away: {rest}")
            return False
        assert assignment.deletion is not None
        order = deletion_order(assignment.deletion.propagation)
        runner = Runner(self._client, self._storage, self._live, self._clock, assignment, order, self._progress)
        state = standing.operation = await runner.run(NO_TARGETS, {})
        self._storage.save_operation(state)
        if state.phase is not Phase.SUCCEEDED:
            standing.condition("DeletionError", state.message)
        return False


def _soonest(*delays: float | None) -> float | None:
    return min((d for d in delays if d is not None), default=None)
