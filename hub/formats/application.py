"""Argo CD's Application ⇄ hub.domain.application.Application.

A team brings its Applications unchanged, so what Argo CD accepts is accepted here, and each field that Escadre does
not act on is reported by its full path instead of being dropped in silence. `destinations` and `overrides` are
Escadre's own fields of the spec.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hub.domain.application import (
    DELETION_APPROVED,
    FALSE,
    REFRESH,
    SKIP_RECONCILE,
    TRUE,
    Application,
    ApplicationId,
    ApplicationSpec,
    Source,
)
from hub.domain.names import name_problem
from hub.domain.project import DEFAULT_PROJECT
from hub.formats import served
from hub.formats.destinations import read_destinations, read_overrides, write_destinations, write_override
from hub.formats.errors import shown
from hub.formats.fields import Fields, Parsed, Problems
from hub.formats.limits import Document
from hub.formats.metadata import (
    API_VERSION,
    Metadata,
    as_document,
    as_written,
    check_kind,
    display_name,
    read_metadata,
    write_metadata,
)
from hub.formats.policy import read_ignore_differences, read_sync_policy, write_ignore_difference, write_sync_policy
from hub.formats.source import read_source, write_source

KIND = "Application"

_DEFAULT_HISTORY = 10
_MOST_SOURCES = 100
_VALUE_FILE_REF = re.compile(r"\$(?!ARGOCD_|KUBE_)([A-Za-z0-9_-]+)/")
"""A value file in another source; a build variable looks the same."""


def parse_application(document: Document | Mapping[str, Any], *, strict: bool = False) -> Parsed[Application]:
    """Read an Application. Raises FormatError with everything that is wrong with it.

    Fields without effect become warnings, or errors with `strict`. The application's `manifest` is the object as it was
    written, without what a cluster it was exported from has added.
    """
    source = as_document(document)
    value = check_kind(source, KIND)
    problems = Problems()
    application = _read(value, problems)
    return problems.conclude(
        application, strict=strict, of=display_name(value, KIND), name=source.name, line=source.line
    )


def dump_application(application: Application) -> dict[str, Any]:
    """Return the application as Argo CD's YAML: what its owner brought, where that still says what it is."""
    written = application.manifest
    metadata = Metadata(
        application.id.name,
        application.id.namespace,
        application.labels,
        application.annotations,
        application.finalizers,
    )
    result = {"apiVersion": API_VERSION, "kind": KIND, **written}
    result["metadata"] = write_metadata(written.get("metadata", {}), metadata)
    if "spec" not in written or _read(result, Problems()).spec != application.spec:
        result["spec"] = write_spec(application.spec)
    return result


def write_spec(spec: ApplicationSpec) -> dict[str, Any]:
    """Return the YAML form of a spec, with only the fields that say something."""
    result: dict[str, Any] = {"project": spec.project}
    if len(spec.sources) == 1:
        result["source"] = write_source(spec.sources[0])
    else:
        result["sources"] = [write_source(source) for source in spec.sources]
    result |= write_destinations(spec.destinations)
    if spec.overrides:
        result["overrides"] = [write_override(override) for override in spec.overrides]
    if policy := write_sync_policy(spec.sync_policy):
        result["syncPolicy"] = policy
    if spec.ignore_differences:
        result["ignoreDifferences"] = [write_ignore_difference(entry) for entry in spec.ignore_differences]
    if spec.revision_history_limit != _DEFAULT_HISTORY:
        result["revisionHistoryLimit"] = spec.revision_history_limit
    return result


def _read(value: Mapping[str, Any], problems: Problems) -> Application:
    top = Fields(value, "", problems)
    metadata = read_metadata(top)
    spec = top.child("spec")
    if spec is None:
        top.fail("spec", "is missing")
        spec = Fields({}, "spec", Problems())
    top.ignore("apiVersion", "kind", "status")
    top.unserved(served.APPLICATION)
    top.finish()
    application = Application(
        id=ApplicationId(metadata.namespace, metadata.name),
        spec=_read_spec(spec, metadata.annotations),
        labels=metadata.labels,
        annotations=metadata.annotations,
        finalizers=metadata.finalizers,
        manifest=as_written(value),
    )
    _note_wishes(application, problems)
    return application


