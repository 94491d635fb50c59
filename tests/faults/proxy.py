"""A wire between agent and gateway that can be cut, stalled and left half open, in either direction."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

CHUNK = 16 * 1024
SMALL_BUFFER = 32 * 1024
"""Of the sockets here, so that a stalled wire is felt at its other end soon."""


@dataclass(eq=False)
class _Wire:
    """One connection through the proxy."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    stuck: bool = False
    """Nothing passes ever again, and nobody is told: a router has forgotten the connection."""


class Proxy:
    """Forwards to a port of this machine. Faults hold for what is open now, or for all, as each method says."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._wires: set[_Wire] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self._up.set()
        self._down.set()
        self.delay = 0.0
        """Seconds by which each chunk is held up, either way."""
        self.refusing = False
        """New connections are closed at once."""
        self.accepted = 0
        self.to_hub = self.to_agent = 0
        """Bytes that have passed."""
        self.port = 0

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    async def start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        listener.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._connected, sock=listener)
        self.port = listener.getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    # --- faults

    def cut(self) -> None:
        """Reset every open connection."""
        for wire in self._wires:
            for writer in wire.writers:
                _reset(writer)

    def forget(self) -> None:
        """Let nothing pass on what is open now, either way, for ever and without a word. New connections are fine."""
        for wire in self._wires:
            wire.stuck = True

    def stall(self, *, to_hub: bool = True, to_agent: bool = True) -> None:
        """Let nothing pass, on any connection, until `resume`."""
        if to_hub:
            self._up.clear()
        if to_agent:
            self._down.clear()

    def resume(self) -> None:
        self._up.set()
        self._down.set()

    # --- forwarding

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refusing:
            _reset(writer)
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        wire = _Wire([writer])
        self._wires.add(wire)
        try:
            await self._forward(wire, reader, writer)
        finally:
            self._wires.discard(wire)
            self._tasks.discard(task)
            for each in wire.writers:
                _reset(each)

    async def _forward(self, wire: _Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target, limit=CHUNK)
            wire.writers.append(far_writer)
            ways = (
                asyncio.create_task(self._pump(wire, reader, far_writer, self._up)),
                asyncio.create_task(self._pump(wire, far_reader, writer, self._down)),
            )
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    async def _pump(
        self, wire: _Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while content := await reader.read(CHUNK):
                if gate is self._up:
                    self.to_hub += len(content)
                else:
                    self.to_agent += len(content)
                if self.delay:
                    await asyncio.sleep(self.delay)
                await gate.wait()
                if wire.stuck:
                    await asyncio.Event().wait()
                writer.write(content)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, as a machine that is gone, and lose what was on its way."""
    found = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
