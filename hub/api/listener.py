"""The HTTPS port: TLS 1.2 or newer with the hub's own certificate, replaced while it serves, and bounds on callers that
open connections and then take their time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import Any, cast

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from hub.api.app import close_streams
from hub.errors import Unavailable
from hub.pki.server_certificate import ServerCertificate, ServerMaterial

log = logging.getLogger(__name__)

HEADER_BYTES = 32 * 1024
"""Of a request's line and headers."""
HEADER_SECONDS = 15.0
"""From a connection's beginning, or a request's first byte, to the end of its headers."""
HANDSHAKE_SECONDS = 10.0
CLOSE_SECONDS = 1.0
"""For the peer to say goodbye, too."""
KEEP_ALIVE_SECONDS = 60
MOST_CONNECTIONS = 4096
_BACKLOG = 1024


class HttpsListener:
    """Bind, then serve, then stop."""

    def __init__(self, certificate: ServerCertificate) -> None:
        self._certificate = certificate
        self._socket: socket.socket | None = None
        self._app: FastAPI | None = None
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def bind(self, host: str, port: int) -> int:
        """Take the port and return it. Raises Unavailable when it cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, _, _, _, address = found[0]
            self._socket = _bound(family, address)
        except OSError as error:
            raise Unavailable(f"port {port} for HTTPS cannot be opened on {host}: {error.strerror}") from error
        bound: int = self._socket.getsockname()[1]
        return bound

    async def serve(self, app: FastAPI) -> None:
        """Begin to serve; returns once connections are taken. Raises Unavailable."""
        assert self._socket is not None, "bind comes first"
        self._app = app
        context = _context()
        self._certificate.current.load_into(context)
        self._certificate.subscribe(_renewal(context))
        self._server = _Server(_config(app, context))
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="https")
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            ready.cancel()
            raise Unavailable("the HTTPS port cannot be served") from self._task.exception()

    async def stop(self, grace: float) -> None:
        """Take no more connections, end event streams, and give the other requests so many seconds."""
        if self._server is not None and self._task is not None:
            if self._app is not None:
                close_streams(self._app)
            self._server.config.timeout_graceful_shutdown = max(1, round(grace))
            self._server.should_exit = True
            await self._task
        elif self._socket is not None:
            self._socket.close()


class _Server(uvicorn.Server):
    """Without uvicorn's signal handlers: signals are the program's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but with limits on the time that TLS takes."""
        loop = asyncio.get_running_loop()
        await self.lifespan.startup()
        self.servers = [
            await loop.create_server(
                self._protocol,
                sock=sock,
                ssl=self.config.ssl,
                backlog=self.config.backlog,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=CLOSE_SECONDS,
            )
            for sock in sockets or ()
        ]
        self.started = True
        self.ready.set()

    def _protocol(self) -> asyncio.Protocol:
        return BoundedProtocol(self.config, self.server_state, self.lifespan.state)


class BoundedProtocol(H11Protocol):
    """Closes connections that do not come to the point."""

    _headers_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        if len(self.connections) >= MOST_CONNECTIONS:
            log.warning("%d connections are open: one more was refused", MOST_CONNECTIONS)
            stream.abort()
            return
        super().connection_made(stream)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            # Something of the next request has come, but not yet all of its headers.
            self._expect_headers()
        else:
            self._stop_expecting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_expecting()
        if self.transport is not None:
            super().connection_lost(exc)

    def _expect_headers(self) -> None:
        if self._headers_due is None:
            self._headers_due = self.loop.call_later(HEADER_SECONDS, self._late)

    def _stop_expecting(self) -> None:
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None

    def _late(self) -> None:
        self._headers_due = None
        if not self.transport.is_closing():
            self.transport.abort()


def _bound(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "::" is for IPv4, too.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _renewal(context: ssl.SSLContext) -> Any:
    def renew(material: ServerMaterial) -> None:
        material.load_into(context)

    return renew


def _config(app: FastAPI, context: ssl.SSLContext) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        h11_max_incomplete_event_size=HEADER_BYTES,
        ssl_context_factory=lambda config, default: context,
    )
