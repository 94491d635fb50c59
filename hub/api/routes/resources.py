"""What an application consists of: its manifests, resources, differences, owners' tree, drifts and events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import PlainTextResponse

from hub.api.about import About, deployed, previewed
from hub.api.asking import check_number, diff_of, orphans_of, tree_of
from hub.api.context import Api, ApiDep, Caller, CallerDep
from hub.api.convert import drift_item, event_item
from hub.api.detail import Known, read_known
from hub.api.errors import UnsupportedMediaType, documented
from hub.api.models.event import EventList
from hub.api.models.resource import (
    DiffReply,
    DriftList,
    Format,
    ManifestsReply,
    OrphansReply,
    RenderedSet,
    ResourceList,
    TreeReply,
)
from hub.api.params import (
    DEFAULT,
    ApplicationName,
    InCluster,
    InPlaceOfName,
    InPlaceOfPosition,
    Limit,
    Namespace,
    OfSources,
)
from hub.api.rendered import assigned, deployed_once, matching, places, read_manifests, read_resources
from hub.api.routes.router import private_router
from hub.api.sources import chosen, only, stood_in_for
from hub.api.store_apps import find
from hub.api.targets import select_cluster
from hub.domain.cluster import Cluster
from hub.domain.manifest import digest_of
from hub.errors import Invalid, NotFound
from hub.fleet.previews import Wish
from hub.formats.dump import dump_documents

router = private_router("resources")

Revision = Annotated[
    str,
    Query(max_length=128, pattern=r"^([A-Za-z0-9][A-Za-z0-9._+-]{3,})?$", description="A commit, or its beginning."),
]
Digest = Annotated[
    str, Query(max_length=64, pattern=r"^([0-9a-f]{64})?$", description="A manifest set, as `history` names it.")
]
AtRevision = Annotated[
    str, Query(max_length=255, description="A commit, branch, tag or version range in place of the source's.")
]
AtEntry = Annotated[
    int | None,
    Query(ge=0, le=2**53, description="What this entry of each history deployed; 0: the one before the newest."),
]
PathInFiles = Annotated[
    str,
    Query(max_length=1000, description="Where among the files the source's path is; empty: they are what is in it."),
]
PACKED = "application/gzip"
_COMMIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{3,127}")
AsFormat = Annotated[Format, Query(alias="format", description="json, or yaml for the bare manifests.")]
_YAML: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/yaml": {"schema": {"type": "string"}}}, "description": "The rendered manifests."}
}


@router.get(
    "/applications/{name}/manifests",
    operation_id="getManifests",
    summary="The rendered manifests, values of Secrets masked",
    response_model=ManifestsReply,
    responses={**_YAML, **documented("not-found", "too-large")},
)
async def manifests(
    name: ApplicationName,
    api: ApiDep,
    caller: CallerDep,
    of_sources: OfSources,
    namespace: Namespace = DEFAULT,
    cluster: InCluster = "",
    revision: Revision = "",
    manifest_set: Digest = "",
    form: AsFormat = "json",
) -> ManifestsReply | PlainTextResponse:
    known = await _known(api, caller, name, namespace)
    clusters = select_cluster(known, cluster)
    choices = chosen(known.application, of_sources, revision)
    for choice in choices:
        if not _COMMIT.fullmatch(choice.revision):
            raise Invalid(
                f"{choice.revision[:70]!r} is no commit: give its id, or at least 4 characters of its beginning"
            )
    found = assigned(known, clusters)
    if revision or manifest_set or choices:
        history = await api.services.store.history(str(known.application.id))
        commits = {choice.position: choice.revision for choice in choices}
        found = matching([*found, *deployed_once(clusters, history)], revision, commits, manifest_set)
        if not found:
            asked = " and ".join(f"{c.revision} of source {c.position + 1}" for c in choices) or revision
            words = f"at {asked}" if asked else f"as {manifest_set}"
            raise NotFound(f"application {known.application.id.display} was never deployed {words} there")
    items = await read_manifests(api.services.store, places(found))
    if form == "yaml":
        return PlainTextResponse(_as_yaml(items), media_type="application/yaml")
    return ManifestsReply(items=items)


@router.get(
    "/applications/{name}/resources",
    operation_id="listResources",
    summary="Every resource on every cluster, with its status",
    responses=documented("not-found"),
)
async def resources(
    name: ApplicationName,
    api: ApiDep,
    caller: CallerDep,
    namespace: Namespace = DEFAULT,
    cluster: InCluster = "",
) -> ResourceList:
    known = await _known(api, caller, name, namespace)
    items, truncated = await read_resources(api.services.store, known, select_cluster(known, cluster))
    return ResourceList(items=items, truncated=truncated)


@router.get(
    "/applications/{name}/diff",
    operation_id="getDiff",
    summary="What a sync would change, as the clusters themselves say",
    responses=documented("not-found", "invalid", "too-many-clusters", "busy"),
)
async def diff(
    name: ApplicationName,
    api: ApiDep,
    caller: CallerDep,
    of_sources: OfSources,
    namespace: Namespace = DEFAULT,
    cluster: InCluster = "",
    revision: AtRevision = "",
    history_id: AtEntry = None,
) -> DiffReply:
    """Without a revision or a history entry: what is assigned now. The hub renders a revision for this alone."""
    known = await _known(api, caller, name, namespace)
    choices = chosen(known.application, of_sources, revision)
    if (revision or choices) and history_id is not None:
        raise Invalid("a revision and a history entry were named: name one of them")
    clusters = select_cluster(known, cluster)
    check_number(clusters)
    about = None
    if revision or choices:
        if revision:
            only(known.application, revision)
        wish = Wish(str(known.application.id), _only(clusters, cluster), revision=revision, revisions=choices)
        about = await previewed(api.services, wish, clusters)
    elif history_id is not None:
        about = await deployed(api.services, known, clusters, history_id)
    return await _diff(api, known, clusters, about)


@router.post(
    "/applications/{name}/diff",
    operation_id="diffFiles",
    summary="What would change if files were in Git as they are sent",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "A gzipped tar of the source's path, or of the repository it is in.",
            "content": {PACKED: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    responses=documented("not-found", "invalid", "too-many-clusters", "busy", "unsupported-media-type"),
)
async def diff_files(
    request: Request,
    name: ApplicationName,
    api: ApiDep,
    caller: CallerDep,
    namespace: Namespace = DEFAULT,
    cluster: InCluster = "",
    path: PathInFiles = "",
    source_position: InPlaceOfPosition = None,
    source_name: InPlaceOfName = None,
) -> DiffReply:
    """The files are rendered as the source's own are, beside the others, and stored nowhere for longer than that
    takes."""
    application = await find(api, caller, name, namespace, "override")
    position = stood_in_for(application, source_position, source_name, path)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != PACKED:
        raise UnsupportedMediaType(f"files are sent as {PACKED}")
    known = await read_known(api.services.store, application)
    clusters = select_cluster(known, cluster)
    check_number(clusters)
    content = await request.body()
    digest = digest_of(content)
    async with api.uploads.turn():
        await api.services.store.put_blobs({digest: content})
        wish = Wish(str(application.id), _only(clusters, cluster), upload=digest, position=position, path=path)
        about = await previewed(api.services, wish, clusters)
    return await _diff(api, known, clusters, about)


@router.get(
    "/applications/{name}/tree",
    operation_id="getTree",
    summary="What is managed on the clusters, and all that it owns there",
    responses=documented("not-found", "too-many-clusters", "busy"),
)
async def tree(
    name: ApplicationName,
    api: ApiDep,
    caller: CallerDep,
    namespace: Namespace = DEFAULT,
    cluster: InCluster = "",
) -> TreeReply:
    known = await _known(api, caller, name, namespace)
    answers = await api.asker.ask(str(known.application.id), "tree", select_cluster(known, cluster))
    return TreeReply(items=[tree_of(answer) for answer in answers])


@router.get(
    "/applications/{name}/orphans",
    operation_id="listOrphans",
    summary="What lies in its namespace on the clusters and belongs to no application",
    responses=documented("not-found", "too-many-clusters", "busy"),
)
async def orphans(
    name: ApplicationName,
    api: ApiDep,
    caller: CallerDep,
    namespace: Namespace = DEFAULT,
    cluster: InCluster = "",
) -> OrphansReply:
    known = await _known(api, caller, name, namespace)
    answers = await api.asker.ask(str(known.application.id), "orphans", select_cluster(known, cluster))
    return OrphansReply(items=[orphans_of(answer) for answer in answers])


@router.get(
    "/applications/{name}/drifts",
    operation_id="listDrifts",
    summary="Departures from what was assigned, newest first",
    responses=documented("not-found"),
)
async def drifts(
    name: ApplicationName,
    api: ApiDep,
    caller: CallerDep,
    namespace: Namespace = DEFAULT,
    limit: Limit = 100,
) -> DriftList:
    application = await find(api, caller, name, namespace)
    found = await api.services.store.drifts_of_application(str(application.id), limit=limit)
    names = {cluster.uid: cluster.name for cluster in await api.services.store.list_clusters()}
    return DriftList(items=[drift_item(report, names) for report in found])


@router.get(
    "/applications/{name}/events",
    operation_id="listApplicationEvents",
    summary="What happened to the application, newest first",
    responses=documented("not-found"),
)
async def events(
    name: ApplicationName,
    api: ApiDep,
    caller: CallerDep,
    namespace: Namespace = DEFAULT,
    limit: Limit = 200,
) -> EventList:
    application = await find(api, caller, name, namespace)
    found = await api.services.store.list_events(application=str(application.id), limit=limit)
    names = {cluster.uid: cluster.name for cluster in await api.services.store.list_clusters()}
    return EventList(items=[event_item(event, names) for event in found])


async def _diff(api: Api, known: Known, clusters: Sequence[Cluster], about: About | None) -> DiffReply:
    answers = await api.asker.ask(str(known.application.id), "diff", clusters, about)
    return DiffReply(items=[diff_of(answer) for answer in answers])


def _only(clusters: Sequence[Cluster], asked: str) -> str:
    """Return the uid of the one cluster that was asked for, if one was."""
    return clusters[0].uid if asked else ""


async def _known(api: Api, caller: Caller, name: str, namespace: str) -> Known:
    return await read_known(api.services.store, await find(api, caller, name, namespace))


def _as_yaml(items: list[RenderedSet]) -> str:
    """Return bare manifests; a comment says what is for whom only where there is more than one set."""
    parts = []
    for item in items:
        if len(items) > 1:
            parts.append(f"# {', '.join(item.clusters)}: {item.revision}\n")
        parts.append(dump_documents(item.objects))
    return "".join(parts)
