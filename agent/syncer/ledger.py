"""The book of one operation: what became of each resource, and how the whole stands, on disk before each step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from agent.engine.assignment import Assignment
from agent.engine.operation import UNCHANGED, OperationState, Phase, Result, ResultStatus
from agent.engine.reconcile import Judged, Pair
from agent.engine.resource import ResourceKey
from agent.engine.tasks import Task, TaskId
from agent.engine.traits import SyncPhase
from agent.kube import errors
from agent.storage import Storage
from agent.syncer.clock import Clock
from agent.syncer.orders import Order

MESSAGE_LIMIT = 2000
KEPT_SECONDS = 300.0
"""How often it is written down how long something has been waited for."""
ABSENT_SECONDS = 300.0
"""Of the time between two agents so much counts as waited at most: less than any limit there is by default, so that
clocks which were set meanwhile end no wait, and waits that agents come and go in end nevertheless."""


class StepFailed(Exception):
    """The operation cannot go on."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable


class Ledger:
    """Results, verdicts and state of one operation.

    `resumed` is the operation as an agent that was killed had left it: what it had done then stays told, and hooks that
    had begun count as begun.
    """

    def __init__(
        self,
        storage: Storage,
        assignment: Assignment,
        order: Order,
        clock: Clock,
        attempt: int,
        resumed: OperationState | None,
        on_progress: Callable[[OperationState], None],
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._on_progress = on_progress
        earlier = {TaskId(r.sync_phase, r.key): r for r in resumed.results} if resumed is not None else {}
        # One that was about to be made may be there or not: it is looked for as it is made.
        begun = {id: r for id, r in earlier.items() if r.hook and (r.uid or r.state is not Phase.RUNNING)}
        self._results = dict(begun)
        self._earlier = {id: result for id, result in earlier.items() if not result.hook}
        now = clock.monotonic()
        away = _away(resumed, clock.now_ms()) if resumed is not None else 0.0
        self._absent = min(max(away, 0.0), ABSENT_SECONDS)
        """Seconds for which there was no agent to wait, for what was waited for before."""
        self._waits = {id: now - r.waited_ms / 1000 for id, r in earlier.items() if r.state is Phase.RUNNING}
        """When the wait for each has begun, on the monotonic clock, less the time for which there was no agent."""
        self._resumed = frozenset(self._waits)
        self._kept: float | None = None
        """When it was written down last how long that is."""
        self._retryable: dict[TaskId, bool] = {}
        """Of the resources that failed: whether that may pass by itself."""
        self._hints: dict[TaskId, str] = {}
        self.judged: dict[ResourceKey, Judged | None] = {}
        """Verdicts the operation arrived at; None forgets one."""
        self._fresh: dict[ResourceKey, Judged | None] = {}
        """Those that were not asked for yet."""
        self.touched = resumed is not None
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
            started_ms=resumed.started_ms if resumed is not None else clock.now_ms(),
            attempt=attempt,
            dry_run=order.dry_run,
            partial=order.only is not None,
            approved_ms=resumed.approved_ms if resumed is not None else assignment.approved_ms,
            failure=resumed.failure if resumed is not None else "",
            retry_limit=order.retry.limit if order.retry is not None else 0,
            deletion_ms=assignment.deletion.requested_ms if order.ends and assignment.deletion is not None else 0,
        )

    def carry_over(self, earlier: OperationState) -> None:
        """Count the hooks that ended well in an earlier attempt as run."""
        found = {TaskId(r.sync_phase, r.key): r for r in earlier.results if r.hook and r.state is Phase.SUCCEEDED}
        self._results = found | self._results

    @property
    def book(self) -> Mapping[TaskId, Result]:
        """What has been begun."""
        return self._results

    def record(self, task: Task, status: ResultStatus, message: str, state: Phase = Phase.SUCCEEDED) -> None:
        """Note what became of a task."""
        source = task.pair.target or task.pair.live
        assert source is not None
        now = self._clock.now_ms()
        self._waits.setdefault(task.id, self._clock.monotonic())
        before = self._results.get(task.id)
        self._results[task.id] = Result(
            key=task.key,
            version=source.version,
            status=status,
            message=message[:MESSAGE_LIMIT],
            sync_phase=task.phase,
            wave=task.wave,
            hook=task.hook,
            state=state,
            uid=before.uid if before is not None else "",
            name=before.name if before is not None else "",
            started_ms=before.started_ms if before is not None else now,
            finished_ms=0 if state is Phase.RUNNING else now,
        )

    def begin_hook(self, task: Task, name: str) -> None:
        """Note that a hook is about to be made, under which name."""
        self.record(task, ResultStatus.SYNCED, "about to be created", Phase.RUNNING)
        self._results[task.id] = replace(self._results[task.id], name=name)

    def hook_made(self, task: Task, uid: str) -> None:
        """Note the object that a hook runs as."""
        self._results[task.id] = replace(self._results[task.id], uid=uid, message="created")

    def end(self, task: Task, state: Phase, message: str) -> None:
        """Note how a task that was under way stands now."""
        before = self._results[task.id]
        if before.state is state and before.message == message[:MESSAGE_LIMIT]:
            return
        finished = 0 if state is Phase.RUNNING else self._clock.now_ms()
        self._results[task.id] = replace(before, state=state, message=message[:MESSAGE_LIMIT], finished_ms=finished)

    def wrote(self, task: Task, output: str) -> None:
        """Note what a hook has written."""
        self._results[task.id] = replace(self._results[task.id], output=output)

    def hooks_ended(self, results: Iterable[Result]) -> None:
        """Take over how hooks stand that an earlier agent had begun."""
        self._results.update({TaskId(r.sync_phase, r.key): r for r in results if r.hook})

    def take_back(self, task: Task) -> None:
        """Take a task for one that was not begun."""
        self._results.pop(task.id, None)
        self._waits.pop(task.id, None)
        self._resumed -= {task.id}

    def waited(self, task: Task) -> float:
        """Return for how many seconds agents have waited for what was begun."""
        now = self._clock.monotonic()
        return now - self._waits.setdefault(task.id, now)

    def absent(self, task: Task) -> float:
        """Return for how many seconds more there was none to wait."""
        return self._absent if task.id in self._resumed else 0.0

    def keep_time(self) -> None:
        """Write down now and then how long everything has been waited for: the next agent goes on from there."""
        if self._kept is None or self._clock.monotonic() - self._kept >= KEPT_SECONDS:
            self._save()

    def leave(self, pair: Pair, message: str) -> None:
        """Note what is not to be pruned, and why."""
        self.record(Task(pair, SyncPhase.SYNC, 0), ResultStatus.PRUNE_SKIPPED, message)

    def fail(self, task: Task, error: errors.KubeError) -> None:
        self._retryable[task.id] = isinstance(error, errors.Retryable)
        self._hints[task.id] = error.hint
        self.record(task, ResultStatus.SYNC_FAILED, error.message, Phase.FAILED)

    def refuse_shared(self, task: Task, owner: str, *, fails: bool) -> None:
        """Leave an object to the application that has it."""
        self.shared[task.key] = owner
        message = f"{task.key} belongs to application {owner}; take it out of one of the two"
        if fails:
            self._retryable[task.id] = False
            self.record(task, ResultStatus.SYNC_FAILED, message, Phase.FAILED)
        else:
            self.record(task, ResultStatus.SYNC_SKIPPED, f"left alone: {message}")

    def settle(self, task: Task, digest: str, content_hash: bytes, message: str, state: Phase) -> None:
        """A resource is as assigned; `state` says whether it is healthy too."""
        self._judge(task.key, Judged(digest, content_hash))
        self.record(task, ResultStatus.SYNCED, message, state)

    def forget(self, key: ResourceKey) -> None:
        """An object was deleted: what was judged of it counts no more."""
        self._judge(key, None)

    def _judge(self, key: ResourceKey, verdict: Judged | None) -> None:
        self.judged[key] = self._fresh[key] = verdict

    def fresh_verdicts(self) -> dict[ResourceKey, Judged | None]:
        """Return the verdicts that have come since this was asked last."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def retryable(self, tasks: Iterable[Task]) -> bool:
        """Say whether what failed may pass by itself."""
        return all(self._retryable.get(task.id, False) for task in tasks)

    def describe(self, tasks: Iterable[Task]) -> str:
        """Say in words what failed: the first of the tasks, and how many more."""
        found = sorted(tasks, key=lambda task: task.key)
        first = found[0]
        result, hint = self._results[first.id], self._hints.get(first.id, "")
        what = f"{first.phase} hook {first.key}" if first.hook else str(first.key)
        named = result.message if str(first.key) in result.message else f"{what}: {result.message}"
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return f"{named}{hint}{more}"

    def stop_if_failed(self, tasks: Iterable[Task], prefix: str = "") -> None:
        """Raise StepFailed if one of these could not even be tried."""
        failed = [task for task in tasks if task.id in self._retryable]
        if failed:
            raise StepFailed(prefix + self.describe(failed), retryable=self.retryable(failed))

    def step(self, message: str, *, total: int | None = None, write: bool = True) -> None:
        """Begin a step. With `write` it is on disk, with what was changed so far, before the first request of it."""
        total = self.state.total if total is None else total
        self.state = replace(self.state, message=message, total=total, done=self._done(total))
        if write:
            self.write()
        self._tell()

    def write(self) -> None:
        """Put on disk how it stands, with what was changed so far."""
        self.touched = True
        self._save()

    def _save(self) -> None:
        now = self._kept = self._clock.monotonic()
        changed = {id: self._timed(id, r, now) for id, r in self._results.items() if r.message != UNCHANGED}
        results = _in_order({**self._earlier, **changed})
        self._storage.save_operation(replace(self.state, results=results, written_ms=self._clock.now_ms()))

    def _timed(self, id: TaskId, result: Result, now: float) -> Result:
        if result.state is not Phase.RUNNING or id not in self._waits:
            return result
        # From here on the time between two agents is as good as waited.
        absent = self._absent if id in self._resumed else 0.0
        return replace(result, waited_ms=int((now - self._waits[id] + absent) * 1000))

    def waiting(self, message: str) -> None:
        """Tell what the operation waits for."""
        if self.state.message != message:
            self.state = replace(self.state, message=message, done=self._done(self.state.total))
            self._tell()

    def unconfirmed(self, message: str) -> None:
        """Tell that the operation waits for a confirmation, the first time with that on disk: an agent that is started
        again meanwhile is to take the one that is given for it."""
        before = self.state
        self.waiting(message)
        if self.state is not before:
            self.write()

    def failing(self, message: str) -> None:
        """Note that the operation has failed, and what is still to be done is for that case."""
        self.state = replace(self.state, failure=message)
        self.write()
        self._tell()

    def terminating(self) -> None:
        self.state = replace(self.state, phase=Phase.TERMINATING)
        self._tell()

    def finish(self, phase: Phase, message: str) -> OperationState:
        """End the operation, with all its results. The caller writes it."""
        results = dict(self._results)
        for id, before in self._earlier.items():
            now = results.get(id)
            if now is None or now.message == UNCHANGED:
                results[id] = before
        self.state = replace(
            self.state,
            phase=phase,
            message=message,
            finished_ms=self._clock.now_ms(),
            results=_in_order(results),
            done=min(len(results), self.state.total),
        )
        return self.state

    def _done(self, total: int) -> int:
        return min(sum(r.state is not Phase.RUNNING for r in self._results.values()), total)

    def _tell(self) -> None:
        """Tell how it stands: all that is under way or has failed, and every hook."""
        news = {i: r for i, r in self._results.items() if r.hook or r.state is not Phase.SUCCEEDED}
        self._on_progress(replace(self.state, results=_in_order(news)))


def _away(resumed: OperationState, now_ms: int) -> float:
    """Return for how many seconds, by the clock, no agent had an operation in hand."""
    written = resumed.written_ms or max((r.started_ms for r in resumed.results), default=now_ms)
    return (now_ms - written) / 1000


def _in_order(results: Mapping[TaskId, Result]) -> tuple[Result, ...]:
    return tuple(results[id] for id in sorted(results, key=lambda id: (id.key, id.phase)))
