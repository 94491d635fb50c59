"""Secrets on the disk, for programs that read them from nowhere else: in a directory of the hub's alone that lives as
long as one command. What a killed hub left goes at its next start.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


class PrivateFiles:
    """The files of one command."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, name: str, content: str) -> Path:
        path = self.directory / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(content)
        return path

    def empty_directory(self, name: str) -> Path:
        path = self.directory / name
        path.mkdir(mode=0o700)
        return path


@contextlib.contextmanager
def private_files(root: Path) -> Iterator[PrivateFiles]:
    """Raises OSError, when the disk does not take them."""
    # mkdtemp makes it with mode 0700.
    directory = Path(tempfile.mkdtemp(dir=root))
    try:
        yield PrivateFiles(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def clear_private_files(root: Path) -> None:
    """Make the place where they are, with nothing in it."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True, mode=0o700)
