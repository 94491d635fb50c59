"""Runs a program of the product as it is, until it comes to a point where it is to be killed, and then again:

    python -P -m tests.faults.mortal '{"fuse": "PATH", "points": ["agent.storage:Storage.bury", …]}' agent

imports the program and forks a process for every line on standard input, a JSON list of its arguments; it writes each
one's id, and its exit code when it has ended (see `tests.faults.lives`).

While the file `fuse` is there, that process ends itself by SIGKILL just before or just after the call it names. The
file goes first, so that the next life lasts. Product code has no part in it: the functions are wrapped from outside.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import inspect
import json
import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.controlplane.tied import tie


class Fuse:
    """{"where": "module:Class.method", "when": "before" or "after", "nth": 1, "given": "text among the arguments"}"""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = b""
        self._calls = 0

    def reach(self, where: str, when: str, arguments: tuple[Any, ...]) -> None:
        """Die here if the fuse says so. Calls are counted from when it was lit."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return
        if content != self._content:
            self._content, self._calls = content, 0
        point = json.loads(content)
        if (point["where"], point["when"]) != (where, when) or point["given"] not in repr(arguments):
            return
        self._calls += 1
        if self._calls == point["nth"]:
            self._path.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def wrap(where: str, fuse: Fuse) -> None:
    """Have the fuse looked at around every call of a function or method."""
    owner, name = _owner(where)
    called = getattr(owner, name)

    if inspect.iscoroutinefunction(called):

        @functools.wraps(called)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            fuse.reach(where, "before", args)
            result = await called(*args, **kwargs)
            fuse.reach(where, "after", args)
            return result

        wrapper: Callable[..., Any] = awaited
    else:

        @functools.wraps(called)
        def direct(*args: Any, **kwargs: Any) -> Any:
            fuse.reach(where, "before", args)
            result = called(*args, **kwargs)
            fuse.reach(where, "after", args)
            return result

        wrapper = direct
    bound = isinstance(inspect.getattr_static(owner, name), classmethod | staticmethod)
    setattr(owner, name, staticmethod(wrapper) if bound else wrapper)


def _owner(where: str) -> tuple[Any, str]:
    module, _, path = where.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    return owner, name


def hasten(program: str) -> None:
    """Let what waits for a killed predecessor's lease, for the other end to come back, for the next wave, or to look
    again at what a deletion left, not wait for long."""
    if program == "hub":
        server = importlib.import_module("hub.server")
        vars(server).update(CONTROLLER_LEASE_SECONDS=1.5, TURN_SECONDS=1.0)
    else:
        root = importlib.import_module("agent.agent")
        options = functools.partial(root.LinkOptions, backoff_first_seconds=0.05, backoff_cap_seconds=0.3)
        vars(root).update(LinkOptions=options)
        vars(importlib.import_module("agent.syncer.operation")).update(WAVE_SECONDS=0.05)
        vars(importlib.import_module("agent.syncer.ending")).update(RETRY_SECONDS=0.3)


IMPORTS = {
    "hub": ("hub.__main__", "hub.api.app", "hub.api.listener", "uvloop"),
    "agent": ("agent.__main__", "agent.kube.cluster", "agent.kube.kubeconfig", "agent.kube.simulated.control"),
}
"""What every life of a program would import."""

_whole_life = contextlib.ExitStack()


def load(program: str) -> None:
    """Import it, in a process that is to have as many lives as there are kills."""
    for name in IMPORTS[program]:
        importlib.import_module(name)
    if program == "hub":
        quick = importlib.import_module("tests.hub.quick")
        quick.routes()
        _whole_life.enter_context(quick.quick_start())


def live(program: str, words: list[str], parent: int) -> None:
    """Be a life: with nothing of the pipes, and dying with the process that forked."""
    tie(parent)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    sys.argv = [program, *words]
    runpy.run_module(program, run_name="__main__")


def main() -> None:
    settings, program = sys.argv[1:]
    given = json.loads(settings)
    load(program)
    hasten(program)
    fuse = Fuse(Path(given["fuse"]))
    for where in given["points"]:
        wrap(where, fuse)
    # Collections in the lives need not walk over it, which would have every page of it copied.
    gc.collect()
    gc.freeze()
    parent = os.getpid()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            live(program, json.loads(line), parent)
            return
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
