"""Everything that sources are read from, Git repositories, chart repositories and registries alike.

Asking a server and reading what is known are apart: `refresh` asks; what `resolve` says comes from the last answer, and
goes to the server only for what was never fetched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

from hub.domain.application import Source
from hub.domain.place import place_of
from hub.domain.repository import Place, RepositoryKind
from hub.domain.revision import SourceRevision
from hub.source.charts import Charts
from hub.source.errors import RepositoryRefused
from hub.source.git import GitSource
from hub.source.resolved import Resolved

_NAMED = ("@", "alias:")
"""How charts write the name of a registered repository in the place of its address."""

Named = Callable[[str, str], str]
"""(name, project) → URL, '' when none is registered so."""


class Sources:
    def __init__(self, git: GitSource, charts: Charts, named: Named = lambda name, project: "") -> None:
        self._git = git
        self._charts = charts
        self._named = named

    async def refresh(self, place: Place, *, force: bool = False) -> None:
        """Ask a place what is new; `force` also mends what the hub has of it. Raises SourceError."""
        if place.kind is RepositoryKind.GIT:
            await self._git.refresh(place.url, place.project, force=force)
        else:
            await self._charts.refresh(place, force=force)

    def asked(self, place: Place) -> bool:
        """Tell whether its server has answered since this process began. Raises SourceError."""
        if place.kind is RepositoryKind.GIT:
            return self._git.asked(place.url, place.project)
        return self._charts.asked(place)

    async def resolve(self, source: Source, project: str) -> Resolved:
        """Return what a source's target revision means. Raises SourceError."""
        place = place_of(source, project)
        if place.kind is not RepositoryKind.GIT:
            return await self._charts.resolve(place, source)
        commit = await self._git.resolve(source.repo_url, source.target_revision, project)
        tree = self._git.tree(source.repo_url, commit.sha, project)
        revision = SourceRevision(source.repo_url, commit.sha, commit.author, commit.message, commit.committed_at)
        return Resolved(tree, revision)

    def addressed(self, source: Source, project: str) -> Source:
        """Return what a chart depends on with an address where it has a repository's name. Sources of applications have
        addresses only: what a project permits is held against those. Raises RepositoryRefused."""
        prefix = next((prefix for prefix in _NAMED if source.repo_url.startswith(prefix)), "")
        if not prefix or not source.chart:
            return source
        name = source.repo_url.removeprefix(prefix)
        if not (url := self._named(name, project)):
            raise RepositoryRefused(
                f"The chart {source.chart} is in the repository called {name[:100]!r}, and none is registered so: "
                "register it with `escadre repo add URL --name NAME`, or write its address in Chart.yaml."
            )
        return replace(source, repo_url=url)

    def needs_credentials(self, source: Source, project: str) -> bool:
        """Whether the hub says who it is where a source is read from."""
        return self._charts.needs_credentials(place_of(source, project))

    async def object_ids(self, place: Place, resolved: Resolved, paths: Iterable[str]) -> dict[str, str]:
        """Return the object id of every path, '' where there is nothing. Raises MirrorDamaged."""
        if place.kind is RepositoryKind.GIT:
            return await asyncio.to_thread(self._git.object_ids, place.url, resolved.tree.commit, paths, place.project)
        tree = resolved.tree
        return await asyncio.to_thread(lambda: {path: tree.object_id(path) for path in paths})

    async def collect(self, needed: Iterable[tuple[str, SourceRevision]]) -> None:
        """Free disk space: keep what these revisions are, each with the project it is read for, and what was asked for
        lately."""
        commits: dict[Place, set[str]] = {}
        digests: set[str] = set()
        for project, revision in needed:
            if revision.digest:
                digests.add(revision.digest.removeprefix("sha256:"))
            else:
                commits.setdefault(Place(revision.repo_url, project), set()).add(revision.revision)
        await self._git.collect(commits)
        await self._charts.collect(digests)

    async def close(self) -> None:
        await asyncio.gather(self._git.close(), self._charts.close())
