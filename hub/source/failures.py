"""Turns what git and the operating system say into errors that say what to do.

Git's own words go into `detail`, for the log: they may quote a server's answer.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

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
        "its SSH host key is not known to the hub: add the line that `ssh-keyscan HOST` gives, once you have checked "
        "it, to known_hosts in the hub's ssh directory",
    ),
    (
        r"Permission denied \(|Authentication failed|could not read (Username|Password)|Invalid username or|"
        r"terminal prompts disabled|HTTP Basic: Access denied|error: 40[13]|returned error: 40[13]|access denied",
        RepositoryDenied,
        "it refuses the hub's credentials, or asks for some: check the URL's credentials or the hub's ssh key",
    ),
    (
        r"returned error: 404|repository .* not found|Repository not found|does not appear to be a git repository|"
        r"does not exist|No such file or directory|not valid: is this a git repository",
        RepositoryDenied,
        "there is no such repository, or it is hidden from the hub's credentials: check the URL",
    ),
    (
        r"certificate (problem|verif|subject|has expired)|self[- ]signed|local issuer|"
        r"SSL_|gnutls_|TLS (handshake|connect)",
        RepositoryUnreachable,
        "its TLS certificate cannot be verified: give the hub the authority that signed it",
    ),
    (
        r"Operation too slow",
        RepositoryUnreachable,
        "its server stopped answering; the hub keeps trying",
    ),
    (
        r"Could not resolve host|Name or service not known|Temporary failure in name resolution|No address associated",
        RepositoryUnreachable,
        "its host name cannot be resolved: check the URL and the hub's DNS",
    ),
    (
        r"Connection refused|Failed to connect|No route to host|Network is unreachable|Connection timed out|"
        r"Operation timed out|Couldn't connect|Could not connect",
        RepositoryUnreachable,
        "its server cannot be connected to; the hub keeps trying",
    ),
    (
        r"early EOF|unexpected disconnect|hung up unexpectedly|invalid index-pack|index-pack failed|"
        r"RPC failed|Connection (reset|closed)|bytes of body are still expected|curl \d+|returned error: 5\d\d|"
        r"returned error: 429|bad line length|protocol error|invalid server response|expected flush|bad pack header",
        RepositoryUnreachable,
        "its server broke off its answer; the hub keeps trying",
    ),
    (
        r"transport '.*' not allowed|redirect",
        RepositoryUnreachable,
        "its server redirects elsewhere: use the address it redirects to as the repository's URL",
    ),
)
_SERVER_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), kind, text) for pattern, kind, text in _SERVER)


def translated(repository: str, stderr: str, root: Path) -> SourceError:
    """Return the error that git's words amount to."""
    if _FULL.search(stderr):
        return _no_space(root)
    for pattern, kind, text in _SERVER_PATTERNS:
        if pattern.search(stderr):
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
