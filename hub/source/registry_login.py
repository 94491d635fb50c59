"""Whether an OCI registry takes the hub's credentials: its `/v2/`, and the token service that it names, are asked."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from hub.domain.repo_url import repo_key
from hub.domain.repository import Access, Credentials
from hub.source.errors import RepositoryUnreachable
from hub.source.http import SourceClient
from hub.source.http_failures import refused_by
from hub.source.urls import redact

_MOST = 256 * 1024
_PARAMETER = re.compile(r'([a-z_]+)="([^"]*)"', re.IGNORECASE)


async def log_in(url: str, access: Access, ca_file: Path | None) -> None:
    """Raises SourceError."""
    key = repo_key(url)
    base = f"{'http' if access.plain_http else 'https'}://{key.host}"
    name = redact(url)
    async with SourceClient(access, base, ca_file=ca_file) as client:
        answer = await client.request("GET", f"{base}/v2/", most=_MOST)
        if answer.status == 401:
            scheme, _, rest = answer.headers.get("www-authenticate", "").partition(" ")
            if scheme.lower() == "bearer":
                await _ask_for_token(name, dict(_PARAMETER.findall(rest)), key.path, access, ca_file)
                return
        if not 200 <= answer.status < 300:
            raise refused_by(name, answer.status, answer.headers)


async def _ask_for_token(name: str, challenge: dict[str, str], path: str, access: Access, ca_file: Path | None) -> None:
    """Ask the token service, to whom the registry sends the hub, for the right to pull."""
    realm = challenge.get("realm", "")
    if urlsplit(realm).scheme not in ("https", "http") or (realm.startswith("http:") and not access.plain_http):
        raise RepositoryUnreachable(f"{name} cannot be read: its registry names no token service with TLS.")
    query = {"service": challenge.get("service", ""), "scope": f"repository:{path}:pull" if path else ""}
    given = urlencode({name: value for name, value in query.items() if value})
    plain = Access(
        credentials=Credentials(access.credentials.username, access.credentials.password),
        insecure=access.insecure,
        proxy=access.proxy,
        no_proxy=access.no_proxy,
        authorities=access.authorities,
    )
    async with SourceClient(plain, realm, ca_file=ca_file) as client:
        answer = await client.request("GET", f"{realm}{'&' if '?' in realm else '?'}{given}", most=_MOST)
    if not 200 <= answer.status < 300:
        raise refused_by(name, answer.status, answer.headers)
