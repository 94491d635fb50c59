"""Lets another process on the same machine lay hands on a running simulated cluster.

A demonstration has to make the "manual edit" that drift detection finds, and a fault the agent lives through,
while the agent runs. So the agent listens on a Unix socket in its data directory, which only its user can open: one
JSON object a line in, one a line out.

    {"command": "edit", "kind": "Deployment", "group": "apps", "namespace": "shop", "name": "web",
     "patch": {"spec": {"replicas": 5}}}
    {"ok": true, "result": {...}}
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import orjson

from agent.engine.resource import GroupKind, Object, ResourceKey
from agent.errors import AgentError, StorageError
from agent.kube.client import Faults
from agent.kube.errors import KubeError
from agent.kube.simulated.cluster import SimulatedCluster

SOCKET_NAME: Final = "simulated.sock"
MAX_REQUEST: Final = 2 * 1024 * 1024
"""Bytes of one request."""
MAX_ANSWER: Final = 32 * 1024 * 1024
"""Bytes of one answer."""
MAX_LISTED: Final = 1000
"""Objects in one answer."""
IDLE_SECONDS: Final = 60.0
CLIENT_SECONDS: Final = 30.0
MAX_CONNECTIONS: Final = 8
MAX_LATENCY: Final = 60.0


class ControlError(AgentError):
    """The simulated cluster cannot be reached, or refused a command."""


class _BadCommand(ValueError):
    """The command makes no sense; the text says why."""


Request: TypeAlias = Mapping[str, Any]
Command: TypeAlias = Callable[[SimulatedCluster, Request], Awaitable[Any]]


class ControlServer:
    """Listens on a socket until it is closed."""

    def __init__(self, cluster: SimulatedCluster, path: Path) -> None:
        self._cluster = cluster
        self._path = path
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, cluster: SimulatedCluster, path: Path) -> Self:
        """Listen on `path`, taking the place of a socket left over there. Raises StorageError."""
        server = cls(cluster, path)
        listener = _bind(path)
        server._server = await asyncio.start_unix_server(server._connected, sock=listener, limit=MAX_REQUEST)
        return server

    async def close(self) -> None:
        """Listen no more, and end the connections. Idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await server.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._connections.add(task)
        try:
            with contextlib.suppress(OSError, TimeoutError):
                await self._serve(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    line = await reader.readline()
            except ValueError:
                # The line is longer than the limit, and what follows in the stream is the middle of it.
                writer.write(_line({"ok": False, "error": f"a command may have {MAX_REQUEST} bytes at most"}))
                await writer.drain()
                return
            if not line:
                return
            writer.write(_line(await answer(self._cluster, line)))
            await writer.drain()


def _bind(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            path.unlink()
        # Before bind: on Linux the file is then made with this mode, so it is never open to others.
        os.fchmod(listener.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        listener.bind(str(path))
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    except OSError as error:
        listener.close()
        raise StorageError(f"cannot listen on {path} for the simulated cluster: {error}") from error
    return listener


def _line(value: object) -> bytes:
    return orjson.dumps(value) + b"\n"


async def answer(cluster: SimulatedCluster, line: bytes) -> Object:
    """Carry out one command and return what to answer. Never raises for what the command says."""
    try:
        request = orjson.loads(line)
        if not isinstance(request, dict):
            raise _BadCommand("a command is a JSON object")
        command = COMMANDS.get(str(request.get("command")))
        if command is None:
            raise _BadCommand(f"the command is one of {', '.join(sorted(COMMANDS))}")
        result = await command(cluster, request)
    except orjson.JSONDecodeError as error:
        return {"ok": False, "error": f"the command is no JSON: {error}"}
    except (_BadCommand, KubeError) as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True, "result": result}


def _text(request: Request, field: str, *, required: bool = False) -> str:
    value = request.get(field, "")
    if not isinstance(value, str) or (required and not value):
        raise _BadCommand(f"{field} must be a text{', and is missing' if field not in request else ''}")
    return value


def _key(request: Request) -> ResourceKey:
    return ResourceKey(
        _text(request, "group"),
        _text(request, "kind", required=True),
        _text(request, "namespace"),
        _text(request, "name", required=True),
    )


async def _get(cluster: SimulatedCluster, request: Request) -> Any:
    return cluster.find(_key(request))


async def _list(cluster: SimulatedCluster, request: Request) -> Any:
    group_kind = GroupKind(_text(request, "group"), _text(request, "kind", required=True))
    found = cluster.select(group_kind, _text(request, "namespace"), _text(request, "selector"))
    if len(found) > MAX_LISTED:
        raise _BadCommand(f"there are {len(found)} objects, more than {MAX_LISTED}: narrow it with a selector")
    return found


async def _edit(cluster: SimulatedCluster, request: Request) -> Any:
    patch = request.get("patch")
    if not isinstance(patch, dict) or not patch:
        raise _BadCommand("patch must be a JSON merge patch")
    manager = _text(request, "manager") or "kubectl-edit"
    return await cluster.edit(_key(request), patch, manager)


async def _delete(cluster: SimulatedCluster, request: Request) -> Any:
    return await cluster.remove(_key(request))


async def _faults(cluster: SimulatedCluster, request: Request) -> Any:
    cluster.set_faults(parse_faults(request))
    if request.get("expire_watches"):
        cluster.expire_watches()
    if request.get("break_watches"):
        cluster.break_watches()
    return None


COMMANDS: Final[Mapping[str, Command]] = {
    "get": _get,
    "list": _list,
    "edit": _edit,
    "delete": _delete,
    "faults": _faults,
}


def parse_faults(request: Request) -> Faults:
    """Read faults from a command; what it does not name is as it should be."""
    reject = {_key(item): _text(item, "message") or "rejected" for item in _objects(request, "reject")}
    forbid = (GroupKind(_text(item, "group"), _text(item, "kind")) for item in _objects(request, "forbid"))
    return Faults(
        latency_seconds=_number(request, "latency_seconds", MAX_LATENCY),
        error_rate=_number(request, "error_rate", 1.0),
        reject=reject,
        forbid=frozenset(forbid),
        down=request.get("down") is True,
        throttle=request.get("throttle") is True,
    )


def _number(request: Request, field: str, most: float) -> float:
    value = request.get(field, 0)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= most:
        raise _BadCommand(f"{field} must be a number from 0 to {most:g}")
    return float(value)


def _objects(request: Request, field: str) -> list[Object]:
    value = request.get(field, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _BadCommand(f"{field} must be a list of objects")
    return value


def control(path: Path, command: Request) -> Any:
    """Send one command to a running simulated cluster and return its result. Blocks. Raises ControlError."""
    request = _line(dict(command))
    if len(request) > MAX_REQUEST:
        raise ControlError(f"a command may have {MAX_REQUEST} bytes at most, this one has {len(request)}")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(CLIENT_SECONDS)
            connection.connect(str(path))
            connection.sendall(request)
            with connection.makefile("rb") as stream:
                line = stream.readline(MAX_ANSWER + 1)
    except OSError as error:
        raise ControlError(f"cannot reach the simulated cluster at {path}: {error}") from error
    if not line.endswith(b"\n"):
        raise ControlError("the simulated cluster gave no whole answer: it ended, or the answer is too long")
    reply = orjson.loads(line)
    if not reply.get("ok"):
        raise ControlError(str(reply.get("error", "the simulated cluster refused the command")))
    return reply.get("result")
