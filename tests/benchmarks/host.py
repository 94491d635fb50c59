"""Processes a bench is made of: one that is the hub, and some that hold many agents, each told what to do by messages.

A child is given commands as (name, arguments) over a pipe and answers each with a value, or with the error it met. It
ends when told to, and by itself when the bench has died.
"""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import multiprocessing
import os
import resource
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Command = Callable[..., Awaitable[Any]]

ANSWER_SECONDS = 600.0
STOP_SECONDS = 30.0
_PRELOADED = ["tests.benchmarks.hubhost", "tests.benchmarks.swarm", "tests.benchmarks.plain"]
WATCH_SECONDS = 0.05


class Child:
    """A process started for a bench. One command at a time."""

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        # What they are made of is imported once: each is forked from a process that has done nothing else.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        self._pipe, theirs = context.Pipe()
        self._turn = asyncio.Lock()
        self.process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
        self.process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    async def call(self, name: str, *arguments: Any, timeout: float = ANSWER_SECONDS) -> Any:
        """Send a command and wait for its answer. Raises RuntimeError with what the child met, or when it died."""
        async with self._turn:
            return await asyncio.to_thread(self._call, name, arguments, timeout)

    def _call(self, name: str, arguments: tuple[Any, ...], timeout: float) -> Any:
        try:
            self._pipe.send((name, arguments))
            if not self._pipe.poll(timeout):
                raise RuntimeError(f"{name}: no answer within {timeout:.0f} s")
            good, value = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(f"{name}: the process {self.pid} has ended") from error
        if not good:
            raise RuntimeError(f"{name}: {value}")
        return value

    def kill(self) -> None:
        """As a crash would."""
        self.process.kill()
        self.process.join(10)

    async def stop(self) -> None:
        """End it in good order, else without."""
        with contextlib.suppress(RuntimeError):
            await self.call("stop", timeout=STOP_SECONDS)
        self._pipe.close()
        await asyncio.to_thread(self.process.join, STOP_SECONDS)
        if self.process.is_alive():
            self.kill()

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)


def raise_file_limit() -> None:
    """A thousand agents in a process have thousands of sockets and files; the usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def rss_mb(pid: int, without: bytes = b"") -> float:
    """Resident memory of a process and its children, MiB. Pages they share count for each. Children whose command line
    holds `without` do not count, nor theirs."""
    total = 0
    for each in (pid, *_children(pid, without)):
        with contextlib.suppress(OSError), open(f"/proc/{each}/statm") as file:
            total += int(file.read().split()[1])
    return total * resource.getpagesize() / 2**20


@contextlib.asynccontextmanager
async def largest_rss(pid: int, without: bytes = b"") -> AsyncIterator[list[float]]:
    """Watch the memory of a process and its children meanwhile, see `rss_mb`; the largest that was seen is in the list
    at the end."""
    seen = [rss_mb(pid, without)]

    async def watch() -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            seen[0] = max(seen[0], rss_mb(pid, without))

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        seen[0] = round(max(seen[0], rss_mb(pid, without)), 1)


def cpu_seconds(pid: int) -> float:
    """User and system time so far of a process and its children, those that have ended included."""
    total = 0
    for each in (pid, *_children(pid)):
        with contextlib.suppress(OSError), open(f"/proc/{each}/stat") as file:
            # After the name in parentheses: utime, stime, and those of children that were waited for.
            total += sum(map(int, file.read().rpartition(")")[2].split()[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def _children(pid: int, without: bytes = b"") -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as file:
                for child in map(int, file.read().split()):
                    if not without or without not in Path(f"/proc/{child}/cmdline").read_bytes():
                        found += [child, *_children(child, without)]
    return found


def serve(pipe: Connection, commands: Callable[[], Awaitable[dict[str, Command]]]) -> None:
    """Run in the child: build the commands, then answer until "stop", or until the bench is gone."""
    import uvloop

    raise_file_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe, commands))


async def _serve(pipe: Connection, build: Callable[[], Awaitable[dict[str, Command]]]) -> None:
    loop = asyncio.get_running_loop()
    inbox: asyncio.Queue[tuple[str, tuple[Any, ...]] | None] = asyncio.Queue()

    def listen() -> None:
        try:
            while True:
                loop.call_soon_threadsafe(inbox.put_nowait, pipe.recv())
        except (EOFError, OSError):
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(inbox.put_nowait, None)

    threading.Thread(target=listen, daemon=True).start()
    try:
        commands = _profiling() | await build()
    except Exception:
        pipe.send((False, traceback.format_exc()))
        return
    while (message := await inbox.get()) is not None:
        name, arguments = message
        try:
            answer: tuple[bool, Any] = (True, await commands[name](*arguments))
        except Exception:
            answer = (False, traceback.format_exc())
        pipe.send(answer)
        if name == "stop":
            return


def _profiling() -> dict[str, Command]:
    """Commands that every child has: profile its event loop's thread from one to the other."""
    profile = cProfile.Profile()

    async def begin() -> None:
        profile.enable()

    async def end(path: str) -> None:
        profile.disable()
        profile.dump_stats(path)
        profile.clear()

    return {"profile": begin, "profiled": end}
