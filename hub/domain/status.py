"""What is true of an application on a cluster, as its agent reports it, and how clusters roll up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hub.domain.manifest import ResourceKey
from hub.domain.operation import OperationState
from hub.domain.revision import Revision


class SyncStatus(StrEnum):
    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


class HealthStatus(StrEnum):
    """From best to worst; the worst of many wins."""

    HEALTHY = "Healthy"
    SUSPENDED = "Suspended"
    PROGRESSING = "Progressing"
    MISSING = "Missing"
    DEGRADED = "Degraded"
    UNKNOWN = "Unknown"


HEALTH_ORDER: Mapping[HealthStatus, int] = {status: rank for rank, status in enumerate(HealthStatus)}


class ConditionType(StrEnum):
    DELETION_ERROR = "DeletionError"
    INVALID_SPEC_ERROR = "InvalidSpecError"
    COMPARISON_ERROR = "ComparisonError"
    SYNC_ERROR = "SyncError"
    UNKNOWN_ERROR = "UnknownError"
    SHARED_RESOURCE_WARNING = "SharedResourceWarning"
    REPEATED_RESOURCE_WARNING = "RepeatedResourceWarning"
    EXCLUDED_RESOURCE_WARNING = "ExcludedResourceWarning"
    RENDER_WARNING = "RenderWarning"
    SKIP_RECONCILE_WARNING = "SkipReconcileWarning"
    SYNC_WINDOW_WARNING = "SyncWindowWarning"
    ORPHANED_RESOURCE_WARNING = "OrphanedResourceWarning"


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    message: str
    last_transition_at: datetime


@dataclass(frozen=True, slots=True)
class FieldDrift:
    """One field that differs. Values are JSON text, "" where the field is absent; secrets were masked by the agent."""

    path: str
    assigned: str = ""
    live: str = ""
    manager: str = ""
    changed: str = ""
    """When the manager last wrote, RFC 3339 as the API server gives it."""
    likely: bool = False
    """The manager is inferred: nobody owns a field that is gone."""


@dataclass(frozen=True, slots=True)
class DriftReport:
    """One departure of one object from what was assigned."""

    id: str
    application: str
    cluster: str
    key: ResourceKey
    kind: str
    """modified | deleted | label-removed"""
    fields: tuple[FieldDrift, ...]
    seen_at: datetime
    healed_at: datetime | None = None
    hub_away: bool = False


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    key: ResourceKey
    version: str
    sync: SyncStatus
    health: HealthStatus | None
    """None: the kind has no health of its own."""
    message: str = ""
    requires_pruning: bool = False
    drift: tuple[FieldDrift, ...] = ()


@dataclass(frozen=True, slots=True)
class ApplicationStatus:
    """One application on one cluster. `resources` holds only those that are not both Synced and Healthy."""

    application: str
    """The application's id, "<namespace>/<name>"."""
    cluster: str
    """The cluster's uid."""
    application_uid: str
    generation: int
    sync: SyncStatus = SyncStatus.UNKNOWN
    health: HealthStatus = HealthStatus.UNKNOWN
    health_message: str = ""
    manifest_set: str = ""
    synced_manifest_set: str = ""
    synced_revision: Revision = Revision()
    resources: tuple[ResourceStatus, ...] = ()
    not_fine: int = 0
    """How many resources are not fine in all: `resources` tells the worst 1,000."""
    total: int = 0
    operation: OperationState | None = None
    conditions: tuple[Condition, ...] = ()
    observed_at: datetime | None = None
    digest: str = ""
    """The agent's own digest of this status, for telling agreement on connect."""


@dataclass(frozen=True, slots=True)
class Rollup:
    """An application over all its clusters."""

    sync: SyncStatus
    health: HealthStatus
    clusters: int
    synced: int
    healthy: int
    unreachable: int


def worst_health(statuses: Iterable[HealthStatus]) -> HealthStatus:
    """Return the worst; Healthy when there is none."""
    return max(statuses, key=HEALTH_ORDER.__getitem__, default=HealthStatus.HEALTHY)


def roll_up(statuses: Iterable[tuple[SyncStatus, HealthStatus, bool]]) -> Rollup:
    """Roll up (sync, health, connected) of every cluster an application is assigned to.

    Unknown sync of one cluster does not hide that another is OutOfSync. An application on no cluster is Unknown:
    nothing has been compared.
    """
    rows = list(statuses)
    syncs = [sync for sync, _, _ in rows]
    if SyncStatus.OUT_OF_SYNC in syncs:
        sync = SyncStatus.OUT_OF_SYNC
    elif not syncs or SyncStatus.UNKNOWN in syncs:
        sync = SyncStatus.UNKNOWN
    else:
        sync = SyncStatus.SYNCED
    return Rollup(
        sync=sync,
        health=worst_health(health for _, health, _ in rows) if rows else HealthStatus.UNKNOWN,
        clusters=len(rows),
        synced=syncs.count(SyncStatus.SYNCED),
        healthy=sum(health is HealthStatus.HEALTHY for _, health, _ in rows),
        unreachable=sum(not connected for _, _, connected in rows),
    )


def overall_sync(rollup: Rollup, conditions: Iterable[Condition]) -> SyncStatus:
    """Return the sync status of an application, from its clusters' and from what the hub found at its sources.

    Clusters tell whether they are as assigned. While the hub cannot find out what is to be assigned, nobody knows
    whether that is in sync.
    """
    if any(condition.type == ConditionType.COMPARISON_ERROR for condition in conditions):
        return SyncStatus.UNKNOWN
    return rollup.sync


@dataclass(frozen=True, slots=True)
class RefreshState:
    """What the hub last learned from an application's sources."""

    application: str
    revision: Revision = Revision()
    inputs: Mapping[str, str] = field(default_factory=dict)
    """"<source index>:<path>" → Git object id; what the last render read."""
    spec_generation: int = 0
    """Which generation of the spec this was made from."""
    conditions: tuple[Condition, ...] = ()
    refreshed_at: datetime | None = None
    requested: str = ""
    """"" | normal | hard: a refresh somebody asked for and that has not been done."""
