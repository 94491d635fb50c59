"""Files that are either the old ones or the new ones, whenever the agent is killed or the power goes."""

from __future__ import annotations

import os
from pathlib import Path

from agent.errors import StorageError

KEY = "key.pem"
PENDING_KEY = "key.pending.pem"
"""The key of an enrolment under way; it becomes the key once its certificate is on disk."""
CERTIFICATE = "certificate.pem"
AUTHORITIES = "authorities.pem"
SIGNING_KEYS = "signing_keys.json"
LINK = "link.json"

MAX_FILE = 256 * 1024


def write_private(path: Path, content: bytes) -> None:
    """Replace the file, readable by this user only. Raises StorageError and leaves the old one."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        move(temporary, path)
    except OSError as error:
        raise _unusable(path, error) from error


def read(path: Path) -> bytes | None:
    """Return the content, None when there is no such file. Raises StorageError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from error
    if len(content) > MAX_FILE:
        raise StorageError(f"{path} is larger than {MAX_FILE} bytes: it is not a file of the agent")
    return content


def remove(path: Path) -> None:
    """Delete the file, if there is one. Raises StorageError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error


def move(source: Path, target: Path) -> None:
    """Rename for good. Raises StorageError."""
    try:
        source.replace(target)
        descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unusable(target, error) from error


def _unusable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path} cannot be read or written: {error.strerror}")
