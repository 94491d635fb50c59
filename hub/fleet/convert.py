"""Domain values to the wire's messages and back. Nothing else in the hub knows protobuf's fields."""

from __future__ import annotations

from datetime import UTC, datetime

from escadre.v1 import agent_pb2 as pb
from hub.domain.application import IgnoreDifference, Retry, SyncPolicy
from hub.domain.assignment import Assignment
from hub.domain.cluster import Capabilities
from hub.domain.manifest import ManifestSetRef, ResourceKey
from hub.domain.operation import (
    OperationKind,
    OperationPhase,
    OperationRequest,
    OperationResult,
    OperationState,
)
from hub.domain.project import GroupKindRule, OrphanRules
from hub.domain.revision import Revision, SourceRevision
from hub.domain.status import (
    ApplicationStatus,
    Condition,
    DriftReport,
    FieldDrift,
    HealthStatus,
    ResourceStatus,
    SyncStatus,
)
from hub.domain.window import SyncWindow, cron_of

GENERATION_LIMIT = 2**53
"""No hub comes to so many changes, and every database and reader of JSON can hold the number."""


OUTPUT_LIMIT = 8192
"""Characters kept of what a hook has written."""


class Malformed(ValueError):
    """An agent sent a value that the vocabulary does not have."""


def millis(at: datetime | None) -> int:
    return int(at.timestamp() * 1000) if at is not None else 0


def from_millis(value: int) -> datetime | None:
    """Read Unix milliseconds; 0 is None. Raises Malformed beyond year 9999."""
    if value == 0:
        return None
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Malformed(f"time {value}") from error


def generation_of(value: int) -> int:
    """Return a generation that an agent named. Raises Malformed for one beyond GENERATION_LIMIT."""
    if value > GENERATION_LIMIT:
        raise Malformed(f"generation {value}")
    return value


# --- to agents


def assignment_to_proto(assignment: Assignment) -> pb.Assignment:
    content = assignment.content
    message = pb.Assignment(
        application=content.application,
        uid=content.application_uid,
        generation=assignment.generation,
        digest=bytes.fromhex(assignment.digest),
        project=content.project,
        namespace=content.namespace,
        manifest_set=set_to_proto(content.manifest_set),
        revision=revision_to_proto(content.revision),
        policy=_policy_to_proto(content.policy),
        ignore_differences=[_ignore_to_proto(i) for i in content.ignore_differences],
        approved_ms=millis(content.approved_at),
        windows=[_window_to_proto(w) for w in content.windows],
    )
    if content.orphans is not None:
        message.orphans.CopyFrom(_orphans_to_proto(content.orphans))
    if content.operation is not None:
        message.operation.CopyFrom(_request_to_proto(content.operation))
    if content.deletion is not None:
        message.deletion.CopyFrom(
            pb.Deletion(
                cascade=content.deletion.cascade,
                propagation=content.deletion.propagation,
                requested_ms=millis(content.deletion.requested_at),
            )
        )
    return message


def set_to_proto(ref: ManifestSetRef) -> pb.ManifestSetRef:
    return pb.ManifestSetRef(
        digest=bytes.fromhex(ref.digest), signature=ref.signature, key_id=ref.key_id, resources=ref.resources
    )


def revision_to_proto(revision: Revision) -> pb.Revision:
    return pb.Revision(
        sources=[
            pb.SourceRevision(
                repo_url=s.repo_url,
                revision=s.revision,
                author=s.author,
                message=s.message,
                committed_ms=millis(s.committed_at),
                chart=s.chart,
                digest=s.digest,
            )
            for s in revision.sources
        ]
    )


def _retry_to_proto(retry: Retry) -> pb.Retry:
    return pb.Retry(
        limit=retry.limit,
        duration_seconds=retry.backoff.duration,
        factor=retry.backoff.factor,
        max_seconds=retry.backoff.max_duration,
        refresh=retry.refresh,
    )


def _policy_to_proto(policy: SyncPolicy) -> pb.SyncPolicy:
    automated = policy.automated
    message = pb.SyncPolicy(sync_options=policy.sync_options)
    if automated is not None:
        message.automated = True
        message.prune = automated.prune
        message.self_heal = automated.self_heal
        message.allow_empty = automated.allow_empty
    if policy.retry is not None:
        message.retry.CopyFrom(_retry_to_proto(policy.retry))
    if policy.namespace is not None:
        message.namespace.SetInParent()
        message.namespace.labels.update(policy.namespace.labels)
        message.namespace.annotations.update(policy.namespace.annotations)
    return message


def _ignore_to_proto(entry: IgnoreDifference) -> pb.IgnoreDifference:
    return pb.IgnoreDifference(
        group=entry.group,
        kind=entry.kind,
        name=entry.name,
        namespace=entry.namespace,
        json_pointers=entry.json_pointers,
        jq_path_expressions=entry.jq_path_expressions,
        managed_fields_managers=entry.managed_fields_managers,
    )


def _window_to_proto(window: SyncWindow) -> pb.SyncWindow:
    cron, zone = cron_of(window)
    return pb.SyncWindow(
        kind=window.kind,
        schedule=window.schedule,
        cron=cron,
        time_zone=zone,
        duration_seconds=window.duration,
        manual_sync=window.manual_sync,
        sync_overrun=window.sync_overrun,
        description=window.description,
    )


def _orphans_to_proto(rules: OrphanRules) -> pb.OrphanedResources:
    return pb.OrphanedResources(
        warn=rules.warn,
        ignore=map(_rule_to_proto, rules.ignore),
        restricted=rules.permitted is not None,
        permitted=map(_rule_to_proto, rules.permitted or ()),
        denied=map(_rule_to_proto, rules.denied),
    )


