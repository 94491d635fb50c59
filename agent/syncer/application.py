"""One application on this cluster: operate when asked or due, judge what changed, heal what drifted, tell the hub.

`tick` is level-triggered: it looks at what is there and does what is next, and may be called at any time, any number of
times. It answers when it wants to be called again. It never waits for the cluster's lists: it says what it waits for.
"""

from __future__ import annotations

import logging

from agent.engine.assignment import Assignment, Revision
from agent.engine.manifest_set import IncompleteSet
from agent.engine.operation import OperationState, Phase, next_attempt
from agent.engine.resource import GroupKind, Object, ResourceKey
from agent.engine.status import ApplicationStatus, sealed
from agent.errors import StorageError
from agent.kube import errors
from agent.syncer.automation import Automation
from agent.syncer.books import Books
from agent.syncer.contested import Contested
from agent.syncer.context import Context
from agent.syncer.ending import Ending, is_meant_otherwise
from agent.syncer.gate import Gate, Hold
from agent.syncer.inspection import Inspection
from agent.syncer.interrupted import RETRY_SECONDS, Interrupted
from agent.syncer.operation import Runner
from agent.syncer.orders import (
    AUTOMATED,
    Order,
    automated_order,
    deletes_resources,
    deletion_order,
    heal_order,
)
from agent.syncer.orphaned import Orphaned
from agent.syncer.preparation import Preparation
from agent.syncer.requested import Requested
from agent.syncer.standing import Standing
from agent.syncer.targets import Targets
from agent.syncer.underway import UnderWay
from agent.syncer.windows import SyncWindows

