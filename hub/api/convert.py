"""From the domain's values to the bodies of replies. Pure, and nothing but naming: what a value means is decided
elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from hub.api.models.application import (
    ApplicationSummary,
    ClusterCounts,
    ConditionItem,
    DeletionInfo,
    RefreshInfo,
    SourceItem,
)
from hub.api.models.cluster import ClusterItem
from hub.api.models.event import EventItem
from hub.api.models.operation import (
    AskedRevisionItem,
    HistoryItem,
    OperationFailureItem,
    OperationItem,
    OperationRequestItem,
    OperationResultItem,
    SourceRevisionItem,
)
from hub.api.models.project import ProjectDestinationItem, ProjectItem
from hub.api.models.resource import DriftItem, FieldDriftItem, ResourceItem
from hub.api.models.session import AccountReply
from hub.api.words import destination_words, sync_policy_words
from hub.domain.access import Account, Event
from hub.domain.application import Application, Deletion, Source
from hub.domain.cluster import Cluster
from hub.domain.manifest import ResourceKey
from hub.domain.operation import HistoryEntry, OperationRequest, OperationState
from hub.domain.project import Project
from hub.domain.revision import Revision
from hub.domain.status import Condition, DriftReport, FieldDrift, RefreshState, ResourceStatus, Rollup, overall_sync
from hub.source.urls import redact

Names = Mapping[str, str]
"""cluster uid → name"""


def summary_of(application: Application, state: RefreshState | None, rollup: Rollup) -> ApplicationSummary:
    spec = application.spec
    return ApplicationSummary(
        id=str(application.id),
        name=application.id.name,
        namespace=application.id.namespace,
        project=spec.project,
        labels=dict(application.labels),
        sources=[source_item(source) for source in spec.sources],
        destinations=[destination_words(destination) for destination in spec.destinations],
        sync=overall_sync(rollup, state.conditions if state else ()),
        health=rollup.health,
        clusters=ClusterCounts(
            total=rollup.clusters, synced=rollup.synced, healthy=rollup.healthy, unreachable=rollup.unreachable
        ),
        revision=state.revision.short if state else "",
        sync_policy=sync_policy_words(spec.sync_policy),
        condition_count=len(state.conditions) if state else 0,
        deleting=application.deletion is not None,
        created_at=application.created_at,
    )


def source_item(source: Source) -> SourceItem:
    return SourceItem(
        repo=redact(source.repo_url),
        path=source.path,
        chart=source.chart,
        target=source.target_revision,
        name=source.name,
        ref=source.ref,
    )


def revision_items(revision: Revision) -> list[SourceRevisionItem]:
    return [
        SourceRevisionItem(
            repo=redact(source.repo_url),
            revision=source.revision,
            author=source.author,
            message=source.message,
            committed_at=source.committed_at,
            chart=source.chart,
            digest=source.digest,
        )
        for source in revision.sources
    ]


def refresh_info(state: RefreshState | None) -> RefreshInfo:
    known = state or RefreshState("")
    return RefreshInfo(
        revision=known.revision.short,
        revisions=revision_items(known.revision),
        refreshed_at=known.refreshed_at,
        requested=known.requested,
        spec_generation=known.spec_generation,
    )


def condition_item(condition: Condition) -> ConditionItem:
    return ConditionItem(
        type=condition.type, message=condition.message, last_transition_at=condition.last_transition_at
    )


def deletion_info(deletion: Deletion) -> DeletionInfo:
    return DeletionInfo(
        cascade=deletion.cascade,
        propagation=deletion.propagation,
        requested_by=deletion.requested_by,
        requested_at=deletion.requested_at,
    )


def field_drift_item(drift: FieldDrift) -> FieldDriftItem:
    return FieldDriftItem(
        path=drift.path,
        assigned=drift.assigned,
        live=drift.live,
        manager=drift.manager,
        changed=drift.changed,
        likely=drift.likely,
    )


def resource_item(resource: ResourceStatus) -> ResourceItem:
    return ResourceItem(
        **key_fields(resource.key),
        version=resource.version,
        sync=resource.sync,
        health=resource.health or "",
        message=resource.message,
        requires_pruning=resource.requires_pruning,
        drift=[field_drift_item(drift) for drift in resource.drift],
    )


def drift_item(report: DriftReport, names: Names) -> DriftItem:
    return DriftItem(
        **key_fields(report.key),
        id=report.id,
        cluster=names.get(report.cluster, report.cluster),
        change=report.kind,
        fields=[field_drift_item(drift) for drift in report.fields],
        seen_at=report.seen_at,
        healed_at=report.healed_at,
        hub_away=report.hub_away,
    )


def operation_item(state: OperationState) -> OperationItem:
    return OperationItem(
        id=state.id,
        kind=state.kind,
        phase=state.phase,
        message=state.message,
        revision=state.revision.short,
        revisions=[source.revision for source in state.revision.sources],
        initiated_by=state.initiated_by,
        started_at=state.started_at,
        finished_at=state.finished_at,
        attempt=state.attempt,
        dry_run=state.dry_run,
        partial=state.partial,
        done=state.done,
        total=state.total,
        retry_limit=state.retry_limit,
        next_at=state.next_at,
        results=[
            OperationResultItem(
                **key_fields(result.key),
                version=result.version,
                status=result.status,
                message=result.message,
                sync_phase=result.sync_phase,
                wave=result.wave,
                hook=result.hook,
                state=result.state,
                object_name=result.name,
                output=result.output,
                started_at=result.started_at,
                finished_at=result.finished_at,
            )
            for result in state.results
        ],
    )


def operation_request_item(request: OperationRequest, names: Names) -> OperationRequestItem:
    """Without the states, which others know."""
    return OperationRequestItem(
        id=request.id,
        kind=request.kind,
        initiated_by=request.initiated_by,
        requested_at=request.requested_at,
        clusters=[names.get(uid, uid) for uid in request.clusters],
        history_id=request.history_id,
        prune=request.prune,
        dry_run=request.dry_run,
        force=request.force,
        resources=[resource_words(key) for key in request.resources],
        sync_options=list(request.sync_options),
        revision=request.target_revision,
        revisions=[
            AskedRevisionItem(position=choice.position + 1, repo=redact(choice.repo_url), revision=choice.revision)
            for choice in request.revisions
        ],
        terminate=request.terminate,
        failures=[
            OperationFailureItem(clusters=[names.get(uid, uid) for uid in f.clusters], message=f.message, at=f.at)
            for f in request.failures
        ],
        states=[],
    )


def history_item(entry: HistoryEntry, names: Names, sources: Mapping[str, bytes]) -> HistoryItem:
    """`sources`: by digest, what entries were made from, as far as it is kept."""
    return HistoryItem(
        id=entry.id,
        cluster=names.get(entry.cluster, entry.cluster),
        operation_id=entry.operation,
        revision=entry.revision.short,
        revisions=revision_items(entry.revision),
        manifest_set=entry.manifest_set,
        initiated_by=entry.initiated_by,
        started_at=entry.started_at,
        deployed_at=entry.deployed_at,
        sources=[
            {**source, "repoURL": redact(str(source.get("repoURL", "")))}
            for source in orjson.loads(sources.get(entry.sources, b"[]"))
        ],
    )


def event_item(event: Event, names: Names) -> EventItem:
    return EventItem(
        at=event.at,
        severity=event.severity,
        reason=event.reason,
        message=event.message,
        cluster=names.get(event.cluster, event.cluster),
        application=event.application,
        actor=event.actor,
    )


def cluster_item(cluster: Cluster, applications: int) -> ClusterItem:
    connection = cluster.connection
    return ClusterItem(
        name=cluster.name,
        uid=cluster.uid,
        labels=dict(cluster.labels),
        server=cluster.server,
        liveness=connection.liveness,
        since=connection.changed_at,
        last_seen_at=connection.last_seen_at,
        agent_version=connection.agent_version,
        simulated=connection.simulated,
        kubernetes_version=cluster.capabilities.kubernetes_version,
        applications=applications,
        created_at=cluster.created_at,
    )


def project_item(project: Project, applications: int) -> ProjectItem:
    return ProjectItem(
        name=project.name,
        description=project.description,
        source_repos=[redact(url) for url in project.source_repos],
        destinations=[
            ProjectDestinationItem(server=d.server, name=d.name, namespace=d.namespace) for d in project.destinations
        ],
        applications=applications,
    )


def account_reply(account: Account) -> AccountReply:
    return AccountReply(name=account.name, role=account.role, enabled=account.enabled, created_at=account.created_at)


def key_fields(key: ResourceKey) -> dict[str, str]:
    return {"group": key.group, "kind": key.kind, "namespace": key.namespace, "name": key.name}


def resource_words(key: ResourceKey) -> str:
    """Return a resource as `app sync --resource` takes it: GROUP:KIND:NAME or GROUP:KIND:NAMESPACE/NAME."""
    place = f"{key.namespace}/{key.name}" if key.namespace else key.name
    return f"{key.group}:{key.kind}:{place}"
