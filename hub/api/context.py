"""What every route works with: the services, what the API keeps in memory, and who is asking."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from hub.access.roles import require
from hub.access.sessions import SignedIn
from hub.api.asking import Asker
from hub.api.door import Door
from hub.api.errors import session_missing
from hub.api.feed import Feed
from hub.api.metrics import Metrics
from hub.api.overview import Overviews
from hub.api.services import Services
from hub.api.turns import Turns
from hub.api.webhooks.desk import WebhookDesk
from hub.api.webhooks.secrets import SecretsReader
from hub.domain.access import Account
from hub.domain.application import Application, ApplicationId
from hub.errors import NotFound

BEARER = HTTPBearer(bearerFormat="esc_…", description="The token of `POST /api/v1/session`.", auto_error=False)
"""For the OpenAPI document: `hub.api.guard` is what lets nobody in without a session."""


@dataclass(frozen=True, slots=True)
class Api:
    services: Services
    overviews: Overviews
    feed: Feed
    metrics: Metrics
    door: Door
    asker: Asker
    applying: Turns
    uploads: Turns
    probing: Turns
    webhooks: WebhookDesk
    webhook_secrets: SecretsReader
    cluster_changes: asyncio.Lock
    """Held while a cluster's labels are read, changed and written."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what they may."""

    signed_in: SignedIn
    services: Services
    address: str

    @property
    def account(self) -> Account:
        return self.signed_in.account

    @property
    def name(self) -> str:
        return self.account.name

    def may(self, resource: str, action: str, object: str = "*") -> bool:
        return self.services.authorizer.may(self.account, resource, action, object)

    def require(self, resource: str, action: str, object: str = "*") -> None:
        """Raises PermissionDenied."""
        require(self.services.authorizer, self.account, resource, action, object)

    def require_application(self, action: str, application: Application) -> None:
        """Raises PermissionDenied."""
        self.require("applications", action, application_object(application.spec.project, application.id.name))


def application_object(project: str, name: str) -> str:
    """Return how policies name an application."""
    return f"{project}/{name}"


def missing(id: ApplicationId) -> NotFound:
    return NotFound(f"there is no application {id.display}")


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


async def _api(request: Request) -> Api:
    api: Api = request.app.state.api
    return api


async def _caller(request: Request, api: Annotated[Api, Depends(_api)]) -> Caller:
    signed_in: SignedIn | None = getattr(request.state, "signed_in", None)
    if signed_in is None:
        raise session_missing()
    return Caller(signed_in, api.services, address_of(request))


ApiDep = Annotated[Api, Depends(_api)]
CallerDep = Annotated[Caller, Depends(_caller)]
