"""How to reach a control plane: its address, its certificate, users with their tokens, and a small client."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

REQUEST_LIMIT = 30.0
ADMIN = "admin"

Object = dict[str, Any]


@dataclass(frozen=True)
class User:
    """Somebody the API server knows by a token. Groups, and no more, decide what RBAC grants at the start."""

    name: str
    groups: tuple[str, ...] = ()


class ApiError(Exception):
    """The API server refused a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class ClusterAccess:
    """What a client of one API server needs. It owns no process: see :class:`~tests.controlplane.cluster.ControlPlane`.

    ``directory`` holds ``access.json`` (address and tokens), ``ca.pem`` and the kubeconfigs.
    """

    def __init__(self, directory: Path, server_url: str, tokens: Mapping[str, str]) -> None:
        self.directory = directory
        self.server_url = server_url
        self.tokens = dict(tokens)

    @classmethod
    def load(cls, directory: Path) -> Self:
        saved = json.loads((directory / "access.json").read_text())
        return cls(directory, saved["server_url"], saved["tokens"])

    def save(self) -> None:
        saved = {"server_url": self.server_url, "tokens": self.tokens}
        partial = self.directory / "access.json.part"
        partial.write_text(json.dumps(saved, indent=2))
        partial.rename(self.directory / "access.json")

    @property
    def ca_pem(self) -> str:
        return (self.directory / "pki" / "ca.pem").read_text()

    @property
    def admin_token(self) -> str:
        return self.tokens[ADMIN]

    @property
    def kubeconfig_path(self) -> Path:
        """The administrator's."""
        return self.kubeconfig_for(ADMIN)

    @property
    def container_log(self) -> Path:
        """What every container of a plane with workloads has logged."""
        return self.directory / "container.log"

    def log_line(self, text: str) -> None:
        """Have every container log one more line; ``logs -f`` shows it."""
        now = datetime.now(UTC).isoformat()
        with self.container_log.open("a") as log:
            log.write(f"{now} stdout F {text}\n")

    def kubeconfig_for(self, user: str) -> Path:
        """A kubeconfig of one of the users chosen at the start."""
        if user not in self.tokens:
            raise KeyError(f"no user {user!r}; this plane was started with {', '.join(sorted(self.tokens))}")
        path = self.directory / "kubeconfigs" / f"{user}.yaml"
        return path if path.exists() else self.write_kubeconfig(path, self.tokens[user])

    def write_kubeconfig(self, path: Path, token: str) -> Path:
        authority = base64.b64encode(self.ca_pem.encode()).decode()
        cluster = {"server": self.server_url, "certificate-authority-data": authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{time.monotonic_ns()}.part")
        partial.write_text(json.dumps(config, indent=2))  # JSON is YAML
        partial.chmod(0o600)
        return partial.rename(path)

    def service_account_token(self, namespace: str, name: str, seconds: int = 3600) -> str:
        """A token such as a pod of that service account has; what it may do is RBAC's business alone."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        token: str = self.request("POST", path, asked)["status"]["token"]
        return token

    @functools.cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.ca_pem)

    @contextlib.contextmanager
    def open(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        token: str | None = None,
        content_type: str = "application/json",
        timeout: float = REQUEST_LIMIT,
    ) -> Iterator[http.client.HTTPResponse]:
        """One request, its answer still to be read (logs, watches). As the administrator, unless a token says else."""
        request = urllib.request.Request(
            self.server_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token or self.admin_token}", "Content-Type": content_type},
        )
        # No proxy, whatever the environment says: the server is on loopback.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.tls)
        )
        try:
            with opener.open(request, timeout=timeout) as response:
                yield response
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, _message(error.read())) from None

    def request(self, method: str, path: str, body: Object | None = None, **options: Any) -> Any:
        """One request and its answer, decoded; the options are those of :meth:`open`."""
        with self.open(method, path, body, **options) as response:
            answer = response.read()
        is_json = response.headers.get_content_type() == "application/json"
        return json.loads(answer) if is_json else answer.decode()

    def exists(self, path: str) -> bool:
        try:
            self.request("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    def apply(self, path: str, manifest: Object, *, manager: str = "tests", force: bool = False) -> Object:
        """Server-side apply of one object at its own path."""
        query = f"?fieldManager={manager}&force={str(force).lower()}"
        applied: Object = self.request("PATCH", path + query, manifest, content_type="application/apply-patch+yaml")
        return applied

    def wait_for(self, path: str, holds: Callable[[Object], bool], what: str, limit: float = 30.0) -> Object:
        """Read one object until something holds for it. An object that is not there yet is waited for too."""
        deadline = time.monotonic() + limit
        last: Any = "nothing yet"
        while time.monotonic() < deadline:
            try:
                last = self.request("GET", path)
            except ApiError as error:
                if error.status != 404:
                    raise
                last = error
            else:
                if holds(last):
                    seen: Object = last
                    return seen
            time.sleep(0.05)
        raise TimeoutError(f"waited {limit:.0f} s in vain until {what} at {path}; last seen: {last}")


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:2000]
