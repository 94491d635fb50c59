"""A program of its own: turns an archive into a bare Git repository with one commit, within bounds.

In a process of its own, because an archive comes from anywhere: whatever it makes of its reader's memory and time is
this process's, which has little of both. What it writes is the same for the same files, so that equal content has equal
object ids wherever it came from.
"""

from __future__ import annotations

import gzip
import io
import posixpath
import resource
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import pygit2

UNPACKED_LIMIT = 100 * 1024 * 1024
"""Bytes of the tar, as Helm has it."""
FILE_LIMIT = 50 * 1024 * 1024
MOST_FILES = 20_000
MOST_DEPTH = 100
_MEMORY = 1024 * 1024 * 1024
_SECONDS = 120
_LONGEST_PATH = 4096
_FILE, _LINK, _TREE = 0o100644, 0o120000, 0o040000

Node = dict[str, Any]
"""name → Node, or (object id, mode)"""


class Refused(Exception):
    """The archive is not one that is taken; the message says why."""


def main() -> None:
    archive, target, kind = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    # Whoever began this sees to its time, but may be killed.
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    try:
        answer = {"commit": unpack(Path(archive), Path(target), strip=kind == "chart")}
    except Refused as error:
        answer = {"refused": str(error)}
    except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, UnicodeError, OverflowError) as error:
        answer = {"refused": f"it cannot be read ({error})"[:300]}
    except MemoryError:
        answer = {"refused": "reading it takes too much memory"}
    sys.stdout.buffer.write(orjson.dumps(answer))


def unpack(archive: Path, target: Path, *, strip: bool) -> str:
    """Write the files into a new repository and return the commit. `strip` leaves out the directory that all files of a
    chart are in. Raises Refused, and what tarfile, gzip and zlib raise."""
    repository = pygit2.init_repository(str(target), bare=True, initial_head="main")
    root: Node = {}
    with archive.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        source = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
        with tarfile.open(fileobj=cast(Any, _Bounded(source)), mode="r|") as members:
            for path, mode, content in _entries(members, strip=strip):
                _insert(root, path, (repository.create_blob(content), mode))
    tree = _write(repository, root)
    author = pygit2.Signature("escadre", "escadre@localhost", 0, 0)
    return str(repository.create_commit("refs/heads/main", author, author, "", tree, []))


def _entries(members: tarfile.TarFile, *, strip: bool) -> Iterator[tuple[list[str], int, bytes]]:
    for count, member in enumerate(members):
        if count >= MOST_FILES:
            raise Refused(f"it holds more than {MOST_FILES:,} files")
        parts = _parts(member.name)
        if member.isdir() or not parts:
            continue
        if strip and len(parts) < 2:
            raise Refused(f"{member.name[:200]!r} lies outside of the chart's directory")
        path = parts[1:] if strip else parts
        if member.issym():
            _check_link(path, member.linkname)
            yield path, _LINK, member.linkname.encode()
        elif member.isreg() and not member.issparse():
            if member.size > FILE_LIMIT:
                raise Refused(f"{member.name[:200]!r} is larger than {FILE_LIMIT:,} bytes")
            held = members.extractfile(member)
            assert held is not None
            yield path, _FILE, held.read()
        else:
            raise Refused(f"{member.name[:200]!r} is neither a file nor a directory nor a symlink")


def _parts(name: str) -> list[str]:
    if name.startswith("/") or ".." in name.split("/"):
        raise Refused(f"the path {name[:200]!r} leads out of it")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if len(name) > _LONGEST_PATH or len(parts) > MOST_DEPTH or "\0" in name:
        raise Refused(f"the path {name[:200]!r} is too long or too deep, or holds a NUL")
    return parts


def _check_link(path: list[str], target: str) -> None:
    joined = posixpath.normpath(posixpath.join("/".join(path[:-1]), target))
    if target.startswith("/") or joined == ".." or joined.startswith("../"):
        raise Refused(f"{'/'.join(path)[:200]!r} is a symlink to {target[:200]!r}, outside of it")


def _insert(root: Node, path: list[str], value: tuple[Any, int]) -> None:
    """Put a file in its place; one that comes again counts, as everywhere with tar."""
    node = root
    for part in path[:-1]:
        below = node.setdefault(part, {})
        if not isinstance(below, dict):
            raise Refused(f"{'/'.join(path)[:200]!r} lies below a file")
        node = below
    if isinstance(node.get(path[-1]), dict):
        raise Refused(f"{'/'.join(path)[:200]!r} is a file and a directory")
    node[path[-1]] = value


def _write(repository: pygit2.Repository, node: Node) -> Any:
    builder = repository.TreeBuilder()
    for name, value in node.items():
        try:
            id, mode = (_write(repository, value), _TREE) if isinstance(value, dict) else value
            builder.insert(name, id, mode)
        except (ValueError, pygit2.GitError) as error:
            raise Refused(f"it holds the name {name[:200]!r}, which is not taken") from error
    return builder.write()


class _Bounded(io.RawIOBase):
    """A stream that may be so long and no longer."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._left = UNPACKED_LIMIT

    def read(self, size: int = -1) -> bytes:
        content = self._source.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise Refused(f"it is larger than {UNPACKED_LIMIT:,} bytes unpacked")
        return content


if __name__ == "__main__":
    main()
