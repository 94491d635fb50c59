"""The wire's messages to the engine's values and back. Nothing else in the agent knows protobuf."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from agent.engine.assignment import (
    Assignment,
    Deletion,
    Held,
    IgnoreDifference,
    KindRule,
    ManifestSetRef,
    OperationRequest,
    OrphanedResources,
    Retry,
    Revision,
    SourceRevision,
    SyncPolicy,
    SyncWindow,
)
from agent.engine.drift import FieldDrift
from agent.engine.operation import UNCHANGED, OperationState, Phase, Result
from agent.engine.resource import ResourceKey
from agent.engine.status import ApplicationStatus, DriftReport, ResourceState
from escadre.v1 import agent_pb2 as pb


def key_from_proto(key: pb.ResourceKey) -> ResourceKey:
    return ResourceKey(key.group, key.kind, key.namespace, key.name)


def key_to_proto(key: ResourceKey) -> pb.ResourceKey:
    return pb.ResourceKey(group=key.group, kind=key.kind, namespace=key.namespace, name=key.name)


def set_from_proto(ref: pb.ManifestSetRef) -> ManifestSetRef:
    return ManifestSetRef(ref.digest.hex(), ref.signature.hex(), ref.key_id, ref.resources)


def revision_from_proto(revision: pb.Revision) -> Revision:
    return Revision(
        tuple(
            SourceRevision(s.repo_url, s.revision, s.author, s.message, s.committed_ms, s.chart, s.digest)
            for s in revision.sources
        )
    )


def revision_to_proto(revision: Revision) -> pb.Revision:
    return pb.Revision(
        sources=[
            pb.SourceRevision(
                repo_url=s.repo_url,
                revision=s.revision,
                author=s.author,
                message=s.message,
                committed_ms=s.committed_ms,
                chart=s.chart,
                digest=s.digest,
            )
            for s in revision.sources
        ]
    )


def assignment_from_proto(message: pb.Assignment) -> Assignment:
    return Assignment(
        application=message.application,
        uid=message.uid,
        generation=message.generation,
        digest=message.digest.hex(),
        project=message.project,
        namespace=message.namespace,
        manifest_set=set_from_proto(message.manifest_set),
        revision=revision_from_proto(message.revision),
        policy=_policy_from_proto(message.policy),
        ignore_differences=tuple(_ignore_from_proto(i) for i in message.ignore_differences),
        operation=_operation_from_proto(message.operation) if message.HasField("operation") else None,
        deletion=_deletion_from_proto(message.deletion) if message.HasField("deletion") else None,
        approved_ms=message.approved_ms,
        windows=tuple(_window_from_proto(w) for w in message.windows),
        orphans=_orphans_from_proto(message.orphans) if message.HasField("orphans") else None,
    )


def _orphans_from_proto(orphans: pb.OrphanedResources) -> OrphanedResources:
    return OrphanedResources(
        warn=orphans.warn,
        ignore=_rules_from_proto(orphans.ignore),
        permitted=_rules_from_proto(orphans.permitted) if orphans.restricted else None,
        denied=_rules_from_proto(orphans.denied),
    )


def _rules_from_proto(rules: Iterable[pb.KindRule]) -> tuple[KindRule, ...]:
    return tuple(KindRule(rule.group, rule.kind, rule.name) for rule in rules)


def _window_from_proto(window: pb.SyncWindow) -> SyncWindow:
    return SyncWindow(
        kind=window.kind,
        schedule=window.schedule,
        cron=window.cron,
        time_zone=window.time_zone,
        duration_seconds=window.duration_seconds,
        manual_sync=window.manual_sync,
        sync_overrun=window.sync_overrun,
        description=window.description,
    )


def _deletion_from_proto(deletion: pb.Deletion) -> Deletion:
    return Deletion(deletion.cascade, deletion.propagation, deletion.requested_ms)


def _policy_from_proto(policy: pb.SyncPolicy) -> SyncPolicy:
    retry = _retry_from_proto(policy.retry) if policy.HasField("retry") else Retry()
    managed = policy.HasField("namespace")
    return SyncPolicy(
        policy.automated,
        policy.prune,
        policy.self_heal,
        policy.allow_empty,
        tuple(policy.sync_options),
        retry,
        namespace_labels=dict(policy.namespace.labels) if managed else None,
        namespace_annotations=dict(policy.namespace.annotations) if managed else None,
    )


def _retry_from_proto(retry: pb.Retry) -> Retry:
    return Retry(retry.limit, retry.duration_seconds, retry.factor, retry.max_seconds, retry.refresh)


def _ignore_from_proto(entry: pb.IgnoreDifference) -> IgnoreDifference:
    return IgnoreDifference(
        entry.group,
        entry.kind,
        entry.name,
        entry.namespace,
        tuple(entry.json_pointers),
        tuple(entry.jq_path_expressions),
        tuple(entry.managed_fields_managers),
    )


def _operation_from_proto(operation: pb.Operation) -> OperationRequest:
    return OperationRequest(
        id=operation.id,
        kind=operation.kind,
        manifest_set=set_from_proto(operation.manifest_set),
        revision=revision_from_proto(operation.revision),
        initiated_by=operation.initiated_by,
        requested_ms=operation.requested_ms,
        prune=operation.prune,
        dry_run=operation.dry_run,
        force=operation.force,
        resources=tuple(key_from_proto(k) for k in operation.resources),
        sync_options=tuple(operation.sync_options),
        terminate=operation.terminate,
        retry=_retry_from_proto(operation.retry) if operation.HasField("retry") else None,
    )


def held_to_proto(held: Held) -> pb.HeldAssignment:
    return pb.HeldAssignment(
        application=held.application,
        uid=held.uid,
        generation=held.generation,
        digest=bytes.fromhex(held.digest),
        deleted=held.deleted,
    )


def capabilities_to_proto(
    version: str, api_versions: Sequence[str], cluster_kinds: Sequence[str], server: str
) -> pb.Capabilities:
    """`api_versions` and `cluster_kinds` are sorted, so that equal clusters have equal digests."""
    message = pb.Capabilities(kubernetes_version=version, api_versions=api_versions, cluster_kinds=cluster_kinds)
    message.digest = hashlib.sha256(message.SerializeToString(deterministic=True)).digest()
    message.server = server
    return message


def drift_to_proto(drift: FieldDrift) -> pb.FieldDrift:
    return pb.FieldDrift(
        path=drift.path,
        assigned=drift.assigned,
        live=drift.live,
        manager=drift.manager or "",
        changed=drift.changed_at or "",
        likely=drift.likely,
    )


def drifts_to_proto(drifts: Iterable[FieldDrift]) -> list[pb.FieldDrift]:
    return [drift_to_proto(d) for d in drifts]


def resource_to_proto(state: ResourceState) -> pb.ResourceStatus:
    return pb.ResourceStatus(
        key=key_to_proto(state.key),
        version=state.version,
        sync=state.sync,
        health=state.health or "",
        message=state.message[:2000],
        requires_pruning=state.requires_pruning,
        drift=drifts_to_proto(state.drift),
    )


def status_to_proto(status: ApplicationStatus) -> pb.ApplicationStatus:
    return pb.ApplicationStatus(
        application=status.application,
        uid=status.uid,
        generation=status.generation,
        sync=status.sync,
        health=status.health,
        health_message=status.health_message[:2000],
        manifest_set=bytes.fromhex(status.manifest_set),
        synced_manifest_set=bytes.fromhex(status.synced_manifest_set),
        synced_revision=revision_to_proto(status.synced_revision),
        resources=[resource_to_proto(r) for r in status.resources],
        not_fine=status.not_fine,
        total=status.total,
        operation=operation_to_proto(status.operation) if status.operation is not None else None,
        conditions=[
            pb.Condition(type=c.type, message=c.message[:4000], last_transition_ms=c.last_transition_ms)
            for c in status.conditions
        ],
        observed_ms=status.observed_ms,
        digest=bytes.fromhex(status.digest),
        deleted=status.deleted,
    )


def operation_to_proto(state: OperationState, *, results: bool = True) -> pb.OperationState:
    return pb.OperationState(
        id=state.id,
        application=state.application,
        uid=state.uid,
        kind=state.kind,
        phase=state.phase,
        message=state.message[:4000],
        manifest_set=bytes.fromhex(state.manifest_set),
        revision=revision_to_proto(state.revision),
        initiated_by=state.initiated_by,
        started_ms=state.started_ms,
        finished_ms=state.finished_ms,
        results=[_result_to_proto(r) for r in (_told(state) if results else ())],
        attempt=state.attempt,
        dry_run=state.dry_run,
        partial=state.partial,
        done=state.done,
        total=state.total,
        retry_limit=state.retry_limit,
        next_ms=state.next_ms,
    )


def _result_to_proto(result: Result) -> pb.OperationResult:
    return pb.OperationResult(
        key=key_to_proto(result.key),
        version=result.version,
        status=result.status,
        message=result.message,
        sync_phase=result.sync_phase,
        wave=result.wave,
        hook=result.hook,
        state=result.state,
        name=result.name,
        output=result.output,
        started_ms=result.started_ms,
        finished_ms=result.finished_ms,
    )


RESULTS_LIMIT = 1000


def _told(state: OperationState) -> list[Result]:
    """Results told in detail: what failed first, then hooks and what was changed; what was left as it was only in a dry
    run, or where it is waited for."""
    rank = {"SyncFailed": 0, "Pruned": 2, "PruneSkipped": 3}
    changed = [r for r in state.results if state.dry_run or r.message != UNCHANGED or r.state is Phase.RUNNING]
    return sorted(changed, key=lambda r: 1 if r.hook else rank.get(r.status, 4))[:RESULTS_LIMIT]


def drift_report_to_proto(report: DriftReport) -> pb.DriftReport:
    return pb.DriftReport(
        id=report.id,
        application=report.application,
        uid=report.uid,
        key=key_to_proto(report.key),
        kind=report.kind,
        fields=drifts_to_proto(report.fields),
        seen_ms=report.seen_ms,
        healed_ms=report.healed_ms,
        hub_away=report.hub_away,
    )
