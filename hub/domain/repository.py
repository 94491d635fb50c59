"""What the hub knows of the places that sources are read from: who it is there, and whom it believes.

A repository is registered by its address; a credential template says the same of every address that begins as it does.
Certificates and host keys belong to hosts. `Access` is what all of that comes to for one address: everything a fetch
needs, and nothing a fetch may say.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class RepositoryKind(StrEnum):
    GIT = "git"
    HELM = "helm"
    """A chart repository: an index and archives over HTTP."""
    OCI = "oci"


class Place(NamedTuple):
    """What is asked as one whether there is anything new, as one project sees it: a Git repository, the index of a
    chart repository, a repository of a registry. Projects without entries of their own see the same."""

    url: str
    """As sources have it, which is also how it is registered."""
    project: str = ""
    kind: RepositoryKind = RepositoryKind.GIT
    chart: str = ""
    """Of a registry: the chart, which has a repository of its own there."""


@dataclass(frozen=True, slots=True)
class GitHubApp:
    """An installation of a GitHub App, which gets its tokens by itself."""

    app_id: int
    installation_id: int = 0
    """0: found by the repository's owner."""
    private_key: str = field(default="", repr=False)
    """PEM."""
    base_url: str = ""
    """The API of a GitHub Enterprise; github.com's else."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who the hub is somewhere. Which of it is used the address decides; nothing of it is ever shown."""

    username: str = ""
    password: str = field(default="", repr=False)
    """Or a token, where a user name goes with it."""
    bearer_token: str = field(default="", repr=False)
    ssh_private_key: str = field(default="", repr=False)
    """PEM or OpenSSH, without a passphrase."""
    client_certificate: str = field(default="", repr=False)
    client_key: str = field(default="", repr=False)
    """PEM, of TLS."""
    github_app: GitHubApp | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return self != Credentials()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may stand in no message, log or argument list."""
        given = (self.password, self.bearer_token, self.ssh_private_key, self.client_key)
        app = (self.github_app.private_key,) if self.github_app is not None else ()
        return tuple(secret for secret in (*given, *app) if secret)


@dataclass(frozen=True, slots=True)
class Access:
    """How one address is read."""

    credentials: Credentials = Credentials()
    insecure: bool = False
    """Whether a server is believed whatever certificate or host key it shows."""
    plain_http: bool = False
    """Whether an OCI registry is spoken to without TLS."""
    force_basic_auth: bool = False
    """Whether credentials are sent before the server asks for some."""
    proxy: str = field(default="", repr=False)
    """Its URL; it may hold a password. Empty: the hub's own."""
    no_proxy: str = ""
    """Hosts that are reached without, with commas between."""
    authorities: str = ""
    """PEM certificates that this host's is believed by, in place of the system's."""
    known_hosts: str = ""
    """Lines in the form of known_hosts."""
    lfs: bool = False
    submodules: bool = True
    scope: str = ""
    """Which entry the credentials are from. Copies of one address are apart by scope: who may not read it must not be
    served from the copy of one who may. Credentials that are renewed do not change it."""

    @property
    def digest(self) -> str:
        """Name all of it, for telling that something has changed. Says nothing of what is in it."""
        said = "\0".join(repr(getattr(self, f.name)) for f in fields(self) if f.name != "credentials")
        credentials = self.credentials
        kept = "\0".join(repr(getattr(credentials, f.name)) for f in fields(credentials) if f.name != "github_app")
        app = credentials.github_app
        of_app = (app.app_id, app.installation_id, app.private_key, app.base_url) if app is not None else ()
        return hashlib.sha256(f"{said}\0{kept}\0{of_app!r}".encode()).hexdigest()


OPEN = Access()
"""Of a place of which nothing is known."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a repository and a template have in common."""

    url: str
    kind: RepositoryKind = RepositoryKind.GIT
    project: str = ""
    """Only for applications of this project; empty: for all."""
    credentials: Credentials = Credentials()
    proxy: str = field(default="", repr=False)
    no_proxy: str = ""
    force_basic_auth: bool = False
    oci: bool = False
    """Whether charts are in a registry, at an address without a scheme."""
    plain_http: bool = False
    changed_at: datetime | None = None
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class Repository(_Entry):
    """A registered repository. Where it has no credentials or proxy of its own, the fitting template's count."""

    name: str = ""
    insecure: bool = False
    lfs: bool = False


@dataclass(frozen=True, slots=True)
class CredentialTemplate(_Entry):
    """Says the same of every address that begins with its URL, on the same host."""


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """A repository or template as the store keeps it: all of it encrypted, but what it is found by."""

    id: str
    kind: str
    """repository | template"""
    project: str
    url: str
    """As it is shown, never with credentials."""
    sealed: bytes = field(repr=False)

    @property
    def purpose(self) -> str:
        """What it is encrypted for: no other row, project or address."""
        return f"{self.kind}/{self.id}"


@dataclass(frozen=True, slots=True)
class HostTrust:
    """What a host is believed by. Nothing of it is secret."""

    kind: str
    """ssh | https"""
    server: str
    """In lower case. ssh: the names of a known_hosts line, as they stand there; https: HOST or HOST:PORT."""
    subtype: str
    """ssh: the key's type, ssh-ed25519 and the like; https: empty."""
    data: str
    """ssh: the key in base64; https: certificates as PEM."""
    marker: str = ""
    """ssh: @cert-authority or @revoked, or nothing."""

    @property
    def id(self) -> str:
        """Names its row: a host has certificates once, and any number of keys."""
        key = (self.subtype, self.marker, self.data) if self.kind == "ssh" else ()
        return hashlib.sha256("\0".join((self.kind, self.server, *key)).encode()).hexdigest()[:32]

    @property
    def line(self) -> str:
        """The line of known_hosts."""
        return " ".join(part for part in (self.marker, self.server, self.subtype, self.data) if part)


@dataclass(frozen=True, slots=True)
class TrustedHosts:
    """What one object said that hosts are believed by."""

    name: str
    items: tuple[HostTrust, ...]
