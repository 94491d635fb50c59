"""Decides, without rendering, what a request reads and under which key its outcome is known.

Two lists come out of this. *Inputs* are what has to be looked at again after a commit: coarse, cheap to compare,
complete. The *key* covers what a worker is given to read and the options that matter to the tool, and nothing else: so
applications that differ in name only share a render, and a commit beside the files that are read costs a scan at most.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.domain.application import DirectoryOptions, HelmOptions, Source
from hub.domain.manifest import canonical_json, digest_of
from hub.formats.errors import FormatError
from hub.formats.repository import redacted
from hub.render import directory, helm_plan, jsonnet_plan, kustomize_plan
from hub.render.beyond import Beyond
from hub.render.detect import DIRECTORY, HELM, JSONNET, KUSTOMIZE, detect
from hub.render.errors import RenderError
from hub.render.model import File, Plan, RenderLimits, RenderRequest, Scan
from hub.render.overrides import with_overrides
from hub.render.paths import Inputs, RepositoryView, normalized
from hub.render.variables import with_variables

_FORMAT = 2
"""Raised when the same input comes to give another output: it is part of every key."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What rendering is done with: versions are part of the keys."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Tool → version, for those there are."""


def scan(request: RenderRequest, tools: Tools, limits: RenderLimits) -> Scan:
    """Raises RenderError; reads the trees, so whatever they raise too."""
    try:
        return _scan(request, tools, limits)
    except FormatError as error:
        raise RenderError(error.message, code="invalid-source") from error


def _scan(request: RenderRequest, tools: Tools, limits: RenderLimits) -> Scan:
    inputs = Inputs()
    views = [RepositoryView(index, item.tree, inputs) for index, item in enumerate(request.inputs)]
    beyond = Beyond(request, views)
    plans = [
        _plan(request, views, beyond, index, limits)
        for index, item in enumerate(request.sources)
        # A source that is there for its value files only renders nothing.
        if item.source.path or item.source.chart or not item.source.ref
    ]
    if beyond.needs:
        return Scan(key="", inputs={}, tool="", uses_capabilities=True, needs=beyond.needs)
    _check_size(plans, limits)
    used = list(dict.fromkeys(plan.tool for plan in plans))
    return Scan(
        key=_key(request, plans, tools),
        inputs=inputs.collected(),
        tool=",".join(used),
        uses_capabilities=HELM in used,
        plans=tuple(plans),
        warnings=tuple(warning for plan in plans for warning in plan.warnings),
    )


def _plan(
    request: RenderRequest, views: list[RepositoryView], beyond: Beyond, index: int, limits: RenderLimits
) -> Plan:
    given, view = request.sources[index].source, views[index]
    # A chart of a repository is the root of what was fetched.
    path = "" if given.chart else _directory(view, given, request.sources[index].revision)
    overridden, warnings = with_overrides(given, view, path, request.app_name)
    source = with_variables(overridden, request, index)
    tool = detect(source, {entry.path.rpartition("/")[2] for entry in view.tree.list(path)})
    plan = Plan(index, tool, source, path, (), warnings=tuple(warnings))
    match tool:
        case "directory":
            options = source.directory or DirectoryOptions()
            files = directory.find_files(view, path, options, limits)
            evaluated = tuple(file for file in files if file.path.endswith(jsonnet_plan.SUFFIX))
            if evaluated:
                found = jsonnet_plan.planned(evaluated, view, path, options.jsonnet, limits)
                plan = dataclasses.replace(plan, jsonnet=found)
            return dataclasses.replace(plan, files=files)
        case "kustomize":
            return kustomize_plan.completed(plan, view, beyond, limits)
    refs = {f"${item.source.ref}": views[i] for i, item in enumerate(request.sources) if item.source.ref}
    return helm_plan.completed(plan, view, refs, beyond, limits)


def _directory(view: RepositoryView, source: Source, revision: str) -> str:
    located = view.find(normalized(source.path))
    where = f"{redacted(source.repo_url)} at {revision[:12]}"
    if located is None:
        raise RenderError(
            f"There is no path {source.path!r} in {where}: check the source's path.", code="path-not-found"
        )
    if not located.is_directory:
        raise RenderError(
            f"{source.path!r} in {where} is a file: a source's path names a directory.", code="path-not-found"
        )
    return located.path


def _check_size(plans: list[Plan], limits: RenderLimits) -> None:
    total = sum(file.size for plan in plans for file in plan.all_files)
    if total > limits.input_bytes:
        raise RenderError(
            f"The application reads {total:,} bytes; at most {limits.input_bytes:,} are rendered at once: split it.",
            code="too-large",
        )


def _key(request: RenderRequest, plans: list[Plan], tools: Tools) -> str:
    parts = [_OPTIONS[plan.tool](request, plan) | {"version": tools.versions.get(_program(plan), "")} for plan in plans]
    described = [
        part | {"tool": plan.tool, "files": _listed(plan.files)} for plan, part in zip(plans, parts, strict=True)
    ]
    return digest_of(canonical_json([_FORMAT, described]))


def _program(plan: Plan) -> str:
    return JSONNET if plan.jsonnet is not None else plan.tool


def _listed(files: tuple[File, ...]) -> list[list[Any]]:
    return [[file.path, file.object_id] for file in files]


def _directory_options(request: RenderRequest, plan: Plan) -> dict[str, Any]:
    # Which files there are is all that recurse, include and exclude say.
    if plan.jsonnet is None:
        return {}
    described = dataclasses.asdict(plan.jsonnet.options)
    return {"jsonnet": described, "imports": _listed(plan.jsonnet.imports), "leads": plan.jsonnet.leads}


def _kustomize_options(request: RenderRequest, plan: Plan) -> dict[str, Any]:
    options = plan.source.kustomize
    return {
        "path": plan.path,
        "links": plan.links,
        "options": dataclasses.asdict(options) if options is not None else {},
    }


def _helm_options(request: RenderRequest, plan: Plan) -> dict[str, Any]:
    options = plan.source.helm or HelmOptions()
    return {
        "path": plan.path,
        # How they are named is no matter, and what else there is stands below, as it comes to be.
        "options": {name: value for name, value in dataclasses.asdict(options).items() if name in _HELM_RENDERS},
        "fileParameters": [name for name, _ in options.file_parameters],
        "valueFiles": _listed(plan.value_files),
        "parameterFiles": _listed(plan.parameter_files),
        "release": helm_plan.release_name(plan, request),
        "namespace": helm_plan.namespace(plan, request),
        "kubernetes": helm_plan.kubernetes_version(plan, request),
        "apiVersions": helm_plan.api_versions(plan, request),
        # What is frozen is replaced by nobody else's hard refresh.
        **({"frozen": True} if request.frozen else {}),
    }


_HELM_RENDERS = frozenset(
    {"values", "values_object", "parameters", "skip_crds", "skip_tests", "skip_schema_validation"}
)
_OPTIONS: Mapping[str, Callable[[RenderRequest, Plan], dict[str, Any]]] = {
    DIRECTORY: _directory_options,
    KUSTOMIZE: _kustomize_options,
    HELM: _helm_options,
}
