"""Single objects on clusters: their status, drift, differences, and what they own."""

from __future__ import annotations

from typing import Any, Literal

from hub.api.models.base import Reply, Time


class FieldDriftItem(Reply):
    """One field that differs. `assigned` and `live` are JSON text, empty where the field is absent."""

    path: str
    assigned: str
    live: str
    manager: str
    """Who wrote it last."""
    changed: str
    """When, RFC 3339; may be empty."""
    likely: bool
    """The manager is inferred."""


class ObjectName(Reply):
    group: str
    kind: str
    namespace: str
    """As rendered: empty when the manifest names none."""
    name: str


class ResourceItem(ObjectName):
    """One resource of the application on one cluster."""

    version: str
    sync: str
    """Synced | OutOfSync | Unknown"""
    health: str
    """Healthy | Suspended | Progressing | Missing | Degraded | Unknown; empty: the kind has no health of its own."""
    message: str
    requires_pruning: bool
    drift: list[FieldDriftItem]


class ClusterResourceItem(ResourceItem):
    cluster: str


class ResourceList(Reply):
    items: list[ClusterResourceItem]
    truncated: bool
    """There are more than could be told: ask for one cluster at a time."""


class DriftItem(ObjectName):
    """One departure of one object from what was assigned."""

    id: str
    cluster: str
    change: str
    """modified | deleted | label-removed"""
    fields: list[FieldDriftItem]
    seen_at: Time
    healed_at: Time | None
    hub_away: bool
    """It was seen while the agent had no hub."""


class DriftList(Reply):
    items: list[DriftItem]


class Problem(Reply):
    code: str
    message: str


class DiffItem(ObjectName):
    change: str
    """create | update | prune | error"""
    diff: str
    """A unified diff from live to assigned; secrets are masked."""
    message: str


class ClusterDiff(Reply):
    cluster: str
    error: Problem | None
    """Why this cluster has no answer."""
    resources: list[DiffItem]
    """What differs; empty and no error: nothing does."""


class DiffReply(Reply):
    items: list[ClusterDiff]


class TreeNode(ObjectName):
    uid: str
    parent: str
    """The owner's uid; empty for what the application manages itself."""
    health: str
    message: str
    managed: bool


class ClusterTree(Reply):
    cluster: str
    error: Problem | None
    nodes: list[TreeNode]


class TreeReply(Reply):
    items: list[ClusterTree]


class ClusterOrphans(Reply):
    cluster: str
    error: Problem | None
    """Why this cluster has no answer."""
    resources: list[ObjectName]
    more: int
    """How many there are beyond these."""
    unseen: list[str]
    """The kinds that could not be looked at, and why."""


class OrphansReply(Reply):
    items: list[ClusterOrphans]


class RenderedSet(Reply):
    """One distinct rendered output and the clusters it is for."""

    manifest_set: str
    """Its digest, hex SHA-256."""
    revision: str
    """Short."""
    clusters: list[str]
    objects: list[dict[str, Any]]
    """In the order in which they were rendered; values of Secrets are masked."""


class ManifestsReply(Reply):
    items: list[RenderedSet]


Format = Literal["json", "yaml"]
