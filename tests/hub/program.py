"""The hub's program as an operator runs it: a process, its exit code, and all it ever said."""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.controlplane.process import free_port
from tests.lives import Deed, Life, environment, lives_of

START_SECONDS = 30.0


def run(
    *words: str, env: Mapping[str, str] = {}, seconds: float = 60, anew: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run `escadre-hub WORDS` to its end; with `anew` it is started from nothing."""
    if anew:
        command = [sys.executable, "-m", "hub", *words]
        return subprocess.run(command, env=environment(env), capture_output=True, text=True, timeout=seconds)
    with tempfile.TemporaryDirectory() as directory:
        output, errors = Path(directory) / "output", Path(directory) / "errors"
        life = lives_of("hub").begin(words, output=output, errors=errors, env=environment(env))
        try:
            code = life.wait(seconds)
        finally:
            life.kill()
        return subprocess.CompletedProcess(words, code, output.read_text("utf-8"), errors.read_text("utf-8"))


class Program:
    """`escadre-hub serve`, running. `said` is the file with its output."""

    def __init__(
        self,
        data_dir: Path,
        *flags: str,
        env: Mapping[str, str] = {},
        name: str = "hub",
        before: Deed | None = None,
        anew: bool = False,
    ) -> None:
        """`before` is done in a new process before it is the program: see `tests.lives`. With `anew` it is started from
        nothing, as people start it, and not forked from one that is imported."""
        self.data_dir = data_dir
        self.port, self.agent_port = free_port(), free_port()
        self.password_file = data_dir.parent / "password"
        self.said = data_dir.parent / f"{name}.log"
        self._flags = flags
        self._env = env
        self._before = before
        self._anew = anew
        self._process: Life | subprocess.Popen[bytes] | None = None
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
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, or start it again."""
        self._said_before = len(self.text())
        env = environment(self._env)
        if not self._anew:
            words = ("serve", *self.flags)
            self._process = lives_of("hub").begin(words, output=self.said, env=env, before=self._before)
            return
        command = [sys.executable, "-m", "hub", "serve", *self.flags]
        with self.said.open("ab") as output:
            self._process = subprocess.Popen(command, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL)

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
