"""Overrides that a repository keeps for its own source: `.argocd-source.yaml`, then `.argocd-source-<app>.yaml`.

Tools that update image tags write them. They may say how to render, never what or from where.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from hub.domain.application import Source
from hub.formats.fields import Problems
from hub.formats.limits import Limits
from hub.formats.overrides import merge_patch
from hub.formats.source import source_from, write_source
from hub.formats.yaml import load_document
from hub.render.errors import RenderError
from hub.render.paths import RepositoryView, joined

OVERRIDE_PREFIX = ".argocd-source"

_LIMITS = Limits(bytes=256 * 1024, depth=30, nodes=20_000)
_ANOTHER_PLACE = ("repoURL", "path", "targetRevision", "chart", "ref", "name")


def with_overrides(source: Source, view: RepositoryView, directory: str, app_name: str) -> tuple[Source, list[str]]:
    """Return the source as its repository changes it, and warnings. Raises RenderError, FormatError."""
    warnings: list[str] = []
    for name in (f"{OVERRIDE_PREFIX}.yaml", f"{OVERRIDE_PREFIX}-{app_name}.yaml"):
        path = joined(directory, name)
        if view.file(path) is not None:
            patch = load_document(view.read(path, _LIMITS.bytes), name=path, limits=_LIMITS)
            source, more = _overridden(source, patch, path)
            warnings += more
    return source, warnings


def _overridden(source: Source, patch: Any, path: str) -> tuple[Source, list[str]]:
    if patch is None:
        return source, []
    if not isinstance(patch, Mapping):
        raise RenderError(
            f"{path}: a mapping of source fields is wanted, such as helm or kustomize.", code="invalid-source"
        )
    allowed = {key: value for key, value in _respelled(patch).items() if key not in _ANOTHER_PLACE}
    problems = Problems()
    changed = source_from(merge_patch(write_source(source) | {"path": "."}, allowed), path, problems)
    if problems.errors:
        raise RenderError("; ".join(problems.errors), code="invalid-source")
    source = dataclasses.replace(source, directory=changed.directory, helm=changed.helm, kustomize=changed.kustomize)
    return source, [f"RenderWarning: {text}" for text in problems.unserved]


def _respelled(patch: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take `forcestring`, as Argo CD's image updater writes it, for `forceString`."""
    helm = patch.get("helm")
    parameters = helm.get("parameters") if isinstance(helm, Mapping) else None
    if not isinstance(helm, Mapping) or not isinstance(parameters, list):
        return patch
    respelled = [
        {("forceString" if key == "forcestring" else key): value for key, value in parameter.items()}
        if isinstance(parameter, Mapping)
        else parameter
        for parameter in parameters
    ]
    return {**patch, "helm": {**helm, "parameters": respelled}}
