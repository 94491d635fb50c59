"""Every repository the hub reads, refreshed from its server and read from a bare mirror.

Asking a server and reading a mirror are apart. `refresh` asks, and fetches only when something wanted has moved; every
other call answers from the mirror, so a server that is away takes nothing away from what was fetched before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from hub.domain.repository import OPEN, Access, Place
from hub.source.environment import GitEnvironment
from hub.source.errors import MirrorDamaged, RepositoryRefused, SourceError
from hub.source.failures import storage_errors
from hub.source.github_app import GitHubTokens
from hub.source.lanes import Lanes
from hub.source.mirror import Mirror, recover, remove
from hub.source.policy import SourcePolicy
from hub.source.refs import Refs
from hub.source.repository import CommitInfo, GitRequest, Repository
from hub.source.tree import GitTree
from hub.source.urls import check_revision, parse_repo_url

log = logging.getLogger(__name__)

_TREES = 64
_MOST_PLACES = 50_000

AccessOf = Callable[[str, str], Access]
"""(URL, project) → how that is read. MUST give the same value for as long as nothing has changed, and quickly."""


def _everything_open(url: str, project: str) -> Access:
    return OPEN


class GitSource:
    """All repositories of one hub process. `root` belongs to this process alone.

    Every call says for which project it asks: a project's own credentials are used for nobody else, nor is anybody
    else served from what was fetched with them.
    """

    def __init__(
        self,
        root: Path,
        *,
        policy: SourcePolicy | None = None,
        git: str = "git",
        clock: Callable[[], float] = time.monotonic,
        observe: Callable[[GitRequest], None] = lambda request: None,
        access: AccessOf = _everything_open,
        tokens: GitHubTokens | None = None,
    ) -> None:
        self._policy = policy = policy or SourcePolicy()
        self._git = git
        self._clock = clock
        self._observe = observe
        self._access = access
        self._directory = root / "repositories"
        with storage_errors(root):
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            recover(self._directory)
            self._environment = GitEnvironment(root / "home", policy, tokens=tokens)
        self._lanes = Lanes(policy)
        self._repositories: dict[str, Repository] = {}
        self._by_place: dict[Place, tuple[Access, Repository]] = {}
        self._trees: OrderedDict[tuple[str, int, str], GitTree] = OrderedDict()

    async def refresh(self, repo_url: str, project: str = "", *, force: bool = False) -> Refs:
        """Ask the server for its refs, and fetch when a revision that was resolved before has moved.

        `force` also checks the mirror and fetches in any case. Concurrent calls for one repository share one answer.
        On a SourceError the mirror, and what `resolve` says, stay as they were.
        """
        return await self._repository(repo_url, project).refresh(force=force)

    def asked(self, repo_url: str, project: str = "") -> bool:
        """Tell whether the server has answered since this process began. Before that, what `resolve` says may be as
        old as the backup that the mirrors came out of."""
        return self._repository(repo_url, project).asked

    async def resolve(self, repo_url: str, target_revision: str, project: str = "") -> CommitInfo:
        """Return the commit a revision means: HEAD, a branch, a tag, a commit (7 digits or more), a version range.

        Answers from what the last refresh found; goes to the server only for a repository that was never fetched, or
        for a commit that the mirror lacks. The commit is kept for an hour, then as long as `collect` is told of it.
        Raises RevisionNotFound, and what a refresh raises.
        """
        repository = self._repository(repo_url, project)
        return await repository.resolve(check_revision(target_revision, repository.name))

    def tree(self, repo_url: str, sha: str, project: str = "") -> GitTree:
        """Return the files of a commit that `resolve` gave."""
        repository = self._repository(repo_url, project)
        key = (repository.mirror.path.name, repository.generation, sha)
        tree = self._trees.get(key)
        if tree is None:
            tree = self._trees[key] = GitTree(repository.mirror.path, sha)
        self._trees.move_to_end(key)
        while len(self._trees) > _TREES:
            self._trees.popitem(last=False)
        return tree

    def object_ids(self, repo_url: str, sha: str, paths: Iterable[str], project: str = "") -> dict[str, str]:
        """Return the object id of every path, '' where there is nothing. A few microseconds a path."""
        tree = self.tree(repo_url, sha, project)
        try:
            return {path: tree.object_id(path) for path in paths}
        except MirrorDamaged:
            self._repository(repo_url, project).suspect = True
            raise

    async def collect(self, needed: Mapping[Place, Collection[str]]) -> None:
        """Free disk space: keep the commits named per place, and those resolved within the last hour.

        Mirrors of repositories that are not named, and were not asked for within that hour, are removed. A repository
        that cannot be collected is left as it is, and logged.
        """
        commits: dict[str, set[str]] = {}
        for place, wanted in needed.items():
            try:
                commits.setdefault(self._repository(place.url, place.project).mirror.path.name, set()).update(wanted)
            except RepositoryRefused as error:
                log.warning("a repository in use is refused: %s", error.message)
        for path in await asyncio.to_thread(lambda: sorted(self._directory.glob("*.git"))):
            repository = self._repositories.get(path.name)
            if repository is not None and (path.name in commits or repository.recent):
                await self._collect(repository, commits.get(path.name, set()))
            else:
                await asyncio.to_thread(self._remove, path)

    async def close(self) -> None:
        """End what is under way."""
        await asyncio.gather(*(repository.close() for repository in self._repositories.values()))

    async def _collect(self, repository: Repository, commits: Collection[str]) -> None:
        try:
            await repository.collect(commits)
        except SourceError as error:
            log.warning("the mirror of %s cannot be collected: %s", repository.name, error.message)

    def _remove(self, path: Path) -> None:
        repository = self._repositories.pop(path.name, None)
        self._by_place = {place: known for place, known in self._by_place.items() if known[1] is not repository}
        remove(path)

    def _repository(self, url: str, project: str) -> Repository:
        place = Place(url, project)
        access = self._access(url, project)
        known = self._by_place.get(place)
        if known is not None and known[0] is access:
            return known[1]
        parsed = parse_repo_url(url, self._policy.file_prefixes)
        name = parsed.directory_name(access.scope) + ".git"
        repository = self._repositories.get(name)
        if repository is None:
            mirror = Mirror(
                self._directory / name, parsed, git=self._git, environment=self._environment, policy=self._policy
            )
            repository = Repository(mirror, self._lanes, clock=self._clock, observe=self._observe)
            self._repositories[name] = repository
        repository.mirror.access = access
        if len(self._by_place) >= _MOST_PLACES:
            self._by_place.clear()
        self._by_place[place] = (access, repository)
        return repository
