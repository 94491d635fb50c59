"""Git repositories that tests write commits into, with the git binary as users do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


class Repo:
    """A bare repository to read from, and a work tree that pushes into it."""

    def __init__(self, root: Path, name: str = "repo") -> None:
        self.bare = root / f"{name}.git"
        self.work = root / f"{name}-work"
        run("init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        run("init", "--quiet", "--initial-branch=main", str(self.work))
        self.git("remote", "add", "origin", str(self.bare))

    @property
    def url(self) -> str:
        return f"file://{self.bare}"

    def git(self, *arguments: str) -> str:
        return run("-C", str(self.work), *arguments)

    def commit(self, files: Mapping[str, str | bytes], message: str = "change", *, push: bool = True) -> str:
        """Write files, commit, push every branch and tag, and return the commit's id."""
        for path, content in files.items():
            target = self.work / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        if push:
            self.push()
        return self.git("rev-parse", "HEAD").strip()

    def tag(self, name: str, *, annotated: bool = False) -> None:
        self.git("tag", *(("-a", "-m", name) if annotated else ()), name)
        self.push()

    def push(self) -> None:
        self.git(
            "push", "--quiet", "--force", "--prune", "origin", "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"
        )


def run(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], env=_ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout
