"""What somebody asked for, of one application: what of that is to be run, as which attempt, and when."""

from __future__ import annotations

from agent.engine.operation import OperationState, attempt_due
from agent.storage import Storage
from agent.syncer.clock import Clock
from agent.syncer.orders import Order, requested_order, unbegun, withdrawn
from agent.syncer.standing import Standing


class Requested:
    """Each is run once, by its id: which have ended is on disk."""

    def __init__(self, storage: Storage, clock: Clock, standing: Standing) -> None:
        self._storage = storage
        self._clock = clock
        self._standing = standing
        self._done = ""

    def withdrawn(self) -> OperationState | None:
        """Return the end of what was terminated before it began."""
        assignment, request = self._standing.assignment, self._standing.assignment.operation
        if request is None or not request.terminate or request.id == self._done:
            return None
        if self._storage.operation(request.id) is not None:
            return None
        return withdrawn(assignment, request, self._clock.now_ms())

    def refused(self, why: str) -> OperationState:
        """Return the end of what may not begin: nobody expects it hours later."""
        assignment, request = self._standing.assignment, self._standing.assignment.operation
        assert request is not None
        # Windows are all that stands in the way of what somebody asks for.
        listed = f"`escadre project windows list {assignment.project}` has them all"
        manual = "one with manual sync lets through what somebody asks for"
        return unbegun(assignment, request, f"not begun: {why}. {listed}; {manual}", self._clock.now_ms())

    def next(self) -> Order | None:
        """Return what is to be run, if that has not been run."""
        assignment, request = self._standing.assignment, self._standing.assignment.operation
        if request is None or request.id == self._done:
            return None
        known = self._storage.operation(request.id)
        if request.terminate or (known is not None and known.phase.finished):
            self._done = request.id
            return None
        return requested_order(assignment, request, self.attempt(request.id))

    def done(self, id: str) -> None:
        """It has ended, and that is on disk."""
        self._done = id

    def attempt(self, id: str) -> int:
        """Return which attempt is next, or goes on."""
        last = self._standing.operation
        if last is None or last.id != id:
            return 1
        return last.attempt + 1 if self._waiting(id) else last.attempt

    def pause(self, order: Order) -> float:
        """Return the seconds until the next attempt may begin."""
        waiting = self._waiting(order.id)
        return attempt_due(waiting, order.retry, self._clock.now_ms()) if waiting is not None else 0.0

    def _waiting(self, id: str) -> OperationState | None:
        """Return the operation where it waits for its next attempt."""
        last = self._standing.operation
        return last if last is not None and last.id == id and last.next_ms and not last.phase.finished else None
