"""Finds files in a repository's tree as a checkout would, and never outside of it.

Symlinks are followed while they stay inside the repository; one that leads out is refused by its name, for on a disk
it would read the hub's own files. Everything looked at is noted, because a render has to be done again when it changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hub.domain.tree import Tree, TreeEntry
from hub.render.errors import RenderError, path_refused
from hub.render.model import File

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MAX_LINKS = 40
_MAX_PATH = 4096
_MAX_LINK = 4096
_OUTSIDE = "is a symlink to {!r}, outside of the repository: have it lead to a file of the repository, or remove it"


class Inputs:
    """What has been looked at, over all trees of a request."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str], tuple[str, bool]] = {}

    def note(self, tree: int, path: str, entry: TreeEntry | None) -> None:
        object_id = entry.object_id if entry else ""
        self._seen[tree, path] = (object_id, entry is not None and entry.kind == "directory")

    def collected(self) -> dict[str, str]:
        """Return "<tree>:<path>" → object id, without what lies below a directory that is noted itself."""
        directories = {place for place, (_, is_directory) in self._seen.items() if is_directory}
        return {
            f"{tree}:{path}": object_id
            for (tree, path), (object_id, _) in sorted(self._seen.items())
            if not any((tree, above) in directories for above in _above(path))
        }


@dataclass(frozen=True, slots=True)
class Located:
    path: str
    """With every symlink followed."""
    entry: TreeEntry

    @property
    def is_directory(self) -> bool:
        return self.entry.kind == "directory"


class RepositoryView:
    """One source's tree, with a note taken of everything looked at."""

    def __init__(self, index: int, tree: Tree, inputs: Inputs) -> None:
        self.index = index
        self.tree = tree
        self._inputs = inputs

    def find(self, path: str) -> Located | None:
        """Return what is at a path, symlinks followed; None when there is nothing. Raises RenderError."""
        wanted = path
        path = normalized(path)
        for _ in range(MAX_LINKS):
            entry = self.tree.entry(path)
            if entry is not None and entry.kind in ("file", "directory"):
                self._inputs.note(self.index, path, entry)
                return Located(path, entry)
            link = entry if entry is not None and entry.kind == "symlink" else self._first_link(path)
            if link is None:
                self._inputs.note(self.index, path, None)
                return None
            self._inputs.note(self.index, link.path, link)
            path = self._follow(link, path)
        raise path_refused(wanted, "is a symlink that leads round in a circle: remove it, or have it lead to a file")

    def file(self, path: str) -> File | None:
        """Return a file as a render reads it; None when there is none, or a directory."""
        located = self.find(path)
        if located is None or located.is_directory:
            return None
        return File(normalized(path), located.path, located.entry.object_id, self.index, located.entry.size)

    def read(self, path: str, limit: int) -> bytes:
        """Return a file's content, symlinks followed. Raises RenderError when it is absent, or larger."""
        located = self.find(path)
        if located is None or located.is_directory:
            raise RenderError(f"There is no file {path!r} in the repository.", code="path-not-found")
        if located.entry.size > limit:
            raise RenderError(
                f"{path!r} has {located.entry.size:,} bytes; at most {limit:,} are read from such a file.",
                code="too-large",
            )
        return self.tree.read(located.path, limit)

    def _first_link(self, path: str) -> TreeEntry | None:
        """Return the topmost symlink on the way to a path at which nothing was found."""
        for above in _above(path):
            entry = self.tree.entry(above)
            if entry is None:
                return None
            if entry.kind == "symlink":
                return entry
            if entry.kind == "submodule":
                raise submodule_refused(f"{path!r} is in the Git submodule {above!r}")
        return None

    def _follow(self, link: TreeEntry, path: str) -> str:
        target = self.tree.read(link.path, _MAX_LINK).decode(errors="replace")
        if target.startswith("/"):
            raise path_refused(link.path, _OUTSIDE.format(target[:200]))
        rest = path[len(link.path) :]
        try:
            return normalized(f"{_parent(link.path)}/{target}{rest}")
        except RenderError:
            raise path_refused(link.path, _OUTSIDE.format(target[:200])) from None


def submodule_refused(where: str) -> RenderError:
    """Return the error for a source with a submodule in it: passed over, all in it would be taken for removed."""
    return RenderError(
        f"{where}: submodules are not read; name the submodule's repository as a source of its own.",
        code="not-served",
    )


def normalized(path: str) -> str:
    """Return a path from the repository's root in its plainest spelling; "" is the root. Raises RenderError."""
    if len(path) > _MAX_PATH or _CONTROL.search(path):
        raise path_refused(path, "is too long for a path, or holds control characters")
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise path_refused(path, "leads out of the repository")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def joined(directory: str, path: str) -> str:
    """Return where a path points that a file in `directory` names: "/x" is x from the repository's root, as in
    Argo CD."""
    return normalized(path) if path.startswith("/") else normalized(f"{directory}/{path}")


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _above(path: str) -> Iterator[str]:
    """Yield "", "a", "a/b" for "a/b/c"."""
    if path:
        yield ""
        for position, character in enumerate(path):
            if character == "/":
                yield path[:position]
