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
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """The object as its owner wrote it."""


def default_project() -> Project:
    """The project of applications that name none: it allows everything."""
    return Project(
        name=DEFAULT_PROJECT,
        source_repos=("*",),
        destinations=(ProjectDestination(),),
        cluster_resource_whitelist=(GroupKindRule("*", "*"),),
    )
