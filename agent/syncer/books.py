"""The books of operations: those of an agent that was killed are gone on with, and what an operation found out and did
is taken over into what is known of its application."""

from __future__ import annotations

from collections.abc import Callable

from agent.engine.assignment import Assignment
from agent.engine.operation import OperationState, Phase
from agent.syncer.context import Context
from agent.syncer.ending import carries_out
from agent.syncer.inspection import Inspection
from agent.syncer.interrupted import Interrupted
from agent.syncer.ledger import Ledger
from agent.syncer.orders import Order
from agent.syncer.standing import Standing


class Books:
    """Of one application."""

    def __init__(
        self,
        context: Context,
        standing: Standing,
        inspection: Inspection,
        interrupted: Interrupted,
        on_progress: Callable[[OperationState], None],
    ) -> None:
        self._storage, self._clock = context.storage, context.clock
        self._standing = standing
        self._inspection = inspection
        self._interrupted = interrupted
        self._on_progress = on_progress

    def open(self, assignment: Assignment, order: Order, attempt: int = 1) -> Ledger:
        """Begin the book of an operation, or go on with that of an agent that was killed."""
        last, resumed = self._standing.operation, self._interrupted.resumed(order, attempt)
        ledger = Ledger(self._storage, assignment, order, self._clock, attempt, resumed, self._on_progress)
        if order.ends and resumed is None and last is not None and carries_out(last, assignment):
            # Tried again: a hook that ended well is not run a second time.
            ledger.carry_over(last)
        return ledger

    def take_verdicts(self, ledger: Ledger) -> None:
        """Take over what an operation that waits has found so far. It is written down once the operation has ended:
        one that is resumed is to look at all it has applied."""
        fresh = ledger.fresh_verdicts()
        if fresh:
            self._standing.believe(fresh)
            self._inspection.settle_known()
            self._standing.update(*fresh)

    def settle(self, order: Order, ledger: Ledger, state: OperationState) -> None:
        """Take over what an operation found and did."""
        standing = self._standing
        before = standing.shared
        kept = {} if order.only is None else {k: o for k, o in before.items() if k not in order.only}
        standing.shared = kept | ledger.shared
        standing.believe(ledger.fresh_verdicts())
        # What was judged anew while the operation waited is newer, and on disk already.
        standing.keep_judged({key: v for key, v in ledger.judged.items() if standing.judged.get(key) == v})
        self._judge_others(ledger)
        whole = order.kind in ("sync", "rollback") and not order.dry_run and order.only is None
        if state.uid != standing.assignment.uid:
            pass  # It was another application's; this one has nothing to be told of it.
        elif state.phase is not Phase.SUCCEEDED:
            standing.condition("DeletionError" if order.kind == "delete" else "SyncError", state.message)
        elif whole or order.kind == "self-heal":
            standing.clear("SyncError")
        if state.phase is Phase.SUCCEEDED and whole:
            standing.record_synced(order.ref.digest, order.revision)
        touched = {*ledger.judged, *before, *standing.shared, *standing.pending, *standing.drifted}
        self._inspection.settle_known()
        standing.update(*touched)

    def _judge_others(self, ledger: Ledger) -> None:
        """Have compared what was synced to something else than is assigned: the watch does not tell of what the agent
        itself has written."""
        standing = self._standing
        targets = standing.targets.resources if standing.targets is not None else {}
        for key, verdict in ledger.judged.items():
            target = targets.get(key)
            if target is not None and verdict is not None and verdict.digest != target.digest:
                standing.pending.setdefault(key, None)
