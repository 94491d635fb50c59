"""Operations: asking for a sync, rollback, refresh or end of one; how they went; and the history they leave.

Nothing here does what is asked: it is written down, and the controller takes it up.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from hub.api.about import check_history
from hub.api.again import worked_out
from hub.api.context import Api, ApiDep, Caller, CallerDep
from hub.api.convert import history_item, operation_item, operation_request_item
from hub.api.detail import Known, read_known
from hub.api.errors import documented
from hub.api.models.operation import (
    ClusterOperation,
    DeletionConfirmed,
    HistoryList,
    OperationAccepted,
    OperationList,
    OperationRequestItem,
    RefreshAccepted,
    RollbackRequest,
    SyncRequest,
    TerminateRequest,
)
from hub.api.params import DEFAULT, ApplicationName, InCluster, Limit, Namespace
from hub.api.routes.router import private_router
from hub.api.sources import chosen, only
from hub.api.store_apps import find, request_look
from hub.api.targets import find_resources, parse_resource, read_sets, select_cluster, select_clusters
from hub.domain.application import (
    DELETION_APPROVED,
    Application,
    Backoff,
    Retry,
    skip_words,
    with_annotation,
)
from hub.domain.cluster import Cluster
from hub.domain.manifest import ResourceKey
from hub.domain.operation import OperationKind, OperationRequest, history_entry
from hub.domain.sources import SourceChoice
from hub.errors import Conflict, Invalid
from hub.formats.policy import sync_option_problem

router = private_router("operations")

Hard = Annotated[bool, Query(description="Render again even what is known already.")]


@router.post(
    "/applications/{name}/sync",
    operation_id="syncApplication",
    summary="Bring clusters to what is assigned to them",
    status_code=202,
    responses=documented("invalid", "not-found", "conflict"),
)
async def sync(
    name: ApplicationName, body: SyncRequest, api: ApiDep, caller: CallerDep, namespace: Namespace = DEFAULT
) -> OperationAccepted:
    known = await _operable(api, caller, name, namespace)
    _check_not_left(known.application)
    for option in body.sync_options:
        if problem := sync_option_problem(option):
            raise Invalid(f"sync option {option[:100]!r} {problem}")
    choices = _choices(known.application, body)
    clusters = select_clusters(known, body.clusters)
    request = OperationRequest(
        id=str(uuid.uuid4()),
        kind=OperationKind.SYNC,
        initiated_by=caller.name,
        requested_at=api.services.clock(),
        clusters=_uids(clusters, body.clusters),
        target_revision=body.revision,
        revisions=choices,
        retry=_retry(body),
        prune=body.prune,
        dry_run=body.dry_run,
        force=body.force,
        resources=await _resources(api, known, clusters, body.resources),
        sync_options=tuple(body.sync_options),
    )
    return await _request(api, caller, known, request, "SyncRequested")


@router.post(
    "/applications/{name}/rollback",
    operation_id="rollBackApplication",
    summary="Bring clusters back to what was deployed there before",
    status_code=202,
    responses=documented("invalid", "not-found", "conflict"),
)
async def roll_back(
    name: ApplicationName, body: RollbackRequest, api: ApiDep, caller: CallerDep, namespace: Namespace = DEFAULT
) -> OperationAccepted:
    known = await _operable(api, caller, name, namespace)
    _check_not_left(known.application)
    if known.application.spec.sync_policy.automated is not None and not body.dry_run:
        raise Conflict(
            f"application {known.application.id.display} is synced automatically, which would undo a rollback at "
            "once: set its sync policy to manual first"
        )
    clusters = select_clusters(known, body.clusters)
    history = await api.services.store.history(str(known.application.id))
    mine = {c.uid: history_entry([h for h in history if h.cluster == c.uid], body.history_id) for c in clusters}
    check_history(known, mine, body.history_id)
    request = OperationRequest(
        id=str(uuid.uuid4()),
        kind=OperationKind.ROLLBACK,
        initiated_by=caller.name,
        requested_at=api.services.clock(),
        clusters=_uids(clusters, body.clusters),
        history_id=body.history_id,
        prune=body.prune,
        dry_run=body.dry_run,
    )
    return await _request(api, caller, known, request, "RollbackRequested")


@router.post(
    "/applications/{name}/terminate",
    operation_id="terminateOperation",
    summary="End the operation that is under way",
    status_code=202,
    responses=documented("invalid", "not-found", "conflict"),
)
async def terminate(
    name: ApplicationName, body: TerminateRequest, api: ApiDep, caller: CallerDep, namespace: Namespace = DEFAULT
) -> OperationAccepted:
    known = await _operable(api, caller, name, namespace)
    clusters = select_clusters(known, body.clusters)
    requests = known.requests
    # Asked for while there is no cluster to begin on: what would begin by itself once there is one.
    is_pending = not clusters and bool(requests) and not (requests[0].terminate or requests[0].failures)
    if not is_pending and not any(_under_way(known, cluster, requests) for cluster in clusters):
        raise Conflict(f"no operation of application {known.application.id.display} is under way there")
    request = OperationRequest(
        id=str(uuid.uuid4()),
        kind=OperationKind.SYNC,
        initiated_by=caller.name,
        requested_at=api.services.clock(),
        clusters=_uids(clusters, body.clusters),
        terminate=True,
    )
    return await _request(api, caller, known, request, "TerminationRequested")


@router.post(
    "/applications/{name}/confirm-deletion",
    operation_id="confirmDeletion",
    summary="Confirm the deletions that wait for it",
    status_code=202,
    responses=documented("not-found", "conflict"),
)
async def confirm_deletion(
    name: ApplicationName, api: ApiDep, caller: CallerDep, namespace: Namespace = DEFAULT
) -> DeletionConfirmed:
    """An operation takes the confirmation if it began before it; one that begins later asks again."""
    services = api.services
    at = services.clock()

    async def change() -> Application:
        application = await find(api, caller, name, namespace, "delete")
        confirmed = with_annotation(application, DELETION_APPROVED, at.isoformat().replace("+00:00", "Z"))
        return await services.store.put_application(confirmed, over=application)

    application = await worked_out(change)
    message = f"deletions of application {application.id.display} that ask for a confirmation were confirmed"
    await services.audit.record("DeletionConfirmed", message, actor=caller.name, application=str(application.id))
    await services.store.request_refresh([str(application.id)], "normal")
    await services.bus.publish("applications", str(application.id))
    known = await read_known(services.store, application)
    ends = application.deletion is not None
    clusters = [
        cluster.name
        for cluster, assignment in known.places
        if ends or assignment.content.deletion is not None or _under_way(known, cluster, known.requests)
    ]
    return DeletionConfirmed(application=str(application.id), confirmed_at=at, clusters=clusters)


@router.post(
    "/applications/{name}/refresh",
    operation_id="refreshApplication",
    summary="Look for a new commit now",
    status_code=202,
    responses=documented("not-found", "conflict"),
)
async def refresh(
    name: ApplicationName, api: ApiDep, caller: CallerDep, namespace: Namespace = DEFAULT, hard: Hard = False
) -> RefreshAccepted:
    application = await find(api, caller, name, namespace, "sync")
    _check_not_left(application)
    mode = "hard" if hard else "normal"
    await request_look(api, application.id, mode)
    return RefreshAccepted(application=str(application.id), mode=mode)


@router.get(
    "/applications/{name}/operations",
    operation_id="listOperations",
    summary="What was asked for lately, and how far each cluster is with it",
    responses=documented("not-found"),
)
async def operations(
    name: ApplicationName, api: ApiDep, caller: CallerDep, namespace: Namespace = DEFAULT
) -> OperationList:
    known = await read_known(api.services.store, await find(api, caller, name, namespace))
    names = known.names
    states: dict[str, list[ClusterOperation]] = {}
    for uid in known.assignments.keys() | known.statuses.keys():
        operation = known.operation(uid)
        if operation is not None:
            state = ClusterOperation(cluster=names.get(uid, uid), **operation_item(operation).model_dump())
            states.setdefault(state.id, []).append(state)
    items: list[OperationRequestItem] = []
    for request in known.requests:
        item = operation_request_item(request, names)
        item.states = sorted(states.get(request.id, []), key=lambda state: state.cluster)
        items.append(item)
    return OperationList(items=items)


@router.get(
    "/applications/{name}/history",
    operation_id="listHistory",
    summary="Deployments that succeeded, newest first",
    responses=documented("not-found"),
)
async def history(
    name: ApplicationName,
    api: ApiDep,
    caller: CallerDep,
    namespace: Namespace = DEFAULT,
    cluster: InCluster = "",
    limit: Limit = 200,
) -> HistoryList:
    known = await read_known(api.services.store, await find(api, caller, name, namespace))
    uid = select_cluster(known, cluster)[0].uid if cluster else ""
    entries = await api.services.store.history(str(known.application.id), uid)
    sources = await api.services.store.get_blobs({entry.sources for entry in entries[:limit] if entry.sources})
    return HistoryList(items=[history_item(entry, known.names, sources) for entry in entries[:limit]])


async def _operable(api: Api, caller: Caller, name: str, namespace: str) -> Known:
    application = await find(api, caller, name, namespace, "sync")
    if application.deletion is not None:
        raise Conflict(f"application {application.id.display} is being deleted")
    return await read_known(api.services.store, application)


def _check_not_left(application: Application) -> None:
    """Nothing new begins of an application that is left as it is; what runs may be ended. Raises Conflict."""
    if application.skips_reconcile:
        raise Conflict(skip_words(application))


def _retry(body: SyncRequest) -> Retry | None:
    """Raises Invalid."""
    asked = body.retry
    if asked is None:
        return None
    if asked.refresh and (body.revision or body.revisions):
        raise Invalid("a sync to one revision cannot be tried again with the newest: leave out one of the two")
    return Retry(asked.limit, Backoff(asked.duration, asked.factor, asked.max_duration), asked.refresh)


def _choices(application: Application, body: SyncRequest) -> tuple[SourceChoice, ...]:
    """Return which sources are to be synced to other revisions, where that is asked source by source. Raises Invalid
    where it is unclear which are meant, Conflict where that would be undone at once."""
    choices = chosen(application, body, body.revision)
    wanted = (only(application, body.revision),) if body.revision else choices
    if application.spec.sync_policy.automated is not None and not body.dry_run:
        for choice in wanted:
            _check_not_undone(application, choice)
    return choices


def _check_not_undone(application: Application, choice: SourceChoice) -> None:
    """Raises Conflict."""
    sources = application.spec.sources
    followed = sources[choice.position].target_revision
    if choice.revision == followed:
        return
    what = f"source {choice.position + 1} of application" if len(sources) > 1 else "application"
    raise Conflict(
        f"{what} {application.id.display} is synced automatically to {followed!r}, which would undo a sync to "
        f"{choice.revision!r} at once: set its sync policy to manual first, or change its targetRevision"
    )


def _uids(clusters: Sequence[Cluster], asked: Sequence[str]) -> tuple[str, ...]:
    """Return whom the request is for; nobody in particular when it is for all, which a change of the application that
    has not been taken up yet may add to."""
    return tuple(cluster.uid for cluster in clusters) if asked else ()


async def _resources(
    api: Api, known: Known, clusters: Sequence[Cluster], texts: Sequence[str]
) -> tuple[ResourceKey, ...]:
    if not texts:
        return ()
    wanted = [parse_resource(text) for text in texts]
    digests = {known.assignments[cluster.uid].content.manifest_set.digest for cluster in clusters}
    return find_resources(known, clusters, await read_sets(api.services.store, digests), wanted)


def _under_way(known: Known, cluster: Cluster, requests: Sequence[OperationRequest]) -> bool:
    """Whether an operation runs on a cluster, or was asked for and has not been heard of."""
    status = known.statuses.get(cluster.uid)
    operation = status.operation if status else None
    if operation is not None and not operation.phase.finished:
        return True
    newest = next((r for r in requests if not r.clusters or cluster.uid in r.clusters), None)
    if newest is None or newest.terminate or newest.failure_on(cluster.uid) is not None:
        return False
    if known.assignments[cluster.uid].content.passed_over == newest.id:
        return False
    if operation is not None and operation.id == newest.id:
        return False
    return operation is None or operation.started_at is None or operation.started_at < newest.requested_at


async def _request(api: Api, caller: Caller, known: Known, request: OperationRequest, reason: str) -> OperationAccepted:
    services = api.services
    id = str(known.application.id)
    await services.store.record_operation_request(id, request)
    where = f"{len(request.clusters)} clusters" if request.clusters else "all its clusters"
    what = "the end of its operation" if request.terminate else f"a {request.kind.value}"
    message = f"{what} of application {known.application.id.display} on {where} was asked for"
    await services.audit.record(reason, message, actor=caller.name, application=id)
    await services.bus.publish("applications", id)
    return OperationAccepted(operation_id=request.id, requested_at=request.requested_at)
