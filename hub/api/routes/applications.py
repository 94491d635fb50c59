"""Applications: list, read, create, change and delete."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import Query, Request

from hub.api.again import worked_out
from hub.api.context import Api, ApiDep, Caller, CallerDep, application_object
from hub.api.detail import detail_from, read_known
from hub.api.errors import documented
from hub.api.models.application import (
    ApplicationDeleting,
    ApplicationDetail,
    ApplicationList,
    ApplicationStored,
    ApplicationSummary,
)
from hub.api.models.flags import ApplicationFlagsBody
from hub.api.params import (
    DEFAULT,
    ApplicationName,
    Continue,
    InCluster,
    InProject,
    Limit,
    Namespace,
    Selector,
    page,
    read_selector,
)
from hub.api.routes.router import private_router
from hub.api.store_apps import Change, carry_out, destination_warnings, find, prepare, project_warnings, source_warnings
from hub.api.texts import described, read_document
from hub.domain.application import CASCADE_FINALIZER, Application, ApplicationId, Deletion
from hub.domain.cluster import Liveness
from hub.domain.targeting import ClusterIndex
from hub.errors import Conflict, Invalid, NotFound
from hub.formats.application import dump_application, parse_application
from hub.formats.edit import build_application, set_flags
from hub.formats.fields import Parsed

router = private_router("applications")

Propagation = Literal["foreground", "background", "orphan"]
Strict = Annotated[bool, Query(description="Fields without effect are errors, not warnings.")]
Upsert = Annotated[bool, Query(description="Change the application if it exists and is another.")]
Cascade = Annotated[bool, Query(description="Whether what it put on clusters is deleted there, too.")]
OptionalPropagation = Annotated[
    Propagation | None, Query(description="How clusters delete; as its finalizer says, or foreground, else.")
]


@router.get(
    "/applications",
    operation_id="listApplications",
    summary="Applications, by id",
    responses=documented("invalid", "not-found"),
)
async def list_applications(
    api: ApiDep,
    caller: CallerDep,
    project: InProject = "",
    selector: Selector = "",
    cluster: InCluster = "",
    limit: Limit = 1000,
    after: Continue = "",
) -> ApplicationList:
    wanted = read_selector(selector)
    overview = await api.overviews.get()
    here = await _assigned_to(api, cluster) if cluster else None
    found: dict[str, ApplicationSummary] = {
        id: summary
        for id, summary in overview.summaries.items()
        if (not project or summary.project == project)
        and (here is None or id in here)
        and wanted.matches(summary.labels)
        and caller.may("applications", "get", application_object(summary.project, summary.name))
    }
    ids = sorted(found)
    items, rest = page([found[id] for id in ids], ids, limit, after)
    return ApplicationList(items=list(items), continue_=rest)


@router.get(
    "/applications/{name}",
    operation_id="getApplication",
    summary="An application with everything that is known of it, on every cluster",
    responses=documented("not-found"),
)
async def get_application(
    name: ApplicationName, api: ApiDep, caller: CallerDep, namespace: Namespace = DEFAULT
) -> ApplicationDetail:
    application = await find(api, caller, name, namespace)
    known = await read_known(api.services.store, application)
    reveal = caller.may("applications", "update", application_object(application.spec.project, name))
    return detail_from(known, reveal=reveal)


@router.post(
    "/applications",
    operation_id="createApplication",
    summary="Create an application in the words of `app create`",
    status_code=201,
    responses=documented("invalid", "conflict"),
)
async def create_application(
    flags: ApplicationFlagsBody, api: ApiDep, caller: CallerDep, upsert: Upsert = False
) -> ApplicationStored:
    parsed = parse_application(build_application(flags.flags()))
    change = await prepare(api, caller, parsed.value)
    if change.action == "configured" and not upsert:
        raise Conflict(
            f"application {parsed.value.id.display} exists already, and differs: change it with `escadre app set`, "
            "or replace it with --upsert"
        )
    return await _store(api, caller, parsed, change)


@router.put(
    "/applications/{name}",
    operation_id="replaceApplication",
    summary="Replace an application by a manifest",
    openapi_extra=described("The Application as Argo CD's YAML, or the same as JSON."),
    responses=documented("invalid", "not-found", "conflict", "unsupported-media-type", "busy"),
)
async def replace_application(
    name: ApplicationName,
    request: Request,
    api: ApiDep,
    caller: CallerDep,
    namespace: Namespace = DEFAULT,
    strict: Strict = False,
) -> ApplicationStored:
    await find(api, caller, name, namespace, "update")
    async with api.applying.turn():
        parsed = parse_application(await read_document(request), strict=strict)
    if parsed.value.id != ApplicationId(namespace, name):
        raise Invalid(
            f"the manifest is of application {parsed.value.id}, but it is to replace {namespace}/{name}: an "
            "application cannot be renamed"
        )
    return await _store(api, caller, parsed, await prepare(api, caller, parsed.value))


@router.patch(
    "/applications/{name}/flags",
    operation_id="setApplicationFlags",
    summary="Change an application in the words of `app set`",
    responses=documented("invalid", "not-found", "conflict"),
)
async def set_application_flags(
    name: ApplicationName,
    flags: ApplicationFlagsBody,
    api: ApiDep,
    caller: CallerDep,
    namespace: Namespace = DEFAULT,
) -> ApplicationStored:
    if flags.name not in (None, name) or flags.namespace not in (None, namespace):
        raise Invalid("an application cannot be renamed: create another one")

    async def change() -> ApplicationStored:
        application = await find(api, caller, name, namespace, "update")
        parsed = parse_application(set_flags(dump_application(application), flags.flags()))
        return await _store(api, caller, parsed, await prepare(api, caller, parsed.value, part_of=application))

    return await worked_out(change)


@router.delete(
    "/applications/{name}",
    operation_id="deleteApplication",
    summary="Delete an application, and what it put on clusters",
    status_code=202,
    responses=documented("not-found"),
)
async def delete_application(
    name: ApplicationName,
    api: ApiDep,
    caller: CallerDep,
    namespace: Namespace = DEFAULT,
    cascade: Cascade = True,
    propagation: OptionalPropagation = None,
) -> ApplicationDeleting:
    services = api.services

    async def change() -> tuple[Application, Deletion]:
        application = await find(api, caller, name, namespace, "delete")
        how = propagation or _finalizer_propagation(application)
        outlives = not cascade or application.spec.sync_policy.outlived
        deletion = Deletion(not outlives, how, requested_by=caller.name, requested_at=services.clock())
        await services.store.put_application(replace(application, deletion=deletion), over=application)
        return application, deletion

    application, deletion = await worked_out(change)
    api.overviews.invalidate()
    kept = "" if deletion.cascade else "; what it put on clusters stays there"
    message = f"application {application.id.display} is to be deleted{kept}"
    await services.audit.record("ApplicationDeleted", message, actor=caller.name, application=str(application.id))
    await services.bus.publish("applications", str(application.id))
    return await _deleting(api, application, deletion)


async def _store(api: Api, caller: Caller, parsed: Parsed[Application], change: Change) -> ApplicationStored:
    warnings = [
        *parsed.warnings,
        *source_warnings(api, parsed.value),
        *await project_warnings(api, parsed.value),
        *destination_warnings(parsed.value, ClusterIndex(await api.services.store.list_clusters())),
    ]
    stored = await carry_out(api, caller, change)
    return ApplicationStored(id=str(stored.id), action=change.action, generation=stored.generation, warnings=warnings)


async def _assigned_to(api: Api, name: str) -> set[str]:
    store = api.services.store
    cluster = await store.find_cluster(name)
    if cluster is None:
        raise NotFound(f"there is no cluster {name}")
    index = await store.assignment_index([cluster.uid])
    return set(index.get(cluster.uid, ()))


def _finalizer_propagation(application: Application) -> Propagation:
    return "background" if f"{CASCADE_FINALIZER}/background" in application.finalizers else "foreground"


async def _deleting(api: Api, application: Application, deletion: Deletion) -> ApplicationDeleting:
    known = await read_known(api.services.store, application)
    clusters = [cluster for cluster, _ in known.places]
    away = [c.name for c in clusters if c.connection.liveness is not Liveness.CONNECTED]
    fate = "and deletes what it put there" if deletion.cascade else "and leaves what it put there as it is"
    count = {0: "every cluster that has it", 1: "its cluster"}.get(
        len(clusters), f"each of its {len(clusters)} clusters"
    )
    message = f"{count} lets go of it {fate}; then it is gone"
    if away:
        shown = ", ".join(away[:10]) + (f" and {len(away) - 10} more" if len(away) > 10 else "")
        message += f"; not connected now, so it waits for them: {shown}"
    return ApplicationDeleting(
        id=str(application.id),
        cascade=deletion.cascade,
        propagation=deletion.propagation,
        clusters=[cluster.name for cluster in clusters],
        message=message,
    )
