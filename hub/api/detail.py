"""One application with everything that is known of it, on every cluster it is assigned to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hub.api.convert import (
    condition_item,
    deletion_info,
    drift_item,
    operation_item,
    refresh_info,
    resource_item,
    summary_of,
)
from hub.api.models.application import ApplicationCluster, ApplicationDetail, ApplicationSummary
from hub.api.models.operation import OperationItem
from hub.domain.application import Application
from hub.domain.assignment import Assignment
from hub.domain.cluster import Cluster, Liveness
from hub.domain.operation import OperationRequest, OperationState, RequestFailure, failed_state
from hub.domain.status import ApplicationStatus, Condition, ConditionType, DriftReport, RefreshState, roll_up
from hub.formats.application import dump_application
from hub.source.urls import redact
from hub.store.contract import Store, StoreTrouble

RESOURCES_TOLD = 2_000
"""Over all clusters of one application; a question about one cluster tells all there are."""
_DRIFTS_READ = 200
_FAILURES_TOLD = 5


@dataclass(frozen=True, slots=True)
class Known:
    """What the store holds of one application."""

    application: Application
    state: RefreshState | None
    assignments: Mapping[str, Assignment]
    """By cluster uid."""
    statuses: Mapping[str, ApplicationStatus]
    """By cluster uid."""
    clusters: Mapping[str, Cluster]
    """Every cluster by uid."""
    last_drifts: Mapping[str, DriftReport]
    """By cluster uid."""
    requests: Sequence[OperationRequest] = ()
    """What was asked for lately, newest first."""
    trouble: StoreTrouble | None = None
    """What keeps the hub from storing anything."""

    @property
    def names(self) -> dict[str, str]:
        return {uid: cluster.name for uid, cluster in self.clusters.items()}

    @property
    def places(self) -> list[tuple[Cluster, Assignment]]:
        """Its clusters, by name."""
        found = [(self.clusters[uid], a) for uid, a in self.assignments.items() if uid in self.clusters]
        return sorted(found, key=lambda place: place[0].name)

    def operation(self, uid: str) -> OperationState | None:
        """Return the newest operation on a cluster: what its agent tells, or what was asked for after that and could
        not be assigned."""
        status = self.statuses.get(uid)
        reported = status.operation if status else None
        request = next((r for r in self.requests if not r.clusters or uid in r.clusters), None)
        failure = request.failure_on(uid) if request else None
        if request is None or failure is None or _came_after(reported, failure, self.requests):
            return reported
        return failed_state(request, failure)

    def requested_at(self, uid: str) -> datetime | None:
        """Return when the operation that a cluster's agent tells of was asked for."""
        status = self.statuses.get(uid)
        id = status.operation.id if status and status.operation else ""
        return next((request.requested_at for request in self.requests if request.id == id), None)


def _came_after(reported: OperationState | None, failure: RequestFailure, requests: Sequence[OperationRequest]) -> bool:
    """Whether an agent's operation began after a failure. One that was asked for did not: the failed one is newer."""
    if reported is None or any(request.id == reported.id for request in requests):
        return False
    return reported.started_at is not None and reported.started_at > failure.at


async def read_known(store: Store, application: Application) -> Known:
    """Raises StoreUnavailable."""
    id = str(application.id)
    assignments = await store.assignments_of_application(id)
    statuses = await store.statuses_of_application(id)
    drifts = await store.drifts_of_application(id, limit=_DRIFTS_READ)
    return Known(
        application=application,
        state=(await store.get_refresh_states([id])).get(id),
        assignments={a.cluster: a for a in assignments},
        # A status may be of an earlier application of this name.
        statuses={s.cluster: s for s in statuses if s.application_uid in ("", application.uid)},
        clusters={c.uid: c for c in await store.list_clusters()},
        last_drifts={d.cluster: d for d in reversed(drifts)},
        requests=await store.operation_requests(id),
        trouble=store.trouble(),
    )


def summary_from(known: Known) -> ApplicationSummary:
    standings = []
    for cluster, _ in known.places:
        status = known.statuses.get(cluster.uid) or _unreported(known.application, cluster)
        standings.append((status.sync, status.health, cluster.connection.liveness is Liveness.CONNECTED))
    return summary_of(known.application, known.state, roll_up(standings))


def cluster_rows(known: Known) -> list[ApplicationCluster]:
    """Return one row for each cluster, by name, with as many resources as may be told in all."""
    rows = []
    budget = RESOURCES_TOLD
    places = known.places
    for cluster, assignment in places:
        row = _row(known, cluster, assignment, budget)
        # One bad cluster does not take the others' share.
        budget -= len(row.resources) if len(places) > 1 else 0
        rows.append(row)
    return rows


