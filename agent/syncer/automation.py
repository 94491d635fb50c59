"""The automated syncs of one application: when one is due, and what the earlier ones came to, on disk."""

from __future__ import annotations

from agent.engine.assignment import Assignment
from agent.engine.operation import (
    Attempts,
    OperationState,
    Phase,
    attempt_parameters,
    automated_attempt,
    no_more_attempts,
    record_attempt,
)
from agent.storage import Storage
from agent.syncer.clock import Clock


class Automation:
    """One attempt per revision and parameters; one that failed is repeated as the policy says."""

    def __init__(self, storage: Storage, clock: Clock, assignment: Assignment) -> None:
        self._storage = storage
        self._clock = clock
        self._assignment = assignment
        self._parameters = attempt_parameters(assignment)
        self._attempts = storage.attempts(assignment.application)

    def reassign(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._parameters = attempt_parameters(assignment)

    @property
    def parameters(self) -> str:
        """Of what is assigned now."""
        return self._parameters

    @property
    def untried(self) -> bool:
        """Whether what is assigned now was never attempted."""
        return self._attempts.parameters != self._parameters

    @property
    def number(self) -> int:
        """Of the next attempt, from 1."""
        return 1 if self.untried else self._attempts.count + 1

    def due(self) -> float | None:
        """Return the seconds until the next attempt, None when there is none to make."""
        return automated_attempt(self._assignment.policy, self._parameters, self._attempts, self._clock.now_ms())

    def refusal(self, *, wanted: int, there: int) -> str:
        """Say why what is assigned is not to be tried, "" where it may be: nobody prunes all there is by a slip."""
        policy = self._assignment.policy
        if not policy.prune or policy.allow_empty or wanted or not there:
            return ""
        return (
            f"the revision {self._assignment.revision.words} has no resources at all and would prune all {there}, so "
            "nothing was changed: bring manifests back, or set syncPolicy.automated.allowEmpty if that is meant"
        )

    def record(self, parameters: str, state: OperationState, *, terminated: bool, touched: bool) -> None:
        """Note how an attempt for these parameters ended. `touched`: it got as far as the first write."""
        if parameters != self._parameters:
            return  # something else is assigned by now
        # Where the cluster does not answer nothing was tried yet: that is waited out, however long it takes.
        counts = touched or state.phase is not Phase.ERROR
        retry, now = self._assignment.policy.retry, self._clock.now_ms()
        attempts = record_attempt(retry, parameters, self._attempts, state.phase, now, counts=counts)
        self._save(no_more_attempts(parameters, attempts, state.phase) if terminated else attempts)

    def no_need(self) -> None:
        """What is assigned is in place already."""
        self._save(no_more_attempts(self._parameters, Attempts(), Phase.SUCCEEDED))

    def give_up(self) -> None:
        """What is assigned is not to be tried."""
        self._save(no_more_attempts(self._parameters, Attempts(), Phase.FAILED))

    def renew(self) -> None:
        """What stood against it is gone, or what it came to: it is tried again."""
        if self._attempts != Attempts():
            self._save(Attempts())

    def _save(self, attempts: Attempts) -> None:
        self._attempts = attempts
        self._storage.save_attempts(self._assignment.application, attempts)
