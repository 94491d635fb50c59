"""The hub's end of one render worker: start it, give it a task, end it and everything it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

import hub
from hub.render.wire import LENGTHS, MAX_HEADER, TASK_LENGTH, Setup

_START_SECONDS = 30.0
_STDERR_HEAD = 2 * 1024
"""Kept of the beginning, where a Go runtime says why it ends; pages of stacks come after that."""
_STDERR_TAIL = 8 * 1024
_CHUNK = 64 * 1024
_PACKAGES = str(Path(hub.__file__).resolve().parent.parent)


class WorkerLost(Exception):
    """The worker ended, or said something that makes no sense. `stderr` is for the log."""

    def __init__(self, reason: str, *, code: int | None, stderr: str) -> None:
        super().__init__(reason)
        self.code = code
        """The exit code; minus the signal's number where one ended it."""
        self.stderr = stderr


@dataclass(frozen=True, slots=True)
class Reply:
    header: dict[str, Any]
    body: bytes

    @property
    def max_rss(self) -> int:
        """Bytes; what the worker says."""
        rss = self.header.get("rss")
        return rss if isinstance(rss, int) else 0


class WorkerProcess:
    """One worker. After anything but a reply it is of no more use: `end` it."""

    def __init__(self, process: asyncio.subprocess.Process, scratch: Path, body_limit: int) -> None:
        self.tasks = 0
        self.hello: dict[str, Any] = {}
        self._process = process
        self._scratch = scratch
        self._body_limit = body_limit
        self._stderr_head = self._stderr_tail = b""
        self._listening = asyncio.create_task(self._keep_stderr())

    @classmethod
    async def start(cls, setup: Setup, scratch_root: Path) -> WorkerProcess:
        """Start a worker and wait until it is ready. Raises WorkerLost, OSError."""
        scratch = Path(tempfile.mkdtemp(prefix="worker-", dir=scratch_root))
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-s", "-P", "-m", "hub.render.worker"),
                cwd=scratch,
                env=_environment(scratch),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        worker = cls(process, scratch, setup.limits.output_bytes)
        try:
            async with asyncio.timeout(_START_SECONDS):
                content = pickle.dumps(replace(setup, parent=os.getpid(), scratch=str(scratch)))
                worker.hello = (await worker.call(content)).header
        except BaseException as error:
            await worker.end()
            if isinstance(error, TimeoutError):
                raise WorkerLost("it did not start in time", code=None, stderr=worker.stderr) from error
            raise
        return worker

    @property
    def stderr(self) -> str:
        gap = b"\n...\n" if len(self._stderr_tail) == _STDERR_TAIL else b""
        return (self._stderr_head + gap + self._stderr_tail).decode(errors="replace")

    async def call(self, content: bytes) -> Reply:
        """Send a task and wait for the reply. Raises WorkerLost."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("both are pipes")
        self.tasks += 1
        try:
            stdin.write(TASK_LENGTH.pack(len(content)))
            stdin.write(content)
            await stdin.drain()
            header_length, body_length = LENGTHS.unpack(await stdout.readexactly(LENGTHS.size))
            if header_length > MAX_HEADER or body_length > self._body_limit:
                raise await self._lost("its reply is too long")
            header = orjson.loads(await stdout.readexactly(header_length))
            if not isinstance(header, dict):
                raise await self._lost("its reply is no reply")
            return Reply(header, await stdout.readexactly(body_length))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise await self._lost("it ended") from error
        except ValueError as error:
            raise await self._lost("its reply is no reply") from error

    async def end(self) -> None:
        """Kill the worker with everything it started, and remove what it left on disk. Safe to repeat."""
        await asyncio.shield(self._end())

    async def _end(self) -> None:
        # The group has the worker's number for as long as anything of it runs.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
            with contextlib.suppress(ConnectionError):
                await self._process.stdin.wait_closed()
        await self._drain()
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)

    async def _drain(self) -> None:
        """Read both pipes to their end, so that asyncio closes them."""
        with contextlib.suppress(TimeoutError, RuntimeError):
            async with asyncio.timeout(2):
                while self._process.stdout is not None and await self._process.stdout.read(_CHUNK):
                    pass
                await self._listening
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def _lost(self, reason: str) -> WorkerLost:
        await self.end()
        return WorkerLost(reason, code=self._process.returncode, stderr=self.stderr)

    async def _keep_stderr(self) -> None:
        stream = self._process.stderr
        while stream is not None and (chunk := await stream.read(_CHUNK)):
            room = _STDERR_HEAD - len(self._stderr_head)
            self._stderr_head += chunk[:room]
            self._stderr_tail = (self._stderr_tail + chunk[room:])[-_STDERR_TAIL:]


def _environment(scratch: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "PYTHONPATH": _PACKAGES,
        # Helm's and Kustomize's Go runtime: one render is one task, and other workers have the other processors.
        "GOMAXPROCS": "2",
    }
