"""Runs kustomize or helm inside a worker: no shell, no environment, no input, and output into files of limited size."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from hub.render.errors import RenderError
from hub.render.sandbox import die_with_parent

# It finds no other program, such as git, and no plugins. The same for every render: a kustomization may read it.
_ENVIRONMENT = {"PATH": "/nonexistent", "HOME": "/nonexistent"}
_MAX_STDERR = 64 * 1024
_MAX_MESSAGE = 2000
_KLOG = re.compile(r'^E\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ \S+\] "command failed" err="(.*)"$', re.MULTILINE)
"""How kubectl puts what kustomize says: with the time and its process, so in other words each time."""
_CALLS = "error calling include: "
_CALLS_KEPT = 4
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class ProgramFailed(Exception):
    def __init__(self, said: str, code: int) -> None:
        super().__init__(said)
        self.said = said
        self.crashed = code < 0 or "panic:" in said or "out of memory" in said or "stack overflow" in said


def run_program(
    command: Sequence[str], directory: Path, scratch: Path, limit: int, more: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """Return what a program puts out. Raises ProgramFailed, and RenderError beyond `limit` bytes.

    `scratch` is this render's own directory, `more` of the environment beside what every program gets.
    """
    with (scratch / "output").open("w+b") as output, (scratch / "errors").open("w+b") as errors:
        # The command is the operator's program with paths made here.
        code = subprocess.run(  # noqa: S603
            command,
            cwd=directory,
            env={**_ENVIRONMENT, **more},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            preexec_fn=die_with_parent,
            check=False,
        ).returncode
        if code != 0:
            errors.seek(0)
            raise ProgramFailed(errors.read(_MAX_STDERR).decode(errors="replace"), code)
        output.seek(0)
        content = output.read(limit + 1)
    if len(content) > limit:
        raise RenderError(
            f"Rendering put out more than {limit:,} bytes: split the application into several.", code="too-large"
        )
    return content


def readable(said: str, paths: Sequence[tuple[Path, str]]) -> str:
    """Return a program's words for people: directories by their names in the repository, and not too many words."""
    for path, name in paths:
        said = said.replace(str(path), name)
    text = _without_repeats(_KLOG.sub(r"\1", _CONTROL.sub("", said.strip())))
    for prefix in ("Error: ", "error: "):
        text = text.removeprefix(prefix)
    return text[:_MAX_MESSAGE]


def _without_repeats(text: str) -> str:
    """Return the way to an error without its middle: a template that calls itself is told of a thousand times over,
    and the reason comes last."""
    calls = text.split(_CALLS)
    if len(calls) <= _CALLS_KEPT + 1:
        return text
    left_out = len(calls) - 1 - _CALLS_KEPT
    return _CALLS.join(calls[:_CALLS_KEPT]) + f"{_CALLS}... {left_out:,} more ...: {calls[-1]}"
