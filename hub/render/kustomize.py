"""Runs a Kustomize build inside a worker, over a copy of exactly the files that were planned."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import orjson

from hub.domain.application import KustomizeOptions
from hub.domain.tree import Tree
from hub.formats.limits import Limits
from hub.formats.yaml import load_document, load_documents
from hub.render.detect import KUSTOMIZATION_FILES
from hub.render.errors import RenderError
from hub.render.kustomize_edit import edited
from hub.render.model import Plan, RenderLimits
from hub.render.normalize import Found
from hub.render.program import ProgramFailed, readable, run_program
from hub.render.wire import Setup, Task


def build(plan: Plan, task: Task, setup: Setup) -> Iterator[Found]:
    """Yield what the build puts out. Raises RenderError."""
    if not setup.kustomize:
        raise RenderError(
            "The hub has no kustomize: install kustomize or kubectl where the hub runs, or set the path of one of them "
            "in its configuration.",
            code="tool-missing",
        )
    scratch = Path(tempfile.mkdtemp(prefix="kustomize-", dir=setup.scratch))
    copy = scratch / "repository"
    try:
        export(plan, task.trees[plan.index], copy, setup.limits)
        _edit(plan, copy)
        command = (*setup.kustomize, str(copy / plan.path))
        output = run_program(command, copy / plan.path, scratch, setup.limits.output_bytes)
    except ProgramFailed as error:
        said = readable(error.said, ((copy, "."), (scratch, "")))
        what = "it crashed, or took more memory than it may have" if error.crashed else said
        raise RenderError(f"kustomize cannot build {plan.path or '.'}: {what}", code="tool-failed") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    name = f"kustomize build {plan.path or '.'}"
    limits = Limits(bytes=setup.limits.output_bytes)
    return (Found(document.value, name) for document in load_documents(output, name=name, limits=limits))


def export(plan: Plan, tree: Tree, copy: Path, limits: RenderLimits) -> None:
    """Write the planned files, and the symlinks that lead to them, below a directory."""
    (copy / plan.path).mkdir(parents=True, exist_ok=True)
    for file in plan.files:
        target = copy / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(tree.read(file.stored, limits.file_bytes))
    # Sorted: a link to a directory comes before what is reached through it, and is there already then.
    for path, stored in plan.links:
        link = copy / path
        if not os.path.lexists(link):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(copy / stored, link.parent))


def _edit(plan: Plan, copy: Path) -> None:
    """Put the source's options into the copy of its kustomization."""
    options = plan.source.kustomize
    if options is None or options == KustomizeOptions():
        return
    directory = copy / plan.path
    path = next(directory / name for name in KUSTOMIZATION_FILES if (directory / name).is_file())
    value = load_document(path.read_bytes(), name=path.name) or {}
    components = tuple(c for c in options.components if (directory / c).is_dir())
    content = orjson.dumps(edited(value, options, components))
    # A kustomization may be a symlink, and what it leads to another's.
    path.unlink()
    path.write_bytes(content)
