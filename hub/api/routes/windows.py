"""Sync windows of projects, in the words of `project windows`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path

from hub.api.again import worked_out
from hub.api.context import Api, ApiDep, Caller, CallerDep
from hub.api.errors import documented
from hub.api.models.window import WindowFlagsBody, WindowItem, WindowList, WindowsStored
from hub.api.params import ProjectName
from hub.api.routes.router import private_router
from hub.api.store_projects import ProjectChange, carry_out_project, find_project
from hub.domain.project import Project
from hub.domain.window import cron_of, is_active
from hub.formats.duration import duration_words
from hub.formats.edit_windows import add_window, delete_window, update_window
from hub.formats.project import dump_project, parse_project

router = private_router("projects")

WindowId = Annotated[int, Path(ge=0, le=1_000_000, description="The window's place in the project, from 0.")]


@router.get(
    "/projects/{name}/windows",
    operation_id="listWindows",
    summary="A project's sync windows, and which of them are open",
    responses=documented("not-found"),
)
async def list_windows(name: ProjectName, api: ApiDep, caller: CallerDep) -> WindowList:
    return WindowList(items=_items(api, await find_project(api, caller, name, "get")))


@router.post(
    "/projects/{name}/windows",
    operation_id="addWindow",
    summary="Add a sync window to a project",
    status_code=201,
    responses=documented("invalid", "not-found", "conflict"),
)
async def add(name: ProjectName, flags: WindowFlagsBody, api: ApiDep, caller: CallerDep) -> WindowsStored:
    async def change() -> WindowsStored:
        project = await find_project(api, caller, name, "update")
        return await _store(api, caller, project, add_window(dump_project(project), flags.flags()))

    return await worked_out(change)


@router.patch(
    "/projects/{name}/windows/{id}",
    operation_id="changeWindow",
    summary="Change a sync window of a project",
    responses=documented("invalid", "not-found", "conflict"),
)
async def change(
    name: ProjectName, id: WindowId, flags: WindowFlagsBody, api: ApiDep, caller: CallerDep
) -> WindowsStored:
    project = await find_project(api, caller, name, "update")
    return await _store(api, caller, project, update_window(dump_project(project), id, flags.flags()))


@router.delete(
    "/projects/{name}/windows/{id}",
    operation_id="removeWindow",
    summary="Remove a sync window of a project: those behind it move up",
    responses=documented("invalid", "not-found", "conflict"),
)
async def remove(name: ProjectName, id: WindowId, api: ApiDep, caller: CallerDep) -> WindowsStored:
    project = await find_project(api, caller, name, "update")
    return await _store(api, caller, project, delete_window(dump_project(project), id))


async def _store(api: Api, caller: Caller, stored: Project, manifest: Mapping[str, Any]) -> WindowsStored:
    parsed = parse_project(manifest)
    # Which window an id means is not what it meant where somebody else was first: that is not tried again.
    project_change = ProjectChange(parsed.value, stored, is_part=True)
    await carry_out_project(api, caller, project_change)
    return WindowsStored(
        project=stored.name,
        action=project_change.action,
        items=_items(api, parsed.value),
        # What else there is to say of the project was said when it was applied.
        warnings=[warning for warning in parsed.warnings if warning.startswith("spec.syncWindows")],
    )


def _items(api: Api, project: Project) -> list[WindowItem]:
    now = api.services.clock()
    return [
        WindowItem(
            id=id,
            kind=window.kind,
            schedule=window.schedule,
            duration=duration_words(window.duration),
            time_zone=cron_of(window)[1] or "UTC",
            applications=list(window.applications),
            namespaces=list(window.namespaces),
            clusters=list(window.clusters),
            manual_sync=window.manual_sync,
            and_operator=window.and_operator,
            sync_overrun=window.sync_overrun,
            description=window.description,
            active=is_active(window, now),
        )
        for id, window in enumerate(project.sync_windows)
    ]
