"""The many lives of one program: each is a process of its own, though what the program imports is imported once.

A hub takes a second and a half to import and a tenth to start, and the tests start hundreds. So `tests.forking` imports
the program and forks for every life; one shares nothing with another but its code.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from tests.controlplane.process import StartError, start_tied

ROOT = Path(__file__).parents[1]
START_SECONDS = 60.0
"""For the imports, on a busy machine."""
_LOOK_AGAIN_SECONDS = 0.05


def environment(given: Mapping[str, str] = {}) -> dict[str, str]:
    """This process' environment without what would set a program up otherwise."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ESCADRE_")}
    return {**inherited, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}", **given}


Deed: TypeAlias = tuple[str, Any]
"""("module:function", what it is called with: something that JSON can hold)"""


class Life:
    """One process, with as much of Popen's manners as is needed."""

    def __init__(self, lives: Lives, pid: int) -> None:
        self._lives = lives
        self._code: int | None = None
        self.pid = pid

    def poll(self) -> int | None:
        """Return its exit code, the signal's negative number where one has ended it; None while it runs."""
        if self._code is None:
            self._code = self._lives.end_of(self.pid, 0)
        return self._code

    def wait(self, timeout: float) -> int:
        """Wait for its end and return its exit code. Raises TimeoutExpired."""
        if self._code is None:
            self._code = self._lives.end_of(self.pid, timeout)
        if self._code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return self._code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Lives:
    """Of one program: hub or agent. They end with this object, and with this process."""

    def __init__(self, program: str) -> None:
        # -P: the modules where it happens to be started are none of the program's.
        command = [sys.executable, "-P", "-m", "tests.forking", program]
        self._process = start_tied(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment(), cwd=ROOT
        )
        self._lock = threading.Lock()
        self._ended: dict[int, int] = {}

    def begin(
        self,
        words: Sequence[str],
        *,
        output: Path,
        errors: Path | None = None,
        env: Mapping[str, str],
        directory: Path = ROOT,
        before: Deed | None = None,
    ) -> Life:
        """Run the program with these arguments. What it says is added to the files; all to one when only one is given.
        `before` is done in the new process before that."""
        order = {
            "words": list(words),
            "output": str(output),
            "errors": str(errors or output),
            "environment": dict(env),
            "directory": str(directory),
            "before": before,
        }
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            deadline = time.monotonic() + START_SECONDS
            while (began := self._read(deadline - time.monotonic())) == 0:
                pass
            self._ended.pop(began, None)
            return Life(self, began)

    def end_of(self, pid: int, seconds: float) -> int | None:
        """Wait so long for the end of a life and return its exit code."""
        deadline = time.monotonic() + seconds
        while True:
            with self._lock:
                while pid not in self._ended and self._has_line(0):
                    self._read(0)
                if pid in self._ended:
                    return self._ended[pid]
            if (left := deadline - time.monotonic()) <= 0:
                return None
            # Not for all of the time: another thread may read what this one waits for.
            self._has_line(min(left, _LOOK_AGAIN_SECONDS))

    def _has_line(self, seconds: float) -> bool:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], max(seconds, 0))
        return bool(ready)

    def _read(self, seconds: float) -> int:
        """Read of one beginning or end. Returns the id of what began, else 0. Raises StartError for neither."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline() if self._has_line(seconds) else b""
        if not line:
            raise StartError("the process that forks has ended, or does nothing; standard error may say why")
        pid, _, code = line.decode().partition(" ")
        if not code.strip():
            return int(pid)
        self._ended[int(pid)] = int(code)
        return 0

    def close(self) -> None:
        """End whatever still lives."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(START_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@functools.cache
def lives_of(program: str) -> Lives:
    """Return those of the program as it is, for all tests of this process."""
    lives = Lives(program)
    atexit.register(lives.close)
    return lives
