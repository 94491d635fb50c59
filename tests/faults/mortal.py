"""Makes a program of the product end itself when it comes to a point where it is to be killed: see `tests.lives`.

While the file `fuse` is there, its process ends itself by SIGKILL just before or just after the call it names. The file
goes first, so that the next start lives. Product code has no part in it: the functions are wrapped from outside.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any


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


_for_good = contextlib.ExitStack()


def hasten(program: str) -> None:
    """Let what waits for a killed predecessor's lease, for the other end to come back, for the next wave, or to look
    again at what a deletion left, not wait for long."""
    if program == "hub":
        server = importlib.import_module("hub.server")
        vars(server).update(CONTROLLER_LEASE_SECONDS=1.5, TURN_SECONDS=1.0)
        _for_good.enter_context(importlib.import_module("tests.hub.quick").quick_start())
    else:
        root = importlib.import_module("agent.agent")
        options = functools.partial(root.LinkOptions, backoff_first_seconds=0.05, backoff_cap_seconds=0.3)
        vars(root).update(LinkOptions=options)
        vars(importlib.import_module("agent.syncer.operation")).update(WAVE_SECONDS=0.05)
        vars(importlib.import_module("agent.syncer.ending")).update(RETRY_SECONDS=0.3)


def prepare(given: dict[str, Any]) -> None:
    """Make this process one that can be killed, from {"program": "hub" or "agent", "fuse": path, "points": names}."""
    hasten(given["program"])
    fuse = Fuse(Path(given["fuse"]))
    for where in given["points"]:
        wrap(where, fuse)
