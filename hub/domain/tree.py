"""A read-only view of one commit's files, whatever they are stored in.

`hub.source` implements it over bare mirrors; `hub.render` reads through it, so rendering knows nothing of Git. An
implementation MUST be picklable: render workers are other processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TreeEntry:
    path: str
    """Relative to the root, with forward slashes."""
    object_id: str
    """Names the content: equal ids mean equal content."""
    kind: str
    """file | directory | symlink | submodule"""
    size: int = 0


class Tree(Protocol):
    """Paths are relative to the repository's root, "" is the root; they never leave it."""

    def entry(self, path: str) -> TreeEntry | None:
        """Return what is at a path, without following symlinks; None when there is nothing."""
        ...

    def list(self, path: str) -> list[TreeEntry]:
        """Return a directory's entries, sorted by name. Raises NotADirectoryError, FileNotFoundError."""
        ...

    def walk(self, path: str) -> Iterator[TreeEntry]:
        """Yield every file, symlink and submodule below a directory, sorted by path. Submodules are not entered."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """Return a file's content. Raises FileNotFoundError, IsADirectoryError, ValueError beyond `limit` bytes."""
        ...
