from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hub.source import GitRequest, GitSource, SourcePolicy
from tests.source.repos import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path)
    repo.commit({"apps/web/a.yaml": "a: 1\n", "apps/api/b.yaml": "b: 1\n"}, "first commit")
    return repo


@pytest.fixture
def requests() -> list[GitRequest]:
    """Every command that went to a server."""
    return []


class Sources:
    """Opens sources over one directory, as a hub that is started again does; closes them with the test."""

    def __init__(self, root: Path, observe: Callable[[GitRequest], None]) -> None:
        self.root = root
        self._observe = observe
        self._open: list[GitSource] = []

    def open(self, policy: SourcePolicy | None = None, **options: object) -> GitSource:
        policy = policy or SourcePolicy(file_prefixes=(self.root.parent,))
        source = GitSource(self.root, policy=policy, observe=self._observe, **options)  # type: ignore[arg-type]
        self._open.append(source)
        return source

    async def close(self) -> None:
        for source in self._open:
            await source.close()


@pytest.fixture
async def sources(tmp_path: Path, requests: list[GitRequest]) -> AsyncIterator[Sources]:
    sources = Sources(tmp_path / "mirrors", requests.append)
    yield sources
    await sources.close()


@pytest.fixture
def source(sources: Sources) -> GitSource:
    return sources.open()
