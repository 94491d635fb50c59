"""Repositories, templates and what hosts are believed by, from bodies and to replies. No secret goes out."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from hub.api.models.repository import (
    CertificateItem,
    EntryBody,
    RepositoryBody,
    RepositoryItem,
    TemplateBody,
    TemplateItem,
)
from hub.domain.known_hosts import fingerprint
from hub.domain.repo_access import Registered
from hub.domain.repository import (
    Credentials,
    CredentialTemplate,
    GitHubApp,
    HostTrust,
    Repository,
    RepositoryKind,
)
from hub.source.vault import Entry, entry_id, kind_of


def repository_of(body: RepositoryBody) -> Repository:
    return Repository(**_common(body), name=body.name, insecure=body.insecure, lfs=body.enable_lfs)


def template_of(body: TemplateBody) -> CredentialTemplate:
    return CredentialTemplate(**_common(body))


def _common(body: EntryBody) -> dict[str, Any]:
    return {
        "url": body.url,
        "kind": RepositoryKind(body.type),
        "project": body.project,
        "credentials": _credentials(body),
        "proxy": _revealed(body.proxy),
        "no_proxy": body.no_proxy,
        "force_basic_auth": body.force_basic_auth,
        "oci": body.enable_oci,
        "plain_http": body.plain_http,
    }


def _credentials(body: EntryBody) -> Credentials:
    app = body.github_app
    return Credentials(
        username=body.username,
        password=_revealed(body.password),
        bearer_token=_revealed(body.bearer_token),
        ssh_private_key=_revealed(body.ssh_private_key),
        client_certificate=body.tls_client_certificate,
        client_key=_revealed(body.tls_client_key),
        github_app=None
        if app is None
        else GitHubApp(app.app_id, app.installation_id, _revealed(app.private_key), app.base_url),
    )


def _revealed(secret: SecretStr) -> str:
    return secret.get_secret_value()


def repository_item(repository: Repository, everything: Registered) -> RepositoryItem:
    template = None if repository.credentials else everything.template(repository.url, repository.project)
    return RepositoryItem(
        **_entry_fields(repository),
        name=repository.name,
        insecure=repository.insecure,
        enable_lfs=repository.lfs,
        inherits=template.url if template is not None else "",
    )


def template_item(template: CredentialTemplate) -> TemplateItem:
    return TemplateItem(**_entry_fields(template))


def _entry_fields(entry: Entry) -> dict[str, Any]:
    credentials = entry.credentials
    app = credentials.github_app
    return {
        "id": entry_id(kind_of(entry), entry.url, entry.project),
        "url": entry.url,
        "type": entry.kind.value,
        "project": entry.project,
        "username": credentials.username,
        "has_password": bool(credentials.password),
        "has_bearer_token": bool(credentials.bearer_token),
        "has_ssh_private_key": bool(credentials.ssh_private_key),
        "has_tls_client_certificate": bool(credentials.client_certificate),
        "github_app_id": app.app_id if app else 0,
        "github_app_installation_id": app.installation_id if app else 0,
        "github_app_base_url": app.base_url if app else "",
        "has_proxy": bool(entry.proxy),
        "no_proxy": entry.no_proxy,
        "force_basic_auth": entry.force_basic_auth,
        "enable_oci": entry.oci,
        "plain_http": entry.plain_http,
        "changed_at": entry.changed_at,
        "changed_by": entry.changed_by,
    }


def certificate_item(item: HostTrust) -> CertificateItem:
    if item.kind == "ssh":
        subtype = f"{item.marker} {item.subtype}".strip()
        return CertificateItem(
            id=item.id,
            type=item.kind,
            server=item.server,
            subtype=subtype,
            fingerprint=fingerprint(item.data),
            expires_at=None,
        )
    names, digest, expires = _certificates(item.data)
    return CertificateItem(
        id=item.id, type=item.kind, server=item.server, subtype=names, fingerprint=digest, expires_at=expires
    )


def _certificates(pem: str) -> tuple[str, str, datetime | None]:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    found = x509.load_pem_x509_certificates(pem.encode())
    names = "; ".join(certificate.subject.rfc4514_string()[:200] for certificate in found[:10])
    digest = hashlib.sha256(found[0].public_bytes(Encoding.DER)).hexdigest()
    return names, digest, min(certificate.not_valid_after_utc for certificate in found)
