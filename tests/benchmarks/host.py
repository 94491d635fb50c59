"""Processes a bench is made of: one that is the hub, and some that hold many agents, each told what to do by messages.

A child is given commands as (name, arguments) over a pipe and answers each with a value, or with the error it met.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
import threading
import traceback
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any

Command = Callable[..., Awaitable[Any]]

ANSWER_SECONDS = 600.0


class Child:
    """A process started for a bench."""

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
        self.process.start()
        theirs.close()

    async def call(self, name: str, *arguments: Any) -> Any:
        """Send a command and wait for its answer. Raises RuntimeError with what the child met."""
        return await asyncio.to_thread(self._call, name, arguments)

    def _call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        self._pipe.send((name, arguments))
        if not self._pipe.poll(ANSWER_SECONDS):
            raise RuntimeError(f"{name}: no answer within {ANSWER_SECONDS:.0f} s")
        good, value = self._pipe.recv()
        if not good:
            raise RuntimeError(f"{name}: {value}")
        return value

    def kill(self) -> None:
        self.process.kill()
        self.process.join(10)

    async def stop(self) -> None:
        with contextlib.suppress(RuntimeError, OSError, EOFError):
            await self.call("stop")
        await asyncio.to_thread(self.process.join, 30)
        if self.process.is_alive():
            self.kill()

    def rss_mb(self) -> float:
        return rss_mb(self.process.pid or 0)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid or 0)


def rss_mb(pid: int) -> float:
    """Resident memory of a process and its children, MiB."""
    total = 0
    for each in (pid, *_children(pid)):
        with contextlib.suppress(OSError), open(f"/proc/{each}/statm") as file:
            total += int(file.read().split()[1])
    return total * resource.getpagesize() / 2**20


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children so far."""
    total = 0
    for each in (pid, *_children(pid)):
        with contextlib.suppress(OSError), open(f"/proc/{each}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as file:
                for child in map(int, file.read().split()):
                    found += [child, *_children(child)]
    return found


def serve(pipe: Connection, commands: Callable[[], Awaitable[dict[str, Command]]]) -> None:
    """Run in the child: build the commands, then answer until "stop"."""
    import uvloop

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
    commands = await build()
    while (message := await inbox.get()) is not None:
        name, arguments = message
        try:
            answer: tuple[bool, Any] = (True, await commands[name](*arguments))
        except Exception:
            answer = (False, traceback.format_exc())
        pipe.send(answer)
        if name == "stop":
            return
