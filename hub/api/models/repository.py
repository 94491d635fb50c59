"""Repositories, credential templates, and what hosts are believed by. Secrets go in and never come out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from hub.api.models.base import Reply, Request, Time

Kind = Literal["git", "helm", "oci"]
_PEM = 256 * 1024
_KEY = 64 * 1024


class GitHubAppBody(Request):
    app_id: int = Field(ge=1, lt=2**53)
    installation_id: int = Field(default=0, ge=0, lt=2**53)
    """0: found by the repository's owner."""
    private_key: SecretStr = Field(max_length=_KEY)
    base_url: str = Field(default="", max_length=2048)
    """Of a GitHub Enterprise's API; github.com's else."""


class EntryBody(Request):
    url: str = Field(min_length=1, max_length=2048)
    type: Kind = "git"
    project: str = Field(default="", max_length=253)
    """Only for applications of this project; empty: for all."""
    username: str = Field(default="", max_length=1024)
    password: SecretStr = Field(default=SecretStr(""), max_length=16 * 1024)
    """Or a token, where a user name goes with it."""
    bearer_token: SecretStr = Field(default=SecretStr(""), max_length=16 * 1024)
    ssh_private_key: SecretStr = Field(default=SecretStr(""), max_length=_KEY)
    tls_client_certificate: str = Field(default="", max_length=_PEM)
    tls_client_key: SecretStr = Field(default=SecretStr(""), max_length=_KEY)
    github_app: GitHubAppBody | None = None
    proxy: SecretStr = Field(default=SecretStr(""), max_length=2048)
    no_proxy: str = Field(default="", max_length=4096)
    force_basic_auth: bool = False
    enable_oci: bool = False
    plain_http: bool = False
    """Of an OCI registry: without TLS."""


class RepositoryBody(EntryBody):
    name: str = Field(default="", max_length=253)
    insecure: bool = False
    """Whether the server is believed whatever certificate or host key it shows."""
    enable_lfs: bool = False


class TemplateBody(EntryBody):
    pass


class RepositoryTest(RepositoryBody):
    stored: bool = False
    """Test what is registered for the URL and the project, and nothing that is given here."""


class EntryItem(Reply):
    id: str
    url: str
    type: str
    project: str
    username: str
    has_password: bool
    has_bearer_token: bool
    has_ssh_private_key: bool
    has_tls_client_certificate: bool
    github_app_id: int
    """0: none."""
    github_app_installation_id: int
    github_app_base_url: str
    has_proxy: bool
    no_proxy: str
    force_basic_auth: bool
    enable_oci: bool
    plain_http: bool
    changed_at: Time | None
    changed_by: str


class RepositoryItem(EntryItem):
    name: str
    insecure: bool
    enable_lfs: bool
    inherits: str
    """URL of the template whose credentials are used, for it has none of its own."""


class TemplateItem(EntryItem):
    pass


class RepositoryList(Reply):
    items: list[RepositoryItem]
    continue_: str = Field(serialization_alias="continue")


class TemplateList(Reply):
    items: list[TemplateItem]
    continue_: str = Field(serialization_alias="continue")


class EntryStored(Reply):
    id: str
    url: str
    action: Literal["created", "configured", "unchanged"]


class EntryRemoved(Reply):
    id: str
    url: str


class TestReply(Reply):
    url: str
    message: str


class CertificateItem(Reply):
    id: str
    type: str
    """ssh | https"""
    server: str
    subtype: str
    """The key's type; of https the names of the certificates' owners."""
    fingerprint: str
    """ssh: as ssh shows it; https: SHA-256 of the first certificate, in hex."""
    expires_at: Time | None
    """Of https: when the first of the certificates does."""


class CertificateList(Reply):
    items: list[CertificateItem]
    continue_: str = Field(serialization_alias="continue")


class CertificatesPut(Request):
    known_hosts: str = Field(default="", max_length=512 * 1024)
    """Lines of known_hosts."""
    server: str = Field(default="", max_length=260)
    """HOST or HOST:PORT whose certificates are given."""
    certificates: str = Field(default="", max_length=_PEM)
    """PEM: authorities, or the server's own certificate, that it is believed by in place of the system's."""


class CertificatesStored(Reply):
    created: list[str]
    """Server and key type of each that was not there before, or is another now."""
    unchanged: int


class CertificatesRemoved(Reply):
    removed: int
