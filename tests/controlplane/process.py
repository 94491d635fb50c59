"""Child processes that log to a file, are ended by id, and do not outlive the process that started them."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

TIED = Path(__file__).with_name("tied.py")
LOG_TAIL_LINES = 25
POLL_EVERY = 0.03
END_LIMIT = 10.0

# The kernel ties a child to the thread that started it, not to the process. One thread that lives as long as the
# process starts them all, so that a caller's own thread (a worker of asyncio.to_thread, say) may end.
_STARTER = ThreadPoolExecutor(1, thread_name_prefix="controlplane-starter")


class StartError(Exception):
    """A process ended early or did not become ready; the message has the end of its log."""


def start_tied(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a command that dies with this process, in a process group of its own. The options are Popen's."""
    wrapped = [sys.executable, "-I", "-S", str(TIED), str(os.getpid()), *command]
    return _STARTER.submit(lambda: subprocess.Popen(wrapped, process_group=0, **options)).result()


class Process:
    """One running command, in a process group of its own."""

    def __init__(self, name: str, command: list[str], directory: Path) -> None:
        self.name = name
        self.log = directory / "logs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # A developer's proxy, kubeconfig or Go settings have no say in what the tests run against.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(directory)}
        with self.log.open("ab") as log:
            self._popen = start_tied(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=environment,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        """End it at once. Everything it keeps is thrown away or, as etcd's log, written to survive exactly this."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(END_LIMIT)

    def ended(self, limit: float = END_LIMIT) -> int:
        """Wait for its end and return its exit code."""
        try:
            return self._popen.wait(limit)
        except subprocess.TimeoutExpired:
            raise StartError(f"{self.name} still runs after {limit:.0f} s.\n{self.tail()}") from None

    def wait_until(self, ready: Callable[[], bool], what: str, limit: float) -> None:
        deadline = time.monotonic() + limit
        while not ready():
            if not self.running:
                raise StartError(
                    f"{self.name} ended (exit code {self._popen.returncode}) before {what}.\n{self.tail()}"
                )
            if time.monotonic() > deadline:
                raise StartError(f"{self.name}: waited {limit:.0f} s in vain until {what}.\n{self.tail()}")
            time.sleep(POLL_EVERY)

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f"The end of {self.log}:", *(f"  {line[:400]}" for line in lines)])


_PORTS = range(20_000, 32_000)
_handed_out: set[int] = set()


@functools.cache
def _reservations() -> IO[bytes]:
    # Closing it would give every reservation of this process back, so it stays open.
    return (Path(tempfile.gettempdir()) / f"escadre-test-ports-{os.getuid()}").open("ab")


def free_port() -> int:
    """A loopback port nobody listens on, and that no other test process is given while this one lives.

    From below the usual ephemeral range: there, a client that keeps dialling a stopped server can be given the
    server's port as its own and end up connected to itself, and the server cannot come back on its port.
    """
    for port in random.sample(_PORTS, 500):
        if port in _handed_out:
            continue
        try:
            fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        _handed_out.add(port)
        return port
    raise StartError(f"no free port from {_PORTS.start} to {_PORTS.stop} on 127.0.0.1; end what listens there")
