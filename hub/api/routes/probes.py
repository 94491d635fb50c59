"""For whoever looks after the process: is it alive, is it ready, and its metrics."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from hub.api.context import ApiDep, Caller, address_of
from hub.api.errors import documented, session_missing
from hub.api.routes.router import public_router
from hub.errors import Unavailable

router = public_router("probes", prefix="")

_READY_SECONDS = 5.0


@router.get("/healthz", operation_id="isAlive", summary="Whether the process answers", response_class=PlainTextResponse)
async def healthz() -> str:
    return "ok\n"


@router.get(
    "/readyz",
    operation_id="isReady",
    summary="Whether the hub can serve: its store answers",
    response_class=PlainTextResponse,
    responses=documented("unavailable"),
)
async def readyz(api: ApiDep) -> str:
    if api.feed.closing:
        raise Unavailable("the hub is shutting down")
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await api.services.store.ping()
    except TimeoutError as error:
        raise Unavailable(f"the store did not answer within {_READY_SECONDS:.0f} s") from error
    trouble = api.services.store.trouble()
    # Ready all the same: people must be able to ask what is wrong, and agents to stay.
    return f"ok, but {trouble.message}\n" if trouble else "ok\n"


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Metrics for Prometheus",
    response_class=PlainTextResponse,
    responses=documented("unauthenticated", "session-ended", "permission-denied"),
)
async def metrics(request: Request, api: ApiDep) -> Response:
    if not api.services.settings.metrics_public:
        await _require_session(request, api)
    content, media_type = await api.metrics.scrape()
    return Response(content, media_type=media_type)


async def _require_session(request: Request, api: ApiDep) -> None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise session_missing()
    signed_in = await api.services.sessions.resolve(token.strip())
    caller = Caller(signed_in, api.services, address_of(request))
    caller.require("applications", "get")
