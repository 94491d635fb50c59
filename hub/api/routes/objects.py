"""Applying objects. A text is taken whole or not at all: all of it is read and permitted before any is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import Query, Request

from hub.api.context import Api, ApiDep, Caller, CallerDep
from hub.api.errors import documented
from hub.api.models.objects import Action, ApplyReply, ApplyResult
from hub.api.routes.router import private_router
from hub.api.store_apps import Change, carry_out, destination_warnings, prepare, project_warnings, source_warnings
from hub.api.store_entries import (
    EntryChange,
    TrustChange,
    carry_out_entry,
    carry_out_trust,
    prepare_entry,
    prepare_trust,
)
from hub.api.store_projects import ProjectChange, carry_out_project, prepare_project
from hub.api.store_settings import SettingsChange, prepare_settings, store_settings
from hub.api.store_webhooks import WebhookChange, prepare_webhooks, store_webhooks
from hub.api.texts import LIMITS, described, read_text
from hub.domain.application import Application
from hub.domain.project import Project
from hub.domain.repository import CredentialTemplate, Repository, TrustedHosts
from hub.domain.settings import SystemSettings
from hub.domain.targeting import ClusterIndex
from hub.domain.webhook_secrets import WebhookSecrets
from hub.errors import HubError, Invalid
from hub.formats import application as application_format
from hub.formats import entries as entries_format
from hub.formats import project as project_format
from hub.formats import settings as settings_format
from hub.formats import webhook_secrets as webhooks_format
from hub.formats.objects import Parsable, parse_objects

router = private_router("objects")

_BODY = described(
    "Application and AppProject objects of argoproj.io/v1alpha1, the ConfigMap argocd-cm with the system-wide "
    "settings, Argo CD's Secrets of repositories and ConfigMaps of host keys and certificates, and the Secret "
    "argocd-secret with what webhooks are believed by, any number of documents."
)
_WOULD: dict[Action, Action] = {
    "created": "would-create",
    "configured": "would-configure",
    "unchanged": "would-not-change",
}

Strict = Annotated[bool, Query(description="Fields without effect are errors, not warnings.")]
DryRun = Annotated[bool, Query(description="Say what would happen, and store nothing.")]
FileName = Annotated[str, Query(max_length=1000, description="What messages call the text: a file's path.")]


@router.post(
    "/objects/apply",
    operation_id="applyObjects",
    summary="Create or change Applications, AppProjects and the system-wide settings",
    openapi_extra=_BODY,
    responses=documented("invalid", "conflict", "unsupported-media-type", "busy"),
)
async def apply(
    request: Request,
    api: ApiDep,
    caller: CallerDep,
    strict: Strict = False,
    dry_run: DryRun = False,
    name: FileName = "",
) -> ApplyReply:
    async with api.applying.turn():
        content = await read_text(request)
        parsed = await asyncio.to_thread(parse_objects, content, name=name, strict=strict, limits=LIMITS)
        del content
        if not parsed:
            raise Invalid(f"{name or 'the text'} holds no objects")
        return await _apply(api, caller, parsed, dry_run=dry_run)


async def _apply(api: Api, caller: Caller, parsed: Sequence[Parsable], *, dry_run: bool) -> ApplyReply:
    projects = frozenset(item.value.name for item in parsed if isinstance(item.value, Project))
    changes: list[_AnyChange] = []
    warnings: list[list[str]] = []
    clusters: ClusterIndex | None = None
    for item in parsed:
        value = item.value
        if isinstance(value, Application):
            changes.append(await prepare(api, caller, value))
            clusters = clusters or ClusterIndex(await api.services.store.list_clusters())
            more = [*source_warnings(api, value), *await project_warnings(api, value, projects)]
            warnings.append([*item.warnings, *more, *destination_warnings(value, clusters)])
        elif isinstance(value, SystemSettings):
            changes.append(await prepare_settings(api, caller, value))
            warnings.append(item.warnings)
        elif isinstance(value, Repository | CredentialTemplate):
            changes.append(await prepare_entry(api, caller, value))
            warnings.append(item.warnings)
        elif isinstance(value, TrustedHosts):
            changes.append(await prepare_trust(api, caller, value.items, value.name))
            warnings.append(item.warnings)
        elif isinstance(value, WebhookSecrets):
            changes.append(await prepare_webhooks(api, caller, value))
            warnings.append(item.warnings)
        else:
            changes.append(await prepare_project(api, caller, value))
            warnings.append(item.warnings)
    results: list[ApplyResult] = []
    for change, told in zip(changes, warnings, strict=True):
        if not dry_run:
            try:
                await _carry_out(api, caller, change)
            except HubError as error:
                raise _after(error, results) from error
        results.append(_result(change, told, dry_run=dry_run))
    return ApplyReply(results=results)


def _after(error: HubError, stored: Sequence[ApplyResult]) -> HubError:
    """Return the error with what the caller has to know about a text that was stored in part: somebody else has
    changed an object meanwhile, or the store went away."""
    if stored:
        names = ", ".join(result.name for result in stored[:20]) + (", …" if len(stored) > 20 else "")
        error.message += f" (stored before that: {names}; apply the text again for the rest)"
    return error


_AnyChange = Change | ProjectChange | SettingsChange | EntryChange | TrustChange | WebhookChange


async def _carry_out(api: Api, caller: Caller, change: _AnyChange) -> None:
    match change:
        case Change():
            await carry_out(api, caller, change)
        case SettingsChange():
            await store_settings(api, caller, change)
        case EntryChange():
            await carry_out_entry(api, caller, change)
        case TrustChange():
            await carry_out_trust(api, caller, change)
        case WebhookChange():
            await store_webhooks(api, caller, change)
        case _:
            await carry_out_project(api, caller, change)


def _result(change: _AnyChange, warnings: Sequence[str], *, dry_run: bool) -> ApplyResult:
    if isinstance(change, Change):
        kind, name, namespace = application_format.KIND, change.wanted.id.name, change.wanted.id.namespace
    elif isinstance(change, SettingsChange):
        kind, name, namespace = settings_format.KIND, settings_format.NAME, ""
    elif isinstance(change, EntryChange):
        kind, name, namespace = type(change.wanted).__name__, change.wanted.url, ""
    elif isinstance(change, TrustChange):
        kind, name, namespace = entries_format.CONFIG_MAP, change.name, ""
    elif isinstance(change, WebhookChange):
        kind, name, namespace = webhooks_format.KIND, webhooks_format.NAME, ""
    else:
        kind, name, namespace = project_format.KIND, change.wanted.name, ""
    action = _WOULD[change.action] if dry_run else change.action
    return ApplyResult(kind=kind, name=name, namespace=namespace, action=action, warnings=list(warnings))
