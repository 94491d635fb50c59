"""Plain manifests: which files of a directory are read, and what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hub.domain.application import DirectoryOptions
from hub.domain.tree import Tree, TreeEntry
from hub.formats.errors import FormatError
from hub.formats.limits import Limits
from hub.formats.yaml import Document, load_documents
from hub.render import globs
from hub.render.errors import RenderError
from hub.render.model import File, RenderLimits
from hub.render.overrides import OVERRIDE_PREFIX
from hub.render.paths import RepositoryView, submodule_refused

SKIP_MARKER = b"+argocd:skip-file-rendering"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"

_MANIFEST = re.compile(r".+\.(yaml|yml|json|jsonnet)", re.DOTALL)
_LOOKS_LIKE_MANIFEST = re.compile(rb"""^[ \t{]*["']?(apiVersion|kind)["']?[ \t]*:""", re.MULTILINE)
_OBJECT_FIELDS = ("apiVersion", "kind", "metadata")


def find_files(
    view: RepositoryView, directory: str, options: DirectoryOptions, limits: RenderLimits
) -> tuple[File, ...]:
    """Return the manifests of a directory, sorted by path. Raises RenderError."""
    prefix = directory + "/" if directory else ""
    entries = view.tree.walk(directory) if options.recurse else iter(view.tree.list(directory))
    files = []
    for entry in entries:
        path = entry.path.removeprefix(prefix)
        if entry.kind == "submodule":
            if options.recurse and not (options.exclude and globs.matches(options.exclude, path)):
                raise submodule_refused(f"{entry.path!r} is a Git submodule")
            continue
        if not _is_wanted(entry, path, options):
            continue
        file = _file(view, entry)
        if file is not None:
            files.append(file)
        if len(files) > limits.files:
            raise RenderError(
                f"{directory or 'The root'} holds more than {limits.files:,} manifests: split it into several "
                "applications, or leave files out with directory.exclude.",
                code="too-large",
            )
    return tuple(files)


def read_objects(file: File, tree: Tree, limits: RenderLimits) -> Iterator[Document]:
    """Yield the documents of a manifest. Raises FormatError, RenderError.

    As in Argo CD, a file with the skip marker is left out, and so is one that has nothing of a Kubernetes object in
    it, be it other YAML or no YAML at all. A file that looks like a manifest must be one throughout.
    """
    try:
        text = tree.read(file.stored, limits.file_bytes)
    except ValueError as error:
        raise RenderError(
            f"{file.path} is larger than the {limits.file_bytes:,} bytes a manifest may have.", code="too-large"
        ) from error
    if text.startswith(_LFS_POINTER):
        # Passed over as no manifest, everything in it would be taken for what Git has no more, and be pruned.
        raise RenderError(
            f"{file.path} is kept in Git LFS, which this hub does not read: commit the file itself, or leave it out "
            "with directory.exclude.",
            code="not-served",
        )
    if SKIP_MARKER in text:
        return
    try:
        documents = load_documents(text, name=file.path, limits=Limits(bytes=limits.file_bytes))
    except FormatError:
        if _LOOKS_LIKE_MANIFEST.search(text):
            raise
        return
    if any(_has_object_field(document.value) for document in documents):
        yield from documents


def _is_wanted(entry: TreeEntry, path: str, options: DirectoryOptions) -> bool:
    name = path.rpartition("/")[2]
    if entry.kind not in ("file", "symlink") or not _MANIFEST.fullmatch(name) or name.startswith(OVERRIDE_PREFIX):
        return False
    if options.exclude and globs.matches(options.exclude, path):
        return False
    return not options.include or globs.matches(options.include, path)


def _file(view: RepositoryView, entry: TreeEntry) -> File | None:
    if entry.kind == "file":
        return File(entry.path, entry.path, entry.object_id, view.index, entry.size)
    # A symlink that dangles, or leads to a directory, is passed over, as in Argo CD.
    return view.file(entry.path)


def _has_object_field(value: Any) -> bool:
    return isinstance(value, dict) and any(name in value for name in _OBJECT_FIELDS)
