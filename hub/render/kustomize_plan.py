"""Which files a kustomization reads, found by following its references from directory to directory.

A build is given these files and no others. So what its key covers is what it can see, a reference that is missed here
fails the build instead of going unnoticed, and nothing remote is ever reached: what names another host is refused.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hub.domain.application import KustomizeOptions
from hub.formats.limits import Limits
from hub.formats.yaml import load_document, load_documents
from hub.render.beyond import Beyond
from hub.render.detect import KUSTOMIZATION_FILES
from hub.render.errors import RenderError, path_refused
from hub.render.model import File, Plan, RenderLimits
from hub.render.paths import RepositoryView, normalized

_LIMITS = Limits(bytes=1024 * 1024, depth=50, nodes=100_000)
_MAX_DIRECTORIES = 500
_REMOTE = re.compile(
    r"^[a-z][a-z0-9+.-]*://|^git::|^gh:|^[\w.-]+@[\w.-]+:|^(?:github|gitlab|bitbucket)\.\w+[:/]|\.git(?:/|\?|$)|"
    r"[?&](?:ref|version|timeout|submodules)=",
    re.IGNORECASE,
)
_HELM_FIELDS = ("helmCharts", "helmChartInflationGenerator", "helmGlobals")
_PLUGIN_FIELDS = ("generators", "transformers", "validators")
_PLUGIN_PATHS = ("path", "paths", "files", "envs", "env", "resources")


def completed(plan: Plan, view: RepositoryView, beyond: Beyond, limits: RenderLimits) -> Plan:
    """Return the plan with the files that the build reads. Raises RenderError, FormatError."""
    walk = _Walk(view, limits)
    walk.directory(plan.path)
    options = plan.source.kustomize or KustomizeOptions()
    walk.options(plan.path, options)
    files = tuple(sorted(walk.files.values(), key=lambda file: file.path))
    return dataclasses.replace(plan, files=files, links=tuple(sorted(walk.links.items())))


def kustomization_file(view: RepositoryView, directory: str) -> str:
    """Return the path of a directory's kustomization. Raises RenderError when there is not exactly one."""
    paths = [normalized(f"{directory}/{name}") for name in KUSTOMIZATION_FILES]
    found = [path for path in paths if view.file(path) is not None]
    if len(found) == 1:
        return found[0]
    where = repr(directory) if directory else "the repository's root"
    if found:
        raise RenderError(f"There are several kustomizations in {where}: keep one of them.", code="invalid-source")
    raise RenderError(
        f"There is no kustomization.yaml in {where}, where the source or another kustomization wants one.",
        code="path-not-found",
    )


