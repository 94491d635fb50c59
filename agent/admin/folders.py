"""Reading the manifests of a folder, as a source of an application is read: every file below it, in order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.admin.objects import Misuse, objects_of, read_documents
from agent.engine.resource import Object

SUFFIXES: Final = (".yaml", ".yml", ".json")


def read_placed(path: str) -> Iterator[tuple[str, Object]]:
    """Yield the Kubernetes objects of a file, of all files below a folder, or of standard input (`-`), each with the
    place of the document that it is in. Raises click.ClickException."""
    for file in files_of(path):
        for document in read_documents(file):
            for obj in objects_of(document):
                yield document.place, obj


def files_of(path: str) -> list[str]:
    """Return the files to read, those of a folder in the order of their paths. Raises Misuse."""
    if path == "-" or "\0" in path or not Path(path).is_dir():
        return [path]
    found = []
    for folder, folders, names in os.walk(path, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if name.endswith(SUFFIXES) and not name.startswith(".")]
    return [str(file) for file in sorted(found)]


def _refuse(error: OSError) -> None:
    raise Misuse(f"{error.filename} cannot be read: {error.strerror or error}") from error
