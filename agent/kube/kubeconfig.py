"""How to reach an API server, and as whom: from a kubeconfig file, or from the pod the agent runs in.

Only reads and checks; what rotates (token files, exec plugins, certificates) is followed by `agent.kube.cluster`.
A value that cannot be used is a ConfigError that names the file and the field, here, before anything is dialled.
Credentials are kept out of every `repr` and every error text.

As kubectl does: KUBECONFIG may list several files, of which the first to name a cluster, user, context or the current
context wins; a relative path in a file is relative to that file; the `-data` form of a field beats the file form.
Unlike kubectl, the proxy variables of the environment are not read: `proxy-url` is the one way to name a proxy.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import orjson

from agent.errors import ConfigError
from agent.kube.connection import Connection, ExecPlugin, Impersonation, Pem
from agent.yamlvalues import YamlError, read_yaml

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")

_MAX_FILE = 4 << 20
_MAX_DEPTH = 32
_LINES = "\t\r\n"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def in_cluster(environ: Mapping[str, str] | None = None, directory: Path = SERVICE_ACCOUNT) -> Connection:
    """Return the connection of a pod's own service account. Raises ConfigError outside a pod."""
    environ = os.environ if environ is None else environ
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise ConfigError("not in a cluster: KUBERNETES_SERVICE_HOST is not set; give a kubeconfig instead")
    token_file, ca_file = directory / "token", directory / "ca.crt"
    for path in (token_file, ca_file):
        if not path.is_file():
            raise ConfigError(
                f"{path} is missing: the pod needs a service account with automountServiceAccountToken: true"
            )
    namespace = _read_text(directory / "namespace").strip() if (directory / "namespace").is_file() else "default"
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Connection(server, ca=Pem(ca_file), token_file=token_file, namespace=namespace)


def load_kubeconfig(path: Path | str | None = None, context: str | None = None) -> Connection:
    """Return the connection a kubeconfig names.

    `path` is one file; None reads those KUBECONFIG lists, else ~/.kube/config. `context` replaces the current context.
    Raises ConfigError.
    """
    merged = _merge([_File(file) for file in _files(path)])
    name = context or merged.current_context
    if not name:
        raise ConfigError(f"{merged.label}: no current-context is set; name a context")
    entry = merged.find("contexts", name)
    namespace = entry.text("namespace") or "default"
    cluster = merged.find("clusters", entry.text("cluster", required=True))
    user_name = entry.text("user")
    user = merged.find("users", user_name) if user_name else _Section(cluster.file, "user", {})
    return _connection(cluster, user, namespace)


def _files(path: Path | str | None) -> list[Path]:
    if path is not None:
        return [Path(path).expanduser()]
    listed = [Path(p).expanduser() for p in os.environ.get("KUBECONFIG", "").split(os.pathsep) if p]
    if listed:
        found = [p for p in dict.fromkeys(listed) if p.exists()]
        if not found:
            raise ConfigError(f"KUBECONFIG names no file that exists: {', '.join(map(str, listed))}")
        return found
    return [Path.home() / ".kube" / "config"]


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
        if len(data) > _MAX_FILE:
            raise ConfigError(f"{path}: larger than {_MAX_FILE >> 20} MB")
        return data.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error


def _parse(path: Path, text: str) -> Mapping[str, Any]:
    try:
        document = _read_json(text) or read_yaml(text, max_depth=_MAX_DEPTH)
    except YamlError as error:
        where = f"{path}:{error.line}" if error.line else str(path)
        raise ConfigError(f"{where}: {error.problem}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: must be a mapping, with clusters, users and contexts")
    return document


def _read_json(text: str) -> object:
    """Return what a file in JSON holds, else None. A YAML reader would do, but takes a megabyte of memory for good."""
    if not text.startswith("{"):
        return None
    try:
        return orjson.loads(text)
    except ValueError:
        return None