log = logging.getLogger(__name__)


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
        self._requested = Requested(context.storage, context.clock, self._standing)
        self._interrupted = Interrupted(context, self._standing, self._automation)
        self._windows = SyncWindows(self._gate, self._standing)
        self._ending = Ending(context, self._standing, self._preparation)
        self._books = Books(context, self._standing, self._inspection, self._interrupted, self._progress)
        self._orphaned = Orphaned(context.orphans, context.assigned, self._standing)
        self._contested = Contested(context, self._standing)
        self._under_way: UnderWay | None = None
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
        if self._under_way is not None:
            self._under_way.heed(assignment, terminate=terminate or kept or replaced)
        # The next status acknowledges the assignment: it is due even while an operation runs.
        self._tell(soon=False)

    @property
    def standing(self) -> Standing:
        return self._standing

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
        operation = self._under_way
        if operation is not None:
            delay = await self._go_on(operation)
            return delay if self._under_way is None else await self._look_on(operation, delay)
        again = await self._end_interrupted()
        if again is not None:
            return again
        if self.assignment.deletion is not None:
            self._windows.tell()
            return await self._delete(self.assignment)
        self._standing.clear("DeletionError")
        return await self._keep(self.assignment)

    async def _keep(self, assignment: Assignment) -> float | None:
        """Keep the application as it is assigned: run what somebody asked for, or is due, or else judge and heal."""
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
        if self.assignment is not assignment:
            return 0.0
        held: list[Hold] = []
        order = self._next_requested()
        if order is not None:
            pause = self._requested.pause(order)
            if pause:
                looking = await self._inspection.judge_pending(assignment, targets)
                self._tell()
                return _soonest(again, looking, pause)
            hold = None if order.dry_run else self._windows.hold(manual=True)
            if hold is None:
                self._windows.tell()
                return await self._operate(assignment, targets, order)
            if not self._windows.under_way(manual=True):
                return self._refuse(order, hold)
            held.append(hold.about(f"the {order.kind} that somebody asked for waits"))
        due = self._automated_due(assignment)
        hold = self._windows.hold(manual=False) if due == 0.0 else None
        if due == 0.0 and hold is None:
            self._windows.tell()
            return await self._automated(assignment, targets)
        retry = await self._inspection.judge_pending(assignment, targets)
        if hold is not None:
            # What waits may have turned out to be in place already.
            due = self._automated_due(assignment)
            if due == 0.0:
                held.append(hold.about(f"the sync to {assignment.revision.words} waits"))
            due = due or None
        heal = await self._heal(assignment, targets, held)
        waits = self._windows.tell(held)
        self._clear_errors()
        self._tell()
        return _soonest(again, due, retry, heal, self._contested.due(), waits)

    def _clear_errors(self) -> None:
        """Take back what was said of an automated operation that failed, once all is as it should have made it."""
        standing = self._standing
        if standing.troubled and standing.as_assigned:
            last = standing.operation
            if last is None or last.initiated_by == AUTOMATED:
                standing.clear("SyncError")

    # --- operations

    async def _end_interrupted(self) -> float | None:
        """End what ran when the agent was killed and is not to go on. Returns when to be called again, None to do what
        is next."""
        before = self._standing.operation
        state = await self._interrupted.given_up()
        if state is None:
            return None
        if self._standing.operation is not before:
            return 0.0
        if state.phase.finished:
            self._end(state)
            return None
        self._standing.operate(state)
        self._tell()
        return RETRY_SECONDS

    def _next_requested(self) -> Order | None:
        withdrawn = self._requested.withdrawn()
        if withdrawn is not None:
            self._end(withdrawn)
        return self._requested.next()

    def _refuse(self, order: Order, hold: Hold) -> float:
        self._end(self._requested.refused(hold.message))
        self._requested.done(order.id)
        return 0.0

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
        there = len(self._live.keys_of(assignment.tracking_name))
        refusal = self._automation.refusal(wanted=len(targets.resources), there=there)
        if refusal:
            self._standing.condition("SyncError", refusal)
            self._automation.give_up()
        else:
            order = automated_order(assignment, self._standing.operation)
            return await self._run(assignment, targets, order, attempt=self._automation.number)
        return 0.0

    async def _operate(self, assignment: Assignment, targets: Targets, order: Order) -> float | None:
        """Run what somebody asked for, once what it is about is known. Returns when to be called again."""
        if order.ref.digest != targets.digest:
            try:
                targets = await self._preparation.resolve(assignment, order.ref)
            except (IncompleteSet, errors.KubeError) as error:
                ledger = self._books.open(assignment, order)
                self._end(ledger.finish(Phase.ERROR, str(error)))
                self._requested.done(order.id)
                return 0.0
            waiting = await self._preparation.listed(targets.kinds.values())
            if waiting is not None:
                return waiting
        return await self._run(assignment, targets, order, self._requested.attempt(order.id))

    async def _run(self, assignment: Assignment, targets: Targets, order: Order, attempt: int = 1) -> float | None:
        """Begin an operation, and do of it what can be done now. Returns when to be called again."""
        if self.assignment is not assignment:
            return 0.0  # It is assigned again since; what was asked about is no longer wanted.
        ledger = self._books.open(assignment, order, attempt)
        runner = Runner(self._context, assignment, order, ledger, targets, self._standing.ignores, self._gate)
        self._under_way = UnderWay(runner, self._clock, self._automation.parameters)
        return await self._go_on(self._under_way)

    async def _look_on(self, operation: UnderWay, delay: float | None) -> float | None:
        """While an operation waits, see what differs meanwhile: it may wait for hours. Nothing is done about it until
        the operation has ended. Returns when to be called again."""
        assignment = self.assignment
        if assignment.deletion is not None or not operation.waits_long():
            # What is yet to be applied need not be asked about where that is a matter of moments.
            return delay
        targets, again = await self._preparation.targets(assignment)
        if targets is not None:
            self._inspection.begin(targets)
            again = _soonest(again, await self._inspection.judge_pending(assignment, targets))
        self._tell()
        return _soonest(delay, again)

    async def _go_on(self, operation: UnderWay) -> float | None:
        """Do of an operation what can be done now. Returns when to be called again."""
        order, ledger = operation.order, operation.ledger
        try:
            delay = await operation.advance(self._standing.judged)
        except BaseException:
            # It is not known how far it got; it is planned anew, under its id.
            self._under_way = None
            raise
        if delay is not None:
            self._books.take_verdicts(ledger)
            if order.ends:
                self._standing.condition("DeletionError", ledger.state.message)
            self._tell()
            return delay
        self._under_way = None
        state = ledger.state
        waiting = None if operation.terminated else next_attempt(order.retry, state, self._clock.now_ms())
        with self._storage.together():
            self._books.settle(order, ledger, state)
            if waiting is not None:
                self._storage.save_operation(waiting)
                self._standing.operate(waiting)
            if order.automated:
                terminated, touched = operation.terminated, ledger.touched
                self._automation.record(operation.parameters, state, terminated=terminated, touched=touched)
            if waiting is None:
                self._end(state)
        if waiting is not None:
            self._tell()
            self._preparation.look_again()
            return 0.0
        if order.kind == "self-heal" and order.only is not None:
            self._inspection.drifts.healed(order.only)
        elif order.kind in ("sync", "rollback") and not order.automated:
            self._requested.done(order.id)
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
        hold = self._windows.hold_healing(ready)
        if hold is not None:
            held.append(hold)
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
        left = self._interrupted.pointless(deleted=deletes_resources(assignment))
        if left is not None:
            self._end(left)
        self._storage.bury(assignment.application)
        self.buried = True
        self._tell()
        log.info("application %s has left this cluster", assignment.application)
        return None


def _soonest(*delays: float | None) -> float | None:
    return min((d for d in delays if d is not None), default=None)
