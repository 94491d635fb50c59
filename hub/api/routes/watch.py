"""Server-sent events."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header

from hub.api.context import ApiDep, CallerDep
from hub.api.errors import documented
from hub.api.params import DEFAULT, ApplicationName, InProject, Namespace, Selector, read_selector
from hub.api.routes.router import private_router
from hub.api.streams import EventStream, Filter, watch_all, watch_one
from hub.domain.application import ApplicationId
from hub.errors import Invalid

router = private_router("watch")

LastEventId = Annotated[str, Header(alias="Last-Event-ID", max_length=20, description="Where a reader left off.")]

_EVENTS = (
    "`event:` is `application` (data: ApplicationSummary), `cluster` (ApplicationCluster; of one application only), "
    "`operation` (ApplicationOperationEvent) or `deleted` (ApplicationDeleted); `data:` is JSON, `id:` a number to "
    "give back as Last-Event-ID. The present state comes first. A line that begins with a colon is a heartbeat."
)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": _EVENTS, "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get(
    "/applications/watch",
    operation_id="watchApplications",
    summary="Applications and their changes, as server-sent events",
    status_code=200,
    response_class=EventStream,
    responses={**_STREAM, **documented("invalid", "busy")},
)
async def watch_applications(
    api: ApiDep,
    caller: CallerDep,
    project: InProject = "",
    selector: Selector = "",
    last_event_id: LastEventId = "",
) -> EventStream:
    wanted = Filter(project, read_selector(selector))
    return EventStream(watch_all(api, caller, wanted, _sequence(last_event_id)))


@router.get(
    "/applications/{name}/watch",
    operation_id="watchApplication",
    summary="One application, its clusters and their changes, as server-sent events",
    status_code=200,
    response_class=EventStream,
    responses={**_STREAM, **documented("not-found", "busy")},
)
async def watch_application(
    name: ApplicationName,
    api: ApiDep,
    caller: CallerDep,
    namespace: Namespace = DEFAULT,
    last_event_id: LastEventId = "",
) -> EventStream:
    _sequence(last_event_id)
    return EventStream(watch_one(api, caller, ApplicationId(namespace, name)))


def _sequence(text: str) -> int | None:
    """Raises Invalid."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) >= 2**63:
        raise Invalid("Last-Event-ID is none that this hub gave", code="bad-body")
    return int(text)
