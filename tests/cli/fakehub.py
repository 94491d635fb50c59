"""A hub's REST API as far as a test needs it: a real HTTPS server that answers what it was told to."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import trustme


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    content: bytes
    lists: dict[str, list[str]]
    """The query, where a parameter may be given again."""

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass
class Reply:
    value: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    chunks: Iterator[bytes] | None = None
    """Sent as they come; then the connection ends."""
    drop: bool = False
    """End the connection without an answer."""


Answer = Reply | Callable[[Request], Reply]


def refused(status: int, code: str, message: str, *, details: tuple[str, ...] = (), **headers: str) -> Reply:
    """An error in the one form that the API has."""
    error = {"code": code, "message": message, "request_id": "r-12345678", "details": list(details)}
    return Reply({"error": error}, status, {name.replace("_", "-"): value for name, value in headers.items()})


def events(*named: tuple[str, Any]) -> bytes:
    return b"".join(f"event: {name}\nid: 1\ndata: {json.dumps(value)}\n\n".encode() for name, value in named)


class FakeHub:
    def __init__(self, authority: trustme.CA, *names: str) -> None:
        self.authority = authority
        self.answers: dict[tuple[str, str], list[Answer]] = {}
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(context)
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def setup(self) -> None:
                # The handshake is made here, in the connection's own thread: a client that breaks it off ends only it.
                self.request.settimeout(self.timeout)
                self.request = context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
                super().setup()

            def handle(self) -> None:
                try:
                    self.request.do_handshake()
                    super().handle()
                except OSError:
                    self.close_connection = True

            def finish(self) -> None:
                try:
                    super().finish()
                finally:
                    self.request.close()

            def log_message(self, *_: Any) -> None:
                pass

            def _serve(self) -> None:
                hub._serve(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def ca(self) -> str:
        return self.authority.cert_pem.bytes().decode()

    def on(self, method: str, path: str, *answers: Answer | Any) -> None:
        """Answer so, one after the other, and with the last one from then on. A bare value is a good reply."""
        wrapped = [a if isinstance(a, Reply) or callable(a) else Reply(a) for a in answers]
        self.answers[(method, path if path.startswith("/agent") else "/api/v1" + path)] = wrapped

    def asked(self, method: str, path: str) -> list[Request]:
        return [r for r in self.requests if (r.method, r.path) == (method, "/api/v1" + path)]

    def close(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        content = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        query, lists = dict(parse_qsl(parts.query)), parse_qs(parts.query)
        request = Request(handler.command, parts.path, query, headers, content, lists)
        self.requests.append(request)
        waiting = self.answers.get((request.method, request.path))
        if not waiting:
            answer: Answer = refused(404, "not-found", f"the fake hub has no {request.method} {request.path}")
        else:
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        reply = answer(request) if callable(answer) else answer
        _send(handler, reply)


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    if reply.drop:
        handler.close_connection = True
        return
    handler.send_response(reply.status)
    if reply.chunks is not None:
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        for chunk in reply.chunks:
            handler.wfile.write(chunk)
            handler.wfile.flush()
        return
    content = reply.content if reply.content is not None else json.dumps(reply.value).encode()
    if reply.status == 204:
        content = b""
    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
