"""Operations: when one begins, when it is tried again, and how it is told.

One automated attempt is made per revision and parameters; a failed one is retried with back-off as the policy says.
Self-heal has a back-off of its own, per object, so that two parties who fight over one field do not fill the log.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from agent.engine.assignment import Assignment, Retry, Revision, SyncPolicy
from agent.engine.codec import encode
from agent.engine.resource import ResourceKey
from agent.engine.traits import SyncPhase


class Phase(StrEnum):
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ERROR = "Error"
    TERMINATING = "Terminating"

    @property
    def finished(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.ERROR)


class ResultStatus(StrEnum):
    SYNCED = "Synced"
    SYNC_FAILED = "SyncFailed"
    PRUNED = "Pruned"
    PRUNE_SKIPPED = "PruneSkipped"
    SYNC_SKIPPED = "SyncSkipped"
    """Left alone: another application has it."""


UNCHANGED = "unchanged"
"""The message of a result that changed nothing."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one object in one phase."""

    key: ResourceKey
    version: str
    status: ResultStatus
    message: str = ""
    sync_phase: SyncPhase = SyncPhase.SYNC
    wave: int = 0
    hook: bool = False
    state: Phase = Phase.SUCCEEDED
    """Running: it is there, and not healthy yet or, a hook, not at its end."""
    uid: str = ""
    """Of the object that a hook made."""
    name: str = ""
    """Of the object, where a hook's was generated."""
    output: str = ""
    """The end of what a hook that failed has written."""
    started_ms: int = 0
    finished_ms: int = 0
    waited_ms: int = 0
    """How long it had been waited for when this was written, whatever the clock on the wall did meanwhile."""


@dataclass(frozen=True, slots=True)
class OperationState:
    """How one operation stands. Written to disk before each step of it."""

    id: str
    application: str
    uid: str
    kind: str
    """sync | rollback | self-heal | delete"""
    phase: Phase
    message: str = ""
    manifest_set: str = ""
    revision: Revision = Revision()
    initiated_by: str = ""
    started_ms: int = 0
    finished_ms: int = 0
    results: tuple[Result, ...] = ()
    attempt: int = 1
    dry_run: bool = False
    partial: bool = False
    done: int = 0
    total: int = 0
    approved_ms: int = 0
    """The confirmation that was known when it began: it takes none but newer ones."""
    failure: str = ""
    """Why it has failed, while what is to be done in that case still runs."""
    retry_limit: int = 0
    """How many attempts may follow the first; -1 is unlimited."""
    next_ms: int = 0
    """When the next attempt begins, while it waits for that; else 0."""
    written_ms: int = 0
    """When it was written to disk as it is."""
    deletion_ms: int = 0
    """Of a deletion: when what it carries out was asked for. Asked for anew, it is another."""

    def finish(self, phase: Phase, message: str, now_ms: int) -> OperationState:
        return replace(self, phase=phase, message=message, finished_ms=now_ms)


@dataclass(frozen=True, slots=True)
class Attempts:
    """What has been tried for an application by itself, so that it is not tried again and again."""

    parameters: str = ""
    """Digest of the revision and parameters tried last."""
    phase: Phase | None = None
    count: int = 0
    next_ms: int = 0
    """When the next attempt may begin, Unix milliseconds."""
    uncounted: int = 0
    """How many of them did not count: the cluster could not even be asked."""
    over: bool = False
    """No further attempt is made, however the last one ended."""


def attempt_parameters(assignment: Assignment) -> str:
    """Name what an automated sync would do: the same name is attempted once."""
    policy = assignment.policy
    set_ = assignment.manifest_set.digest
    options = (policy.prune, policy.allow_empty, policy.sync_options)
    return hashlib.sha256(encode((assignment.uid, set_, assignment.namespace, *options))).hexdigest()


def retry_delay(retry: Retry, failures: int) -> float:
    """Return the seconds to wait after the n-th failure (n from 1)."""
    try:
        delay = retry.duration_seconds * retry.factor ** (failures - 1)
    except OverflowError:
        return retry.max_seconds
    return min(delay, retry.max_seconds)


