"""AppProjects; they are created and changed by applying them."""

from __future__ import annotations

from collections import Counter

from hub.api.context import Api, ApiDep, CallerDep
from hub.api.convert import project_item
from hub.api.detail import redacted
from hub.api.errors import documented
from hub.api.models.project import ProjectDetail, ProjectList, ProjectRemoved
from hub.api.params import ProjectName
from hub.api.routes.router import private_router
from hub.api.store_projects import find_project
from hub.formats.project import dump_project

router = private_router("projects")


@router.get("/projects", operation_id="listProjects", summary="Projects, by name")
async def list_projects(api: ApiDep, caller: CallerDep) -> ProjectList:
    counts = await _counts(api)
    projects = await api.services.store.list_projects()
    return ProjectList(
        items=[project_item(p, counts[p.name]) for p in projects if caller.may("projects", "get", p.name)]
    )


@router.get("/projects/{name}", operation_id="getProject", summary="One project", responses=documented("not-found"))
async def get_project(name: ProjectName, api: ApiDep, caller: CallerDep) -> ProjectDetail:
    project = await find_project(api, caller, name, "get")
    item = project_item(project, (await _counts(api))[name])
    return ProjectDetail(**item.model_dump(), manifest=redacted(dump_project(project)))


@router.delete(
    "/projects/{name}",
    operation_id="removeProject",
    summary="Remove a project that no application names",
    responses=documented("not-found", "conflict"),
)
async def remove_project(name: ProjectName, api: ApiDep, caller: CallerDep) -> ProjectRemoved:
    await find_project(api, caller, name, "delete")
    await api.services.store.remove_project(name)
    await api.services.audit.record("ProjectRemoved", f"project {name} was removed", actor=caller.name)
    return ProjectRemoved(project=name)


async def _counts(api: Api) -> Counter[str]:
    overview = await api.overviews.get()
    return Counter(summary.project for summary in overview.summaries.values())
