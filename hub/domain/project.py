"""An AppProject: what its applications may read and where they may deploy.

Escadre stores the whole object as it was brought; the rules it enforces are read into fields here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.domain.window import SyncWindow

DEFAULT_PROJECT = "default"


@dataclass(frozen=True, slots=True)
class ProjectDestination:
    """Globs; empty matches nothing, "*" everything."""

    server: str = "*"
    name: str = "*"
    namespace: str = "*"


@dataclass(frozen=True, slots=True)
class GroupKindRule:
    group: str
    kind: str
    name: str = "*"


@dataclass(frozen=True, slots=True)
class OrphanedResources:
    """What is to be told of objects in the namespaces of its applications that belong to none."""

    warn: bool = True
    """Whether a condition tells of them; they can be asked for anyway."""
    ignore: tuple[GroupKindRule, ...] = ()


@dataclass(frozen=True, slots=True)
class OrphanRules:
    """The same with what else of the project matters there, as agents are sent it."""

    warn: bool
    ignore: tuple[GroupKindRule, ...]
    permitted: tuple[GroupKindRule, ...] | None
    """Its namespaceResourceWhitelist; what the project does not permit is not its business."""
    denied: tuple[GroupKindRule, ...]


@dataclass(frozen=True, slots=True)
class Project:
    name: str
    description: str = ""
    source_repos: tuple[str, ...] = ()
    destinations: tuple[ProjectDestination, ...] = ()
    cluster_resource_whitelist: tuple[GroupKindRule, ...] = ()
    cluster_resource_blacklist: tuple[GroupKindRule, ...] = ()
    namespace_resource_whitelist: tuple[GroupKindRule, ...] | None = None
    """None: all are allowed, as in Argo CD."""
    namespace_resource_blacklist: tuple[GroupKindRule, ...] = ()
    sync_windows: tuple[SyncWindow, ...] = ()
    orphaned_resources: OrphanedResources | None = None
    """None: they are not looked for."""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """The object as its owner wrote it."""


def orphan_rules(project: Project) -> OrphanRules | None:
    """Return by what agents look for orphaned resources; None where the project does not ask for it."""
    wanted = project.orphaned_resources
    if wanted is None:
        return None
    permitted, denied = project.namespace_resource_whitelist, project.namespace_resource_blacklist
    return OrphanRules(wanted.warn, wanted.ignore, permitted, denied)


def default_project() -> Project:
    """The project of applications that name none: it allows everything."""
    return Project(
        name=DEFAULT_PROJECT,
        source_repos=("*",),
        destinations=(ProjectDestination(),),
        cluster_resource_whitelist=(GroupKindRule("*", "*"),),
    )
