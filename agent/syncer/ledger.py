"""The book of one operation: what became of each resource, and how the whole stands, on disk before each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agent.engine.assignment import Assignment
from agent.engine.operation import UNCHANGED, OperationState, Phase, Result, ResultStatus
from agent.engine.reconcile import Judged, Pair
from agent.engine.resource import ResourceKey
from agent.kube import errors
from agent.storage import Storage
from agent.syncer.orders import Order

MESSAGE_LIMIT = 2000


class StepFailed(Exception):
    """The operation cannot go on."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable


class Ledger:
    """Results, verdicts and state of one operation.

    `resumed` is the operation as an agent that was killed had left it: what it had done then stays told.
    """

    def __init__(
        self,
        storage: Storage,
        assignment: Assignment,
        order: Order,
        now_ms: int,
        attempt: int,
        resumed: OperationState | None,
        on_progress: Callable[[OperationState], None],
    ) -> None:
        self._storage = storage
        self._on_progress = on_progress
        self._results: dict[ResourceKey, Result] = {}
        self._earlier = {r.key: r for r in resumed.results} if resumed is not None else {}
        self._retryable: dict[ResourceKey, bool] = {}
        """Of the resources that failed: whether that may pass by itself."""
        self._hints: dict[ResourceKey, str] = {}
        self.judged: dict[ResourceKey, Judged | None] = {}
        """Verdicts the operation arrived at; None forgets one."""
        self.touched = False
        """Whether it got as far as the first step that changes anything."""
        self.shared: dict[ResourceKey, str] = {}
        """Objects left alone because another application has them, with its tracking name."""
        self.state = OperationState(
            id=order.id,
            application=assignment.application,
            uid=assignment.uid,
            kind=order.kind,
            phase=Phase.RUNNING,
            manifest_set=order.ref.digest,
            revision=order.revision,
            initiated_by=order.initiated_by,
            started_ms=resumed.started_ms if resumed is not None else now_ms,
            attempt=attempt,
            dry_run=order.dry_run,
            partial=order.only is not None,
        )

    def known(self, key: ResourceKey) -> bool:
        return key in self._results

    def record(self, pair: Pair, status: ResultStatus, message: str) -> None:
        source = pair.target or pair.live
        assert source is not None
        self._results[pair.key] = Result(pair.key, source.version, status, message[:MESSAGE_LIMIT])

    def fail(self, pair: Pair, error: errors.KubeError) -> None:
        self._retryable[pair.key] = isinstance(error, errors.Retryable)
        self._hints[pair.key] = error.hint
        self.record(pair, ResultStatus.SYNC_FAILED, error.message)

    def refuse_shared(self, pair: Pair, owner: str) -> None:
        """Leave an object to the application that has it."""
        self.shared[pair.key] = owner
        self._retryable[pair.key] = False
        message = f"{pair.key} belongs to application {owner}; take it out of one of the two"
        self.record(pair, ResultStatus.SYNC_FAILED, message)

    def settle(self, pair: Pair, digest: str, content_hash: bytes, message: str) -> None:
        """A resource is as assigned."""
        self.judged[pair.key] = Judged(digest, content_hash)
        self.record(pair, ResultStatus.SYNCED, message)

    def stop_if_failed(self, prefix: str = "") -> None:
        """Raise StepFailed if a resource failed: what comes after it may need it, and nothing is pruned for it."""
        if not self._retryable:
            return
        key = min(self._retryable)
        first, hint = self._results[key], self._hints.get(key, "")
        named = first.message if str(first.key) in first.message else f"{first.key}: {first.message}"
        more = f" (and {len(self._retryable) - 1} more)" if len(self._retryable) > 1 else ""
        raise StepFailed(f"{prefix}{named}{hint}{more}", retryable=all(self._retryable.values()))

    def step(self, message: str, *, total: int | None = None, write: bool = True) -> None:
        """Begin a step. With `write` it is on disk, with what was changed so far, before the first request of it."""
        total = self.state.total if total is None else total
        done = min(len(self._results), total)
        self.state = replace(self.state, message=message, total=total, done=done)
        if write:
            self.touched = True
            changed = {k: r for k, r in self._results.items() if r.message != UNCHANGED}
            self._storage.save_operation(replace(self.state, results=self._in_order({**self._earlier, **changed})))
        self._on_progress(self.state)

    def finish(self, phase: Phase, message: str, now_ms: int) -> OperationState:
        """End the operation, with all its results. The caller writes it."""
        results = dict(self._results)
        for key, before in self._earlier.items():
            now = results.get(key)
            if now is None or now.message == UNCHANGED:
                results[key] = before
        self.state = replace(
            self.state,
            phase=phase,
            message=message,
            finished_ms=now_ms,
            results=self._in_order(results),
            done=min(len(results), self.state.total),
        )
        return self.state

    @staticmethod
    def _in_order(results: dict[ResourceKey, Result]) -> tuple[Result, ...]:
        return tuple(results[key] for key in sorted(results))
