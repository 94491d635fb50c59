"""Requests to one API server: who asks, over which connection, for how long, and how much is read.

Nothing else knows of aiohttp's sessions. It is in the way of every apply, of which an agent may have thousands at once,
so it does what each request needs and no more: no logging, no redirects, no cookies, no compression (the server is
near, and both ends' processors are worth more than the bytes), URLs that are passed on as they were built. An apply
of a small object takes about 270 µs of processor, TLS and JSON included, of which 250 are aiohttp's and asyncio's.
"""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from multidict import CIMultiDict
from yarl import URL

from agent.errors import ConfigError
from agent.kube.cluster.credentials import Auth, Credentials, credentials_of
from agent.kube.cluster.errors import Target, from_exception, from_reply
from agent.kube.cluster.lean import aiohttp
from agent.kube.cluster.requests import JSON_TYPE
from agent.kube.cluster.tls import TlsContexts
from agent.kube.connection import Connection
from agent.kube.errors import Forbidden, Rejected, Unreachable

MAX_OBJECT = 8 << 20
"""Bytes read of an answer that is one object."""
CONNECT_SECONDS = 10.0
IDLE_SECONDS = 45.0
"""An idle connection is dropped after this, before the API server does (90 s), perhaps as the next request is sent."""

_MAX_HEADER = 64 << 10
_LARGE_BODY = 1 << 20
_TLS_BUFFER = 32 << 10
# aiohttp says RuntimeError of a connection or session that was closed while it was about to be used.
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError, RuntimeError)


class AnswerTooLarge(Rejected):
    """The answer exceeds its limit; a shorter one may be asked for."""


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class Request(NamedTuple):
    target: Target
    method: str
    path: str
    """With its query, encoded."""
    body: bytes | None = None
    content_type: str = JSON_TYPE
    accept: str = JSON_TYPE
    limit: int = MAX_OBJECT


