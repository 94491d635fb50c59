"""The many lives of one program: a process of its own for each, though what the program imports is imported once.

A hub takes a second and a half to import and a tenth to start, and is killed a hundred times. So `tests.faults.mortal`
imports it once and forks for every life: the process that is killed shares nothing with the one after it but its code.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.controlplane.process import END_LIMIT, StartError, start_tied

LOAD_SECONDS = 60.0
"""For the imports, on a busy machine."""


class Life:
    """One process, with as much of Popen's manners as is needed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._code: int | None = None
        self.pid = ledger.number(LOAD_SECONDS)

    def poll(self) -> int | None:
        """Return its exit code, the signal's negative number where one has ended it; None while it runs."""
        if self._code is None and self._ledger.has_line(0):
            self._code = self._ledger.number(END_LIMIT)
        return self._code

    def wait(self, timeout: float) -> int:
        """Wait for its end and return its exit code. Raises TimeoutExpired."""
        if self._code is None and self._ledger.has_line(timeout):
            self.poll()
        if self._code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return self._code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Ledger:
    """What the process that forks writes: of each life its id, and at its end its exit code."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        assert process.stdout is not None
        self._file = process.stdout
        self._log = log

    def has_line(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._file], [], [], seconds)
        return bool(ready)

    def number(self, seconds: float) -> int:
        """Read one line, which comes whole. Raises StartError when none does."""
        line = self._file.readline() if self.has_line(seconds) else b""
        if not line:
            tail = self._log.read_text("utf-8", "replace")[-2000:]
            raise StartError(f"nothing came of it within {seconds:.0f} s.\nThe end of {self._log}:\n{tail}")
        return int(line)


class Lives:
    """Of one program, one after the other. What they write goes to `log`."""

    def __init__(self, command: list[str], log: Path, *, directory: Path, environment: Mapping[str, str]) -> None:
        with log.open("ab") as output:
            self._process = start_tied(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                bufsize=0,
                cwd=directory,
                env=dict(environment),
            )
        self._ledger = Ledger(self._process, log)

    def begin(self, words: list[str]) -> Life:
        """Run the program with these arguments. The life before this one has to be over, and its end known."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words).encode() + b"\n")
        return Life(self._ledger)

    def close(self) -> None:
        """End whatever still lives."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(END_LIMIT)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
