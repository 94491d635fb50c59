"""Files that somebody sends, as a tree: a gzipped tar, read whole into memory within bounds.

They are named as Git names them, so that what is the same as in a commit is known to be the same.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping

from hub.domain.tree import TreeEntry
from hub.errors import Invalid, TooLarge
from hub.source.tree import normal_path

PACKED_LIMIT = 16 * 1024 * 1024
"""Bytes as sent."""
UNPACKED_LIMIT = 64 * 1024 * 1024
"""Bytes of the tar."""
MOST_FILES = 10_000

File = tuple[str, bytes]
"""(file | symlink, content or where it leads)"""


class PackedTree:
    """Implements `hub.domain.tree.Tree`; carries its files along to where it is read."""

    def __init__(self, files: Mapping[str, File]) -> None:
        self._files = dict(sorted(files.items()))
        self._directories = _directories(self._files)
        self._ids: dict[str, str] = {}

    def __reduce__(self) -> tuple[type[PackedTree], tuple[dict[str, File]]]:
        return PackedTree, (self._files,)

    def entry(self, path: str) -> TreeEntry | None:
        path = normal_path(path)
        if path in self._files:
            kind, content = self._files[path]
            return TreeEntry(path, self._id(path), kind, len(content))
        members = self._directories.get(path)
        return None if members is None else TreeEntry(path, self._id(path), "directory")

    def list(self, path: str) -> list[TreeEntry]:
        path = normal_path(path)
        prefix = path + "/" if path else ""
        found = [self.entry(prefix + name) for name in sorted(self._members(path))]
        return [entry for entry in found if entry is not None]

    def walk(self, path: str) -> Iterator[TreeEntry]:
        path = normal_path(path)
        self._members(path)
        prefix = path + "/" if path else ""
        for name in self._files:
            if name.startswith(prefix):
                entry = self.entry(name)
                assert entry is not None
                yield entry

    def read(self, path: str, limit: int) -> bytes:
        path = normal_path(path)
        if path in self._directories:
            raise IsADirectoryError(f"{path!r} is a directory")
        if path not in self._files:
            raise FileNotFoundError(f"{path!r} is not among the files")
        content = self._files[path][1]
        if len(content) > limit:
            raise ValueError(f"{path!r} has {len(content)} bytes; {limit} are allowed")
        return content

    def _members(self, path: str) -> set[str]:
        if path in self._files:
            raise NotADirectoryError(f"{path!r} is no directory")
        if path not in self._directories:
            raise FileNotFoundError(f"{path!r} is not among the files")
        return self._directories[path]

    def _id(self, path: str) -> str:
        """Name a file's content, or all that is below a directory: a change of any of it changes the name."""
        if path not in self._ids:
            if path in self._files:
                self._ids[path] = _object_id("blob", self._files[path][1])
            else:
                below = "\n".join(f"{entry.path}\0{entry.kind}\0{entry.object_id}" for entry in self.walk(path))
                self._ids[path] = _object_id("packed", below.encode())
        return self._ids[path]


def unpack(content: bytes, prefix: str = "") -> PackedTree:
    """Read packed files, which lie below `prefix` of the tree. Raises Invalid, TooLarge."""
    if len(content) > PACKED_LIMIT:
        raise TooLarge(f"the packed files are {len(content):,} bytes; {PACKED_LIMIT:,} are taken")
    try:
        below = normal_path(prefix)
        with tarfile.open(fileobj=io.BytesIO(_inflated(content)), mode="r:") as archive:
            files = dict(_files(archive, below))
    except (tarfile.TarError, zlib.error, EOFError, UnicodeError, ValueError, OverflowError) as error:
        raise Invalid(f"the packed files cannot be read: {error}") from error
    for path in files:
        above = path.rpartition("/")[0]
        while above:
            if above in files:
                raise Invalid(f"{above[:200]!r} is among the packed files as a file and as a directory")
            above = above.rpartition("/")[0]
    return PackedTree(files)


def _inflated(content: bytes) -> bytes:
    inflating = zlib.decompressobj(wbits=31)
    result = inflating.decompress(content, UNPACKED_LIMIT + 1)
    if len(result) > UNPACKED_LIMIT:
        raise TooLarge(f"the files are more than {UNPACKED_LIMIT:,} bytes unpacked: send a smaller directory")
    if not inflating.eof:
        raise EOFError("it ends in the middle")
    return result


def _files(archive: tarfile.TarFile, prefix: str) -> Iterator[tuple[str, File]]:
    for count, member in enumerate(archive):
        if count >= MOST_FILES:
            raise TooLarge(f"more than {MOST_FILES:,} files are packed: send a smaller directory")
        if member.isdir():
            continue
        path = normal_path(f"{prefix}/{member.name}")
        if member.issym():
            yield path, ("symlink", member.linkname.encode())
        elif member.isreg() and not member.issparse():
            held = archive.extractfile(member)
            assert held is not None
            yield path, ("file", held.read())
        else:
            raise Invalid(f"{member.name[:200]!r} is neither a file nor a directory nor a symlink")


def _directories(files: Mapping[str, File]) -> dict[str, set[str]]:
    """Return directory → names in it."""
    found: dict[str, set[str]] = {"": set()}
    for path in files:
        while path:
            parent, _, name = path.rpartition("/")
            members = found.setdefault(parent, set())
            if name in members:
                break
            members.add(name)
            path = parent
    return found


def _object_id(kind: str, content: bytes) -> str:
    return hashlib.sha1(b"%s %d\0%s" % (kind.encode(), len(content), content), usedforsecurity=False).hexdigest()
