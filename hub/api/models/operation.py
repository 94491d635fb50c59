"""Operations: asking for a sync or rollback, how they went, and the history they leave."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from hub.api.models.base import ExactTime, Reply, Request, Time
from hub.api.models.resource import ObjectName
from hub.api.models.sources import MOST_SOURCES, NameText, PositionNumber, RevisionText

_MOST_CLUSTERS = 10_000
_MOST_RESOURCES = 1_000


class RetryRequest(Request):
    """How often a sync that fails is tried again, and after what pauses."""

    limit: int = Field(default=5, ge=-1, le=2**31 - 1)
    """Attempts after the first; -1 is any number."""
    duration: float = Field(default=5.0, ge=0, le=86_400)
    """Seconds before the second attempt."""
    factor: float = Field(default=2.0, ge=1, le=1_000)
    """What each pause is longer than the one before."""
    max_duration: float = Field(default=180.0, ge=0, le=86_400)
    """Seconds; no pause is longer."""
    refresh: bool = False
    """Later attempts are for the newest revision, not for the one the sync began with."""


class SyncRequest(Request):
    clusters: list[str] = Field(default=[], max_length=_MOST_CLUSTERS)
    """Names; empty means all of the application's."""
    prune: bool = False
    dry_run: bool = False
    force: bool = False
    resources: list[str] = Field(default=[], max_length=_MOST_RESOURCES)
    """Only these: "GROUP:KIND:NAME" or "GROUP:KIND:NAMESPACE/NAME", the group empty for core kinds."""
    revision: str = Field(default="", max_length=255)
    """Sync to this commit, branch, tag or version range once, in place of the source's own."""
    revisions: list[RevisionText] = Field(default=[], max_length=MOST_SOURCES)
    """The same for several sources: as many as there are in `source_positions`, or in `source_names`."""
    source_positions: list[PositionNumber] = Field(default=[], max_length=MOST_SOURCES)
    """Which source each of `revisions` is for, from 1."""
    source_names: list[NameText] = Field(default=[], max_length=MOST_SOURCES)
    """The same by the sources' names."""
    retry: RetryRequest | None = None
    """Absent: what fails is not tried again."""
    sync_options: list[str] = Field(default=[], max_length=100)
    """Such as "Replace=true"; they add to the application's own for this once."""


class RollbackRequest(Request):
    history_id: int = Field(default=0, ge=0, le=2**53)
    """Which history entry of each cluster; 0 is the one before the newest."""
    clusters: list[str] = Field(default=[], max_length=_MOST_CLUSTERS)
    prune: bool = False
    dry_run: bool = False


class TerminateRequest(Request):
    clusters: list[str] = Field(default=[], max_length=_MOST_CLUSTERS)


class OperationAccepted(Reply):
    operation_id: str
    """Appears among the application's operations at once, and on each cluster once its agent has begun."""
    requested_at: ExactTime


class DeletionConfirmed(Reply):
    application: str
    confirmed_at: Time
    clusters: list[str]
    """Where an operation is under way that may take it, as far as the clusters have told."""


class RefreshAccepted(Reply):
    application: str
    mode: str
    """normal | hard"""


class SourceRevisionItem(Reply):
    repo: str
    revision: str
    """The full commit id, or the version of a chart or an OCI artifact."""
    author: str
    message: str
    committed_at: Time | None
    chart: str
    digest: str
    """sha256:… of what was fetched, where it is no commit."""


class AskedRevisionItem(Reply):
    """A source at another revision, as it was asked for."""

    position: int
    """From 1."""
    repo: str
    revision: str


class OperationResultItem(ObjectName):
    version: str
    status: str
    """Synced | SyncFailed | SyncSkipped | Pruned | PruneSkipped"""
    message: str
    sync_phase: str
    """PreSync | Sync | PostSync | SyncFail | PreDelete | PostDelete"""
    wave: int
    hook: bool
    state: str
    """Running | Succeeded | Failed: whether the object is healthy or, a hook's, at its end; "" where the agent does not
    say."""
    object_name: str
    """Of the object that a hook ran as, where its name was generated; else ""."""
    output: str
    """The end of what a hook that failed has written."""
    started_at: Time | None
    finished_at: Time | None


class OperationItem(Reply):
    """An operation as it went, or goes, on one cluster."""

    id: str
    kind: str
    """sync | rollback | self-heal | delete"""
    phase: str
    """Running | Succeeded | Failed | Error | Terminating"""
    message: str
    revision: str
    """Short."""
    revisions: list[str]
    """In full: of each source, in their order."""
    initiated_by: str
    started_at: Time | None
    finished_at: Time | None
    attempt: int
    dry_run: bool
    partial: bool
    done: int
    total: int
    retry_limit: int
    """How many attempts may follow the first; -1: any number."""
    next_at: Time | None
    """When the next attempt begins, while it waits for that."""
    results: list[OperationResultItem]


class ClusterOperation(OperationItem):
    cluster: str


class OperationFailureItem(Reply):
    """Why a request could not be assigned to clusters: it has ended there."""

    clusters: list[str]
    """Empty: everywhere."""
    message: str
    at: Time


class OperationRequestItem(Reply):
    """What somebody asked for, and how far each cluster is with it, as long as it is the newest there."""

    id: str
    kind: str
    initiated_by: str
    requested_at: Time
    clusters: list[str]
    """Empty: all of the application's."""
    history_id: int
    prune: bool
    dry_run: bool
    force: bool
    resources: list[str]
    sync_options: list[str]
    revision: str
    """As asked for; empty: what the source says."""
    revisions: list[AskedRevisionItem]
    """As asked for, source by source; the others are at what they say."""
    terminate: bool
    failures: list[OperationFailureItem]
    """Where it could not be assigned; elsewhere it may have begun."""
    states: list[ClusterOperation]


class OperationList(Reply):
    items: list[OperationRequestItem]
    """Newest first; the newest 20 are kept."""


class HistoryItem(Reply):
    """One deployment that succeeded on one cluster."""

    id: int
    cluster: str
    operation_id: str
    revision: str
    """Short."""
    revisions: list[SourceRevisionItem]
    manifest_set: str
    initiated_by: str
    started_at: Time | None
    deployed_at: Time
    sources: list[dict[str, Any]]
    """What it was made from, as an Application's `sources` are written: parameters and overrides as they were in force.
    Empty where that is not known."""


class HistoryList(Reply):
    items: list[HistoryItem]
    """Newest first."""
