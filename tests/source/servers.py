"""Real servers for repositories: git's own HTTP backend behind a server that can be told to misbehave, and sshd."""

from __future__ import annotations

import base64
import contextlib
import getpass
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class GitHttp:
    """Serves every repository below a directory. The fields may be changed while it runs."""

    root: Path
    url: str = ""
    credentials: str = ""
    """user:password it asks for; empty for none."""
    bearer: str = ""
    """The token it wants without asking for it, as servers do that only tell with a 401 that something is missing."""
    status: int = 0
    """Answer everything with this status."""
    redirect: str = ""
    silent: bool = False
    """Take connections and say nothing."""
    cut_packs: bool = False
    """Break off in the middle of a pack."""
    stall_packs: bool = False
    """Send half of a pack, then nothing."""
    seen: list[str] = field(default_factory=list)
    """The Authorization header of each request, or nothing."""
    stopping: threading.Event = field(default_factory=threading.Event)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    git: GitHttp

    def do_GET(self) -> None:
        git = self.git
        authorization = self.headers.get("Authorization", "")
        git.seen.append(authorization)
        body = self._body()
        if git.silent:
            git.stopping.wait(60)
            self.close_connection = True
        elif git.redirect:
            self._plain(302, {"Location": git.redirect + self.path})
        elif git.status:
            self._plain(git.status)
        elif git.bearer and authorization != f"Bearer {git.bearer}":
            self._plain(401)
        elif git.credentials and authorization != _basic(git.credentials):
            self._plain(401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._backend(body)

    do_POST = do_GET

    def _plain(self, status: int, headers: dict[str, str] | None = None) -> None:
        content = b"<html>the server's own words: super-secret-detail</html>"
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        content = b""
        while size := int(self.rfile.readline().strip(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _backend(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        output = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
        ).stdout
        head, _, content = output.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if b"PACK" in content and (self.git.cut_packs or self.git.stall_packs):
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            if self.git.stall_packs:
                self.git.stopping.wait(60)
            self.close_connection = True
        else:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients are killed in these tests."""


@contextlib.contextmanager
def serve_http(root: Path, tls: ssl.SSLContext | None = None) -> Iterator[GitHttp]:
    git = GitHttp(root)
    handler = type("Handler", (_Handler,), {"git": git})
    server = _Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    git.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield git
    finally:
        git.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Ssh:
    url: str
    """ssh://user@host:port"""
    directory: Path
    """What a client needs in its ssh directory."""
    port: int


@contextlib.contextmanager
def serve_ssh(root: Path) -> Iterator[Ssh]:
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    assert sshd, "These tests need an SSH server: apt-get install openssh-server"
    client, server = root / "client", root / "server"
    for directory in (client, server):
        directory.mkdir(mode=0o700, parents=True)
    for key in (client / "id_ed25519", server / "host_key"):
        new_key(key)
    port = _free_port()
    (client / "known_hosts").write_text(f"[127.0.0.1]:{port} {(server / 'host_key.pub').read_text()}")
    (server / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {server}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {client}/id_ed25519.pub\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
    )
    # sshd insists on its privilege separation directory.
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sshd, "-D", "-e", "-f", str(server / "config")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _wait_for_port(port, process)
        yield Ssh(f"ssh://{getpass.getuser()}@127.0.0.1:{port}", client, port)
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1].decode()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("sshd does not listen")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def new_key(path: Path) -> None:
    """Make an SSH key, and PATH.pub beside it."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
