"""Turns what git and the operating system say into errors that say what to do.

Git's own words go into `detail`, for the log: they may quote a server's answer.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

from hub.source import reasons
from hub.source.errors import (
    MirrorDamaged,
    RepositoryDenied,
    RepositoryTooLarge,
    RepositoryUnreachable,
    SourceError,
    SourceStorageError,
)

_FULL = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)

_DAMAGED = re.compile(
    r"not a git repository|bad object|object file .* is empty|is corrupt|packfile .* cannot be accessed|"
    r"unable to read|file .*\.(pack|idx) |bad (sha1|ref|tree|pack)|index file corrupt|missing (blob|tree|commit)|"
    r"did not send all necessary objects|loose object|inflate: data stream error|unable to resolve reference|"
    r"refs/\S+ does not point to a valid object|remote ref .* is at .* but expected|reference broken",
    re.IGNORECASE,
)

_SERVER: tuple[tuple[str, type[SourceError], str], ...] = (
    (
        r"Host key verification failed|host key is known|host key for .* has changed|REMOTE HOST IDENTIFICATION",
        RepositoryDenied,
        reasons.HOST_KEY,
    ),
    (
        r"escadre: the proxy cannot be used: .*(407|other credentials|refuses)|Proxy Authentication Required|"
        r"from proxy after CONNECT: 407|CONNECT tunnel failed, response 407|"
        r"User was rejected by the SOCKS|SOCKS.*authent",
        RepositoryUnreachable,
        reasons.PROXY_DENIED,
    ),
    (
        r"escadre: the proxy|resolve proxy|from proxy after CONNECT|CONNECT tunnel failed|SOCKS[45]|connect to proxy",
        RepositoryUnreachable,
        reasons.PROXY_FAILED,
    ),
    (r"Permission denied \(", RepositoryDenied, reasons.SSH_DENIED),
    (
        r"Authentication failed|could not read (Username|Password)|Invalid username or|"
        r"terminal prompts disabled|HTTP Basic: Access denied|error: 40[13]|returned error: 40[13]|access denied",
        RepositoryDenied,
        reasons.DENIED,
    ),
    (
        r"returned error: 404|repository .* not found|Repository not found|does not appear to be a git repository|"
        r"does not exist|No such file or directory|not valid: is this a git repository",
        RepositoryDenied,
        reasons.ABSENT,
    ),
    (r"certificate has expired|certificate expiration date has passed", RepositoryUnreachable, reasons.EXPIRED),
    (
        r"no alternative certificate subject name|certificate subject name .* does not match|hostname does not match|"
        r"does not match target host",
        RepositoryUnreachable,
        reasons.OTHER_HOST,
    ),
    (
        r"certificate required|handshake failure|alert bad certificate|Certificate is required|"
        r"TLS fatal alert|error in the pull function|alert unknown ca",
        RepositoryUnreachable,
        reasons.CERTIFICATE_WANTED,
    ),
    (
        r"certificate (problem|verif|subject)|self[- ]signed|local issuer|SSL_|gnutls_|TLS (handshake|connect)",
        RepositoryUnreachable,
        reasons.UNKNOWN_AUTHORITY,
    ),
    (r"Operation too slow", RepositoryUnreachable, "its server stopped answering; the hub keeps trying"),
    (
        r"Could not resolve host|Name or service not known|Temporary failure in name resolution|No address associated",
        RepositoryUnreachable,
        reasons.UNRESOLVED,
    ),
    (
        r"Connection refused|Failed to connect|No route to host|Network is unreachable|Connection timed out|"
        r"Operation timed out|Couldn't connect|Could not connect",
        RepositoryUnreachable,
        reasons.NO_CONNECTION,
    ),
    (r"returned error: 429", RepositoryUnreachable, reasons.TOO_OFTEN),
    (
        r"early EOF|unexpected disconnect|hung up unexpectedly|invalid index-pack|index-pack failed|"
        r"RPC failed|getpeername\(\) failed|"
        r"Connection (reset|closed)|bytes of body are still expected|curl \d+|returned error: 5\d\d|"
        r"bad line length|protocol error|invalid server response|expected flush|bad pack header",
        RepositoryUnreachable,
        reasons.BROKEN_OFF,
    ),
    (
        r"transport '.*' not allowed|redirect|returned error: 30\d",
        RepositoryUnreachable,
        f"its server redirects elsewhere: {reasons.REDIRECTED}",
    ),
)
_SERVER_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), kind, text) for pattern, kind, text in _SERVER)


def translated(repository: str, stderr: str, root: Path, *, proxied: bool = False) -> SourceError:
    """Return the error that git's words amount to."""
    if _FULL.search(stderr):
        return _no_space(root)
    for pattern, kind, text in _SERVER_PATTERNS:
        if pattern.search(stderr):
            if proxied and text == reasons.NO_CONNECTION:
                text = reasons.PROXY_FAILED
            return kind(f"{repository} cannot be read: {text}.", detail=stderr)
    if _DAMAGED.search(stderr):
        return damaged(repository, stderr)
    return RepositoryUnreachable(
        f"{repository} cannot be read: git gave up on it; the hub's log has git's own words.", detail=stderr
    )


def timed_out(repository: str, reason: str) -> SourceError:
    return RepositoryUnreachable(f"{repository} cannot be read: git was ended because {reason}; the hub keeps trying.")


def too_large(repository: str, reason: str) -> SourceError:
    return RepositoryTooLarge(f"{repository} is too large for this hub: git was ended because {reason}.")


def damaged(repository: str, detail: str = "") -> MirrorDamaged:
    return MirrorDamaged(
        f"The hub's copy of {repository} is damaged; it is being made anew, and the last good state stays in use.",
        detail=detail,
    )


@contextlib.contextmanager
def storage_errors(root: Path) -> Iterator[None]:
    """Say which disk it was that would not take a write."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(root) from error
        raise SourceStorageError(
            f"The hub cannot write its copies of repositories at {root}: {error.strerror or 'the disk refuses'}.",
            detail=str(error),
        ) from error


def _no_space(root: Path) -> SourceStorageError:
    return SourceStorageError(
        f"The disk that holds the hub's copies of repositories ({root}) is full: free space or enlarge it."
    )
