"""What happened in the fleet."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from hub.api.context import ApiDep, CallerDep
from hub.api.convert import event_item
from hub.api.errors import documented
from hub.api.models.event import EventList
from hub.api.params import InCluster, Limit
from hub.api.routes.router import private_router
from hub.domain.application import ApplicationId
from hub.errors import NotFound

router = private_router("events")

OfApplication = Annotated[
    str,
    Query(
        max_length=320,
        pattern=r"^([a-z0-9][-a-z0-9.]*(/[a-z0-9][-a-z0-9.]*)?)?$",
        description='Only this application\'s: "name" or "namespace/name".',
    ),
]


@router.get("/events", operation_id="listEvents", summary="Events, newest first", responses=documented("not-found"))
async def list_events(
    api: ApiDep, caller: CallerDep, application: OfApplication = "", cluster: InCluster = "", limit: Limit = 200
) -> EventList:
    # They tell of every cluster, project and account alike.
    for resource in ("applications", "clusters", "projects", "accounts"):
        caller.require(resource, "get")
    store = api.services.store
    names = {c.uid: c.name for c in await store.list_clusters()}
    uid = next((uid for uid, name in names.items() if name == cluster), "")
    if cluster and not uid:
        raise NotFound(f"there is no cluster {cluster}")
    id = str(ApplicationId.parse(application)) if application else ""
    found = await store.list_events(application=id, cluster=uid, limit=limit)
    return EventList(items=[event_item(event, names) for event in found])
