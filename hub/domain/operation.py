"""Operations: one sync, rollback or delete run, and the history they leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub.domain.application import Retry
from hub.domain.manifest import ManifestSetRef, ResourceKey
from hub.domain.revision import Revision
from hub.domain.sources import SourceChoice


class OperationKind(StrEnum):
    SYNC = "sync"
    ROLLBACK = "rollback"
    SELF_HEAL = "self-heal"
    DELETE = "delete"


class OperationPhase(StrEnum):
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ERROR = "Error"
    TERMINATING = "Terminating"

    @property
    def finished(self) -> bool:
        return self in (OperationPhase.SUCCEEDED, OperationPhase.FAILED, OperationPhase.ERROR)


@dataclass(frozen=True, slots=True)
class RequestFailure:
    """Why a request could not be assigned: it has ended there, and does not begin later."""

    message: str
    at: datetime
    clusters: tuple[str, ...] = ()
    """Uids; empty means everywhere."""


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """What somebody asked for. The same id is never run twice by one agent.

    As asked, it names no manifest set: the controller settles that for each cluster when it assigns, to what is
    assigned there, or to what a history entry names.
    """

    id: str
    kind: OperationKind
    initiated_by: str
    requested_at: datetime
    manifest_set: ManifestSetRef = ManifestSetRef("", 0)
    revision: Revision = Revision()
    clusters: tuple[str, ...] = ()
    """Uids of the clusters it is for; empty means all that the application has when it begins."""
    history_id: int = 0
    """For a rollback: which history entry of each cluster; 0 is the one before the newest."""
    prune: bool = False
    dry_run: bool = False
    force: bool = False
    resources: tuple[ResourceKey, ...] = ()
    sync_options: tuple[str, ...] = ()
    terminate: bool = False
    retry: Retry | None = None
    """None: where it fails it is not tried again."""
    target_revision: str = ""
    """For a sync: the revision to sync to this once, in place of the source's own."""
    revisions: tuple[SourceChoice, ...] = ()
    """The same, source by source, where that is how it was asked for."""
    sources: str = ""
    """Once settled: digest of the blob that says what the set was made from."""
    began: bool = False
    """Whether it was assigned to any cluster."""
    failures: tuple[RequestFailure, ...] = ()
    """Where it could not be assigned; the first that tells of a cluster counts."""

    def failure_on(self, cluster: str) -> RequestFailure | None:
        return next((f for f in self.failures if not f.clusters or cluster in f.clusters), None)

    @property
    def names_revisions(self) -> bool:
        """Whether it is for other revisions than the sources' own."""
        return bool(self.target_revision or self.revisions)

    @property
    def means_newest(self) -> bool:
        """Whether it means what Git says now. Ending an operation, and going back to what was deployed before, do not:
        they work while nothing can be read or rendered."""
        return not self.terminate and self.kind is not OperationKind.ROLLBACK


@dataclass(frozen=True, slots=True)
class OperationResult:
    key: ResourceKey
    version: str
    status: str
    """Synced | SyncFailed | SyncSkipped | Pruned | PruneSkipped"""
    message: str = ""
    sync_phase: str = "Sync"
    """PreSync | Sync | PostSync | SyncFail | PreDelete | PostDelete"""
    wave: int = 0
    hook: bool = False
    state: str = ""
    """Running | Succeeded | Failed: whether the object is healthy or, a hook's, at its end; "" where an agent does not
    say."""
    name: str = ""
    """Of the object that a hook ran as, where its name was generated."""
    output: str = ""
    """The end of what a hook that failed has written."""
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OperationState:
    """How an operation went, or goes, on one cluster."""

    id: str
    kind: OperationKind
    phase: OperationPhase
    message: str = ""
    manifest_set: str = ""
    revision: Revision = Revision()
    initiated_by: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    results: tuple[OperationResult, ...] = ()
    attempt: int = 1
    dry_run: bool = False
    partial: bool = False
    done: int = 0
    total: int = 0
    retry_limit: int = 0
    """How many attempts may follow the first; -1 is unlimited."""
    next_at: datetime | None = None
    """When the next attempt begins, while it waits for that."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One deployment that succeeded on one cluster."""

    id: int
    """Counts up per application and cluster; what `rollback` names."""
    application: str
    cluster: str
    operation: str
    manifest_set: str
    revision: Revision
    initiated_by: str
    started_at: datetime | None
    deployed_at: datetime
    sources: str = ""
    """Digest of the blob that says what it was made from; "" where that is not known."""


def history_entry(history: Sequence[HistoryEntry], id: int) -> HistoryEntry | None:
    """Return the entry that a rollback means among one cluster's, newest first: the one of an id, or for 0 the one
    before the newest."""
    if id:
        return next((h for h in history if h.id == id), None)
    return history[1] if len(history) > 1 else None


def failed_state(request: OperationRequest, failure: RequestFailure) -> OperationState:
    """Return how an operation went that no agent was given."""
    return OperationState(
        id=request.id,
        kind=request.kind,
        phase=OperationPhase.FAILED,
        message=failure.message,
        initiated_by=request.initiated_by,
        started_at=request.requested_at,
        finished_at=failure.at,
        dry_run=request.dry_run,
        partial=bool(request.resources),
    )
