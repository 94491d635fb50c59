"""An API server made for one test: real TLS on loopback, and every answer said by the test itself.

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({...})

    async with serving(answer) as server:
        client = ClusterClient(server.connection(token="t"))

`raw_serving` is the same below HTTP, for answers that are none.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import trustme
from aiohttp import web

from agent.kube.connection import Connection, Pem

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
RawAnswer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@cache
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@cache
def server_context(*hosts: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(*hosts, key_type=trustme.KeyType.ECDSA).configure_cert(context)
    return context


@dataclass
class Server:
    port: int
    requests: list[web.Request] = field(default_factory=list)
    """Every request that came, in order."""
    bodies: list[bytes] = field(default_factory=list)

    def connection(self, **overrides: Any) -> Connection:
        settings: dict[str, Any] = {
            "server": f"https://127.0.0.1:{self.port}",
            "ca": Pem(data=authority().cert_pem.bytes()),
            "token": "secret-token",
        }
        return Connection(**{**settings, **overrides})


@contextlib.asynccontextmanager
async def serving(answer: Answer, *, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(0)

    async def handle(request: web.Request) -> web.StreamResponse:
        server.requests.append(request)
        server.bodies.append(await request.read())
        return await answer(request)

    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context or server_context("127.0.0.1"))
        await site.start()
        server.port = runner.addresses[0][1]
        yield server
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw_serving(answer: RawAnswer) -> AsyncIterator[Server]:
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await answer(reader, writer)
        writer.transport.abort()
        tasks.discard(task)

    listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=server_context("127.0.0.1"))
    try:
        yield Server(listener.sockets[0].getsockname()[1])
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def status(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    """A Status object, as the API server sends it with `code`."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    }


def refusal(code: int, reason: str, message: str, **details: Any) -> web.Response:
    return web.json_response(status(code, reason, message, **details), status=code)


async def until(holds: Callable[[], bool], limit: float = 20.0) -> None:
    """Wait, in seconds at most `limit`, until something holds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit
    while not holds():
        assert loop.time() < deadline, "waited in vain"
        await asyncio.sleep(0.005)
