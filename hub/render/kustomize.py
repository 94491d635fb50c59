"""Runs a Kustomize build inside a worker, over a copy of exactly the files that were planned."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
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
from hub.render.sandbox import die_with_parent
from hub.render.wire import Setup, Task

_MAX_MESSAGE = 2000


def build(plan: Plan, task: Task, setup: Setup) -> Iterator[Found]:
    """Yield what the build puts out. Raises RenderError."""
    if not setup.kustomize:
        raise RenderError(
            "The hub has no kustomize: install kustomize or kubectl where the hub runs, or set the path of one of them "
            "in its configuration.",
            code="tool-missing",
        )
    where = Path(tempfile.mkdtemp(prefix="kustomize-", dir=setup.scratch))
    try:
        copy = where / "repository"
        export(plan, task.trees[plan.index], copy, setup.limits)
        _edit(plan, copy)
        output = _build(setup, copy / plan.path, where)
    finally:
        shutil.rmtree(where, ignore_errors=True)
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
    options = plan.source.kustomize
    if options is None or options == KustomizeOptions():
        return
    directory = copy / plan.path
    path = next(directory / name for name in KUSTOMIZATION_FILES if (directory / name).is_file())
    value = load_document(path.read_bytes(), name=path.name) or {}
    components = tuple(c for c in options.components if (directory / c).is_dir())
    content = orjson.dumps(edited(value, options, components))
    # A kustomization may be a symlink; what it leads to may be another application's.
    path.unlink()
    path.write_bytes(content)


def _build(setup: Setup, directory: Path, where: Path) -> bytes:
    home = where / "home"
    home.mkdir()
    with (where / "output").open("w+b") as output, (where / "errors").open("w+b") as errors:
        # Without PATH it finds no git to fetch with; without HOME's plugins it runs none.
        code = subprocess.run(
            [*setup.kustomize, str(directory)],
            cwd=directory,
            env={"HOME": str(home), "XDG_CONFIG_HOME": str(home), "PATH": str(home), "TMPDIR": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            preexec_fn=die_with_parent,
            check=False,
        ).returncode
        if code != 0:
            errors.seek(0)
            raise _failed(errors.read(64 * 1024).decode(errors="replace"), where, code)
        if output.tell() > setup.limits.output_bytes:
            raise RenderError(
                f"kustomize put out more than {setup.limits.output_bytes:,} bytes: split the application.",
                code="too-large",
            )
        output.seek(0)
        return output.read()


def _failed(said: str, where: Path, code: int) -> RenderError:
    """Turn kustomize's words into a message, with paths as they are in the repository."""
    text = said.replace(str(where / "repository") + "/", "").replace(str(where), "")
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", text.strip()).removeprefix("Error: ").removeprefix("error: ")
    if "panic:" in text or code < 0 or "out of memory" in text:
        text = "it crashed, or took more memory than it may have"
    return RenderError(f"kustomize cannot build this: {text[:_MAX_MESSAGE]}", code="tool-failed")
