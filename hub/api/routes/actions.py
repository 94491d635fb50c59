"""Resource actions: which there are for the objects of an application, and running one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from hub.api.acting import Act, actions_of, carry_out
from hub.api.context import ApiDep, CallerDep
from hub.api.detail import Known, read_known
from hub.api.errors import documented
from hub.api.models.action import ActionList, ActionRequest, ActionResult
from hub.api.params import DEFAULT, ApplicationName, InCluster, Namespace
from hub.api.routes.router import private_router
from hub.api.store_apps import find
from hub.api.targets import select_cluster
from hub.domain.cluster import Cluster
from hub.domain.manifest import ResourceKey
from hub.errors import HubError, Invalid

router = private_router("actions")

_MOST_SHOWN = 5


Group = Annotated[str, Query(max_length=253, description="Only objects of this API group.")]
OfKind = Annotated[str, Query(max_length=63, description="Only objects of this kind.")]
ObjectsName = Annotated[str, Query(max_length=253, description="Only objects of this name.")]
ObjectsNamespace = Annotated[str, Query(max_length=63, description="Only objects that live in this namespace.")]


@router.get(
    "/applications/{name}/actions",
    operation_id="listActions",
    summary="What can be done to the objects of an application, as they are now",
    responses=documented("not-found", "too-many-clusters", "busy"),
)
async def list_actions(
    name: ApplicationName,
    api: ApiDep,
    caller: CallerDep,
    namespace: Namespace = DEFAULT,
    cluster: InCluster = "",
    group: Group = "",
    kind: OfKind = "",
    resource_name: ObjectsName = "",
    resource_namespace: ObjectsNamespace = "",
) -> ActionList:
    """The objects that the application manages, and those that these own."""
    known = await read_known(api.services.store, await find(api, caller, name, namespace))
    selected = {"group": group, "kind": kind, "namespace": resource_namespace, "name": resource_name}
    answers = await api.asker.ask(
        str(known.application.id), "actions", select_cluster(known, cluster), parameters=selected
    )
    return ActionList(items=[actions_of(answer) for answer in answers])


@router.post(
    "/applications/{name}/actions",
    operation_id="runAction",
    summary="Run an action on one object",
    responses=documented(
        "not-found",
        "invalid",
        "conflict",
        "action-refused",
        "agent-too-old",
        "cluster-unreachable",
        "outcome-unknown",
        "busy",
    ),
)
async def run_action(
    name: ApplicationName, body: ActionRequest, api: ApiDep, caller: CallerDep, namespace: Namespace = DEFAULT
) -> ActionResult:
    """Needs `action/GROUP/KIND/ACTION` on the application. No action is run again by itself: where `outcome-unknown` is
    answered, the object tells whether it was."""
    application = await find(api, caller, name, namespace, f"action/{body.group}/{body.kind}/{body.action}")
    services = api.services
    known = await read_known(services.store, application)
    cluster = _the_cluster(known, body.cluster)
    act = Act(
        application=application,
        cluster=cluster,
        namespace=known.assignments[cluster.uid].content.namespace,
        key=ResourceKey(body.group, body.kind, body.namespace, body.name),
        action=body.action,
        parameters=body.parameters,
        by=caller.name,
    )
    about = {"actor": caller.name, "application": str(application.id), "cluster": cluster.uid}
    await services.audit.record("ActionRequested", f"{act.words} was asked for", **about)
    try:
        result = await carry_out(api.asker, await services.store.get_project(application.spec.project), act)
    except HubError as error:
        await services.audit.record("ActionFailed", f"{act.words}: {error.message}", severity="warning", **about)
        raise
    changed = ", ".join(f"{c.operation} {ResourceKey(c.group, c.kind, c.namespace, c.name)}" for c in result.changed)
    await services.audit.record("ActionSucceeded", f"{act.words}: {changed or 'there was nothing to change'}", **about)
    return result


def _the_cluster(known: Known, asked: str) -> Cluster:
    """Return the one cluster that is meant. Raises NotFound, Invalid."""
    clusters = select_cluster(known, asked)
    display = known.application.id.display
    if not clusters:
        raise Invalid(f"application {display} is on no cluster: there is nothing to run an action on")
    if len(clusters) > 1:
        names = ", ".join(cluster.name for cluster in clusters[:_MOST_SHOWN])
        more = f" and {len(clusters) - _MOST_SHOWN} more" if len(clusters) > _MOST_SHOWN else ""
        raise Invalid(f"application {display} is on {names}{more}: name the cluster whose object is meant")
    return clusters[0]
