"""One application on this cluster: operate when asked or due, judge what changed, heal what drifted, tell the hub.

`tick` is level-triggered: it looks at what is there and does what is next, and may be called at any time, any number of
times. It answers when it wants to be called again. It never waits for the cluster's lists: it says what it waits for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from agent.engine.assignment import Assignment, Revision
from agent.engine.manifest_set import IncompleteSet
from agent.engine.operation import OperationState, Phase, attempt_due, next_attempt
from agent.engine.resource import GroupKind, Object, ResourceKey
from agent.engine.status import ApplicationStatus, sealed
from agent.errors import StorageError
from agent.kube import errors
from agent.syncer.automation import Automation
from agent.syncer.books import Books
from agent.syncer.contested import Contested
from agent.syncer.context import Context
from agent.syncer.ending import Ending, carries_out, is_meant_otherwise
from agent.syncer.gate import Gate, Hold
from agent.syncer.hooks import end_left
from agent.syncer.inspection import Inspection
from agent.syncer.ledger import Ledger
from agent.syncer.operation import Runner
from agent.syncer.orders import (
    AUTOMATED,
    Order,
    automated_order,
    deletes_resources,
    deletion_order,
    heal_order,
    requested_order,
    unbegun,
    withdrawn,
)
from agent.syncer.orphaned import Orphaned
from agent.syncer.preparation import Preparation
from agent.syncer.standing import Standing
from agent.syncer.targets import Targets

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
LOOK_ON_SECONDS = 10.0
"""How long an operation has waited before what it has not come to yet is compared."""
MOST_NAMED = 3
SYNC_WINDOW = "SyncWindowWarning"
INTERRUPTED = "interrupted: the agent was stopped while it ran"


class ApplicationLoop:
    """The next step of one application. Not re-entrant: the manager ticks it one at a time."""

    def __init__(self, context: Context, assignment: Assignment) -> None:
        self._context = context
        self._storage, self._live = context.storage, context.live
        self._outbox, self._clock = context.outbox, context.clock
        self._standing = Standing(context.storage, context.live, context.clock, context.settings, assignment)
        self._inspection = Inspection(context, self._standing)
        self._automation = Automation(context.storage, context.clock, assignment)
        self._gate = Gate(context.clock, assignment)
        # A kind that was missing has come: what failed for want of it may be tried again.
        self._preparation = Preparation(context, self._standing, self._automation.renew)
        self._ending = Ending(context, self._standing, self._preparation)
        self._books = Books(self._standing, self._inspection)
        self._orphaned = Orphaned(context.orphans, context.assigned, self._standing)
        self._contested = Contested(context, self._standing)
        self._runner: Runner | None = None
        """The operation under way. It may wait for hours, and others have their turn meanwhile."""
        self._parameters = ""
        """Those it was begun for, where it is automated."""
        self._waits_since: float | None = None
        """When the operation under way began to wait; None while it has not."""
        self._done_operation = ""
        self._unstored = False
        """Whether the disk did not take what the last turn had to write."""
        self.buried = False

    @property
    def assignment(self) -> Assignment:
        return self._standing.assignment

    def waits_for(self, group_kind: GroupKind) -> bool:
        """Say whether to wake it when a kind has been listed."""
        return group_kind in self._preparation.listing

    def heeds(self, group_kind: GroupKind) -> bool:
        """Say whether it has to do with a kind that may not be watched, or may be again."""
        return group_kind in self._preparation.kinds

    # --- what others tell it

    def assign(self, assignment: Assignment) -> None:
        """Take a newer assignment; the manager has it on disk already."""
        before, request = self.assignment.operation, assignment.operation
        # A cluster that is selected again before all was deleted there keeps what is left.
        kept = self.assignment.deletion is not None and assignment.deletion is None
        # What another application of the name, or a deletion otherwise meant, has begun is not this one's.
        replaced = self.assignment.uid != assignment.uid or is_meant_otherwise(self.assignment, assignment)
        self._standing.reassign(assignment)
        self._automation.reassign(assignment)
        self._gate.reassign(assignment)
        self._ending.reset()
        # A wish to terminate is for what runs when it comes; it stays in later assignments, and means nothing there.
        heard = before is not None and request is not None and before.terminate and before.id == request.id
        terminate = request is not None and request.terminate and not heard
        if self._runner is not None:
            self._tell_runner(self._runner, assignment, terminate=terminate or kept or replaced)
        # The next status acknowledges the assignment: it is due even while an operation runs.
        self._tell(soon=False)

    @staticmethod
    def _tell_runner(runner: Runner, assignment: Assignment, *, terminate: bool) -> None:
        """Have an operation under way heed what is assigned now."""
        runner.approve(assignment.approved_ms)
        if terminate or (assignment.deletion is not None and not runner.order.ends):
            runner.terminate()
        elif runner.order.automated and not runner.is_for(assignment):
            commits = _commits(assignment)
            runner.supersede(f"revision {commits}" if commits else "what is assigned since")
        else:
            # It may be wanted again, after something else was for a moment.
            runner.supersede("")

    @property
    def standing(self) -> Standing:
        return self._standing

    def restore(self, operation: OperationState | None, synced: tuple[str, Revision] | None) -> None:
        """Take what the disk remembers, after a start of the agent."""
        self._standing.operation = operation
        self._standing.synced = synced or ("", Revision())

    async def _end_interrupted(self) -> float | None:
        """End an operation that ran when the agent was killed and is not to go on: what is assigned now, or was before
        the operation could be taken up again, wants something else. None once it has ended, else when to try again."""
        operation = self._standing.operation
        if operation is None or operation.phase.finished or self._goes_on(operation):
            return None
        terminated = self.assignment.operation is not None and self.assignment.operation.terminate
        phase, words = (Phase.FAILED, "terminated on request") if terminated else (Phase.ERROR, INTERRUPTED)
        if operation.next_ms and not terminated:
            phase, words = Phase.FAILED, f"something else is to be done now; {operation.message}"
        if terminated or self.assignment.deletion is not None:
            # Nobody waits for its hooks, and nothing else would end them.
            try:
                operation = await end_left(self._context.client, self._context.served, operation)
            except errors.KubeError as error:
                message = f"{words}; its hooks are ended once the cluster's API takes that: {error}{error.hint}"
                self._standing.operate(replace(operation, phase=Phase.TERMINATING, message=message))
                self._tell()
                return RETRY_SECONDS
        if self._standing.operation is None or self._standing.operation.id != operation.id:
            return 0.0
        self._end(replace(operation, next_ms=0).finish(phase, words, self._clock.now_ms()))
        return None

    def _goes_on(self, operation: OperationState) -> bool:
        """Say whether an operation that ran when the agent was killed is what is to be done now."""
        assignment, request = self.assignment, self.assignment.operation
        if request is not None and request.id == operation.id:
            return not request.terminate and assignment.deletion is None
        if operation.kind == "delete":
            # Agents once did not write down which it was.
            return assignment.deletion is not None and (not operation.deletion_ms or carries_out(operation, assignment))
        automated = (operation.kind, operation.initiated_by) == ("sync", "automated")
        same = operation.manifest_set == assignment.manifest_set.digest and assignment.deletion is None
        return automated and same and self._automation.due() is not None

    def note(self, key: ResourceKey, obj: Object | None) -> None:
        """Something may have changed about an object of this application."""
        standing = self._standing
        if standing.targeted(key) and not standing.settled(key):
            standing.pending[key] = obj
            return
        if standing.targeted(key):
            try:
                self._inspection.settle(key)
            except StorageError as error:
                # Whoever brings this has other objects to bring: the next tick sees to it, until the disk takes it.
                log.error("application %s: %s", self.assignment.application, error)
                standing.pending[key] = obj
        standing.update(key)

    def status(self) -> ApplicationStatus:
        if self.buried:
            a = self.assignment
            return sealed(ApplicationStatus(a.application, a.uid, a.generation, deleted=True))
        return self._standing.status()

    def _tell(self, *, soon: bool = True) -> None:
        self._orphaned.note()
        if self._standing.news() or self.buried:
            self._outbox.changed(self.assignment.application, self.status, soon=soon)

    def not_stored(self, words: str) -> None:
        """The disk did not take what has to be on it before the next step."""
        self._unstored = True
        self._standing.condition("UnknownError", f"the agent can do nothing new here: {words}")
        self._tell()

    def stored(self) -> None:
        """The disk takes what is written, or nothing had to be."""
        if self._unstored:
            self._unstored = False
            self._standing.clear("UnknownError")
            self._tell()

    # --- the loop

    async def tick(self) -> float | None:
        """Do what is next. Returns the seconds after which to call again, None to wait for news."""
        if self.buried:
            return None
        if self._runner is not None:
            delay = await self._go_on(self._runner)
            return delay if self._runner is None else await self._look_on(delay)
        again = await self._end_interrupted()
        if again is not None:
            return again
        assignment = self.assignment
        if assignment.deletion is not None:
            self._tell_held([])
            return await self._delete(assignment)
        self._standing.clear("DeletionError")
        targets, again = await self._preparation.targets(assignment)
        if targets is None:
            # While lists are under way there is nothing new to tell.
            if self._standing.troubled:
                self._tell()
            return again
        self._inspection.begin(targets)
        if await self._contested.given_up(targets.kinds):
            # What it was synced to is not all there yet.
            self._automation.renew()
        requested: list[Hold] = []
        order = self._requested(assignment)
        if order is not None:
            pause = self._pause(order)
            if pause:
                looking = await self._inspection.judge_pending(assignment, targets)
                self._tell()
                return _soonest(again, looking, pause)
            hold = None if order.dry_run else self._gate.hold(manual=True, since_ms=self._begun_ms(automated=False))
            if hold is None:
                self._tell_held([])
                return await self._operate(assignment, targets, order)
            if not self._begun_ms(automated=False):
                return self._refuse(assignment, order, hold)
            requested = [Hold(f"the {order.kind} that somebody asked for waits: {hold.message}", hold.seconds)]
        held: list[Hold] = []
        due = self._automated_due(assignment)
        if due == 0.0:
            hold = self._gate.hold(manual=False, since_ms=self._begun_ms(automated=True))
            if hold is None:
                self._tell_held([])
                return await self._automated(assignment, targets)
            held.append(Hold(f"the sync to {_commits(assignment)} waits: {hold.message}", hold.seconds))
        retry = await self._inspection.judge_pending(assignment, targets)
        if held:
            # What waits may have turned out to be in place already.
            due = self._automated_due(assignment)
            held = held if due == 0.0 else []
            due = due or None
        held += requested
        heal = await self._heal(assignment, targets, held)
        self._tell_held(held)
        self._clear_errors()
        self._tell()
        return _soonest(again, due, retry, heal, self._contested.due(), *(hold.seconds for hold in held))

    # --- sync windows

    def _begun_ms(self, *, automated: bool) -> int:
        """Return when the operation began that was under way when the agent stopped, and is to go on; 0 for none."""
        last = self._standing.operation
        if last is None or last.phase.finished or (last.initiated_by == AUTOMATED) is not automated:
            return 0
        return last.started_ms

    def _refuse(self, assignment: Assignment, order: Order, hold: Hold) -> float:
        """End what somebody asked for while it is denied: nobody expects it hours later."""
        assert assignment.operation is not None
        words = f"not begun: {hold.message}"
        self._end(unbegun(assignment, assignment.operation, words, self._clock.now_ms()))
        self._done_operation = order.id
        return 0.0

    def _tell_held(self, held: Sequence[Hold]) -> None:
        """Tell what waits for a sync window, or that nothing does any more."""
        if held:
            self._standing.condition(SYNC_WINDOW, "; ".join(hold.message for hold in held))
        else:
            self._standing.clear(SYNC_WINDOW)

    def _clear_errors(self) -> None:
        """Take back what was said of an automated operation that failed, once all is as it should have made it."""
        standing = self._standing
        if standing.troubled and standing.as_assigned:
            last = standing.operation
            if last is None or last.initiated_by == AUTOMATED:
                standing.clear("SyncError")

    # --- operations

    def _requested(self, assignment: Assignment) -> Order | None:
        """Return the operation somebody asked for, if it has not been run: each once, by its id."""
        request = assignment.operation
        if request is None or request.id == self._done_operation:
            return None
        known = self._storage.operation(request.id)
        if known is None and request.terminate:
            self._end(withdrawn(assignment, request, self._clock.now_ms()))
        if request.terminate or (known is not None and known.phase.finished):
            self._done_operation = request.id
            return None
        return requested_order(assignment, request, self._attempt(request.id))

    def _waiting(self, id: str) -> OperationState | None:
        """Return an operation that waits for its next attempt."""
        last = self._standing.operation
        return last if last is not None and last.id == id and last.next_ms and not last.phase.finished else None

    def _attempt(self, id: str) -> int:
        """Return which attempt of what somebody asked for is next, or goes on."""
        last = self._standing.operation
        if last is None or last.id != id:
            return 1
        return last.attempt + 1 if self._waiting(id) else last.attempt

    def _pause(self, order: Order) -> float:
        """Return the seconds until the next attempt may begin."""
        waiting = self._waiting(order.id)
        return attempt_due(waiting, order.retry, self._clock.now_ms()) if waiting is not None else 0.0

    def _automated_due(self, assignment: Assignment) -> float | None:
        automation, standing, set_ = self._automation, self._standing, assignment.manifest_set.digest
        due = automation.due()
        if due == 0.0 and automation.untried and standing.as_assigned and standing.synced[0] == set_:
            # What is there is already what is wanted, and needs no operation.
            with self._storage.together():
                standing.record_synced(set_, assignment.revision)
                automation.no_need()
            standing.clear("SyncError")
            return None
        return due

    async def _automated(self, assignment: Assignment, targets: Targets) -> float | None:
        refusal = self._empty_refusal(assignment, targets)
        if refusal:
            self._standing.condition("SyncError", refusal)
            self._automation.give_up()
        else:
            order = automated_order(assignment, self._standing.operation)
            return await self._run(assignment, targets, order, attempt=self._automation.number)
        return 0.0

    def _empty_refusal(self, assignment: Assignment, targets: Targets) -> str:
        policy = assignment.policy
        count = len(self._live.keys_of(assignment.tracking_name))
        if not policy.prune or policy.allow_empty or targets.resources or not count:
            return ""
        commits = _commits(assignment)
        return (
            f"the revision {commits} has no resources at all and would prune all {count}, so nothing was changed: "
            "bring manifests back, or set syncPolicy.automated.allowEmpty if that is meant"
        )

    async def _operate(self, assignment: Assignment, targets: Targets, order: Order) -> float | None:
        """Run what somebody asked for, once what it is about is known. Returns when to be called again."""
        if order.ref.digest != targets.digest:
            try:
                targets = await self._preparation.resolve(assignment, order.ref)
            except (IncompleteSet, errors.KubeError) as error:
                ledger = self._ledger(assignment, order)
                self._end(ledger.finish(Phase.ERROR, str(error)))
                self._done_operation = order.id
                return 0.0
            waiting = await self._preparation.listed(targets.kinds.values())
            if waiting is not None:
                return waiting
        return await self._run(assignment, targets, order, self._attempt(order.id))

    def _ledger(self, assignment: Assignment, order: Order, attempt: int = 1) -> Ledger:
        last = self._standing.operation
        # The next attempt begins anew; one that an agent was killed in goes on.
        resumed = last if last is not None and last.id == order.id and last.attempt == attempt else None
        if resumed is not None and resumed.manifest_set != order.ref.digest:
            resumed = None
        ledger = Ledger(self._storage, assignment, order, self._clock, attempt, resumed, self._progress)
        if order.ends and resumed is None and last is not None and carries_out(last, assignment):
            # Tried again: a hook that ended well is not run a second time.
            ledger.carry_over(last)
        return ledger

    async def _run(self, assignment: Assignment, targets: Targets, order: Order, attempt: int = 1) -> float | None:
        """Begin an operation, and do of it what can be done now. Returns when to be called again."""
        self._parameters = self._automation.parameters
        self._waits_since = None
        ledger = self._ledger(assignment, order, attempt)
        self._runner = Runner(self._context, assignment, order, ledger, targets, self._standing.ignores, self._gate)
        return await self._go_on(self._runner)

    async def _look_on(self, delay: float | None) -> float | None:
        """While an operation waits, see what differs meanwhile: it may wait for hours. Nothing is done about it until
        the operation has ended. Returns when to be called again."""
        assignment, now = self.assignment, self._clock.monotonic()
        if assignment.deletion is not None:
            return delay
        self._waits_since = now if self._waits_since is None else self._waits_since
        if now - self._waits_since < LOOK_ON_SECONDS:
            # What is yet to be applied need not be asked about where that is a matter of moments.
            return delay
        targets, again = await self._preparation.targets(assignment)
        if targets is not None:
            self._inspection.begin(targets)
            again = _soonest(again, await self._inspection.judge_pending(assignment, targets))
        self._tell()
        return _soonest(delay, again)

    async def _go_on(self, runner: Runner) -> float | None:
        """Do of an operation what can be done now. Returns when to be called again."""
        try:
            delay = await runner.advance(self._standing.judged)
        except (IncompleteSet, errors.KubeError) as error:
            runner.ledger.finish(Phase.ERROR, str(error))
            delay = None
        except BaseException:
            # It is not known how far it got; it is planned anew, under its id.
            self._runner = None
            raise
        if delay is not None:
            self._books.take_verdicts(runner.ledger)
            if runner.order.ends:
                self._standing.condition("DeletionError", runner.ledger.state.message)
            self._tell()
            return delay
        self._runner = None
        order, ledger = runner.order, runner.ledger
        state = ledger.state
        waiting = None if runner.terminated else next_attempt(order.retry, state, self._clock.now_ms())
        with self._storage.together():
            self._books.settle(order, ledger, state)
            if waiting is not None:
                self._storage.save_operation(waiting)
                self._standing.operate(waiting)
            if order.automated:
                touched = ledger.touched
                self._automation.record(self._parameters, state, terminated=runner.terminated, touched=touched)
            if waiting is None:
                self._end(state)
        if waiting is not None:
            self._tell()
            self._preparation.look_again()
            return 0.0
        if order.kind == "self-heal" and order.only is not None:
            self._inspection.drifts.healed(order.only)
        elif order.kind in ("sync", "rollback") and not order.automated:
            self._done_operation = order.id
        self._preparation.look_again()
        return self._ending.pause(state) if order.ends else 0.0

    def _end(self, state: OperationState) -> None:
        """An operation has ended: on disk, in the books, and told."""
        self._storage.save_operation(state)
        self._standing.operate(state)
        self._outbox.operation_finished(state)
        # Now, not at the next tick: other applications may have theirs first.
        self._tell()

    def _progress(self, state: OperationState) -> None:
        self._standing.operate(state)
        self._tell(soon=False)

    # --- healing

    async def _heal(self, assignment: Assignment, targets: Targets, held: list[Hold]) -> float | None:
        """Put back what drifted from what was synced. Returns when the next object is due; what has to wait for a sync
        window is added to `held`."""
        standing = self._standing
        policy = assignment.policy
        if not (policy.automated and policy.self_heal) or standing.synced[0] != targets.digest:
            return None
        ready, later = self._inspection.drifts.due(standing.drifted.keys() - standing.shared.keys())
        if not ready:
            return later
        hold = self._gate.hold(manual=False)
        if hold is not None:
            names = ", ".join(map(str, sorted(ready)[:MOST_NAMED])) + (" …" if len(ready) > MOST_NAMED else "")
            held.append(Hold(f"{names} drifted and is not healed: {hold.message}", hold.seconds))
            return later
        self._tell()
        return await self._run(assignment, targets, heal_order(assignment, ready))

    # --- deletion

    async def _delete(self, assignment: Assignment) -> float | None:
        if deletes_resources(assignment):
            again = await self._ending.next(assignment)
            if isinstance(again, Targets):
                # What was synced is not in place from here on: should it be kept after all, it is synced again.
                self._automation.renew()
                order = deletion_order(assignment, self._standing.operation)
                again = await self._run(assignment, again, order)
            if again is not None:
                self._tell()
                return again
        if self.assignment is not assignment:
            return 0.0  # It is assigned again since; what was asked about is no longer wanted.
        self._close_interrupted(deletes_resources(assignment))
        self._storage.bury(assignment.application)
        self.buried = True
        self._tell()
        log.info("application %s has left this cluster", assignment.application)
        return None

    def _close_interrupted(self, deleted: bool) -> None:
        """End the deletion that ran when the agent was killed, and that has nothing left to do."""
        operation = self._standing.operation
        if operation is None or operation.phase.finished:
            return
        assert operation.kind == "delete", "another has been ended"
        phase, words = (Phase.SUCCEEDED, "all of it is gone") if deleted else (Phase.ERROR, INTERRUPTED)
        self._end(operation.finish(phase, words, self._clock.now_ms()))


def _commits(assignment: Assignment) -> str:
    return ", ".join(s.revision[:12] for s in assignment.revision.sources)


def _soonest(*delays: float | None) -> float | None:
    return min((d for d in delays if d is not None), default=None)
