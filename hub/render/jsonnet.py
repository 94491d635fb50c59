"""Evaluates Jsonnet for a worker, in a process of its own: its runtime reserves as much address space as Helm's, and a
worker has room for one of them."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from hub.domain.application import JsonnetVariable
from hub.formats.limits import Limits
from hub.formats.yaml import load_document
from hub.render.errors import RenderError
from hub.render.model import File, Plan
from hub.render.program import ProgramFailed, readable, run_program
from hub.render.wire import Setup, Task

_COMMAND = (sys.executable, "-s", "-P", "-m", "hub.render.jsonnet_program")


def evaluate(file: File, plan: Plan, task: Task, setup: Setup) -> Iterator[Any]:
    """Yield what a file comes to: the items of an array, or the one value. Raises RenderError."""
    assert plan.jsonnet is not None
    scratch = Path(tempfile.mkdtemp(prefix="jsonnet-", dir=setup.scratch))
    try:
        _prepare(file, plan, task, setup, scratch)
        # The program is found where this one was.
        path = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        output = run_program(_COMMAND, scratch, scratch, setup.limits.output_bytes, path)
    except ProgramFailed as error:
        said = readable(error.said, ((scratch, ""),))
        what = "it crashed, or took more memory than it may have" if error.crashed else said
        raise RenderError(f"Jsonnet cannot evaluate {file.path}: {what}", code="tool-failed") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    value = load_document(output, name=file.path, limits=Limits(bytes=setup.limits.output_bytes))
    # A conditional without else is null, which stands for nothing.
    yield from (item for item in (value if isinstance(value, list) else [value]) if item is not None)


def _prepare(file: File, plan: Plan, task: Task, setup: Setup, scratch: Path) -> None:
    """Write what the program is given: values may be secrets, and arguments are public to the machine."""
    assert plan.jsonnet is not None
    files = {read.path: read for read in (file, *plan.jsonnet.imports)}
    for number, read in enumerate(files.values()):
        content = task.trees[read.tree].read(read.stored, setup.limits.file_bytes)
        (scratch / str(number)).write_bytes(content)
    options = plan.jsonnet.options
    task_file = {
        "evaluate": file.path,
        "files": {path: number for number, path in enumerate(files)},
        "leads": plan.jsonnet.leads,
        "ext_vars": _values(options.ext_vars, code=False),
        "ext_codes": _values(options.ext_vars, code=True),
        "tla_vars": _values(options.tlas, code=False),
        "tla_codes": _values(options.tlas, code=True),
    }
    (scratch / "task.json").write_bytes(orjson.dumps(task_file))


def _values(variables: tuple[JsonnetVariable, ...], *, code: bool) -> dict[str, str]:
    return {variable.name: variable.value for variable in variables if variable.code is code}
