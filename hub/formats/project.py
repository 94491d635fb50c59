"""Argo CD's AppProject ⇄ hub.domain.project.Project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.domain.project import GroupKindRule, OrphanedResources, Project, ProjectDestination
from hub.formats import served
from hub.formats.fields import Fields, Parsed, Problems
from hub.formats.limits import Document
from hub.formats.metadata import (
    API_VERSION,
    as_document,
    as_written,
    check_kind,
    display_name,
    read_metadata,
)
from hub.formats.window import read_windows, write_window

KIND = "AppProject"
MOST_IGNORED = 200
"""Rules of `orphanedResources.ignore`: agents keep them for every application of the project."""
LONGEST_GLOB = 256
"""Characters, of what agents match."""


def parse_project(document: Document | Mapping[str, Any], *, strict: bool = False) -> Parsed[Project]:
    """Read an AppProject. Raises FormatError with everything that is wrong with it; see `parse_application`."""
    source = as_document(document)
    value = check_kind(source, KIND)
    problems = Problems()
    project = _read(value, problems)
    return problems.conclude(project, strict=strict, of=display_name(value, KIND), name=source.name, line=source.line)


def dump_project(project: Project) -> dict[str, Any]:
    """Return the project as Argo CD's YAML: what its owner brought, where that still says what it is."""
    written = project.manifest
    result: dict[str, Any] = {"apiVersion": API_VERSION, "kind": KIND, **written}
    result["metadata"] = {**written.get("metadata", {}), "name": project.name}
    if "spec" not in written or _rules(_read(result, Problems())) != _rules(project):
        result["spec"] = _write_spec(project)
    return result


def _read(value: Mapping[str, Any], problems: Problems) -> Project:
    top = Fields(value, "", problems)
    metadata = read_metadata(top)
    spec = top.child("spec") or Fields({}, "spec", problems)
    top.ignore("apiVersion", "kind", "status")
    top.finish()
    project = Project(
        name=metadata.name,
        description=spec.text("description"),
        source_repos=spec.texts("sourceRepos"),
        destinations=tuple(_read_destination(child) for child in spec.children("destinations")),
        cluster_resource_whitelist=_read_rules(spec, "clusterResourceWhitelist"),
        cluster_resource_blacklist=_read_rules(spec, "clusterResourceBlacklist"),
        # An empty list allows nothing, an absent one everything.
        namespace_resource_whitelist=(
            None if spec.get("namespaceResourceWhitelist") is None else _read_rules(spec, "namespaceResourceWhitelist")
        ),
        namespace_resource_blacklist=_read_rules(spec, "namespaceResourceBlacklist"),
        sync_windows=read_windows(spec),
        orphaned_resources=_read_orphaned(spec),
        manifest=as_written(value),
    )
    spec.unserved(served.PROJECT_SPEC)
    spec.finish()
    return project


def _read_destination(fields: Fields) -> ProjectDestination:
    destination = ProjectDestination(fields.text("server"), fields.text("name"), fields.text("namespace"))
    fields.finish()
    if not destination.server and not destination.name:
        fields.fail("", 'names no cluster: give server or name ("*" for all)')
    return destination


def _read_rules(spec: Fields, key: str) -> tuple[GroupKindRule, ...]:
    return tuple(_read_rule(child) for child in spec.children(key))


def _read_rule(fields: Fields) -> GroupKindRule:
    kind = fields.required("kind", 'name a kind, or "*" for all')
    rule = GroupKindRule(fields.text("group"), kind, fields.text("name") or "*")
    fields.finish()
    return rule


def _read_orphaned(spec: Fields) -> OrphanedResources | None:
    fields = spec.child("orphanedResources")
    if fields is None:
        return None
    # Argo CD warns unless it is told not to.
    warn = fields.flag("warn", True)
    ignored = fields.children("ignore")
    fields.finish()
    if len(ignored) > MOST_IGNORED:
        fields.fail("ignore", f"has {len(ignored)} rules: {MOST_IGNORED} are the most")
        ignored = []
    return OrphanedResources(warn, tuple(map(_read_ignored, ignored)))


def _read_ignored(fields: Fields) -> GroupKindRule:
    """Read a rule of what is no orphan; what it does not give is any, but for the group: that is the core group."""
    group, kind, name = (fields.text(key) for key in ("group", "kind", "name"))
    fields.finish()
    for key, pattern in (("group", group), ("kind", kind), ("name", name)):
        if len(pattern) > LONGEST_GLOB:
            fields.fail(key, f"has {len(pattern)} characters: {LONGEST_GLOB} are the most")
    if not group and not kind and not name:
        fields.note("", "ignores everything of the core group: give a kind, or a name")
    return GroupKindRule(group, kind or "*", name or "*")


def _rules(project: Project) -> tuple[object, ...]:
    """Return what the project says, without how it was written."""
    return (
        project.description,
        project.source_repos,
        project.destinations,
        project.cluster_resource_whitelist,
        project.cluster_resource_blacklist,
        project.namespace_resource_whitelist,
        project.namespace_resource_blacklist,
        project.sync_windows,
        project.orphaned_resources,
    )


def _write_spec(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": project.description,
        "sourceRepos": list(project.source_repos),
        "destinations": [_write_destination(destination) for destination in project.destinations],
        "clusterResourceWhitelist": _write_rules(project.cluster_resource_whitelist),
        "clusterResourceBlacklist": _write_rules(project.cluster_resource_blacklist),
        "namespaceResourceBlacklist": _write_rules(project.namespace_resource_blacklist),
        "syncWindows": [write_window(window) for window in project.sync_windows],
    }
    result = {key: value for key, value in found.items() if value}
    if project.namespace_resource_whitelist is not None:
        result["namespaceResourceWhitelist"] = _write_rules(project.namespace_resource_whitelist)
    if project.orphaned_resources is not None:
        result["orphanedResources"] = _write_orphaned(project.orphaned_resources)
    return result


def _write_orphaned(orphaned: OrphanedResources) -> dict[str, Any]:
    found: dict[str, Any] = {"warn": orphaned.warn}
    if orphaned.ignore:
        found["ignore"] = _write_rules(orphaned.ignore)
    return found


def _write_destination(destination: ProjectDestination) -> dict[str, str]:
    found = {"server": destination.server, "name": destination.name, "namespace": destination.namespace}
    return {key: value for key, value in found.items() if value}


def _write_rules(rules: tuple[GroupKindRule, ...]) -> list[dict[str, str]]:
    return [
        {"group": rule.group, "kind": rule.kind, **({"name": rule.name} if rule.name != "*" else {})} for rule in rules
    ]