class _Walk:
    """Follows references, each directory once, so a circle ends; kustomize itself then names it."""

    def __init__(self, view: RepositoryView, limits: RenderLimits) -> None:
        self.files: dict[str, File] = {}
        self.links: dict[str, str] = {}
        self._view = view
        self._limits = limits
        self._seen: set[str] = set()

    def directory(self, directory: str) -> None:
        pending = [directory]
        while pending:
            current = pending.pop()
            if current in self._seen:
                continue
            self._seen.add(current)
            if len(self._seen) > _MAX_DIRECTORIES:
                raise RenderError(
                    f"The kustomization draws on more than {_MAX_DIRECTORIES} directories.", code="too-large"
                )
            pending += self._kustomization(current)

    def options(self, directory: str, options: KustomizeOptions) -> None:
        """Follow what the source's own options name, from the source's directory."""
        for path in options.components:
            if options.ignore_missing_components and self._view.find(_joined(directory, path)) is None:
                continue
            if (found := self._reference(directory, path, "the source's kustomize.components")) is not None:
                self.directory(found)
        for patch in options.patches:
            if patch.get("path"):
                self._reference(directory, patch["path"], "the source's kustomize.patches")

    def _kustomization(self, directory: str) -> list[str]:
        """Note the files a kustomization names; return the directories."""
        path = kustomization_file(self._view, directory)
        self._add_file(path)
        value = load_document(self._view.read(path, _LIMITS.bytes), name=path, limits=_LIMITS)
        if value is None:
            return []
        if not isinstance(value, Mapping):
            raise RenderError(f"{path}: a mapping is wanted.", code="invalid-source")
        self._refuse_helm(path, value)
        for name in _PLUGIN_FIELDS:
            if value.get(name):
                self._plugins(directory, path, name, value[name])
        found = [self._reference(directory, text, f"{path}: {name}") for name, text in _references(value)]
        return [place for place in found if place is not None]

    def _reference(self, directory: str, text: str, origin: str) -> str | None:
        """Note what a reference leads to; return it if it is a directory."""
        if text.startswith("/"):
            raise path_refused(text, f"({origin}) is an absolute path: name it from the kustomization's directory")
        path = _joined(directory, text)
        located = self._view.find(path)
        if located is None:
            if _REMOTE.search(text):
                raise RenderError(
                    f"{origin} names {text[:200]!r} on another host, which this hub does not fetch: copy it into the "
                    "repository.",
                    code="not-served",
                )
            raise RenderError(
                f"{origin} names {text[:200]!r}, which is not in the commit: add it, or take it out.",
                code="path-not-found",
            )
        if located.path != path:
            self.links[path] = located.path
        if located.is_directory:
            return located.path
        self._add_file(located.path)
        return None

    def _add_file(self, path: str) -> None:
        file = self._view.file(path)
        if file is None:
            raise RenderError(f"There is no file {path!r} in the commit.", code="path-not-found")
        if file.path != file.stored:
            self.links[file.path] = file.stored
            file = dataclasses.replace(file, path=file.stored)
        self.files[file.path] = file
        if len(self.files) > self._limits.files:
            raise RenderError(f"The kustomization reads more than {self._limits.files:,} files.", code="too-large")

    def _plugins(self, directory: str, path: str, name: str, entries: Any) -> None:
        """Generators, transformers and validators may name further files in ways of their own: add all there are."""
        for entry in _texts(entries):
            if _is_inline(entry):
                _refuse_remote_plugins(entry, path)
        for item in self._view.tree.walk(directory):
            if item.kind == "file":
                self._add_file(item.path)
        for entry in _texts(entries):
            if not _is_inline(entry) and (file := self._view.file(_joined(directory, entry))) is not None:
                _refuse_remote_plugins(self._view.read(file.path, _LIMITS.bytes), file.path)

    @staticmethod
    def _refuse_helm(path: str, value: Mapping[str, Any]) -> None:
        for name in _HELM_FIELDS:
            if value.get(name):
                raise RenderError(
                    f"{path}: {name} is not served: Helm does not run inside Kustomize here. Make the chart a source "
                    "of its own.",
                    code="not-served",
                )


def _references(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (field, reference) for everything in a kustomization that names a file or directory."""
    for name, read in _FIELDS.items():
        for text in read(value.get(name)):
            yield name, text


def _texts(value: Any) -> Iterator[str]:
    """Yield the strings of a list, or a string that stands alone."""
    items = value if isinstance(value, list) else [value]
    yield from (item for item in items if isinstance(item, str) and item)


def _texts_or_inline(value: Any) -> Iterator[str]:
    yield from (text for text in _texts(value) if not _is_inline(text))


def _paths(value: Any) -> Iterator[str]:
    """Yield the `path` of each mapping of a list."""
    for item in value if isinstance(value, list) else []:
        if isinstance(item, Mapping) and isinstance(item.get("path"), str) and item["path"]:
            yield item["path"]


def _path(value: Any) -> Iterator[str]:
    yield from _paths([value])


def _generated(value: Any) -> Iterator[str]:
    """Yield the files of config map and secret generators: "path" or "key=path"."""
    for item in value if isinstance(value, list) else []:
        if isinstance(item, Mapping):
            yield from (text.partition("=")[2] or text for text in _texts(item.get("files")))
            yield from _texts(item.get("envs"))
            yield from _texts(item.get("env"))


_FIELDS: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "resources": _texts,
    "bases": _texts,
    "components": _texts,
    "crds": _texts,
    "configurations": _texts,
    "generators": _texts_or_inline,
    "transformers": _texts_or_inline,
    "validators": _texts_or_inline,
    "patchesStrategicMerge": _texts_or_inline,
    "patches": _paths,
    "patchesJson6902": _paths,
    "replacements": _paths,
    "openapi": _path,
    "configMapGenerator": _generated,
    "secretGenerator": _generated,
}


def _is_inline(text: str) -> bool:
    """Whether an entry is YAML itself rather than a path."""
    return "\n" in text or text.lstrip().startswith("{")


def _refuse_remote_plugins(text: str | bytes, path: str) -> None:
    for document in load_documents(text, name=path, limits=_LIMITS):
        for reference in _plugin_references(document.value):
            if _REMOTE.match(reference) and "://" in reference:
                raise RenderError(
                    f"{path} names {reference[:200]!r} on another host, which this hub does not fetch.",
                    code="not-served",
                )


def _plugin_references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in _PLUGIN_PATHS:
                yield from _texts(item)
            yield from _plugin_references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _plugin_references(item)


def _joined(directory: str, path: str) -> str:
    return normalized(f"{directory}/{path}")
