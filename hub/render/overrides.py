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


def with_overrides(source: Source, view: RepositoryView, directory: str, app_name: str) -> Source:
    """Return the source as its repository changes it. Raises RenderError, FormatError."""
    for name in (f"{OVERRIDE_PREFIX}.yaml", f"{OVERRIDE_PREFIX}-{app_name}.yaml"):
        path = joined(directory, name)
        if view.file(path) is not None:
            source = _overridden(source, load_document(view.read(path, _LIMITS.bytes), name=path, limits=_LIMITS), path)
    return source


def _overridden(source: Source, patch: Any, path: str) -> Source:
    if patch is None:
        return source
    if not isinstance(patch, Mapping):
        raise RenderError(
            f"{path}: a mapping of source fields is wanted, such as helm or kustomize.", code="invalid-source"
        )
    patch = {key: value for key, value in patch.items() if key not in _ANOTHER_PLACE}
    problems = Problems()
    changed = source_from(merge_patch(write_source(source) | {"path": "."}, patch), path, problems)
    if problems.errors:
        raise RenderError("; ".join(problems.errors), code="invalid-source")
    return dataclasses.replace(source, directory=changed.directory, helm=changed.helm, kustomize=changed.kustomize)
