"""ssh's way through a proxy: ssh starts this as its ProxyCommand, with HOST and PORT as arguments.

It connects there by the proxy whose URL is in the file that ESCADRE_PROXY_FILE names, then passes bytes between the
two. Standard library only: it starts with each fetch.

The URL comes from a file because arguments are public to the machine, and it may hold a password.
"""

from __future__ import annotations

import base64
import os
import selectors
import socket
import ssl
import struct
import sys
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

_SECONDS = 10.0
_CHUNK = 64 * 1024
_MOST_HEADERS = 16 * 1024
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class ProxyRefused(Exception):
    """Says why, without the password."""


def connect(proxy: str, host: str, port: int) -> socket.socket:
    """Return a connection to a host through a proxy. Raises ProxyRefused, OSError."""
    parts = urlsplit(proxy)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ProxyRefused("its URL is none")
    connection = socket.create_connection((parts.hostname, parts.port or _PORTS[parts.scheme]), _SECONDS)
    try:
        if parts.scheme == "https":
            connection = ssl.create_default_context().wrap_socket(connection, server_hostname=parts.hostname)
        if parts.scheme in ("http", "https"):
            _ask_http(connection, parts, host, port)
        else:
            _ask_socks(connection, parts, host, port)
        connection.settimeout(None)
    except BaseException:
        connection.close()
        raise
    return connection


def _ask_http(connection: socket.socket, parts: SplitResult, host: str, port: int) -> None:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        # One at a time: what comes after the headers is for ssh.
        byte = connection.recv(1)
        if not byte or len(answer) > _MOST_HEADERS:
            raise ProxyRefused("it does not answer as a proxy does")
        answer += byte
    status = answer.split(b"\r\n", 1)[0].split()
    if len(status) < 2 or not status[1].startswith(b"2"):
        raise ProxyRefused(f"it answers with HTTP {status[1][:3].decode('ascii', 'replace') if status[1:] else '?'}")


def _ask_socks(connection: socket.socket, parts: SplitResult, host: str, port: int) -> None:
    connection.sendall(b"\x05\x02\x00\x02" if parts.username else b"\x05\x01\x00")
    version, method = _exactly(connection, 2)
    if version != 5 or method not in (0, 2) or (method == 2 and not parts.username):
        raise ProxyRefused("it wants other credentials, or is no SOCKS 5 proxy")
    if method == 2:
        user, password = unquote(parts.username or "").encode(), unquote(parts.password or "").encode()
        if len(user) > 255 or len(password) > 255:
            raise ProxyRefused("its user name or password is too long")
        connection.sendall(b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
        if _exactly(connection, 2)[1] != 0:
            raise ProxyRefused("it refuses the credentials (407)")
    name = host.encode("idna")
    connection.sendall(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + struct.pack(">H", port))
    _, reply, _, kind = _exactly(connection, 4)
    if reply != 0:
        raise ProxyRefused(f"it does not reach the host (SOCKS reply {reply})")
    length = {1: 4, 4: 16}.get(kind) or _exactly(connection, 1)[0]
    _exactly(connection, length + 2)


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = connection.recv(count - len(found))
        if not part:
            raise ProxyRefused("it closed the connection")
        found += part
    return found


def relay(connection: socket.socket) -> None:
    """Pass bytes between ssh, on standard input and output, and the connection, until the latter ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(connection, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == 0:
                    if part := os.read(0, _CHUNK):
                        connection.sendall(part)
                    else:
                        selector.unregister(0)
                        connection.shutdown(socket.SHUT_WR)
                    continue
                while True:
                    part = connection.recv(_CHUNK)
                    if not part:
                        return
                    _write(part)
                    # What TLS has decrypted already shows in no selector.
                    if not (isinstance(connection, ssl.SSLSocket) and connection.pending()):
                        break


def _write(content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(1, view) :]


def main() -> None:
    proxy = Path(os.environ["ESCADRE_PROXY_FILE"]).read_text("utf-8").strip()
    try:
        connection = connect(proxy, sys.argv[1], int(sys.argv[2]))
    except (OSError, ProxyRefused) as error:
        reason = error if isinstance(error, ProxyRefused) else (error.strerror or "no connection")
        sys.stderr.write(f"escadre: the proxy cannot be used: {reason}\n")
        sys.exit(1)
    relay(connection)


if __name__ == "__main__":
    main()