class _Section:
    """One mapping of a kubeconfig, that knows where it stands so that every complaint can say so."""

    def __init__(self, file: Path, where: str, data: Mapping[str, Any]) -> None:
        self.file, self.where, self.data = file, where, data

    def fail(self, name: str, problem: str) -> ConfigError:
        return ConfigError(f"{self.file}: {f'{self.where}.{name}'.lstrip('.')}: {problem}")

    def text(self, name: str, *, required: bool = False, lines: bool = False) -> str:
        value = self.data.get(name)
        if value is None or value == "":
            if required:
                raise self.fail(name, "is missing")
            return ""
        if not isinstance(value, str):
            raise self.fail(name, f"must be text, not {type(value).__name__}; put it in quotes")
        self._check(name, value, allowed=_LINES if lines else "")
        return value

    def _check(self, name: str, value: str, allowed: str = "") -> None:
        """Much of it ends up in a header, where a stray line end would be the start of another header."""
        if any((c < " " or c == "\x7f") and c not in allowed for c in value):
            raise self.fail(name, "holds control characters or line ends")

    def flag(self, name: str) -> bool:
        value = self.data.get(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.fail(name, "must be true or false")
        return value

    def path(self, name: str) -> Path | None:
        text = self.text(name)
        return self.file.parent / Path(text).expanduser() if text else None

    def pem(self, name: str) -> Pem | None:
        """Read `<name>-data`, which is base64, else the file `<name>`."""
        encoded = self.text(f"{name}-data", lines=True)
        if encoded:
            try:
                return Pem(data=base64.b64decode("".join(encoded.split()), validate=True))
            except (binascii.Error, ValueError) as error:
                raise self.fail(f"{name}-data", "is not base64") from error
        file = self.path(name)
        if file is None:
            return None
        if not file.is_file():
            raise self.fail(name, f"{file} does not exist")
        return Pem(file)

    def section(self, name: str) -> _Section | None:
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.fail(name, "must be a mapping")
        return _Section(self.file, f"{self.where}.{name}", value)

    def _list(self, name: str) -> list[Any]:
        value = self.data.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fail(name, "must be a list")
        return value

    def texts(self, name: str, *, lines: bool = False) -> tuple[str, ...]:
        value = self._list(name)
        if not all(isinstance(item, str) for item in value):
            raise self.fail(name, "must be a list of text")
        for item in value:
            self._check(name, item, allowed=_LINES if lines else "")
        return tuple(value)

    def sections(self, name: str) -> Iterator[_Section]:
        for index, item in enumerate(self._list(name)):
            where = f"{self.where}.{name}[{index}]".lstrip(".")
            if not isinstance(item, dict):
                raise ConfigError(f"{self.file}: {where}: must be a mapping")
            yield _Section(self.file, where, item)


_LISTS = {"clusters": "cluster", "users": "user", "contexts": "context"}


class _File:
    """One file's clusters, users and contexts by name. Their content is read only when they are used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        root = _Section(path, "", _parse(path, _read_text(path)))
        self.current_context = root.text("current-context")
        self.entries: dict[tuple[str, str], _Section] = {}
        for plural in _LISTS:
            for item in root.sections(plural):
                self.entries.setdefault((plural, item.text("name", required=True)), item)


@dataclass(slots=True)
class _Merged:
    label: str
    current_context: str
    entries: dict[tuple[str, str], _Section]

    def find(self, plural: str, name: str) -> _Section:
        item = self.entries.get((plural, name))
        if item is None:
            known = ", ".join(sorted(n for p, n in self.entries if p == plural)) or "none"
            raise ConfigError(f"{self.label}: {plural} has no entry {name!r}; there is: {known}")
        return item.section(_LISTS[plural]) or _Section(item.file, f"{item.where}.{_LISTS[plural]}", {})


def _merge(files: list[_File]) -> _Merged:
    entries: dict[tuple[str, str], _Section] = {}
    for file in files:
        for key, section in file.entries.items():
            entries.setdefault(key, section)
    current = next((file.current_context for file in files if file.current_context), "")
    return _Merged(", ".join(str(file.path) for file in files), current, entries)


def _connection(cluster: _Section, user: _Section, namespace: str) -> Connection:
    if user.data.get("auth-provider") is not None:
        raise user.fail("auth-provider", "was removed from Kubernetes; use an exec plugin of your provider")
    insecure = cluster.flag("insecure-skip-tls-verify")
    ca = cluster.pem("certificate-authority")
    if insecure and ca:
        raise cluster.fail("insecure-skip-tls-verify", "cannot be true when a certificate-authority is given")
    cert, key = user.pem("client-certificate"), user.pem("client-key")
    if (cert is None) != (key is None):
        raise user.fail("client-key" if cert else "client-certificate", "is missing; a certificate needs its key")
    return Connection(
        server=_server(cluster),
        ca=ca,
        insecure=insecure,
        tls_server_name=cluster.text("tls-server-name"),
        proxy_url=_proxy(cluster),
        client_cert=cert,
        client_key=key,
        token=_token(user),
        token_file=user.path("tokenFile"),
        username=user.text("username"),
        password=user.text("password"),
        plugin=_plugin(cluster, user),
        impersonate=_impersonation(user),
        namespace=namespace,
    )


def _split(section: _Section, name: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError as error:
        raise section.fail(name, "is not a URL") from error
    return parts


def _server(cluster: _Section) -> str:
    url = cluster.text("server", required=True).strip()
    parts = _split(cluster, "server", url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise cluster.fail("server", "must be a URL such as https://host:6443")
    if parts.username is not None or parts.query or parts.fragment:
        raise cluster.fail("server", "must hold no credentials, query or fragment")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise cluster.fail("server", "http is accepted for a proxy on this machine only; use https")
    return url.rstrip("/")


def _proxy(cluster: _Section) -> str:
    url = cluster.text("proxy-url").strip()
    if not url:
        return ""
    parts = _split(cluster, "proxy-url", url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise cluster.fail("proxy-url", "must be an http or https URL; SOCKS is not served")
    return url


def _token(user: _Section) -> str:
    token = user.text("token", lines=True).strip()
    if not token.isascii() or any(c.isspace() for c in token):
        raise user.fail("token", "holds characters a token cannot have")
    return token


def _plugin(cluster: _Section, user: _Section) -> ExecPlugin | None:
    section = user.section("exec")
    if section is None:
        return None
    version = section.text("apiVersion", required=True)
    if version not in EXEC_VERSIONS:
        raise section.fail("apiVersion", f"must be one of {', '.join(EXEC_VERSIONS)}")
    if section.text("interactiveMode") == "Always":
        raise section.fail("interactiveMode", "Always cannot be served: the agent has no terminal")
    command = section.text("command", required=True)
    if os.sep in command and not Path(command).is_absolute():
        command = str(section.file.parent / command)
    env = tuple((item.text("name", required=True), item.text("value")) for item in section.sections("env"))
    return ExecPlugin(
        api_version=version,
        command=command,
        args=section.texts("args", lines=True),
        env=env,
        install_hint=section.text("installHint", lines=True),
        cluster_info=_cluster_info(cluster) if section.flag("provideClusterInfo") else None,
    )


def _cluster_info(cluster: _Section) -> dict[str, Any]:
    """Return `spec.cluster` of an ExecCredential."""
    names = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url")
    info = {name: cluster.data[name] for name in names if cluster.data.get(name)}
    ca = cluster.pem("certificate-authority")
    if ca:
        try:
            info["certificate-authority-data"] = base64.b64encode(ca.read()).decode("ascii")
        except OSError as error:
            raise cluster.fail("certificate-authority", f"cannot be read: {error.strerror or error}") from error
    for extension in cluster.sections("extensions"):
        if extension.text("name") == "client.authentication.k8s.io/exec":
            info["config"] = extension.data.get("extension")
    return info


def _impersonation(user: _Section) -> Impersonation | None:
    name, uid, groups = user.text("as"), user.text("as-uid"), user.texts("as-groups")
    section = user.section("as-user-extra")
    extra = tuple((str(key), value) for key in section.data for value in section.texts(key)) if section else ()
    if not (name or uid or groups or extra):
        return None
    if not name:
        raise user.fail("as", "is missing; impersonated groups, uid or extra need a user")
    return Impersonation(name, uid, groups, extra)
