"""A hub's own directory: it belongs to one process at a time, and what is secret in it to one user.

Two hubs in one directory would fetch into the same Git mirrors, open the same SQLite database and call themselves by
the same name, which makes each take the other's agents for gone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from hub.errors import Conflict, Invalid

LOCK_FILE = "lock"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@contextlib.contextmanager
def own(data_dir: Path) -> Iterator[str]:
    """Make the data directory, and keep every other hub out of it while the context lasts.

    Yields the place it is, in 16 hex digits: whoever else was ever at the same place had this very lock, and is dead.
    A copy of the directory is another place, and so is this one on another machine, or after the machine's restart:
    there the lock proves nothing. "" where the system does not tell its places apart.

    Raises Conflict when another hub is in there, Invalid when it cannot be made or written.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Invalid(f"the data directory {data_dir} cannot be used: {error.strerror}") from error
    with os.fdopen(descriptor) as file:
        try:
            # It ends with the process, however that ends.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                f"another hub runs on the data directory {data_dir}: stop it, or give this one its own with --data-dir"
            ) from error
        except OSError as error:
            raise Invalid(f"the data directory {data_dir} cannot be locked: {error.strerror}") from error
        yield _place(file.fileno())


def _place(lock: int) -> str:
    """Name a locked file as one kernel knows it: it alone keeps the lock, for all containers that it runs."""
    try:
        boot = _BOOT_ID.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
    status = os.fstat(lock)
    return hashlib.sha256(f"{boot} {status.st_dev} {status.st_ino}".encode()).hexdigest()[:16] if boot else ""


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read. Raises Invalid when it cannot be written."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        why = "its disk is full; make room there" if error.errno == errno.ENOSPC else error.strerror
        raise Invalid(f"{path} cannot be written: {why}") from error
