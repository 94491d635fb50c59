"""Real places for charts: a chart repository over TLS, an OCI registry, and the helm program that fills them.

Both stand behind a server that can be told to misbehave.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

from tests.controlplane.build import binary


@dataclass
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Front:
    """What stands before the content. The fields may be changed while it runs."""

    content: Callable[[str, str, Mapping[str, str], bytes], Answer]
    """(method, path with query, headers, body)"""
    url: str = ""
    port: int = 0
    credentials: str = ""
    """user:password it asks for; empty for none."""
    token_of: str = ""
    """Address of tokens: Bearer in place of Basic."""
    token: str = "t0ken-of-the-registry"
    status: int = 0
    """Answer everything with this status, and these headers."""
    headers: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    """Pattern of a path → where it is sent."""
    cut: str = ""
    """Pattern of paths whose bodies break off in the middle."""
    drip: str = ""
    """Pattern of paths whose bodies come a byte at a time."""
    hold: str = ""
    """Pattern of paths that are answered half, and then not at all."""
    length: int = 0
    """Announced in place of the real one."""
    silent: bool = False
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, path, Authorization) of each request."""
    held: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)

    def asked(self, pattern: str) -> int:
        """How many requests for paths like this came since `seen` was cleared."""
        return sum(re.search(pattern, f"{method} {path}") is not None for method, path, _ in self.seen)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    front: Front

    def do_GET(self) -> None:
        front = self.front
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorization = self.headers.get("Authorization", "")
        front.seen.append((self.command, self.path, authorization))
        if front.silent:
            front.stopping.wait(60)
            self.close_connection = True
        elif (target := self._redirect()) is not None:
            self._send(Answer(307, {"Location": target}))
        elif front.status:
            self._send(Answer(front.status, dict(front.headers), b"the server's own words: super-secret-detail"))
        elif (asked := self._refusal(authorization)) is not None:
            self._send(asked)
        else:
            self._send(front.content(self.command, self.path, dict(self.headers.items()), body))

    do_POST = do_PUT = do_PATCH = do_HEAD = do_DELETE = do_GET

    def _redirect(self) -> str | None:
        for pattern, target in self.front.redirects.items():
            if (match := re.search(pattern, self.path)) is not None:
                return match.expand(target)
        return None

    def _refusal(self, authorization: str) -> Answer | None:
        front = self.front
        if not front.credentials or self.path.startswith("/token"):
            return None
        if front.token_of:
            if authorization == f"Bearer {front.token}":
                return None
            challenge = f'Bearer realm="{front.token_of}",service="registry.test",scope="repository:x:pull"'
            return Answer(401, {"WWW-Authenticate": challenge})
        return (
            None if authorization == basic(front.credentials) else Answer(401, {"WWW-Authenticate": 'Basic realm="x"'})
        )

    def _send(self, answer: Answer) -> None:
        front, body = self.front, answer.body
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(front.length or answer.headers.get("Content-Length") or len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if front.cut and re.search(front.cut, self.path):
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif front.drip and re.search(front.drip, self.path):
            for byte in body:
                if front.stopping.wait(0.05):
                    break
                self.wfile.write(bytes((byte,)))
        elif front.hold and re.search(front.hold, self.path):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            front.held.set()
            front.stopping.wait(60)
            self.close_connection = True
        else:
            self.wfile.write(body)
            if front.length:
                self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients break off and are killed in these tests."""


@contextlib.contextmanager
def serve(front: Front, tls: ssl.SSLContext | None) -> Iterator[Front]:
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"front": front}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    front.port = server.server_port
    front.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield front
    finally:
        front.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Tls:
    context: ssl.SSLContext
    ca_file: Path


def make_tls(root: Path) -> Tls:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    ca_file = root / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    return Tls(context, ca_file)


class ChartRepository:
    """A directory of packaged charts with the index that helm makes of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.front = Front(self._content)

    def add(self, archive: Path, **index: str) -> None:
        (self.root / archive.name).write_bytes(archive.read_bytes())
        self.reindex()

    def reindex(self) -> None:
        run_helm("repo", "index", str(self.root))

    def write_index(self, text: str | bytes) -> None:
        content = text.encode() if isinstance(text, str) else text
        (self.root / "index.yaml").write_bytes(content)

    @property
    def index(self) -> str:
        return (self.root / "index.yaml").read_text()

    def _content(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        file = self.root / urlsplit(path).path.removeprefix("/charts/").lstrip("/")
        if not file.is_file():
            return Answer(404)
        content = file.read_bytes()
        tag = f'"{sha256(content).hexdigest()[:16]}"'
        changed = formatdate(file.stat().st_mtime, usegmt=True)
        if headers.get("If-None-Match") == tag:
            return Answer(304, {"ETag": tag})
        return Answer(200, {"ETag": tag, "Last-Modified": changed}, content)


@contextlib.contextmanager
def serve_charts(root: Path, tls: Tls) -> Iterator[ChartRepository]:
    repository = ChartRepository(root)
    with serve(repository.front, tls.context):
        yield repository


class Registry:
    """A real registry, behind the front."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.page = 0
        """Tags on one page of a list; 0: as the registry has it."""
        self.front = Front(self._content)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.front.port}"

    def push(self, archive: Path, path: str = "charts", *, login: str = "") -> str:
        """Push a chart with helm, past the front's moods; return the digest of its manifest."""
        said = run_helm("push", "--plain-http", str(archive), f"oci://127.0.0.1:{self._port}/{path}")
        return re.search(r"Digest: (sha256:[0-9a-f]{64})", said)[1]  # type: ignore[index]

    def put(self, path: str, tag: str, layers: list[tuple[str, bytes]], **annotations: str) -> str:
        """Write an artifact of these (media type, content); return its manifest's digest."""
        described = []
        for media, content in (("application/vnd.oci.empty.v1+json", b"{}"), *layers):
            digest = f"sha256:{sha256(content).hexdigest()}"
            started = self._upstream("POST", f"/v2/{path}/blobs/uploads/", {}, b"")
            place = started.headers["Location"]
            place = urlsplit(place).path + "?" + urlsplit(place).query
            done = self._upstream(
                "PUT", f"{place.rstrip('?')}{'&' if '?' in place.rstrip('?') else '?'}digest={digest}", {}, content
            )
            assert done.status == 201, done
            described.append({"mediaType": media, "digest": digest, "size": len(content)})
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described[0],
            "layers": described[1:],
            "annotations": annotations,
        }
        return self.put_manifest(path, tag, manifest)

    def put_manifest(self, path: str, tag: str, manifest: Any) -> str:
        content = json.dumps(manifest).encode()
        headers = {"Content-Type": manifest["mediaType"]}
        done = self._upstream("PUT", f"/v2/{path}/manifests/{tag}", headers, content)
        assert done.status == 201, done
        return f"sha256:{sha256(content).hexdigest()}"

    def _content(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if path.startswith("/token"):
            return Answer(200, {}, json.dumps({"token": self.front.token, "expires_in": 300}).encode())
        answer = self._upstream(
            method, path, {k: v for k, v in headers.items() if k in ("Accept", "Content-Type")}, body
        )
        if self.page and "/tags/list" in path and answer.status == 200:
            return self._paged(path, answer)
        return answer

    def _paged(self, path: str, answer: Answer) -> Answer:
        parts = urlsplit(path)
        said = json.loads(self._upstream("GET", f"{parts.path}?n=100000", {}, b"").body)
        last = parse_qs(parts.query).get("last", [""])[0]
        tags = [tag for tag in sorted(said["tags"]) if tag > last]
        headers = {}
        if len(tags) > self.page:
            headers["Link"] = f'<{parts.path}?n={self.page}&last={tags[self.page - 1]}>; rel="next"'
        return Answer(200, headers, json.dumps({**said, "tags": tags[: self.page]}).encode())

    def _upstream(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            connection.request(method, path, body or None, dict(headers))
            response = connection.getresponse()
            content = response.read()
            return Answer(response.status, dict(response.getheaders()), content)
        finally:
            connection.close()


@contextlib.contextmanager
def serve_registry(tls: Tls | None) -> Iterator[Registry]:
    port = free_port()
    process = subprocess.Popen(
        [str(binary("registry")), "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for_port(port, process)
        registry = Registry(port)
        with serve(registry.front, tls.context if tls else None):
            yield registry
    finally:
        process.kill()
        process.wait()


def write_chart(root: Path, name: str, version: str, files: Mapping[str, str] | None = None, **chart: Any) -> Path:
    """Write a chart's directory: one ConfigMap that says which version it is."""
    directory = root / f"{name}-{version}-source" / name
    (directory / "templates").mkdir(parents=True)
    (directory / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": name, "version": version, **chart}))
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "{{ .Release.Name }}-" + name},
        "data": {"version": version, "word": "{{ .Values.word | default `none` }}"},
    }
    (directory / "templates" / "map.yaml").write_text(json.dumps(body))
    for path, content in (files or {}).items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    return directory


def package(root: Path, name: str, version: str, files: Mapping[str, str] | None = None, **chart: Any) -> Path:
    """Return an archive that `helm package` made."""
    directory = write_chart(root, name, version, files, **chart)
    target = root / "packages"
    target.mkdir(exist_ok=True)
    run_helm("package", str(directory), "--destination", str(target))
    return target / f"{name}-{version}.tgz"


def run_helm(*arguments: str, ca_file: Path | None = None) -> str:
    home = Path(os.environ.get("TMPDIR", "/tmp")) / f"escadre-helm-{os.getuid()}"
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    if ca_file is not None:
        environment["SSL_CERT_FILE"] = str(ca_file)
    result = subprocess.run(
        [str(binary("helm")), *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        assert process.poll() is None, "the registry has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("the registry does not listen")
