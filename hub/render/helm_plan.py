"""Which files a chart's render reads: the chart, charts it depends on by path, and the value files of the source.

The chart goes to the worker as a plain copy: symlinks are followed here, where the repository's bounds are known, for
Helm itself would follow them anywhere.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

from hub.domain.application import HelmOptions
from hub.render.beyond import Beyond
from hub.render.detect import CHART_FILE
from hub.render.errors import RenderError, path_refused
from hub.render.helm_dependencies import Dependency, dependencies, locked
from hub.render.model import File, Plan, RenderLimits, RenderRequest
from hub.render.paths import RepositoryView, joined, normalized, submodule_refused

_MAX_DEPTH = 30
_MAX_VALUE_FILES = 200
_VENDORED = 1_000_000
"""Counts as the position of a dependency that is there."""
_CHART_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_DEFAULT_NAMESPACE = "default"
_GLOB = re.compile(r"[*?\[]")
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_REFERENCE = re.compile(r"(\$[A-Za-z0-9_-]+)(?:/(.*))?", re.DOTALL)


def completed(
    plan: Plan, view: RepositoryView, refs: Mapping[str, RepositoryView], beyond: Beyond, limits: RenderLimits
) -> Plan:
    """Return the plan with the files that the chart's render reads. `refs` are the sources that value files may come
    from: "$name" → view. Raises RenderError, FormatError."""
    options = plan.source.helm or HelmOptions()
    if view.file(normalized(f"{plan.path}/{CHART_FILE}")) is None:
        raise RenderError(
            f"There is no {CHART_FILE} in {plan.path or 'the root of the repository'}: the source says it is a chart.",
            code="path-not-found",
        )
    chart = _Chart(beyond, limits)
    chart.add(view, plan.path, plan.path, 0)
    values = _ValueFiles(plan.path, view, refs)
    return dataclasses.replace(
        plan,
        files=tuple(sorted(chart.files.values(), key=lambda file: file.path)),
        value_files=tuple(values.find(options)),
        parameter_files=tuple(values.one(path, "helm.fileParameters") for _, path in options.file_parameters),
    )


def release_name(plan: Plan, request: RenderRequest) -> str:
    options = plan.source.helm
    return (options.release_name if options else "") or request.app_name


def namespace(plan: Plan, request: RenderRequest) -> str:
    options = plan.source.helm
    return (options.namespace if options else "") or request.app_namespace or _DEFAULT_NAMESPACE


def kubernetes_version(plan: Plan, request: RenderRequest) -> str:
    """Return the version that charts are told, and held to; empty when no cluster has told its own."""
    options = plan.source.helm
    return (options.kube_version if options else "") or request.capabilities.kubernetes_version


def api_versions(plan: Plan, request: RenderRequest) -> list[str]:
    options = plan.source.helm
    return list((options.api_versions if options else ()) or request.capabilities.api_versions)


class _Chart:
    """Collects a chart's files, by their path in the copy that is rendered."""

    def __init__(self, beyond: Beyond, limits: RenderLimits) -> None:
        self.files: dict[str, File] = {}
        self._beyond = beyond
        self._limits = limits

    def add(self, view: RepositoryView, directory: str, path: str, depth: int) -> None:
        """Add the chart stored at `directory` as if it were at `path`, and what it depends on."""
        if depth > _MAX_DEPTH:
            raise RenderError(
                f"The charts below {path[:200]!r} are nested more than {_MAX_DEPTH} deep: look for one that depends on "
                "itself.",
                code="invalid-source",
            )
        self._copy(view, directory, path, 0)
        seen: dict[str, int] = {}
        for dependency in dependencies(view, directory):
            name = dependency.name
            position = seen[name] = seen.get(name, -1) + 1
            if not name or (position == 0 and self._is_vendored(path, name)):
                # One that is there is taken as it is, and so are its namesakes.
                seen[name] = _VENDORED
                continue
            if position > _VENDORED:
                continue
            if dependency.repository.startswith("file://"):
                target = dependency.repository.removeprefix("file://")
                self._add_local(view, directory, path, name, target, depth)
            elif dependency.repository:
                self._add_remote(view, directory, path, dependency, position, depth)

    def _add_local(self, view: RepositoryView, directory: str, path: str, name: str, target: str, depth: int) -> None:
        if target.startswith("/"):
            raise path_refused(target, f"(the dependency {name} of {directory}) is an absolute path")
        located = view.find(joined(directory, target))
        if located is None or not located.is_directory:
            raise RenderError(
                f"The chart in {directory!r} depends on {name} at {target!r}, which is not in the commit: add "
                "it, or take the dependency out.",
                code="path-not-found",
            )
        self.add(view, located.path, normalized(f"{path}/charts/{name}"), depth + 1)

    def _add_remote(
        self, view: RepositoryView, directory: str, path: str, wanted: Dependency, position: int, depth: int
    ) -> None:
        """Add a dependency of another place, or have it fetched."""
        if not _CHART_NAME.fullmatch(wanted.name):
            raise RenderError(
                f"The chart in {directory or 'the root'} depends on {wanted.name[:100]!r}, which is no chart's name.",
                code="invalid-source",
            )
        found = locked(view, directory, wanted, position)
        fetched = self._beyond.view(found.repository, found.version or "*", chart=found.name)
        if fetched is None:
            return
        name = found.name if found.is_only else f"{found.name}-{position}"
        self.add(fetched, "", normalized(f"{path}/charts/{name}"), depth + 1)

    def _is_vendored(self, path: str, name: str) -> bool:
        vendored = normalized(f"{path}/charts/{name}")
        archive = re.compile(re.escape(vendored) + r"-[0-9][^/]*\.tgz")
        return any(file.startswith(vendored + "/") or archive.fullmatch(file) for file in self.files)

    def _copy(self, view: RepositoryView, directory: str, path: str, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise path_refused(path, "is nested too deep: look for a symlink that leads round in a circle")
        for entry in view.tree.list(directory):
            name = entry.path.rpartition("/")[2]
            target = normalized(f"{path}/{name}")
            located = view.find(entry.path) if entry.kind == "symlink" else None
            stored, kind = (located.path, located.entry.kind) if located else (entry.path, entry.kind)
            if kind == "submodule":
                raise submodule_refused(f"{entry.path!r} in the chart is a Git submodule")
            if kind == "directory":
                self._copy(view, stored, target, depth + 1)
            elif kind == "file":
                found = located.entry if located else entry
                self._add_file(File(target, stored, found.object_id, view.index, found.size))

    def _add_file(self, file: File) -> None:
        self.files[file.path] = file
        if len(self.files) > self._limits.files:
            raise RenderError(f"The chart has more than {self._limits.files:,} files.", code="too-large")


class _ValueFiles:
    def __init__(self, directory: str, view: RepositoryView, refs: Mapping[str, RepositoryView]) -> None:
        self._directory = directory
        self._view = view
        self._refs = refs

    def find(self, options: HelmOptions) -> Iterator[File]:
        """Yield the value files in the order they are given, globs in the order of their paths."""
        count = 0
        for text in options.value_files:
            for file in self._matching(text, required=not options.ignore_missing_value_files):
                count += 1
                if count > _MAX_VALUE_FILES:
                    raise RenderError(f"There are more than {_MAX_VALUE_FILES} value files.", code="too-large")
                yield file

    def one(self, text: str, origin: str) -> File:
        view, path = self._place(text, origin)
        file = view.file(path)
        if file is None:
            raise _missing(text, origin)
        return file

    def _matching(self, text: str, *, required: bool) -> list[File]:
        view, path = self._place(text, "helm.valueFiles")
        if _GLOB.search(path):
            found = _glob(view, path)
        else:
            file = view.file(path)
            found = [file] if file is not None else []
        if not found and required:
            raise _missing(text, "helm.valueFiles")
        return found

    def _place(self, text: str, origin: str) -> tuple[RepositoryView, str]:
        """Return the tree a path is in, and the path from its root."""
        if scheme := _REMOTE.match(text):
            raise RenderError(
                f"{origin} names {scheme[0]}…, on another host, which this hub does not fetch: put the file into a "
                "repository.",
                code="not-served",
            )
        reference = _REFERENCE.fullmatch(text)
        if reference is None:
            return self._view, joined(self._directory, text)
        name, path = reference.groups()
        if name not in self._refs:
            raise RenderError(
                f"{origin} names {text[:200]!r}, but no source of the application has ref: {name[1:]}.",
                code="invalid-source",
            )
        return self._refs[name], normalized(path or "")


def _glob(view: RepositoryView, pattern: str) -> list[File]:
    """Return the files a pattern matches: `*`, `?` and `[a-z]` within a name, `**` across directories."""
    parts = pattern.split("/")
    literal = next(index for index, part in enumerate(parts) if _GLOB.search(part))
    start = "/".join(parts[:literal])
    base = view.find(start)
    if base is None or not base.is_directory:
        entry = view.tree.entry(start) if base is None else None
        if entry is not None and entry.kind == "submodule":
            raise submodule_refused(f"{start!r}, where helm.valueFiles looks, is a Git submodule")
        return []
    matcher = _glob_matcher(parts[literal:])
    prefix = base.path + "/" if base.path else ""
    entries = view.tree.walk(base.path) if len(parts) > literal + 1 or "**" in pattern else view.tree.list(base.path)
    paths = []
    for entry in entries:
        path = entry.path.removeprefix(prefix)
        if entry.kind == "submodule" and _reaches(parts[literal:], path.split("/")):
            raise submodule_refused(f"{entry.path!r}, where helm.valueFiles looks, is a Git submodule")
        if entry.kind in ("file", "symlink") and matcher.fullmatch(path):
            paths.append(entry.path)
    return [file for path in sorted(paths) if (file := view.file(path)) is not None]


def _reaches(parts: list[str], names: list[str]) -> bool:
    """Whether a pattern may match something below the directory of these names."""
    for part, name in zip(parts, names, strict=False):
        if part == "**":
            return True
        if _glob_matcher([part]).fullmatch(name) is None:
            return False
    return len(names) < len(parts)


def _glob_matcher(parts: list[str]) -> re.Pattern[str]:
    if sum(part.count("*") for part in parts) > 10:
        raise RenderError("A pattern in helm.valueFiles has more than ten stars.", code="invalid-source")
    regexes = [".*" if part == "**" else _segment(part) for part in parts]
    # "**/" stands for any number of directories, none among them.
    return re.compile("/".join(regexes).replace(".*/", "(?:.*/)?"), re.DOTALL)


def _segment(part: str) -> str:
    result, position = "", 0
    while position < len(part):
        character = part[position]
        end = part.find("]", position + 2) if character == "[" else -1
        if character == "*":
            result += "[^/]*"
        elif character == "?":
            result += "[^/]"
        elif end > 0:
            members = part[position + 1 : end]
            negated = members[0] in "!^"
            result += f"[{'^' if negated else ''}{re.escape(members[negated:]).replace(chr(92) + '-', '-')}]"
            position = end
        else:
            result += re.escape(character)
        position += 1
    return result


def _missing(text: str, origin: str) -> RenderError:
    return RenderError(
        f"{origin} names {text[:200]!r}, which is not in the commit"
        + (": set helm.ignoreMissingValueFiles to leave absent ones out." if "valueFiles" in origin else "."),
        code="path-not-found",
    )
