"""Imports a program of the product and forks a process for every time it is to run: see `tests.lives`.

    python -P -m tests.forking hub|agent

imports it and reads orders from standard input, one JSON object a line. Of each it writes "PID", and "PID CODE" when
the process has ended.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import select
import signal
import sys
from typing import Any

from tests.controlplane.tied import tie

IMPORTS = {
    "hub": ("hub.__main__", "hub.server", "hub.offline", "hub.api.app", "hub.api.listener", "uvloop"),
    "agent": ("agent.__main__", "agent.kube.cluster", "agent.kube.kubeconfig", "agent.kube.simulated.control"),
}
"""What every run of a program would import."""


def live(program: str, order: dict[str, Any], parent: int) -> None:
    """Be the program: with nothing of the pipes, and dying with the process that forked."""
    tie(parent)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(order["directory"])
    os.environ.clear()
    os.environ.update(order["environment"])
    for number, path in enumerate((os.devnull, order["output"], order["errors"])):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    if order["before"]:
        (name, given) = order["before"]
        module, _, function = name.partition(":")
        getattr(importlib.import_module(module), function)(given)
    sys.argv = [program, *order["words"]]
    # What the program's script calls.
    importlib.import_module(f"{program}.__main__").main()


class Register:
    """The processes that run, and where is written of them."""

    def __init__(self) -> None:
        self.wakened, self._waken = os.pipe()
        for end in (self.wakened, self._waken):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._waken)

    def close(self) -> None:
        """Let go of it, in a process that is one of them."""
        os.close(self.wakened)
        os.close(self._waken)

    def tell_ends(self) -> None:
        os.read(self.wakened, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            print(pid, os.waitstatus_to_exitcode(status), flush=True)


def main() -> None:
    (program,) = sys.argv[1:]
    for name in IMPORTS[program]:
        importlib.import_module(name)
    if program == "hub":
        # For those of its processes that are to have them.
        quick = importlib.import_module("tests.hub.quick")
        # It looks at every route, and so has each made.
        quick.routes().openapi()
        asyncio.run(quick.tools("", "", ""))
    # Collections in the lives need not walk over it, which would have every page of it copied.
    gc.collect()
    gc.freeze()
    parent, register, rest = os.getpid(), Register(), b""
    while True:
        ready, _, _ = select.select([0, register.wakened], [], [])
        if register.wakened in ready:
            register.tell_ends()
        if 0 not in ready:
            continue
        if not (content := os.read(0, 65536)):
            return
        *orders, rest = (rest + content).split(b"\n")
        for order in orders:
            pid = os.fork()
            if pid == 0:
                register.close()
                live(program, json.loads(order), parent)
                return
            print(pid, flush=True)


if __name__ == "__main__":
    main()
