"""The system-wide settings: one object there always is, and that `apply` takes as the ConfigMap argocd-cm."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import Query

from hub.api.context import ApiDep, CallerDep
from hub.api.errors import documented
from hub.api.models.settings import SettingsPut, SettingsReply
from hub.api.routes.router import private_router
from hub.api.store_settings import prepare_settings, read_settings, store_settings
from hub.domain.settings import SystemSettings
from hub.formats.settings import parse_data

router = private_router("settings")

Strict = Annotated[bool, Query(description="Keys that are not served are errors, not warnings.")]


@router.get("/settings", operation_id="getSettings", summary="The system-wide settings")
async def get_settings(api: ApiDep, caller: CallerDep) -> SettingsReply:
    return _reply(await read_settings(api, caller))


@router.put(
    "/settings",
    operation_id="putSettings",
    summary="Replace the system-wide settings",
    responses=documented("invalid"),
)
async def put_settings(body: SettingsPut, api: ApiDep, caller: CallerDep, strict: Strict = False) -> SettingsReply:
    parsed = await asyncio.to_thread(partial(parse_data, body.data, strict=strict))
    change = await prepare_settings(api, caller, parsed.value)
    return _reply(await store_settings(api, caller, change), parsed.warnings)


def _reply(settings: SystemSettings, warnings: Sequence[str] = ()) -> SettingsReply:
    return SettingsReply(
        data=dict(settings.data),
        changed_at=settings.changed_at,
        changed_by=settings.changed_by,
        warnings=list(warnings),
    )
