"""Applications: in a list, and one with everything that is known of it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from hub.api.models.base import ExactTime, Reply, Time
from hub.api.models.operation import OperationItem, SourceRevisionItem
from hub.api.models.resource import DriftItem, ResourceItem


class SourceItem(Reply):
    repo: str
    path: str
    chart: str
    target: str
    """As written: HEAD, a branch, a tag, a commit or a version range."""
    name: str
    """What requests may name it by; empty: its position alone."""
    ref: str
    """What others name it by whose value files are in it."""


class ClusterCounts(Reply):
    total: int
    synced: int
    healthy: int
    unreachable: int


class ApplicationSummary(Reply):
    id: str
    """"<namespace>/<name>" """
    name: str
    namespace: str
    project: str
    labels: dict[str, str]
    sources: list[SourceItem]
    destinations: list[str]
    """In words: "in-cluster/web", "https://…/web", "region=eu,tier in (edge)/web"."""
    sync: str
    """Synced | OutOfSync | Unknown: over all clusters; Unknown while the hub has a ComparisonError."""
    health: str
    """The worst of all clusters."""
    clusters: ClusterCounts
    revision: str
    """Short: what the hub last rendered."""
    sync_policy: str
    """In words: "manual", or "automated", "automated, prune, self-heal"."""
    condition_count: int
    """Conditions at the hub, such as a source that cannot be read."""
    deleting: bool
    created_at: Time | None


class ApplicationList(Reply):
    items: list[ApplicationSummary]
    continue_: str = Field(serialization_alias="continue")
    """Give it back as `?continue=` for the rest; empty at the end."""


class ConditionItem(Reply):
    type: str
    message: str
    last_transition_at: Time


class RefreshInfo(Reply):
    """What the hub last learned from the sources."""

    revision: str
    """Short."""
    revisions: list[SourceRevisionItem]
    refreshed_at: Time | None
    requested: str
    """normal | hard: asked for and not done yet."""
    spec_generation: int
    """Which generation of the application the hub has looked at last."""


class DeletionInfo(Reply):
    cascade: bool
    propagation: str
    requested_by: str
    requested_at: Time


class ApplicationCluster(Reply):
    """The application on one cluster."""

    cluster: str
    labels: dict[str, str]
    liveness: str
    """NeverConnected | Connected | Unreachable: then the rest is what was last known."""
    since: Time | None
    """When the liveness became what it is."""
    sync: str
    """With what is assigned, the last good state while the hub has a ComparisonError."""
    health: str
    message: str
    """What the health says."""
    revision: str
    """Short: what is assigned."""
    synced_revision: str
    """Short: what was last synced in full."""
    generation: int
    """Of the assignment."""
    acknowledged_generation: int
    """What the agent has on its disk."""
    observed_generation: int
    """Which one sync and health are about; 0: none reported yet."""
    refusal: str
    """Why the agent refused the assignment."""
    held: bool
    """Not sent: the hub was restored from a backup and waits for a refresh."""
    deleting: bool
    """It is to be removed from this cluster."""
    observed_at: Time | None
    total: int
    """Resources in all."""
    not_fine: int
    """Of them, those not both Synced and Healthy."""
    resources: list[ResourceItem]
    """The ones that are not fine."""
    resources_truncated: bool
    operation: OperationItem | None
    operation_requested_at: ExactTime | None
    """When the operation that its agent tells of was asked for: what was asked for before that and has not begun there
    never will. Null where the agent began it by itself."""
    conditions: list[ConditionItem]
    last_drift: DriftItem | None


class ApplicationDetail(Reply):
    summary: ApplicationSummary
    uid: str
    generation: int
    manifest: dict[str, Any]
    """The Application as Argo CD's YAML, as JSON."""
    conditions: list[ConditionItem]
    """At the hub; each cluster has its own."""
    refresh: RefreshInfo
    failed_operation: OperationItem | None
    """What was asked for last, if it could not be assigned to any cluster, or to some; its message says why."""
    clusters: list[ApplicationCluster]
    """By name."""
    deletion: DeletionInfo | None


class ApplicationStored(Reply):
    """An application after it was created or changed."""

    id: str
    action: str
    """created | configured | unchanged"""
    generation: int
    warnings: list[str]


class ApplicationDeleting(Reply):
    id: str
    cascade: bool
    """What it put on clusters is deleted there, too."""
    propagation: str
    clusters: list[str]
    """Where it is to be removed from."""
    message: str


class ApplicationDeleted(Reply):
    """Data of the event `deleted`."""

    id: str
    name: str
    namespace: str


class ApplicationOperationEvent(Reply):
    """Data of the event `operation`."""

    application: str
    cluster: str
    operation: OperationItem
