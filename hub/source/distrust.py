"""Why a certificate is not believed. Git built with GnuTLS says only that it is not: then the hub itself asks the
server once more, without credentials."""

from __future__ import annotations

import re
from pathlib import Path

from hub.domain.repository import Access, Credentials
from hub.source import reasons
from hub.source.errors import SourceError
from hub.source.handshake import shake_hands
from hub.source.http import Origin, SourceClient, tls_context
from hub.source.http_failures import unreachable
from hub.source.urls import RepoUrl

_MOST = 64 * 1024
_CERTIFICATES = (reasons.EXPIRED, reasons.NOT_YET_VALID, reasons.OTHER_HOST, reasons.UNKNOWN_AUTHORITY)
_KNOWN = (*_CERTIFICATES, reasons.CERTIFICATE_WANTED)
_CUT = re.compile(r"getpeername\(\) failed|GnuTLS recv error|error in the (pull|push) function|SSL_ERROR_SYSCALL")
"""What git says when a server broke off the handshake, as it does without the client certificate that it wants."""


def is_distrust(error: SourceError) -> bool:
    """Tell whether it is worth asking why."""
    return any(reason in error.message for reason in _CERTIFICATES) or _CUT.search(error.detail) is not None


async def told_apart(error: SourceError, repository: RepoUrl, access: Access, ca_file: Path | None) -> SourceError:
    """Return an error that says what is wrong with the certificate, or the one given when that cannot be found out."""
    asked = _by_request if access.proxy else _by_handshake
    try:
        await asked(repository, access, ca_file)
    except SourceError as found:
        if any(reason in found.message for reason in _KNOWN):
            found.detail = f"{error.detail}\n{found.detail}"
            return found
    return error


async def _by_request(repository: RepoUrl, access: Access, ca_file: Path | None) -> None:
    async with SourceClient(access, repository.location, ca_file=ca_file) as client:
        await client.request("GET", repository.location, most=_MOST, credentials=Credentials())


async def _by_handshake(repository: RepoUrl, access: Access, ca_file: Path | None) -> None:
    origin = Origin.of(repository.location)
    try:
        await shake_hands(origin.host, origin.port, tls_context(access, repository.display, ca_file))
    except OSError as error:
        raise unreachable(repository.display, error) from error
