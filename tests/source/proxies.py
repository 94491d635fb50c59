"""Real proxies on loopback: HTTP with CONNECT, and SOCKS 5, both with a password if one is wanted."""

from __future__ import annotations

import base64
import contextlib
import selectors
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Proxy:
    kind: str
    """http | socks5"""
    port: int = 0
    credentials: str = ""
    """user:password it asks for; empty for none."""
    places: list[str] = field(default_factory=list)
    """host:port of each connection it made."""

    def url(self, credentials: str = "") -> str:
        return f"{self.kind}://{credentials + '@' if credentials else ''}127.0.0.1:{self.port}"


class _Handler(socketserver.StreamRequestHandler):
    proxy: Proxy
    rbufsize = 0

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self.proxy.kind == "http":
                self._http()
            else:
                self._socks()

    def _http(self) -> None:
        request, *headers = self._head().split("\r\n")
        method, target, _ = request.split()
        wanted = base64.b64encode(self.proxy.credentials.encode()).decode()
        if self.proxy.credentials and f"proxy-authorization: basic {wanted}".lower() not in [
            h.lower() for h in headers
        ]:
            self.wfile.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                b'Proxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
            )
            return
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            with self._connect(host, int(port)) as there:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                _relay(self.connection, there)
            return
        parts = urlsplit(target)
        with self._connect(parts.hostname or "", parts.port or 80) as there:
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            kept = [h for h in headers if not h.lower().startswith(("proxy-", "connection"))]
            there.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]).encode())
            _relay(self.connection, there)

    def _head(self) -> str:
        found = b""
        while not found.endswith(b"\r\n\r\n"):
            byte = self.rfile.read(1)
            if not byte:
                raise ValueError("closed")
            found += byte
        return found.decode().removesuffix("\r\n\r\n")

    def _socks(self) -> None:
        _, count = self._exactly(2)
        methods = self._exactly(count)
        wanted = 2 if self.proxy.credentials else 0
        self.wfile.write(bytes([5, wanted if wanted in methods else 255]))
        if wanted not in methods:
            return
        if wanted:
            user = self._exactly(self._exactly(2)[1]).decode()
            password = self._exactly(self._exactly(1)[0]).decode()
            good = f"{user}:{password}" == self.proxy.credentials
            self.wfile.write(bytes([1, 0 if good else 1]))
            if not good:
                return
        kind = self._exactly(4)[3]
        host = socket.inet_ntoa(self._exactly(4)) if kind == 1 else self._exactly(self._exactly(1)[0]).decode()
        (port,) = struct.unpack(">H", self._exactly(2))
        with self._connect(host, port) as there:
            self.wfile.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            _relay(self.connection, there)

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self.rfile.read(count - len(found))
            if not part:
                raise ValueError("closed")
            found += part
        return found

    def _connect(self, host: str, port: int) -> socket.socket:
        self.proxy.places.append(f"{host}:{port}")
        return socket.create_connection((host, port), 10)


def _relay(here: socket.socket, there: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(here, selectors.EVENT_READ, there)
        selector.register(there, selectors.EVENT_READ, here)
        while True:
            for key, _ in selector.select():
                part = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not part:
                    return
                key.data.sendall(part)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextlib.contextmanager
def serve_proxy(kind: str, credentials: str = "") -> Iterator[Proxy]:
    proxy = Proxy(kind, credentials=credentials)
    with _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy})) as server:
        proxy.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
