"""Archives that were fetched, each as a bare Git repository with one commit, so that all that reads Git's trees reads
them too.

An archive is known by its digest, so what is here never has to be fetched again, and never changes. It appears whole or
not at all: it is unpacked beside its place and moved there.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import orjson
import pygit2

from hub.source.command import CommandTimeout, Limits, OutputTooLarge, run
from hub.source.errors import ArtifactRefused, MirrorDamaged
from hub.source.failures import storage_errors
from hub.source.tree import GitTree, open_mirror

log = logging.getLogger(__name__)

_UNPACK_SECONDS = 120.0
_INDEX_SECONDS = 60.0
_ANSWER = 32 * 1024 * 1024
_PARTIAL = "partial-"


class Shelf:
    """What one place has given."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def find(self, digest: str) -> GitTree | None:
        """Return an archive's files by its digest (hex SHA-256), and remember that they were asked for."""
        path = self._path(digest)
        try:
            commit = str(open_mirror(path).head.target)
            os.utime(path)
        except (OSError, KeyError, pygit2.GitError):
            return None
        return GitTree(path, commit)

    async def add(self, digest: str, archive: Path, kind: str, name: str) -> GitTree:
        """Unpack an archive. `kind`: chart | plain; `name` is for messages. Raises ArtifactRefused, SourceError."""
        with storage_errors(self.directory):
            fresh = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self.directory))
        try:
            answer = await program("unpack", _UNPACK_SECONDS, name, str(archive), str(fresh), kind)
            if "commit" not in answer:
                raise ArtifactRefused(
                    f"{name} is no archive that is taken: {answer.get('refused', 'it is unreadable')}."
                )
            if self.find(digest) is None:
                with storage_errors(self.directory):
                    await asyncio.to_thread(_move, fresh, self._path(digest))
        finally:
            await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
        found = self.find(digest)
        assert found is not None
        return found

    def new_file(self) -> Path:
        """Return a file to download into; it is the caller's to remove."""
        with storage_errors(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, path = tempfile.mkstemp(prefix=_PARTIAL, dir=self.directory)
            os.close(descriptor)
        return Path(path)

    def check(self) -> None:
        """Remove what cannot be read any more, so that it is fetched anew."""
        for path in self.directory.glob("*.git"):
            tree = self.find(path.stem)
            try:
                sound = tree is not None and sum(1 for _ in tree.walk("")) >= 0
            except (MirrorDamaged, ValueError):
                sound = False
            if not sound:
                log.warning("what the hub has as %s is damaged, and fetched anew when it is needed", path.name)
                shutil.rmtree(path, ignore_errors=True)

    def recover(self) -> None:
        """Remove what a killed hub left."""
        for path in self.directory.glob(_PARTIAL + "*"):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def collect(self, needed: Collection[str], unused_seconds: float) -> None:
        """Remove archives that are neither needed nor were asked for within that time."""
        for path in self.directory.glob("*.git"):
            if path.stem not in needed and time.time() - path.stat().st_mtime > unused_seconds:
                shutil.rmtree(path, ignore_errors=True)

    def _path(self, digest: str) -> Path:
        return self.directory / f"{digest}.git"


async def chart_versions(index: Path, chart: str, name: str) -> list[dict[str, Any]] | None:
    """Return what an index says of a chart; None when it does not have it. Raises ArtifactRefused, SourceError."""
    answer = await program("helm_index", _INDEX_SECONDS, name, str(index), chart)
    if "versions" not in answer:
        raise ArtifactRefused(f"{name} has no index that can be read: {answer.get('refused', 'it is unreadable')}.")
    versions: list[dict[str, Any]] | None = answer["versions"]
    return versions


async def program(module: str, seconds: float, name: str, *arguments: str) -> dict[str, Any]:
    """Run one of this package's programs, which reads what somebody else has written."""
    command = (sys.executable, "-I", "-m", f"hub.source.{module}", *arguments)
    with storage_errors(Path(arguments[0])):
        try:
            done = await run(command, cwd=Path("/"), environment={"LC_ALL": "C.UTF-8"}, limits=Limits(seconds, _ANSWER))
        except (CommandTimeout, OutputTooLarge) as error:
            raise ArtifactRefused(f"{name} cannot be read: it was given up because {error}.") from error
    try:
        answer = orjson.loads(done.stdout)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ArtifactRefused(f"{name} cannot be read: what reads it broke down.", detail=done.stderr)
    return answer


def _move(fresh: Path, target: Path) -> None:
    """Put a repository in its place; a broken one that is there gives way."""
    if target.exists():
        shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
