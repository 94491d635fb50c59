"""One commit's files, read straight from the objects of a bare mirror.

Nothing is checked out: reading costs what is read, and two readers never get in each other's way. A `GitTree` carries
only where the mirror is and which commit, so it goes to a render worker as a few bytes and opens the mirror there.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygit2

from hub.domain.tree import TreeEntry
from hub.source.errors import MirrorDamaged

_OPEN_MIRRORS = 32
_MAX_PATH = 4096
_MAX_DEPTH = 100
_LINK_MODE = 0o120000
_SUBMODULE_MODE = 0o160000

# libgit2 maps packs in windows; its own limits are meant for machines that do nothing else.
pygit2.settings.mwindow_size = 8 * 1024 * 1024
pygit2.settings.mwindow_mapped_limit = 64 * 1024 * 1024
pygit2.settings.cache_max_size(16 * 1024 * 1024)


class GitTree:
    """Implements `hub.domain.tree.Tree`. Reads raise MirrorDamaged when the mirror lacks what it should hold."""

    def __init__(self, mirror: Path, commit: str) -> None:
        self._mirror = mirror
        self._commit = commit
        self._directories: dict[str, Any] = {}

    def __reduce__(self) -> tuple[type[GitTree], tuple[Path, str]]:
        return GitTree, (self._mirror, self._commit)

    @property
    def commit(self) -> str:
        return self._commit

    @property
    def mirror_name(self) -> str:
        """Of the mirror's directory, without its ending."""
        return self._mirror.stem

    def __repr__(self) -> str:
        return f"GitTree({self._mirror.name}, {self._commit[:12]})"

    def entry(self, path: str) -> TreeEntry | None:
        path = normal_path(path)
        if not path:
            return TreeEntry("", str(self._root().id), "directory")
        parent, _, name = path.rpartition("/")
        directory = self._directory(parent)
        found = _member(directory, name) if directory is not None else None
        return self._entry(path, found) if found is not None else None

    def object_id(self, path: str) -> str:
        """Return what `entry` gives as object id, '' when there is nothing; asks for no size, so it costs less."""
        try:
            path = normal_path(path)
        except ValueError:
            return ""
        if not path:
            return str(self._root().id)
        parent, _, name = path.rpartition("/")
        directory = self._directory(parent)
        found = _member(directory, name) if directory is not None else None
        return _object_id(found) if found is not None else ""

    def list(self, path: str) -> list[TreeEntry]:
        path = normal_path(path)
        prefix = path + "/" if path else ""
        entries = [self._entry(prefix + item.name, item) for item in self._existing_directory(path)]
        return sorted(entries, key=lambda entry: entry.path)

    def walk(self, path: str) -> Iterator[TreeEntry]:
        path = normal_path(path)
        yield from self._walk(path, self._existing_directory(path), 0)

    def read(self, path: str, limit: int) -> bytes:
        path = normal_path(path)
        parent, _, name = path.rpartition("/")
        directory = self._directory(parent) if path else None
        found = _member(directory, name) if directory is not None else None
        if found is None:
            raise FileNotFoundError(f"{path!r} is not in the commit") if path else IsADirectoryError("the root")
        if found.filemode == _SUBMODULE_MODE or found.type_str != "blob":
            raise IsADirectoryError(f"{path!r} is a directory")
        try:
            if (size := self._size(path, found)) > limit:
                raise ValueError(f"{path!r} has {size} bytes; {limit} are allowed")
            return bytes(found.data)
        except (KeyError, pygit2.GitError) as error:
            raise self._damaged(path) from error

    def _walk(self, path: str, directory: Any, depth: int) -> Iterator[TreeEntry]:
        if depth > _MAX_DEPTH:
            raise ValueError(f"directories below {path[:200]!r} are nested more than {_MAX_DEPTH} deep")
        prefix = path + "/" if path else ""
        try:
            # Git sorts directories as if their names ended in a slash, which is the order of the paths below them.
            for item in directory:
                entry = self._entry(prefix + item.name, item)
                if entry.kind == "directory":
                    yield from self._walk(entry.path, item, depth + 1)
                else:
                    yield entry
        except (KeyError, pygit2.GitError) as error:
            raise self._damaged(path) from error

    def _existing_directory(self, path: str) -> Any:
        directory = self._directory(path)
        if directory is not None:
            return directory
        if self.entry(path) is None:
            raise FileNotFoundError(f"{path!r} is not in the commit")
        raise NotADirectoryError(f"{path!r} is no directory")

    def _directory(self, path: str) -> Any:
        """Return the Git tree of a directory, or None; every one on the way is remembered, for its siblings' sake."""
        if not path:
            return self._root()
        if path in self._directories:
            return self._directories[path]
        parent, _, name = path.rpartition("/")
        above = self._directory(parent)
        found = _member(above, name) if above is not None else None
        if found is not None and (found.filemode == _SUBMODULE_MODE or found.type_str != "tree"):
            found = None
        self._directories[path] = found
        return found

    def _root(self) -> Any:
        root = self._directories.get("")
        if root is None:
            try:
                root = open_mirror(self._mirror)[self._commit].peel(pygit2.Commit).tree
            except (KeyError, ValueError, pygit2.GitError) as error:
                raise self._damaged("") from error
            self._directories[""] = root
        return root

    def _entry(self, path: str, item: Any) -> TreeEntry:
        if item.filemode == _SUBMODULE_MODE:
            return TreeEntry(path, str(item.id), "submodule")
        if item.type_str == "tree":
            return TreeEntry(path, str(item.id), "directory")
        if item.filemode == _LINK_MODE:
            return TreeEntry(path, _object_id(item), "symlink", self._size(path, item))
        return TreeEntry(path, str(item.id), "file", self._size(path, item))

    def _size(self, path: str, item: Any) -> int:
        """Ask the object's header: the blob's own `size` would load it whole, however large."""
        try:
            _, size = open_mirror(self._mirror).odb.read_header(item.id)
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise self._damaged(path) from error
        return int(size)

    def _damaged(self, path: str) -> MirrorDamaged:
        at = f" at {path[:200]!r}" if path else ""
        return MirrorDamaged(
            f"The hub's copy of commit {self._commit[:12]} cannot be read{at}; a hard refresh fetches it anew.",
            detail=str(self._mirror),
        )


