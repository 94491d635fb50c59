"""The outermost layer: what is true of every request, whatever its path.

A request gets an id, a limit on its body and on the time that may take to arrive, and on everything below
`/api/` a session, before any of its body is read: a path that nobody thought of is closed, not open. Whatever goes
wrong inside comes out as the one form of error; and every reply carries the headers that keep browsers careful.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.access.audit import printable
from hub.access.sessions import Sessions, SignedIn
from hub.api.errors import RequestTimeout, is_internal, response_of, session_missing
from hub.api.metrics import Telemetry
from hub.errors import TooLarge

log = logging.getLogger(__name__)
access_log = structlog.stdlib.get_logger("hub.api.access")

MIB = 1024 * 1024
APPLY_LIMIT = 16 * MIB
AGENT_LIMIT = 64 * 1024
FILES_LIMIT = 16 * MIB
SETTINGS_LIMIT = 4 * MIB
"""Settings are bounded by themselves, and take more room as JSON."""
BODY_LIMIT = 1 * MIB
BODY_SECONDS = 60.0

PREFIX = "/api/v1"
WEBHOOK = "/api/webhook"
"""Where its body ends, and how large it may be, is decided where it is believed: it is passed on as it comes."""
PUBLIC = frozenset(
    {
        ("POST", WEBHOOK),
        ("POST", f"{PREFIX}/session"),
        ("GET", f"{PREFIX}/version"),
        ("GET", f"{PREFIX}/openapi.json"),
    }
)
"""What is served without a session below /api/."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
_FILES = re.compile(re.escape(PREFIX) + "/applications/[^/]+/diff")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""For replies that do not say otherwise themselves."""


class Guard:
    def __init__(
        self, app: ASGIApp, sessions: Sessions, telemetry: Telemetry, *, body_seconds: float = BODY_SECONDS
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._telemetry = telemetry
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        with structlog.contextvars.bound_contextvars(request_id=exchange.id):
            await self._handle(exchange, scope)

    async def _handle(self, exchange: _Exchange, scope: Scope) -> None:
        try:
            if _needs_session(scope["method"], scope["path"]):
                await self._sign_in(scope)
            limit = _body_limit(scope["path"])
            if limit is None or await exchange.read_body(limit, self._body_seconds):
                await self._app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            await exchange.fail(error)
        finally:
            exchange.log()
            if exchange.status:
                self._telemetry.api_request(scope["method"], exchange.status, exchange.seconds)

    async def _sign_in(self, scope: Scope) -> None:
        authorization = Headers(scope=scope).get("authorization", "")
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise session_missing()
        scope["state"]["signed_in"] = await self._sessions.resolve(token.strip())


class _Exchange:
    """One request and its reply."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body: bytes | None = None
        self._began = time.perf_counter()
        self.status = 0
        given = Headers(scope=scope).get("x-request-id", "")
        self.id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = self.id

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    async def read_body(self, limit: int, seconds: float) -> bool:
        """Take the whole body in, so that what reads it later neither waits nor exceeds; False when the caller left
        in the middle of it. Raises TooLarge, RequestTimeout."""
        declared = Headers(scope=self._scope).get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > limit:
            raise _too_large(limit)
        body = bytearray()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        return False
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise _too_large(limit)
                    if not message.get("more_body", False):
                        break
        except TimeoutError as error:
            raise RequestTimeout(f"the request's body did not arrive within {seconds:.0f} s") from error
        self._body = bytes(body)
        return True

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        return await self._receive()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.id
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        if is_internal(error):
            log.error("request %s of %s failed", self.id, printable(self._scope["path"], 500), exc_info=error)
        if self.status:
            # The reply has begun: all that can be told is that it does not end as it should.
            raise error
        response = response_of(error, self.id)
        await response(self._scope, self._receive, self.send)

    def log(self) -> None:
        """Write the access log: neither the query nor any header but the agent's name goes in."""
        path = self._scope["path"]
        if path in _QUIET and self.status < 400:
            return
        signed_in: SignedIn | None = self._scope["state"].get("signed_in")
        access_log.info(
            "request",
            method=self._scope["method"],
            path=printable(path, 500),
            status=self.status,
            milliseconds=round(self.seconds * 1000, 1),
            address=(self._scope.get("client") or ("",))[0],
            account=signed_in.account.name if signed_in else "",
        )


def _needs_session(method: str, path: str) -> bool:
    return (path == "/api" or path.startswith("/api/")) and (method, path) not in PUBLIC


def _body_limit(path: str) -> int | None:
    if path == WEBHOOK:
        return None
    if path == f"{PREFIX}/objects/apply":
        return APPLY_LIMIT
    if _FILES.fullmatch(path):
        return FILES_LIMIT
    if path == f"{PREFIX}/settings":
        return SETTINGS_LIMIT
    return AGENT_LIMIT if path.startswith("/agent/") else BODY_LIMIT


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit:,} bytes, which is all that is taken here")
