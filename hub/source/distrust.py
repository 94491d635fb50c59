"""Why a certificate is not believed. Git built with GnuTLS says only that it is not: then the hub itself asks the server
once more, without credentials."""

from __future__ import annotations

from pathlib import Path

from hub.domain.repository import Access, Credentials
from hub.source import reasons
from hub.source.errors import SourceError
from hub.source.http import HttpLimits, SourceClient
from hub.source.urls import RepoUrl

_LIMITS = HttpLimits(whole=10.0, connect=5.0, silence=5.0)
_MOST = 64 * 1024
_CERTIFICATES = (reasons.EXPIRED, reasons.NOT_YET_VALID, reasons.OTHER_HOST, reasons.UNKNOWN_AUTHORITY)


def is_distrust(error: SourceError) -> bool:
    return any(reason in error.message for reason in _CERTIFICATES)


async def told_apart(error: SourceError, repository: RepoUrl, access: Access, ca_file: Path | None) -> SourceError:
    """Return an error that says what is wrong with the certificate, or the one given when that cannot be found out."""
    client = SourceClient(access, repository.location, ca_file=ca_file, limits=_LIMITS)
    try:
        await client.request("GET", repository.location, most=_MOST, credentials=Credentials())
    except SourceError as found:
        if is_distrust(found):
            found.detail = f"{error.detail}\n{found.detail}"
            return found
    finally:
        await client.close()
    return error
