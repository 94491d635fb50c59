"""What is wrong when a place that sources come from cannot be read over HTTP, and what to do about it.

Git's words for the same failures are turned into the same sentences by `hub.source.failures`.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping

import httpx2

from hub.source import reasons
from hub.source.errors import RepositoryDenied, RepositoryUnreachable, SourceError

_EXPIRED = 10
_NOT_YET_VALID = 9
_HOSTNAME = (62, 64)
"""OpenSSL's X509_V_ERR_…"""


def refused_by(name: str, status: int, headers: Mapping[str, str]) -> SourceError:
    """Return what an answer that is not good means."""
    detail = f"HTTP {status}"
    if status in (401, 403):
        return RepositoryDenied(f"{name} cannot be read: {reasons.DENIED}.", detail=detail)
    if status == 407:
        return RepositoryUnreachable(f"{name} cannot be read: {reasons.PROXY_DENIED}.", detail=detail)
    if status in (404, 410):
        return RepositoryDenied(f"{name} cannot be read: {reasons.ABSENT}.", detail=detail)
    if status == 429:
        after = headers.get("retry-after", "")
        seconds = float(after) if after.isdecimal() and len(after) < 6 else 0.0
        error = RepositoryUnreachable(f"{name} cannot be read: {reasons.TOO_OFTEN}.", detail=detail)
        error.retry_after = seconds
        return error
    return RepositoryUnreachable(f"{name} cannot be read: it answers with HTTP {status}; the hub keeps trying.")


def redirected_away(name: str, how: str) -> SourceError:
    return RepositoryUnreachable(f"{name} cannot be read: it redirects {how}: {reasons.REDIRECTED}.")


def unreachable(name: str, error: Exception, *, proxied: bool = False) -> SourceError:
    """Return what a failure below HTTP means."""
    return RepositoryUnreachable(f"{name} cannot be read: {_reason(error, proxied)}.", detail=_detail(error))


def _reason(error: Exception, proxied: bool) -> str:
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return reasons.SILENT
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _distrust(cause)
        if isinstance(cause, ssl.SSLError):
            return reasons.CERTIFICATE_WANTED if "ALERT" in str(cause).upper() else reasons.NO_TLS
    text = str(error).lower()
    if isinstance(error, httpx2.ProxyError):
        return reasons.PROXY_DENIED if "407" in text else reasons.PROXY_FAILED
    if isinstance(error, httpx2.ConnectError):
        if any(isinstance(cause, OSError) and "resolution" in str(cause) for cause in _causes(error)) or "name" in text:
            return reasons.UNRESOLVED
        return reasons.PROXY_FAILED if proxied else reasons.NO_CONNECTION
    return reasons.BROKEN_OFF


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return reasons.EXPIRED
    if error.verify_code == _NOT_YET_VALID:
        return reasons.NOT_YET_VALID
    if error.verify_code in _HOSTNAME:
        return reasons.OTHER_HOST
    return reasons.UNKNOWN_AUTHORITY


def _detail(error: Exception) -> str:
    return "; ".join(f"{type(cause).__name__}: {cause}" for cause in _causes(error))[:1000]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
