"""Storing projects: the same rules for every route that does."""

from __future__ import annotations

from dataclasses import dataclass

from hub.api.context import Api, Caller
from hub.api.models.objects import Action
from hub.domain.project import Project
from hub.errors import NotFound


@dataclass(frozen=True, slots=True)
class ProjectChange:
    """A project that is to be stored, over the one that is."""

    wanted: Project
    stored: Project | None
    is_part: bool = False
    """Worked out from the one that is stored, of which it changes a part: it is no change of any other."""

    @property
    def action(self) -> Action:
        if self.stored is None:
            return "created"
        return "unchanged" if self.stored == self.wanted else "configured"


async def find_project(api: Api, caller: Caller, name: str, action: str) -> Project:
    """Raises NotFound, PermissionDenied."""
    caller.require("projects", action, name)
    project = await api.services.store.get_project(name)
    if project is None:
        raise NotFound(f"there is no project {name}")
    return project


async def prepare_project(api: Api, caller: Caller, wanted: Project) -> ProjectChange:
    """Look at what is stored under the name. Raises PermissionDenied."""
    stored = await api.services.store.get_project(wanted.name)
    caller.require("projects", "create" if stored is None else "update", wanted.name)
    return ProjectChange(wanted, stored)


async def carry_out_project(api: Api, caller: Caller, change: ProjectChange) -> None:
    """Store it, and have its applications looked at. Raises ChangedMeanwhile."""
    if change.action == "unchanged":
        return
    services = api.services
    name = change.wanted.name
    await services.store.put_project(change.wanted, over=change.stored if change.is_part else None)
    reason, verb = ("ProjectCreated", "created") if change.action == "created" else ("ProjectUpdated", "changed")
    await services.audit.record(reason, f"project {name} was {verb}", actor=caller.name)
    # What its applications may do has changed.
    for application in await services.store.list_applications(project=name):
        await services.bus.publish("applications", str(application.id))
