"""Repositories made by `git fast-import`: tens of thousands of files, or a gigabyte, within seconds."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path


class Imported:
    """A bare repository with one branch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", path], check=True)
        self._has_commits = False

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def commit(self, commits: Iterable[Mapping[str, bytes]]) -> None:
        """Make commits of path → content; what is not named stays. Nothing is compressed: it is not what counts."""
        uncompressed = ("-c", "core.compression=0", "-c", "pack.compression=0")
        command = ["git", *uncompressed, "fast-import", "--quiet", "--force", "--depth=0"]
        process = subprocess.Popen(command, cwd=self.path, stdin=subprocess.PIPE)
        assert process.stdin is not None
        with process.stdin as stream:
            for number, files in enumerate(commits):
                stream.write(b"commit refs/heads/main\ncommitter Ada <ada@example.com> 1700000000 +0000\n")
                stream.write(b"data 6\nchange\n")
                if self._has_commits and number == 0:
                    stream.write(b"from refs/heads/main^0\n")
                for path, content in files.items():
                    stream.write(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))
                self._has_commits = True
        if process.wait():
            raise RuntimeError("git fast-import failed")