def detail_from(known: Known, *, reveal: bool) -> ApplicationDetail:
    """`reveal`: whether the caller may see credentials that stand in a repository's address."""
    application = known.application
    manifest = dump_application(application)
    return ApplicationDetail(
        summary=summary_from(known),
        uid=application.uid,
        generation=application.generation,
        manifest=manifest if reveal else redacted(manifest),
        conditions=[condition_item(c) for c in _conditions(known)],
        refresh=refresh_info(known.state),
        failed_operation=_failed_operation(known),
        clusters=cluster_rows(known),
        deletion=deletion_info(application.deletion) if application.deletion else None,
    )


def _failed_operation(known: Known) -> OperationItem | None:
    """Return what was asked for last, if it could not be assigned; its message tells of all failures."""
    request = known.requests[0] if known.requests else None
    if request is None or not request.failures:
        return None
    return operation_item(replace(failed_state(request, request.failures[-1]), message=failure_words(request, known)))


def failure_words(request: OperationRequest, known: Known) -> str:
    """Return where and why a request could not be assigned, in one sentence."""
    told = []
    for failure in request.failures[:_FAILURES_TOLD]:
        names = sorted(known.names.get(uid, uid) for uid in failure.clusters)
        more = f" and {len(names) - _FAILURES_TOLD} more" if len(names) > _FAILURES_TOLD else ""
        where = f"{', '.join(names[:_FAILURES_TOLD])}{more}: " if names else ""
        told.append(f"{where}{failure.message}")
    return "; ".join(told)


def _conditions(known: Known) -> list[Condition]:
    """Those found at the last look, and what would keep another one from being stored."""
    found = list(known.state.conditions) if known.state else []
    if known.trouble is not None:
        message = f"the hub cannot store anything, so nothing new is assigned: {known.trouble.message}"
        found.append(Condition(ConditionType.UNKNOWN_ERROR, message, known.trouble.since))
    return found


def redacted(value: Any) -> Any:
    """Return a manifest without the credentials that a `repoURL` may hold."""
    if isinstance(value, Mapping):
        return {
            key: redact(item) if key == "repoURL" and isinstance(item, str) else redacted(item)
            for key, item in value.items()
        }
    return [redacted(item) for item in value] if isinstance(value, list) else value


def named(clusters: Iterable[Cluster], names: Iterable[str]) -> tuple[list[Cluster], list[str]]:
    """Return the clusters of these names, and the names of which there is none."""
    by_name = {cluster.name: cluster for cluster in clusters}
    wanted = list(dict.fromkeys(names))
    return [by_name[name] for name in wanted if name in by_name], [name for name in wanted if name not in by_name]


def _row(known: Known, cluster: Cluster, assignment: Assignment, budget: int) -> ApplicationCluster:
    status = known.statuses.get(cluster.uid) or _unreported(known.application, cluster)
    drift = known.last_drifts.get(cluster.uid)
    operation = known.operation(cluster.uid)
    told = status.resources[: max(budget, 0)]
    return ApplicationCluster(
        cluster=cluster.name,
        labels=dict(cluster.labels),
        liveness=cluster.connection.liveness,
        since=cluster.connection.changed_at,
        sync=status.sync,
        health=status.health,
        message=status.health_message,
        revision=assignment.content.revision.short,
        synced_revision=status.synced_revision.short,
        generation=assignment.generation,
        acknowledged_generation=assignment.acknowledged_generation,
        observed_generation=status.generation,
        refusal=assignment.refusal,
        held=assignment.held,
        deleting=assignment.content.deletion is not None,
        observed_at=status.observed_at,
        total=status.total if status.generation else assignment.content.manifest_set.resources,
        not_fine=status.not_fine,
        resources=[resource_item(resource) for resource in told],
        resources_truncated=len(told) < status.not_fine,
        operation=operation_item(operation) if operation else None,
        operation_requested_at=known.requested_at(cluster.uid),
        conditions=[condition_item(c) for c in status.conditions],
        last_drift=drift_item(drift, {cluster.uid: cluster.name}) if drift else None,
    )


def _unreported(application: Application, cluster: Cluster) -> ApplicationStatus:
    return ApplicationStatus(
        application=str(application.id), cluster=cluster.uid, application_uid=application.uid, generation=0
    )
