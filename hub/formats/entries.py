"""Argo CD's Secrets of repositories and ConfigMaps of host keys and certificates, as its users keep them in files.

A Secret with the label argocd.argoproj.io/secret-type says all of one repository or template. What is in it is never
repeated, in no message: only the names of its keys are.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from hub.domain.known_hosts import parse_known_hosts
from hub.domain.repository import (
    Credentials,
    CredentialTemplate,
    GitHubApp,
    HostTrust,
    Repository,
    RepositoryKind,
    TrustedHosts,
)
from hub.formats.errors import shown
from hub.formats.fields import Fields, Parsed, Problems, did_you_mean
from hub.formats.limits import Document
from hub.formats.metadata import as_document, display_name

SECRET, CONFIG_MAP = "Secret", "ConfigMap"
LABEL = "argocd.argoproj.io/secret-type"
REPOSITORY, TEMPLATE = "repository", "repo-creds"
KNOWN_HOSTS, CERTIFICATES = "argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm"

_KINDS = {kind.value: kind for kind in RepositoryKind}
_TRUE, _FALSE = ("1", "t", "true"), ("", "0", "f", "false")
_UNSERVED = {
    "gcpServiceAccountKey": "Google's service accounts are not served: give a user and a password",
    "useAzureWorkloadIdentity": "workload identities are not served: give a user and a password",
    "depth": "every commit is fetched",
    "sshPrivateKeyPassphrase": "keys are given without a passphrase",
}
_COMMON = (
    *("type", "url", "project", "username", "password", "bearerToken", "sshPrivateKey"),
    *("tlsClientCertData", "tlsClientCertKey", "enableOCI", "insecureOCIForceHttp", "forceHttpBasicAuth"),
    *("proxy", "noProxy", "githubAppID", "githubAppInstallationID", "githubAppEnterpriseBaseUrl"),
    "githubAppPrivateKey",
)
_REPOSITORY = (*_COMMON, "name", "insecure", "insecureIgnoreHostKey", "enableLfs")


def secret_type(value: Any) -> str:
    """Return what a Secret of Argo CD is about; nothing for everything else."""
    if not isinstance(value, Mapping) or (value.get("apiVersion"), value.get("kind")) != ("v1", SECRET):
        return ""
    metadata = value.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    found = labels.get(LABEL) if isinstance(labels, Mapping) else None
    return found if isinstance(found, str) else ""


def is_entry(value: Any) -> bool:
    return secret_type(value) in (REPOSITORY, TEMPLATE)


def is_trusted_hosts(value: Any) -> bool:
    if not isinstance(value, Mapping) or (value.get("apiVersion"), value.get("kind")) != ("v1", CONFIG_MAP):
        return False
    metadata = value.get("metadata")
    return isinstance(metadata, Mapping) and metadata.get("name") in (KNOWN_HOSTS, CERTIFICATES)


def parse_entry(
    document: Document | Mapping[str, Any], *, strict: bool = False
) -> Parsed[Repository] | Parsed[CredentialTemplate]:
    """Read a Secret of a repository or of a template. Raises FormatError with everything that is wrong with it."""
    source = as_document(document)
    problems = Problems()
    top = Fields(source.value, "", problems)
    data = _Data(top, _REPOSITORY if secret_type(source.value) == REPOSITORY else _COMMON)
    url = data.text("url")
    if not url:
        data.fail("url", "is missing")
    common: dict[str, Any] = {
        "url": url,
        "kind": data.kind(),
        "project": data.text("project"),
        "credentials": data.credentials(),
        "proxy": data.text("proxy"),
        "no_proxy": data.text("noProxy"),
        "force_basic_auth": data.flag("forceHttpBasicAuth"),
        "oci": data.flag("enableOCI"),
        "plain_http": data.flag("insecureOCIForceHttp"),
    }
    finish: dict[str, Any] = {
        "strict": strict,
        "of": display_name(source.value, SECRET),
        "name": source.name,
        "line": source.line,
    }
    top.ignore("apiVersion", "kind", "metadata", "type", "immutable")
    if secret_type(source.value) == TEMPLATE:
        template = CredentialTemplate(**common)
        data.finish()
        top.finish()
        return problems.conclude(template, **finish)
    insecure = [data.flag("insecure"), data.flag("insecureIgnoreHostKey")]
    repository = Repository(**common, name=data.text("name"), insecure=any(insecure), lfs=data.flag("enableLfs"))
    data.finish()
    top.finish()
    return problems.conclude(repository, **finish)


def parse_trusted_hosts(document: Document | Mapping[str, Any], *, strict: bool = False) -> Parsed[TrustedHosts]:
    """Read the ConfigMap of host keys, or that of certificates. Raises FormatError."""
    source = as_document(document)
    problems = Problems()
    top = Fields(source.value, "", problems)
    name = str(source.value["metadata"]["name"])
    data = top.child("data") or Fields({}, "data", problems)
    items: list[HostTrust] = []
    if name == KNOWN_HOSTS:
        try:
            items = parse_known_hosts(data.text("ssh_known_hosts"))
        except ValueError as error:
            data.fail("ssh_known_hosts", f"cannot be read: {error}")
    else:
        items = [HostTrust("https", server, "", data.text(server)) for server in data.value if data.text(server)]
    data.finish()
    top.ignore("apiVersion", "kind", "metadata", "immutable")
    top.unserved({"binaryData": "host keys and certificates are text, in data"})
    top.finish()
    of = display_name(source.value, CONFIG_MAP)
    return problems.conclude(TrustedHosts(name, tuple(items)), strict=strict, of=of, name=source.name, line=source.line)


class _Data:
    """The keys of a Secret, from `data` and `stringData`, of which the latter counts."""

    def __init__(self, top: Fields, known: tuple[str, ...]) -> None:
        self._problems = top.problems
        self._known = known
        self._values = {key: self._decoded(key, value) for key, value in top.mapping("data").items()}
        for key, value in top.mapping("stringData").items():
            if isinstance(value, str):
                self._values[key] = value
            elif value is not None:
                self._problems.errors.append(f"stringData.{shown(str(key))} is no text: write it in quotes")

    def _decoded(self, key: str, value: Any) -> str:
        try:
            return base64.b64decode(value or "", validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, TypeError, ValueError):
            self._problems.errors.append(f"data.{shown(str(key))} is no base64 of a text; stringData takes it as it is")
            return ""

    def fail(self, key: str, problem: str) -> None:
        self._problems.errors.append(f"data.{key} {problem}")

    def text(self, key: str) -> str:
        return self._values.get(key, "")

    def flag(self, key: str) -> bool:
        text = self.text(key).strip().lower()
        if text not in (*_TRUE, *_FALSE):
            self.fail(key, 'is neither "true" nor "false"')
        return text in _TRUE

    def number(self, key: str) -> int:
        text = self.text(key).strip()
        if text and not (text.isascii() and text.isdecimal() and len(text) < 16):
            self.fail(key, "is no number")
            return 0
        return int(text or 0)

    def kind(self) -> RepositoryKind:
        text = self.text("type") or RepositoryKind.GIT.value
        if text not in _KINDS:
            self.fail("type", "is none of git, helm and oci")
        return _KINDS.get(text, RepositoryKind.GIT)

    def credentials(self) -> Credentials:
        app = GitHubApp(
            self.number("githubAppID"),
            self.number("githubAppInstallationID"),
            self.text("githubAppPrivateKey"),
            self.text("githubAppEnterpriseBaseUrl"),
        )
        return Credentials(
            username=self.text("username"),
            password=self.text("password"),
            bearer_token=self.text("bearerToken"),
            ssh_private_key=self.text("sshPrivateKey"),
            client_certificate=self.text("tlsClientCertData"),
            client_key=self.text("tlsClientCertKey"),
            github_app=app if app != GitHubApp(0) else None,
        )

    def finish(self) -> None:
        for key in self._values:
            if key in _UNSERVED:
                self._problems.unserved.append(f"data.{key} is not served: {_UNSERVED[key]}")
            elif key not in self._known:
                near = did_you_mean(str(key), self._known)
                self._problems.unserved.append(f"data.{shown(str(key))} is not a known key{near}")