def _rule_to_proto(rule: GroupKindRule) -> pb.KindRule:
    return pb.KindRule(group=rule.group, kind=rule.kind, name=rule.name)


def _key_to_proto(key: ResourceKey) -> pb.ResourceKey:
    return pb.ResourceKey(group=key.group, kind=key.kind, namespace=key.namespace, name=key.name)


def _request_to_proto(request: OperationRequest) -> pb.Operation:
    return pb.Operation(
        id=request.id,
        kind=request.kind,
        manifest_set=set_to_proto(request.manifest_set),
        revision=revision_to_proto(request.revision),
        prune=request.prune,
        dry_run=request.dry_run,
        force=request.force,
        resources=[_key_to_proto(k) for k in request.resources],
        initiated_by=request.initiated_by,
        requested_ms=millis(request.requested_at),
        terminate=request.terminate,
        sync_options=request.sync_options,
        retry=_retry_to_proto(request.retry) if request.retry is not None else None,
    )


# --- from agents


def key_from_proto(key: pb.ResourceKey) -> ResourceKey:
    return ResourceKey(key.group, key.kind, key.namespace, key.name)


def revision_from_proto(revision: pb.Revision) -> Revision:
    return Revision(
        tuple(
            SourceRevision(s.repo_url, s.revision, s.author, s.message, from_millis(s.committed_ms), s.chart, s.digest)
            for s in revision.sources
        )
    )


def capabilities_from_proto(message: pb.Capabilities) -> Capabilities:
    return Capabilities(
        message.kubernetes_version[:64],
        tuple(message.api_versions[:20_000]),
        message.digest.hex(),
        tuple(message.cluster_kinds[:20_000]),
    )


def drift_from_proto(drift: pb.FieldDrift) -> FieldDrift:
    return FieldDrift(drift.path, drift.assigned, drift.live, drift.manager, drift.changed, drift.likely)


def resource_from_proto(resource: pb.ResourceStatus) -> ResourceStatus:
    return ResourceStatus(
        key=key_from_proto(resource.key),
        version=resource.version,
        sync=_sync(resource.sync),
        health=_health(resource.health) if resource.health else None,
        message=resource.message,
        requires_pruning=resource.requires_pruning,
        drift=tuple(drift_from_proto(d) for d in resource.drift),
    )


def status_from_proto(status: pb.ApplicationStatus, cluster: str) -> ApplicationStatus:
    """Read one status; the cluster is the one the certificate names. Raises Malformed."""
    return ApplicationStatus(
        application=status.application,
        cluster=cluster,
        application_uid=status.uid,
        generation=generation_of(status.generation),
        sync=_sync(status.sync),
        health=_health(status.health),
        health_message=status.health_message,
        manifest_set=status.manifest_set.hex(),
        synced_manifest_set=status.synced_manifest_set.hex(),
        synced_revision=revision_from_proto(status.synced_revision),
        resources=tuple(resource_from_proto(r) for r in status.resources),
        not_fine=status.not_fine,
        total=status.total,
        operation=operation_from_proto(status.operation) if status.HasField("operation") else None,
        conditions=tuple(
            Condition(c.type, c.message, from_millis(c.last_transition_ms) or datetime.fromtimestamp(0, UTC))
            for c in status.conditions
        ),
        observed_at=from_millis(status.observed_ms),
        digest=status.digest.hex(),
    )


def operation_from_proto(state: pb.OperationState) -> OperationState:
    """Read how an operation stands. Raises Malformed."""
    try:
        kind, phase = OperationKind(state.kind), OperationPhase(state.phase)
    except ValueError as error:
        raise Malformed(f"operation {state.kind!r} in phase {state.phase!r}") from error
    return OperationState(
        id=state.id,
        kind=kind,
        phase=phase,
        message=state.message,
        manifest_set=state.manifest_set.hex(),
        revision=revision_from_proto(state.revision),
        initiated_by=state.initiated_by,
        started_at=from_millis(state.started_ms),
        finished_at=from_millis(state.finished_ms),
        results=tuple(map(_result_from_proto, state.results)),
        attempt=state.attempt,
        dry_run=state.dry_run,
        partial=state.partial,
        done=state.done,
        total=state.total,
        retry_limit=state.retry_limit,
        next_at=from_millis(state.next_ms),
    )


def _result_from_proto(result: pb.OperationResult) -> OperationResult:
    return OperationResult(
        key=key_from_proto(result.key),
        version=result.version,
        status=result.status,
        message=result.message,
        sync_phase=result.sync_phase or "Sync",
        wave=result.wave,
        hook=result.hook,
        state=result.state,
        name=result.name,
        output=result.output[:OUTPUT_LIMIT],
        started_at=from_millis(result.started_ms),
        finished_at=from_millis(result.finished_ms),
    )


def drift_report_from_proto(report: pb.DriftReport, cluster: str) -> DriftReport:
    return DriftReport(
        id=report.id,
        application=report.application,
        cluster=cluster,
        key=key_from_proto(report.key),
        kind=report.kind,
        fields=tuple(drift_from_proto(d) for d in report.fields),
        seen_at=from_millis(report.seen_ms) or datetime.fromtimestamp(0, UTC),
        healed_at=from_millis(report.healed_ms),
        hub_away=report.hub_away,
    )


def _sync(text: str) -> SyncStatus:
    try:
        return SyncStatus(text)
    except ValueError as error:
        raise Malformed(f"sync status {text!r}") from error


def _health(text: str) -> HealthStatus:
    try:
        return HealthStatus(text)
    except ValueError as error:
        raise Malformed(f"health status {text!r}") from error