class Transport:
    """Sends requests as one identity. Opens connections as they are needed."""

    def __init__(self, connection: Connection, *, max_in_flight: int, timeout: float) -> None:
        """`timeout` limits one request, in seconds. Raises ConfigError where certificates cannot be used."""
        self._base = connection.server
        self._proxy = connection.proxy_url or None
        self._server_hostname = connection.tls_server_name or None
        self._tls = TlsContexts(connection) if connection.server.startswith("https:") else None
        self._credentials: Credentials = credentials_of(connection)
        self._slots = asyncio.Semaphore(max_in_flight)
        self._timeout = timeout
        self._limits = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_SECONDS)
        self._session: aiohttp.ClientSession | None = None
        self._streams: set[aiohttp.ClientResponse] = set()
        self._closed = False
        self._headers: dict[tuple[str, str], CIMultiDict[str]] = {}
        self._headers_auth: Auth | None = None

    async def send(self, request: Request) -> Reply:
        """Return the answer, whatever its status. Raises KubeError where there is none."""
        async with self._slots:
            auth = await self._credentials.get()
            reply = await self._exchange(request, auth)
            if reply.status == 401 and await self._credentials.refused(auth):
                reply = await self._exchange(request, await self._credentials.get())
            return reply

    async def _exchange(self, request: Request, auth: Auth) -> Reply:
        try:
            return await self._attempt(request, auth)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            # The server may end an idle connection just as it is used again. aiohttp asks once more on a new one, but
            # not for PATCH, of which it cannot know that applying twice is as good as once.
            if request.method != "PATCH" or isinstance(error, aiohttp.ClientConnectorError):
                raise from_exception(request.target, error, self._timeout) from error
        except _FAILURES as error:
            raise from_exception(request.target, error, self._timeout) from error
        try:
            return await self._attempt(request, auth)
        except _FAILURES as error:
            raise from_exception(request.target, error, self._timeout) from error

    async def _attempt(self, request: Request, auth: Auth) -> Reply:
        return await _reply(await self._open(request, auth, self._limits), request)

    async def _open(self, request: Request, auth: Auth, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        session = self._session or self._start(request.target)
        body = request.body
        return await session.request(
            request.method,
            URL(self._base + request.path, encoded=True),
            # In one piece it would be encrypted in one piece, and everything else would wait for that.
            data=io.BytesIO(body) if body is not None and len(body) > _LARGE_BODY else body,
            headers=self._headers_for(request, auth),
            ssl=self._context(request.target, auth),
            server_hostname=self._server_hostname,
            proxy=self._proxy,
            allow_redirects=False,
            timeout=limits,
        )

    @asynccontextmanager
    async def stream(self, request: Request, silence: float) -> AsyncIterator[Callable[[], Awaitable[bytes]]]:
        """Open an answer without an end. Takes no slot.

        Yields a function that returns the next bytes, b"" at the end. It raises Unreachable when the answer is cut, or
        when nothing comes for `silence` seconds: a peer that is gone without a word looks just so.
        """
        response = await self._open_stream(request, silence)

        async def read() -> bytes:
            try:
                return await response.content.readany()
            except _FAILURES as error:
                raise from_exception(request.target, error, silence) from error

        self._streams.add(response)
        try:
            yield read
        finally:
            self._streams.discard(response)
            response.close()

    async def _open_stream(self, request: Request, silence: float) -> aiohttp.ClientResponse:
        auth = await self._credentials.get()
        opened = await self._try_stream(request, auth, silence)
        if isinstance(opened, Reply) and opened.status == 401 and await self._credentials.refused(auth):
            opened = await self._try_stream(request, await self._credentials.get(), silence)
        if isinstance(opened, Reply):
            raise from_reply(request.target, *opened)
        return opened

    async def _try_stream(self, request: Request, auth: Auth, silence: float) -> aiohttp.ClientResponse | Reply:
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._open(request, auth, limits)
                return response if response.status == 200 else await _reply(response, request)
        except _FAILURES as error:
            raise from_exception(request.target, error, self._timeout) from error

    async def close(self) -> None:
        """Close every connection; streams end with Unreachable."""
        self._closed = True
        for response in tuple(self._streams):
            response.close()  # closing its connection alone would leave its reader waiting
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _start(self, target: Target) -> aiohttp.ClientSession:
        if self._closed:
            raise Unreachable(f"{target}: the client is closed")
        # asyncio gives each TLS connection 256 KB to read into: with a watch for each of forty kinds, ten megabytes of
        # an agent's sixty. A TLS record is 16 KB at most, so a smaller buffer costs no speed.
        SSLProtocol.max_size = min(SSLProtocol.max_size, _TLS_BUFFER)
        connector = aiohttp.TCPConnector(
            limit=0,  # requests are limited by their slots, watches by the kinds watched
            keepalive_timeout=IDLE_SECONDS,
            socket_factory=_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept-Encoding",),
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
        )
        return self._session

    def _headers_for(self, request: Request, auth: Auth) -> CIMultiDict[str]:
        if auth is not self._headers_auth:
            self._headers.clear()
            self._headers_auth = auth
        key = (request.content_type, request.accept)
        headers = self._headers.get(key)
        if headers is None:
            headers = self._headers[key] = CIMultiDict(auth.headers)  # impersonated groups repeat one name
            headers.add("User-Agent", "escadre-agent")
            headers.add("Accept", request.accept)
            headers.add("Content-Type", request.content_type)
        return headers

    def _context(self, target: Target, auth: Auth) -> ssl.SSLContext | bool:
        if self._tls is None:
            return True
        try:
            return self._tls.get(auth)
        except ConfigError as error:
            raise Forbidden(f"{target}: the exec plugin's certificate: {error}") from error


async def _reply(response: aiohttp.ClientResponse, request: Request) -> Reply:
    try:
        return Reply(response.status, response.headers, await _read(response, request))
    finally:
        response.release()


async def _read(response: aiohttp.ClientResponse, request: Request) -> bytes:
    read = response.content.readany
    body = await read()
    if not body:
        return body
    parts, size = [body], len(body)
    while more := await read():
        parts.append(more)
        size += len(more)
        if size > request.limit:
            response.close()
            raise AnswerTooLarge(f"{request.target}: the answer is larger than {request.limit >> 20} MB")
    return b"".join(parts) if len(parts) > 1 else body


def _socket(address: tuple[int, int, int, str, object]) -> socket.socket:
    """Make a socket that notices within a minute that its peer is gone; a watch may be silent for longer than that."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 50_000)):
        option = getattr(socket, name, None)  # Linux has all of them
        if option is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
