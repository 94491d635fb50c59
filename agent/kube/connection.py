"""How to reach an API server, and as whom, as plain values.

Apart from `agent.kube.kubeconfig`, which reads them, so that the client needs no YAML. Whatever is secret here is kept
out of `repr`, and so out of logs and tracebacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Pem:
    """Certificates or a key: in a file, which may be replaced while the agent runs, or in place."""

    file: Path | None = None
    data: bytes = field(default=b"", repr=False)

    def read(self) -> bytes:
        """Return the text as it is now. Raises OSError."""
        return self.file.read_bytes() if self.file else self.data


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A command that prints credentials (client.authentication.k8s.io)."""

    api_version: str
    command: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    install_hint: str = ""
    cluster_info: Mapping[str, Any] | None = field(default=None, repr=False)
    """What `provideClusterInfo` has the plugin told of the cluster."""


@dataclass(frozen=True, slots=True)
class Impersonation:
    """The user that requests are made in the name of."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Connection:
    """One API server, and the identity to use there.

    Of token_file, token, username and plugin the first that is given counts; a client certificate goes with any.
    """

    server: str
    """https://host:port[/prefix], without a slash at its end."""
    ca: Pem | None = None
    """The authorities to trust; the system's where None."""
    insecure: bool = False
    """Trust any certificate, as insecure-skip-tls-verify says."""
    tls_server_name: str = ""
    proxy_url: str = field(default="", repr=False)
    client_cert: Pem | None = None
    client_key: Pem | None = None
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    plugin: ExecPlugin | None = None
    impersonate: Impersonation | None = None
    namespace: str = "default"