def normal_path(path: str) -> str:
    """Return a path as Git spells it. Raises ValueError where it leaves the root or could not exist in a tree."""
    if len(path) > _MAX_PATH or "\0" in path:
        raise ValueError(f"the path {path[:100]!r}… is too long, or holds a NUL")
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise ValueError(f"the path {path[:200]!r} leads out of the repository")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if len(parts) > _MAX_DEPTH:
        raise ValueError(f"the path {path[:200]!r}… is more than {_MAX_DEPTH} levels deep")
    return "/".join(parts)


def open_mirror(mirror: Path) -> pygit2.Repository:
    """Open a mirror, once per process and life of its directory. Raises pygit2.GitError."""
    try:
        status = mirror.stat()
    except OSError as error:
        raise pygit2.GitError(f"cannot open {mirror.name}: {error.strerror}") from error
    # A mirror that was made anew has the same path and another inode.
    return _MIRRORS.get(mirror, (status.st_dev, status.st_ino))


class _Mirrors:
    """The newest few; safe to ask from several threads."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, tuple[tuple[int, int], pygit2.Repository]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, mirror: Path, identity: tuple[int, int]) -> pygit2.Repository:
        with self._lock:
            known = self._open.get(mirror)
            if known is None or known[0] != identity:
                known = self._open[mirror] = (identity, _open(mirror))
            self._open.move_to_end(mirror)
            while len(self._open) > _OPEN_MIRRORS:
                self._open.popitem(last=False)
            return known[1]


_MIRRORS = _Mirrors()


def _open(mirror: Path) -> pygit2.Repository:
    _own_mirrors_only()
    return pygit2.Repository(
        str(mirror), pygit2.enums.RepositoryOpenFlag.BARE | pygit2.enums.RepositoryOpenFlag.NO_SEARCH
    )


@functools.cache
def _own_mirrors_only() -> None:
    """Let a worker in a user namespace of its own, where every owner looks foreign, open the hub's mirrors."""
    pygit2.option(pygit2.enums.Option.SET_OWNER_VALIDATION, False)


def _member(directory: Any, name: str) -> Any:
    try:
        return directory[name]
    except KeyError:
        return None


def _object_id(item: Any) -> str:
    """Name an entry's content. A file that holds what a link points at has the same blob: the ids tell them apart."""
    return f"link:{item.id}" if item.filemode == _LINK_MODE else str(item.id)
