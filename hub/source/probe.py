"""Asks a repository's server whether an access opens it: what `escadre repo test` and `repo add` do.

Nothing is fetched but what tells that, and nothing of it is kept.
"""

from __future__ import annotations

from pathlib import Path

from hub.domain.repository import Access, Repository, RepositoryKind
from hub.source.environment import GitEnvironment
from hub.source.http import SourceClient
from hub.source.http_failures import refused_by
from hub.source.mirror import Mirror
from hub.source.policy import SourcePolicy
from hub.source.urls import parse_repo_url, redact

_SECONDS = 20.0
_MOST_HEAD = 64 * 1024


class Prober:
    """`root` belongs to this process alone."""

    def __init__(self, root: Path, policy: SourcePolicy, *, git: str = "git") -> None:
        self._root = root
        self._policy = policy
        self._git = git
        self._environment: GitEnvironment | None = None

    async def probe(self, repository: Repository, access: Access) -> None:
        """Raises SourceError, which says what is wrong and what to do."""
        if repository.kind == RepositoryKind.GIT:
            await self._git_repository(repository.url, access)
        elif repository.kind == RepositoryKind.OCI or repository.oci:
            await self._registry(repository.url, access)
        else:
            await self._charts(repository.url, access)

    async def _git_repository(self, url: str, access: Access) -> None:
        if self._environment is None:
            self._environment = GitEnvironment(self._root / "home", self._policy)
        parsed = parse_repo_url(url, self._policy.file_prefixes)
        mirror = Mirror(self._root / "none", parsed, git=self._git, environment=self._environment, policy=self._policy)
        mirror.access = access
        await mirror.ask_refs()

    async def _charts(self, url: str, access: Access) -> None:
        url = url.rstrip("/")
        async with (
            SourceClient(access, url, ca_file=self._policy.ca_file) as client,
            # An index has megabytes: that it is there is all that is asked.
            client.stream("GET", f"{url}/index.yaml", most=1024**3) as (answer, _),
        ):
            if not 200 <= answer.status < 300:
                raise refused_by(redact(url), answer.status, answer.headers)

    async def _registry(self, url: str, access: Access) -> None:
        from hub.source.registry_login import log_in

        await log_in(url, access, self._policy.ca_file)
