"""The processes of the demonstration: started on free ports, ended by their ids, whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from demo.console import StepFailed

STOP_SECONDS = 15.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Program:
    """One process, its output in a file."""

    def __init__(self, name: str, words: list[str], log: Path) -> None:
        self.name = name
        self.words = words
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            # A session of its own: Ctrl-C goes to the demonstration, which ends its processes in order.
            self._process = subprocess.Popen(
                self.words,
                env=environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def check(self) -> None:
        """Raises StepFailed when it has ended by itself."""
        if not self.running:
            raise StepFailed(f"{self.name} has ended; its last words:\n{self.last_words()}")

    def last_words(self, lines: int = 15) -> str:
        with contextlib.suppress(OSError):
            told = self.log.read_text("utf-8", "replace").splitlines()
            # What was asked of the hub explains no failure, and there is much of it.
            return "\n".join([line for line in told if "[hub.api.access]" not in line][-lines:])
        return ""

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def environment() -> dict[str, str]:
    """This process's own, without what is set for another Escadre: its database, its hub, its passwords."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ESCADRE_")}


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]
