"""Rolling objects up into an application: what the hub is told.

A status holds in detail only what is not fine, so that ten thousand healthy objects cost nothing to report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from agent.engine.assignment import Revision
from agent.engine.codec import encode
from agent.engine.drift import FieldDrift
from agent.engine.health import HealthStatus, worst
from agent.engine.operation import OperationState
from agent.engine.resource import ResourceKey

DETAILS_LIMIT = 1000
"""Resources told in detail; more are counted. This and the next keep a report far below the link's message limit."""
DRIFT_BYTES = 1024 * 1024
"""Fields told of them; beyond that a resource is told without its fields, which its drift report has."""


class SyncStatus(StrEnum):
    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class ResourceState:
    key: ResourceKey
    version: str
    sync: SyncStatus
    health: HealthStatus | None
    message: str = ""
    requires_pruning: bool = False
    drift: tuple[FieldDrift, ...] = ()
    counts: bool = True
    """False where the application is in sync all the same."""


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    message: str
    last_transition_ms: int


@dataclass(frozen=True, slots=True)
class ApplicationStatus:
    application: str
    uid: str
    generation: int
    sync: SyncStatus = SyncStatus.UNKNOWN
    health: HealthStatus = HealthStatus.UNKNOWN
    health_message: str = ""
    manifest_set: str = ""
    synced_manifest_set: str = ""
    synced_revision: Revision = Revision()
    resources: tuple[ResourceState, ...] = ()
    """Those that are not fine, the worst first, `DETAILS_LIMIT` at most."""
    not_fine: int = 0
    """How many there are in all."""
    total: int = 0
    operation: OperationState | None = None
    conditions: tuple[Condition, ...] = ()
    observed_ms: int = 0
    deleted: bool = False
    digest: str = ""

    @property
    def weight(self) -> int:
        """About how many bytes it takes to tell."""
        fields = sum(200 + len(d.live) + len(d.assigned) for r in self.resources for d in r.drift)
        results = self.operation.results if self.operation is not None else ()
        words = sum(300 + len(r.message) for r in self.resources) + sum(300 + len(r.message) for r in results)
        return 1000 + fields + words


@dataclass(frozen=True, slots=True)
class DriftReport:
    """One departure of one object from what was assigned."""

    id: str
    application: str
    uid: str
    key: ResourceKey
    kind: str
    """modified | deleted | label-removed"""
    fields: tuple[FieldDrift, ...]
    seen_ms: int
    healed_ms: int = 0
    hub_away: bool = False


def sealed(status: ApplicationStatus, observed_ms: int = 0) -> ApplicationStatus:
    """Return a status just made with the digest of its content; when it was observed is no part of that."""
    digest = hashlib.blake2b(encode(status), digest_size=16).hexdigest()
    return replace(status, observed_ms=observed_ms, digest=digest)


def inventory_digest(rows: Mapping[str, str]) -> str:
    """Return one SHA-256 over (application, digest) pairs, whatever their order; both ends compute it the same way."""
    digest = hashlib.sha256()
    for application in sorted(rows):
        digest.update(f"{application}\0{rows[application]}\n".encode())
    return digest.hexdigest()


def overall_sync(states: Mapping[ResourceKey, ResourceState], *, comparable: bool) -> SyncStatus:
    """Roll up the resources that are not fine. `comparable` is False when there is nothing to compare with."""
    if not comparable:
        return SyncStatus.UNKNOWN
    syncs = {state.sync for state in states.values() if state.counts}
    return next((s for s in (SyncStatus.OUT_OF_SYNC, SyncStatus.UNKNOWN) if s in syncs), SyncStatus.SYNCED)


def overall_health(
    states: Mapping[ResourceKey, ResourceState], *, any_live: bool, comparable: bool
) -> tuple[HealthStatus, str]:
    """Return the application's health and the reason: the worst resource's.

    Missing resources count only where nothing is live, as in Argo CD: an application half deployed is OutOfSync,
    and its health is that of what is there.
    """
    if not comparable:
        return HealthStatus.UNKNOWN, ""
    counted = [
        s
        for s in states.values()
        if s.health is not None and not s.requires_pruning and (s.health is not HealthStatus.MISSING or not any_live)
    ]
    health = worst(s.health for s in counted if s.health is not None)
    if health is HealthStatus.HEALTHY:
        return health, ""
    culprit = min((s for s in counted if s.health is health), key=lambda s: s.key)
    return health, f"{culprit.key}: {culprit.message}" if culprit.message else str(culprit.key)


def details(states: Mapping[ResourceKey, ResourceState]) -> tuple[ResourceState, ...]:
    """Return what is told in detail, in an order that equal content always has."""
    rank = {status: index for index, status in enumerate(HealthStatus)}

    def order(state: ResourceState) -> tuple[int, int, ResourceKey]:
        badness = rank[state.health] if state.health is not None else 0
        return -badness, 0 if state.sync is SyncStatus.OUT_OF_SYNC else 1, state.key

    told, room = [], DRIFT_BYTES
    for state in sorted(states.values(), key=order)[:DETAILS_LIMIT]:
        size = sum(len(d.path) + len(d.assigned) + len(d.live) + 100 for d in state.drift)
        room -= size
        told.append(state if room >= 0 or not size else replace(state, drift=()))
    return tuple(told)