def next_attempt(retry: Retry | None, state: OperationState, now_ms: int) -> OperationState | None:
    """Return an operation that was asked for and has failed as it waits for its next attempt; None when it has had its
    last one, and for a dry run."""
    if retry is None or state.phase is Phase.SUCCEEDED or state.dry_run:
        return None
    if 0 <= retry.limit < state.attempt:
        return None
    seconds = retry_delay(retry, state.attempt)
    of = f" of {retry.limit + 1}" if retry.limit >= 0 else ""
    message = f"attempt {state.attempt}{of} failed, the next one is {seconds:g} s later: {state.message}"
    return replace(
        state, phase=Phase.RUNNING, message=message, finished_ms=0, next_ms=now_ms + max(1, int(seconds * 1000))
    )


def attempt_due(state: OperationState, retry: Retry | None, now_ms: int) -> float:
    """Return the seconds until a waiting operation's next attempt. A clock that was set back makes nobody wait longer
    than the pause was."""
    longest = retry_delay(retry, state.attempt) if retry is not None else 0.0
    return min(longest, max(0.0, (state.next_ms - now_ms) / 1000))


def automated_attempt(policy: SyncPolicy, parameters: str, attempts: Attempts, now_ms: int) -> float | None:
    """Say when an automated sync may begin: seconds from now, or None when it has had its turn.

    `parameters` are those of what is assigned now.
    """
    if not policy.automated:
        return None
    if attempts.parameters != parameters or attempts.phase is None:
        # New, or it had begun when the agent was killed: it goes on.
        return 0.0
    if attempts.over or attempts.phase is Phase.SUCCEEDED:
        return None
    if 0 <= policy.retry.limit <= attempts.count - attempts.uncounted - 1:
        return None
    # As it was set when the attempt ended, however far the clock was set back since.
    longest = retry_delay(policy.retry, attempts.count)
    return min(longest, max(0.0, (attempts.next_ms - now_ms) / 1000))


def record_attempt(
    retry: Retry, parameters: str, attempts: Attempts, phase: Phase, now_ms: int, *, counts: bool = True
) -> Attempts:
    """Note the outcome of an automated attempt. One that does not count delays the next, and brings no limit nearer."""
    again = attempts.parameters == parameters
    count = attempts.count + 1 if again else 1
    uncounted = (attempts.uncounted if again else 0) + (0 if counts else 1)
    return Attempts(parameters, phase, count, now_ms + int(retry_delay(retry, count) * 1000), uncounted)


def no_more_attempts(parameters: str, attempts: Attempts, phase: Phase) -> Attempts:
    """Note that what is assigned now is not tried by itself any more."""
    return replace(attempts, parameters=parameters, phase=phase, over=True)


HEAL_BASE_SECONDS = 2.0
HEAL_FACTOR = 3.0
HEAL_CAP_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class HealRecord:
    """How often an object has been healed of late."""

    count: int = 0
    last_ms: int = 0


def heal_delay(record: HealRecord | None, now_ms: int) -> float:
    """Return the seconds to wait before an object is healed: none the first time, then 2 s × 3ⁿ up to 300 s.

    An object that stayed as assigned for twice its last back-off is healed at once again.
    """
    if record is None or record.count == 0:
        return 0.0
    backoff = _heal_backoff(record.count)
    since = (now_ms - record.last_ms) / 1000
    if since >= 2 * backoff:
        return 0.0
    # A clock that was set back makes nobody wait longer than a clock that goes right.
    return min(backoff, max(0.0, backoff - since))


def record_heal(record: HealRecord | None, now_ms: int) -> HealRecord:
    if record is None or record.count == 0:
        return HealRecord(1, now_ms)
    backoff = _heal_backoff(record.count)
    calm = (now_ms - record.last_ms) / 1000 >= 2 * backoff
    return HealRecord(1 if calm else record.count + 1, now_ms)


def _heal_backoff(count: int) -> float:
    """Return the seconds after the n-th healing (n from 1). A fight of days is counted in hundreds, and no power of
    that is a float any more."""
    return min(HEAL_BASE_SECONDS * HEAL_FACTOR ** min(count - 1, 10), HEAL_CAP_SECONDS)
