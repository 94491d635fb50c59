"""An operation under way. It may wait for hours: others have their turn meanwhile, and something else is assigned."""

from __future__ import annotations

from collections.abc import Mapping

from agent.engine.assignment import Assignment
from agent.engine.manifest_set import IncompleteSet
from agent.engine.operation import Phase
from agent.engine.reconcile import Judged
from agent.engine.resource import ResourceKey
from agent.kube import errors
from agent.syncer.clock import Clock
from agent.syncer.ledger import Ledger
from agent.syncer.operation import Runner
from agent.syncer.orders import Order

LOOK_ON_SECONDS = 10.0
"""How long an operation has waited before what it has not come to yet is compared."""


class UnderWay:
    """One operation, until it has ended."""

    def __init__(self, runner: Runner, clock: Clock, parameters: str) -> None:
        self._runner = runner
        self._clock = clock
        self.parameters = parameters
        """Those of what was assigned as it began."""
        self._waits_since: float | None = None
        """When it began to wait, None while it has not."""

    @property
    def order(self) -> Order:
        return self._runner.order

    @property
    def ledger(self) -> Ledger:
        return self._runner.ledger

    @property
    def terminated(self) -> bool:
        return self._runner.terminated

    def heed(self, assignment: Assignment, *, terminate: bool) -> None:
        """Something else is assigned, or more is said of it."""
        runner = self._runner
        runner.approve(assignment.approved_ms)
        if terminate or (assignment.deletion is not None and not runner.order.ends):
            runner.terminate()
        elif runner.order.automated and not runner.is_for(assignment):
            commits = assignment.revision.words
            runner.supersede(f"revision {commits}" if commits else "what is assigned since")
        else:
            # It may be wanted again, after something else was for a moment.
            runner.supersede("")

    async def advance(self, judged: Mapping[ResourceKey, Judged]) -> float | None:
        """Do of it what can be done now. Returns when to be called again, None once it has ended."""
        try:
            return await self._runner.advance(judged)
        except (IncompleteSet, errors.KubeError) as error:
            self._runner.ledger.finish(Phase.ERROR, str(error))
            return None

    def waits_long(self) -> bool:
        """Say, while it waits, whether it does so for longer than moments."""
        now = self._clock.monotonic()
        self._waits_since = now if self._waits_since is None else self._waits_since
        return now - self._waits_since >= LOOK_ON_SECONDS
