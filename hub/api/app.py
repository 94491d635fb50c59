"""Puts the API together over the services it is given."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from hub.api.asking import Asker
from hub.api.context import Api
from hub.api.door import Door
from hub.api.errors import CATALOGUE, is_internal, response_of
from hub.api.feed import Feed
from hub.api.guard import PREFIX, Guard
from hub.api.metrics import Metrics
from hub.api.overview import Overviews
from hub.api.routes import (
    actions,
    agents,
    applications,
    certificates,
    clusters,
    events,
    objects,
    operations,
    probes,
    projects,
    repositories,
    resources,
    session,
    settings,
    watch,
    webhooks,
    windows,
)
from hub.api.services import Services
from hub.api.turns import Turns
from hub.api.webhooks.desk import WebhookDesk
from hub.api.webhooks.secrets import SecretsReader
from hub.errors import HubError
from hub.pki.refusals import DoorLog

_ROUTERS = (
    probes.router,
    webhooks.router,
    agents.router,
    session.public,
    session.private,
    objects.router,
    # Before the routes of one application: `watch` is not a name there.
    watch.router,
    applications.router,
    operations.router,
    resources.router,
    actions.router,
    clusters.router,
    projects.router,
    repositories.router,
    certificates.router,
    windows.router,
    settings.router,
    events.router,
)


def create_app(services: Services) -> FastAPI:
    """Return the ASGI application. It starts nothing by itself and needs no lifespan."""
    return furnish(bare_app(services.settings.version), services)


def bare_app(version: str) -> FastAPI:
    """Return all routes, without anything behind them yet."""
    app = FastAPI(
        title="Escadre",
        summary="GitOps for a fleet",
        description=_description(),
        version=version,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    for router in _ROUTERS:
        app.include_router(router)
    for kind in (HubError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _on_error)
    return app


def furnish(app: FastAPI, services: Services) -> FastAPI:
    """Put services behind the routes, in place of those that may have been there before."""
    app.state.api = _api(services)
    app.user_middleware = [Middleware(Guard, sessions=services.sessions, telemetry=services.telemetry)]
    app.middleware_stack = None
    return app


def close_streams(app: FastAPI) -> None:
    """End the event streams that are open: the server stops."""
    api: Api = app.state.api
    api.feed.close()


def _api(services: Services) -> Api:
    overviews = Overviews(services.store)
    given = services.settings
    secrets = SecretsReader(services.store, services.sealer)
    refusals = DoorLog(services.store, services.clock)
    return Api(
        services=services,
        overviews=overviews,
        feed=Feed(services.store, services.bus, overviews, services.clock, given.watchers),
        metrics=Metrics(
            overviews,
            services.telemetry,
            services.metric_sources,
            given.version,
            writable=lambda: services.store.trouble() is None,
        ),
        door=Door(given.agent_requests_per_minute),
        asker=Asker(services.desk),
        applying=Turns(2, 30, "texts are being applied"),
        uploads=Turns(4, 16, "diffs of files are under way"),
        probing=Turns(4, 16, "repositories are being tested"),
        webhooks=WebhookDesk(services.bus, secrets, services.telemetry, refusals, services.clock),
        webhook_secrets=secrets,
        cluster_changes=asyncio.Lock(),
    )


async def _on_error(request: Request, error: Exception) -> Response:
    if is_internal(error):
        # The log says what the caller is not told: that is done where request ids are given.
        raise error
    return response_of(error, request.state.request_id)


def _description() -> str:
    rows = "\n".join(f"| `{code}` | {e.status} | {e.meaning} | {e.advice} |" for code, e in sorted(CATALOGUE.items()))
    return (
        'Every error is `{"error": {"code", "message", "request_id", "details"}}`, with a code of this catalogue.\n\n'
        f"| code | status | meaning | what to do |\n|---|---|---|---|\n{rows}\n"
    )
