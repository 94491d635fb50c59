"""Packing a directory for the hub: what Git would hold of it, within bounds."""

from __future__ import annotations

import gzip
import io
import os
import posixpath
import tarfile
from collections.abc import Iterator
from pathlib import Path

from hub.cli.errors import Misuse

PACKED_LIMIT = 16 * 1024 * 1024
UNPACKED_LIMIT = 60 * 1024 * 1024
"""Bytes of the files; a tar of them is a little more."""
MOST_FILES = 10_000


def pack(root: Path) -> bytes:
    """Return a gzipped tar of all below a directory but `.git`. Raises Misuse for what cannot be sent."""
    if not root.is_dir():
        raise Misuse(f"{root} is no directory")
    buffer = io.BytesIO()
    total = count = 0
    # No time in it: the same files give the same bytes.
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in _files(root):
            count += 1
            info, content = _member(root, path)
            total += len(content)
            if count > MOST_FILES or total > UNPACKED_LIMIT:
                raise Misuse(
                    f"{root} has more than {MOST_FILES:,} files or {UNPACKED_LIMIT // 2**20} MB: give a smaller one"
                )
            archive.addfile(info, io.BytesIO(content))
    if not count:
        raise Misuse(f"there are no files in {root}")
    if buffer.tell() > PACKED_LIMIT:
        raise Misuse(f"{root} is {buffer.tell():,} bytes packed, and {PACKED_LIMIT:,} are taken")
    return buffer.getvalue()


def _files(root: Path) -> Iterator[Path]:
    """Yield files and symlinks, sorted; directories that are symlinks are not entered."""

    def fail(error: OSError) -> None:
        raise Misuse(f"{error.filename} cannot be read: {error.strerror or error}") from error

    for directory, names, files in os.walk(root, onerror=fail):
        names[:] = sorted(name for name in names if name != ".git")
        links = [name for name in names if Path(directory, name).is_symlink()]
        for name in sorted([*files, *links]):
            if name != ".git":
                yield Path(directory, name)


def _member(root: Path, path: Path) -> tuple[tarfile.TarInfo, bytes]:
    try:
        return _read(root, path)
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror or error}") from error


def _read(root: Path, path: Path) -> tuple[tarfile.TarInfo, bytes]:
    name = path.relative_to(root).as_posix()
    info = tarfile.TarInfo(name)
    if path.is_symlink():
        target = str(path.readlink())
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        if target.startswith("/") or inside == ".." or inside.startswith("../"):
            raise Misuse(
                f"{path} is a symlink to {target}, outside of {root}: give the directory that holds both with "
                "--local-repo-root, or remove it"
            )
        info.type, info.linkname = tarfile.SYMTYPE, target
        return info, b""
    if not path.is_file():
        raise Misuse(f"{path} is neither a file nor a directory nor a symlink")
    if path.stat().st_size > UNPACKED_LIMIT:
        raise Misuse(f"{path} is larger than all that can be sent: {UNPACKED_LIMIT // 2**20} MB")
    content = path.read_bytes()
    info.size = len(content)
    return info, content
