"""Operations: when one begins, when it is tried again, and how it is told.

One automated attempt is made per revision and parameters; a failed one is retried with back-off as the policy says.
Self-heal has a back-off of its own, per object, so that two parties who fight over one field do not fill the log.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from agent.engine.assignment import Assignment, Retry, Revision
from agent.engine.codec import encode
from agent.engine.resource import ResourceKey


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


@dataclass(frozen=True, slots=True)
class Result:
    key: ResourceKey
    version: str
    status: ResultStatus
    message: str = ""


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


def attempt_parameters(assignment: Assignment) -> str:
    """Name what an automated sync would do: the same name is attempted once."""
    policy = assignment.policy
    parts = (assignment.uid, assignment.manifest_set.digest, assignment.namespace, policy.prune, policy.sync_options)
    return hashlib.sha256(encode(parts)).hexdigest()


def retry_delay(retry: Retry, failures: int) -> float:
    """Return the seconds to wait after the n-th failure (n from 1)."""
    try:
        delay = retry.duration_seconds * retry.factor ** (failures - 1)
    except OverflowError:
        return retry.max_seconds
    return min(delay, retry.max_seconds)


def automated_attempt(assignment: Assignment, attempts: Attempts, now_ms: int) -> float | None:
    """Say when an automated sync may begin: seconds from now, or None when it has had its turn."""
    if not assignment.policy.automated:
        return None
    if attempts.parameters != attempt_parameters(assignment):
        return 0.0
    if attempts.phase is None:
        # It had begun when the agent was killed: it goes on.
        return 0.0
    if attempts.phase is Phase.SUCCEEDED:
        return None
    limit = assignment.policy.retry.limit
    if 0 <= limit <= attempts.count - 1:
        return None
    return max(0.0, (attempts.next_ms - now_ms) / 1000)


def record_attempt(assignment: Assignment, attempts: Attempts, phase: Phase, now_ms: int) -> Attempts:
    """Note the outcome of an automated attempt."""
    parameters = attempt_parameters(assignment)
    count = attempts.count + 1 if attempts.parameters == parameters else 1
    delay = retry_delay(assignment.policy.retry, count)
    return Attempts(parameters, phase, count, now_ms + int(delay * 1000))


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
    backoff = min(HEAL_BASE_SECONDS * HEAL_FACTOR ** (record.count - 1), HEAL_CAP_SECONDS)
    since = (now_ms - record.last_ms) / 1000
    if since >= 2 * backoff:
        return 0.0
    return max(0.0, backoff - since)


def record_heal(record: HealRecord | None, now_ms: int) -> HealRecord:
    if record is None or record.count == 0:
        return HealRecord(1, now_ms)
    backoff = min(HEAL_BASE_SECONDS * HEAL_FACTOR ** (record.count - 1), HEAL_CAP_SECONDS)
    calm = (now_ms - record.last_ms) / 1000 >= 2 * backoff
    return HealRecord(1 if calm else record.count + 1, now_ms)
