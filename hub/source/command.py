"""Runs the git binary for network work, so that nothing a server does can hold the hub up.

The binary, and not GitPython: GitPython's `fetch` occupies a thread for as long as the server keeps silent, ends only
the git process and leaves its ssh or http helper running, collects output without a bound, and gives the child the
hub's whole environment. Here every command is a process group of its own with a time limit, a limit on silence and a
limit on output, it gets an environment made from nothing, and the group is killed whatever way the command ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import resource
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 64 * 1024
_STDERR_KEPT = 8 * 1024
_WATCH_SECONDS = 1.0


class CommandTimeout(Exception):
    """The command took too long, or was silent for too long."""


class OutputTooLarge(Exception):
    """The command wrote, or stored, more than it may."""


@dataclass(frozen=True, slots=True)
class Completed:
    code: int
    stdout: bytes
    stderr: str
    """The last 8 KB."""


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: float
    output: int = 1024 * 1024
    silence: float | None = None
    within_size: Callable[[], bool] | None = None
    """Asked every second and at the end; False ends the command with OutputTooLarge."""


async def run(arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str], limits: Limits) -> Completed:
    """Run a command to its end. Raises CommandTimeout, OutputTooLarge, and OSError when it cannot be started."""
    no_core_dumps()
    process = await asyncio.create_subprocess_exec(
        *arguments,
        cwd=cwd,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(limits.seconds):
            return await _follow(process, limits)
    except BaseException as error:
        await asyncio.shield(_end(process))
        if isinstance(error, TimeoutError):
            raise CommandTimeout(f"it did not end within {limits.seconds:g} s") from error
        raise


@functools.cache
def no_core_dumps() -> None:
    """Let neither this process nor what it starts leave an image of its memory behind: keys and tokens are in there."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


async def _follow(process: asyncio.subprocess.Process, limits: Limits) -> Completed:
    if process.stdout is None or process.stderr is None:
        raise AssertionError("both are pipes")
    output = _Output(limits)
    readers = {
        asyncio.create_task(output.collect(process.stdout)),
        asyncio.create_task(output.keep_tail(process.stderr)),
    }
    watch = asyncio.create_task(output.watch())
    try:
        while waiting := {reader for reader in readers if not reader.done()}:
            done, _ = await asyncio.wait({*waiting, watch}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        code = await process.wait()
    finally:
        for task in (*readers, watch):
            task.cancel()
        await asyncio.gather(*readers, watch, return_exceptions=True)
    await output.check_size()
    return Completed(code, bytes(output.stdout), output.stderr.decode(errors="replace"))


class _Output:
    """What a command has said, within its limits, and when it last said something."""

    def __init__(self, limits: Limits) -> None:
        self.stdout = bytearray()
        self.stderr = b""
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()

    async def collect(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_CHUNK):
            self._heard_at = self._loop.time()
            self.stdout += chunk
            if len(self.stdout) > self._limits.output:
                raise OutputTooLarge(f"it wrote more than {self._limits.output} bytes")

    async def keep_tail(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_CHUNK):
            self._heard_at = self._loop.time()
            self.stderr = (self.stderr + chunk)[-_STDERR_KEPT:]

    async def watch(self) -> None:
        """Return never; raise when the command is silent for too long or stores too much."""
        limits = self._limits
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if limits.silence is not None and self._loop.time() - self._heard_at > limits.silence:
                raise CommandTimeout(f"it was silent for {limits.silence:g} s")
            await self.check_size()

    async def check_size(self) -> None:
        within_size = self._limits.within_size
        if within_size is not None and not await asyncio.to_thread(within_size):
            raise OutputTooLarge("it stored more than it may")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill whatever of the group is left, and wait until the process is reaped and its pipes are closed."""
    # A group outlives its leader while a helper runs, and keeps its number for as long.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    # With the group dead both pipes are at their end; reading them there lets asyncio close the transport.
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(TimeoutError, RuntimeError):
                async with asyncio.timeout(2):
                    while await stream.read(_CHUNK):
                        pass
