"""AppProjects."""

from __future__ import annotations

from typing import Any

from hub.api.models.base import Reply


class ProjectDestinationItem(Reply):
    server: str
    name: str
    namespace: str


class ProjectItem(Reply):
    name: str
    description: str
    source_repos: list[str]
    destinations: list[ProjectDestinationItem]
    applications: int


class ProjectList(Reply):
    items: list[ProjectItem]


class ProjectDetail(ProjectItem):
    manifest: dict[str, Any]
    """The AppProject as Argo CD's YAML, as JSON."""


class ProjectRemoved(Reply):
    project: str
