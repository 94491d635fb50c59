"""Reading the manifests of a folder, as a source of an application is read: every file below it, in order.

A file of a folder that has nothing of a Kubernetes object in it (values, a schema, notes) is passed over, and so is one
with the skip marker; one that looks like a manifest must be one throughout. A file that is named must be one anyway.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from agent.admin.objects import Document, Misuse, objects_of, parse, read_bytes, read_documents
from agent.engine.resource import Object

SUFFIXES: Final = (".yaml", ".yml", ".json")
_SKIP_MARKER: Final = b"+argocd:skip-file-rendering"
_LOOKS_LIKE_MANIFEST: Final = re.compile(rb"""^[ \t{]*["']?(apiVersion|kind)["']?[ \t]*:""", re.MULTILINE)
_OBJECT_FIELDS: Final = ("apiVersion", "kind", "metadata")
_RENDERED: Final = {
    "Chart.yaml": ("a Helm chart", "helm template NAME"),
    "kustomization.yaml": ("a kustomization", "kustomize build"),
    "kustomization.yml": ("a kustomization", "kustomize build"),
    "Kustomization": ("a kustomization", "kustomize build"),
}
"""What a folder with such a file is, and what makes manifests of it."""


def read_placed(path: str) -> Iterator[tuple[str, Object]]:
    """Yield the Kubernetes objects of a file, of all files below a folder, or of standard input (`-`), each with the
    place of the document that it is in. Raises click.ClickException."""
    documents = _of_folder(path) if is_folder(path) else read_documents(path)
    for document in documents:
        for obj in objects_of(document):
            yield document.place, obj


def is_folder(path: str) -> bool:
    """Say whether what was typed is a folder. Never raises."""
    return path not in ("", "-") and "\0" not in path and Path(path).is_dir()


def nothing_in(path: str) -> str:
    """Say that a folder has none."""
    return f"there are no manifests in {path}: no object in a file that ends in {', '.join(SUFFIXES)}"


def _of_folder(path: str) -> Iterator[Document]:
    for name, (what, program) in _RENDERED.items():
        if Path(path, name).is_file():
            raise Misuse(f"{path} is {what} (it has {name}): pass on what `{program} {path}` prints, as a file or -")
    for file in _files_of(path):
        yield from _manifests(file)


def _manifests(file: str) -> Iterable[Document]:
    text = read_bytes(file)
    if _SKIP_MARKER in text:
        return ()
    try:
        documents = list(parse(text, file))
    except click.ClickException:
        if _LOOKS_LIKE_MANIFEST.search(text):
            raise
        return ()
    return documents if any(_has_object_field(document.value) for document in documents) else ()


def _has_object_field(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(item, dict) and _has_object_field(item) for item in value)
    return isinstance(value, dict) and any(name in value for name in _OBJECT_FIELDS)


def _files_of(path: str) -> list[str]:
    """Return the files to read, in the order of their paths. Raises Misuse."""
    found = []
    for folder, folders, names in os.walk(path, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if name.endswith(SUFFIXES) and not name.startswith(".")]
    return [str(file) for file in sorted(found)]


def _refuse(error: OSError) -> None:
    raise Misuse(f"{error.filename} cannot be read: {error.strerror or error}") from error
