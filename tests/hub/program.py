"""The hub's program as an operator runs it: a process, its exit code, and all it ever said."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tests.controlplane.process import free_port

START_SECONDS = 30.0
ROOT = Path(__file__).parents[2]


def environment(given: Mapping[str, str] = {}) -> dict[str, str]:
    """This process' environment without what would set the hub up otherwise."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ESCADRE_")}
    return {**inherited, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}", **given}


def run(*words: str, env: Mapping[str, str] = {}, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run `escadre-hub WORDS` to its end."""
    command = [sys.executable, "-m", "hub", *words]
    return subprocess.run(command, env=environment(env), capture_output=True, text=True, timeout=seconds)


class Running(Protocol):
    """What is asked of a process here: Popen has it."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float) -> int: ...

    def send_signal(self, number: int, /) -> None: ...

    def kill(self) -> None: ...


class Program:
    """`escadre-hub serve`, running. `said` is the file with its output."""

    def __init__(
        self,
        data_dir: Path,
        *flags: str,
        env: Mapping[str, str] = {},
        name: str = "hub",
        prefix: Sequence[str] = (),
    ) -> None:
        """`prefix` is a command that runs the program in surroundings of its own."""
        self.data_dir = data_dir
        self.port, self.agent_port = free_port(), free_port()
        self.password_file = data_dir.parent / "password"
        self.said = data_dir.parent / f"{name}.log"
        self._flags = flags
        self._env = env
        self._prefix = prefix
        self._process: Running | None = None
        self._said_before = 0

    @property
    def flags(self) -> list[str]:
        pairs = {
            "--data-dir": self.data_dir,
            "--host": "127.0.0.1",
            "--port": self.port,
            "--agent-port": self.agent_port,
            "--initial-password-file": self.password_file,
            "--render-workers": 1,
        }
        return [str(word) for pair in pairs.items() for word in pair] + list(self._flags)

    @property
    def command(self) -> list[str]:
        return [*self._prefix, sys.executable, "-m", "hub", "serve", *self.flags]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, or start it again."""
        self._said_before = len(self.text())
        self._process = self._begin()

    def _begin(self) -> Running:
        with self.said.open("ab") as output:
            return subprocess.Popen(
                self.command, env=environment(self._env), stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )

    def wait_for(self, words: str) -> None:
        """Wait until it has said so since it was started."""
        deadline = time.monotonic() + START_SECONDS
        while words not in self.text()[self._said_before :]:
            assert self._process is not None and self._process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.05)

    def wait_ready(self) -> None:
        self.wait_for("the API is at")
        assert self.get("/readyz") == "ok\n"

    def text(self) -> str:
        return self.said.read_text("utf-8") if self.said.exists() else ""

    def terminate(self) -> tuple[int, float]:
        """Send SIGTERM; returns the exit code and the seconds it took."""
        assert self._process is not None
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60), time.monotonic() - began

    def wait(self, seconds: float = START_SECONDS) -> int:
        """Wait for its end and return its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(START_SECONDS)

    # --- its API

    def get(self, path: str, token: str = "") -> str:
        return self._call("GET", path, token)

    def post(self, path: str, body: Mapping[str, Any], token: str = "") -> dict[str, Any]:
        reply: dict[str, Any] = json.loads(self._call("POST", path, token, body))
        return reply

    def delete(self, path: str, token: str = "") -> dict[str, Any]:
        reply: dict[str, Any] = json.loads(self._call("DELETE", path, token))
        return reply

    def log_in(self, password: str = "") -> str:
        password = password or self.password_file.read_text("utf-8").strip()
        token: str = self.post("/api/v1/session", {"username": "admin", "password": password})["token"]
        return token

    def _call(self, method: str, path: str, token: str, body: Mapping[str, Any] | None = None) -> str:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        content = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", data=content, headers=headers, method=method
        )
        with urllib.request.urlopen(request, context=_trusting(), timeout=10) as reply:
            text: str = reply.read().decode()
        return text


@functools.cache
def _trusting() -> ssl.SSLContext:
    """Whom it is talking to is not what these tests are about."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextlib.contextmanager
def running(program: Program) -> Iterator[Program]:
    """Start it, and have it end with the context, whatever happens."""
    program.start()
    try:
        yield program
    finally:
        program.kill()