def _note_wishes(application: Application, problems: Problems) -> None:
    """Tell what the annotations that ask the hub for something are taken for, where that is not what they say."""
    refresh, skip = application.annotations.get(REFRESH), application.annotations.get(SKIP_RECONCILE, "false")
    if skip not in (*TRUE, *FALSE):
        problems.notes.append(
            f"metadata.annotations[{SKIP_RECONCILE}] is {shown(skip)!r}, neither true nor false: it has no effect"
        )
    approved = application.annotations.get(DELETION_APPROVED)
    if approved is not None and application.deletion_approved_at is None:
        problems.notes.append(
            f"metadata.annotations[{DELETION_APPROVED}] is {shown(approved)!r}, and no time as 2026-01-31T12:00:00Z: "
            "it confirms nothing"
        )
    if refresh is None:
        return
    if application.skips_reconcile:
        problems.notes.append(
            f"metadata.annotations[{REFRESH}] has no effect while {SKIP_RECONCILE} is {shown(skip)!r}: the "
            "application is looked at anew once that is taken away"
        )
    elif refresh not in ("normal", "hard"):
        problems.notes.append(
            f"metadata.annotations[{REFRESH}] is {shown(refresh)!r}, neither normal nor hard: it is taken for normal"
        )


def _read_spec(fields: Fields, annotations: Mapping[str, str]) -> ApplicationSpec:
    project = fields.text("project") or DEFAULT_PROJECT
    if problem := name_problem(project):
        fields.fail("project", f"{project[:70]!r} {problem}")
    before = len(fields.problems.errors)
    sources = _read_sources(fields)
    sound = sources if len(fields.problems.errors) == before else ()
    spec = ApplicationSpec(
        project=project,
        sources=sources,
        destinations=read_destinations(fields),
        overrides=read_overrides(fields, sound),
        sync_policy=read_sync_policy(fields.child("syncPolicy")),
        ignore_differences=read_ignore_differences(fields, annotations),
        revision_history_limit=fields.integer("revisionHistoryLimit", _DEFAULT_HISTORY, least=0),
    )
    fields.unserved(served.APPLICATION_SPEC)
    fields.finish()
    return spec


def _read_sources(fields: Fields) -> tuple[Source, ...]:
    several = fields.children("sources")
    single = fields.child("source")
    if len(several) > _MOST_SOURCES:
        fields.fail("sources", f"are {len(several)}; at most {_MOST_SOURCES} are read")
        return ()
    if several:
        if single is not None and fields.given("source"):
            fields.problems.notes.append(f"{fields.at('source')} is not used, because {fields.at('sources')} is given")
        sources = tuple(read_source(child) for child in several)
    elif single is not None:
        sources = (read_source(single),)
    else:
        fields.fail("source", "is missing: say which repository and path to read")
        return ()
    _check_references(fields, sources)
    return sources


def _check_references(fields: Fields, sources: tuple[Source, ...]) -> None:
    """Hold the sources' names for one another together."""
    refs = [source.ref for source in sources if source.ref]
    if doubled := {ref for ref in refs if refs.count(ref) > 1}:
        fields.fail("sources", f"use the ref {min(doubled)!r} more than once")
    if all(source.ref and not source.path and not source.chart for source in sources):
        fields.fail("sources", "hold nothing to render: one needs a path")
    for source in sources:
        for file in source.helm.value_files if source.helm else ():
            found = _VALUE_FILE_REF.match(file)
            if found and found[1] not in refs:
                known = f"there are {', '.join(refs)}" if refs else "there is none"
                fields.fail("sources", f"use the value file {file[:70]!r}, but none has the ref {found[1]!r} ({known})")
