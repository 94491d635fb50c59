"""One repository: when its server is asked, when its mirror is fetched into, checked and repaired."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pygit2

from hub.source.errors import MirrorDamaged, RepositoryRefused, RevisionNotFound, SourceError
from hub.source.failures import damaged
from hub.source.flight import Flight
from hub.source.lanes import Lanes, Work
from hub.source.mirror import Mirror
from hub.source.refs import Refs, is_other_ref
from hub.source.revisions import MIN_ABBREVIATION, Abbreviated, Found, Unknown, choose
from hub.source.tree import open_mirror

log = logging.getLogger(__name__)

RECENT_SECONDS = 3600.0
"""How long something counts as in use only because somebody asked for it."""
_WANTED_SECONDS = 24 * 3600.0
_CHECK_SECONDS = 60.0
"""Between two checks of one mirror, however often somebody forces a refresh."""
_REPAIR_SECONDS = 600.0
_REPAIR_RETRY_SECONDS = 60.0
_MESSAGE = 200
_MAX_ANSWERS = 10_000


@dataclass(frozen=True, slots=True)
class CommitInfo:
    sha: str
    author: str
    """Name <address>"""
    message: str
    """First line, at most 200 characters."""
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class GitRequest:
    """One command against a server, for metrics."""

    repository: str
    kind: str
    """ls-remote | fetch"""
    seconds: float
    succeeded: bool


class Repository:
    def __init__(
        self, mirror: Mirror, lanes: Lanes, *, clock: Callable[[], float], observe: Callable[[GitRequest], None]
    ) -> None:
        self.mirror = mirror
        self.suspect = False
        """Somebody found an object missing: the next refresh checks the mirror."""
        self.generation = 0
        """Grows when the mirror is made anew."""
        self.asked = False
        """Whether the server has answered since this process began."""
        self._lanes = lanes
        self._clock = clock
        self._observe = observe
        self._polls: Flight[Refs] = Flight()
        self._forced: Flight[Refs] = Flight()
        self._changing = asyncio.Lock()
        self._refs = mirror.saved_refs()
        self._proven = False
        self._used_at = clock()
        self._checked_at = self._repair_after = float("-inf")
        self._wanted: dict[str, float] = {}
        self._kept: dict[str, float] = {}
        self._answers: dict[str, Found | Abbreviated | Unknown] = {}
        self._absent: set[str] = set()
        self._commits: dict[str, CommitInfo] = {}

    @property
    def name(self) -> str:
        return self.mirror.repository.display

    @property
    def recent(self) -> bool:
        return self._clock() - self._used_at < RECENT_SECONDS

    async def refresh(self, *, force: bool) -> Refs:
        self._used_at = self._clock()
        flight = self._forced if force else self._polls
        return await flight.join(lambda: self._refresh(force=force))

    async def resolve(self, revision: str) -> CommitInfo:
        """`revision` is one that check_revision has passed."""
        self._used_at = self._wanted[revision] = self._clock()
        if self._refs is None:
            await self.refresh(force=False)
        commit = await self._find(revision)
        if commit not in self._kept:
            self.mirror.keep(commit)
        self._kept[commit] = self._clock()
        return self._describe(commit)

    async def collect(self, needed: Collection[str]) -> None:
        async with self._changing:
            now = self._clock()
            self._kept = {commit: at for commit, at in self._kept.items() if now - at < RECENT_SECONDS}
            self._commits = {commit: info for commit, info in self._commits.items() if commit in self._kept}
            async with self._lanes.slot(Work.FETCH, "", proven=True):
                await self.mirror.collect({*needed, *self._kept})

    async def close(self) -> None:
        await self._polls.cancel()
        await self._forced.cancel()

    async def _refresh(self, *, force: bool) -> Refs:
        if self.mirror.exists and (force or self.suspect):
            await self._check()
        refs = await self._ask()
        # A branch may move between the question and the fetch, so a commit that is lacking is asked for twice.
        for _ in range(2):
            if self.mirror.exists and not force and not self._lacking(refs):
                break
            await self._fetch()
            force = False
            if not self._lacking(refs):
                break
            refs = await self._ask()
        else:
            await self._repair()
        await self._remember(refs)
        return refs

    async def _ask(self) -> Refs:
        now = self._clock()
        self._wanted = {revision: at for revision, at in self._wanted.items() if now - at < _WANTED_SECONDS}
        others = [revision for revision in self._wanted if is_other_ref(revision)]
        async with self._request(Work.POLL):
            return await self.mirror.ask_refs(others)

    async def _fetch(self) -> None:
        try:
            async with self._changing, self._request(Work.FETCH):
                await self.mirror.fetch()
        except MirrorDamaged as error:
            log.warning("the mirror of %s is damaged: %s", self.name, error.detail)
            await self._repair()

    async def _check(self) -> None:
        """Repair the mirror if an object is missing. A mirror just checked is taken as it is."""
        if self._clock() - self._checked_at < _CHECK_SECONDS:
            return
        async with self._changing, self._lanes.slot(Work.FETCH, "", proven=True):
            sound = await self.mirror.is_sound()
        self._checked_at = self._clock()
        if not sound:
            await self._repair()
        self.suspect = False

    async def _repair(self) -> None:
        if self._clock() < self._repair_after:
            raise damaged(self.name)
        self._repair_after = self._clock() + _REPAIR_RETRY_SECONDS
        async with self._changing, self._request(Work.FETCH):
            await self.mirror.make_anew()
        self._repair_after = self._clock() + _REPAIR_SECONDS
        self.generation += 1
        self._kept.clear()

    @asynccontextmanager
    async def _request(self, work: Work) -> AsyncIterator[None]:
        """Hold a slot for one command against the server, and tell how it went."""
        async with self._lanes.slot(work, self.mirror.repository.host, proven=self._proven):
            started = time.perf_counter()
            succeeded = False
            try:
                yield
                succeeded = True
            except SourceError as error:
                log.info("%s of %s: %s: %s", work.value, self.name, error.code, error.detail or error.message)
                raise
            finally:
                self._proven = succeeded
                self._observe(GitRequest(self.name, work.value, time.perf_counter() - started, succeeded))

    def _lacking(self, refs: Refs) -> bool:
        """Whether the mirror lacks a commit that a wanted branch, tag or version range stands for."""
        chosen = (choose(refs, revision) for revision in self._wanted if not is_other_ref(revision))
        return any(isinstance(choice, Found) and not self.mirror.has(choice.commit) for choice in chosen)

    async def _remember(self, refs: Refs) -> None:
        self.asked = True
        if refs != self._refs:
            self._refs = refs
            self._answers.clear()
            self._absent.clear()
            await self.mirror.save_refs(refs)

    async def _find(self, revision: str) -> str:
        """Return the commit of a revision, which is in the mirror afterwards."""
        choice = self._choose(revision)
        if isinstance(choice, Unknown) and is_other_ref(revision) and revision not in self._absent:
            await self.refresh(force=False)
            choice = self._choose(revision)
        if isinstance(choice, Abbreviated):
            return await self._find_commit(choice)
        if isinstance(choice, Unknown):
            self._absent.add(revision)
            raise RevisionNotFound(
                f"{self.name} has no branch, tag, commit or version that matches {revision!r}: {choice.hint}. "
                "Correct targetRevision, or push what it names."
            )
        if self.mirror.has(choice.commit):
            return choice.commit
        return await self._bring(revision, choice.commit)

    def _choose(self, revision: str) -> Found | Abbreviated | Unknown:
        known = self._answers.get(revision)
        if known is None:
            if len(self._answers) >= _MAX_ANSWERS:
                self._answers.clear()
                self._absent.clear()
            known = self._answers[revision] = choose(self._refs or Refs(), revision)
        return known

    async def _bring(self, revision: str, commit: str) -> str:
        """Fetch what a known name points at."""
        if is_other_ref(revision):
            async with self._changing, self._request(Work.FETCH):
                await self.mirror.fetch_commit(commit, revision)
        else:
            await self.refresh(force=False)
            again = self._choose(revision)
            commit = again.commit if isinstance(again, Found) else commit
        if not self.mirror.has(commit):
            self.suspect = True
            raise damaged(self.name)
        return commit

    async def _find_commit(self, wanted: Abbreviated) -> str:
        """Find a commit by its id or the beginning of it, which may be on no branch any more."""
        found = self.mirror.expand(wanted.prefix)
        if not found and wanted.prefix not in self._absent:
            found = await self._bring_commit(wanted)
        if len(found) == 1:
            return found[0]
        if found:
            raise RevisionNotFound(
                f"{self.name} has several objects whose ids begin with {wanted.prefix}: give more of its digits."
            )
        self._absent.add(wanted.prefix)
        raise RevisionNotFound(
            f"{self.name} has no commit {wanted.prefix}: it may have been on a branch that was force-pushed or "
            f"deleted. Name a branch, a tag, or a commit by at least {MIN_ABBREVIATION} digits."
        )

    async def _bring_commit(self, wanted: Abbreviated) -> list[str]:
        await self._fetch()
        found = self.mirror.expand(wanted.prefix)
        if found or not wanted.whole:
            return found
        try:
            async with self._changing, self._request(Work.FETCH):
                await self.mirror.fetch_commit(wanted.prefix, wanted.prefix)
        except SourceError as error:
            # The repository has just been fetched from, so it is this commit that the server will not give.
            if not isinstance(error, RepositoryRefused):
                return []
            raise
        return self.mirror.expand(wanted.prefix)

    def _describe(self, commit: str) -> CommitInfo:
        known = self._commits.get(commit)
        if known is None:
            try:
                known = self._commits[commit] = _describe(open_mirror(self.mirror.path)[commit].peel(pygit2.Commit))
            except (KeyError, ValueError, pygit2.GitError) as error:
                self.suspect = True
                raise damaged(self.name) from error
        return known


def _describe(commit: pygit2.Commit) -> CommitInfo:
    lines = commit.message.strip().splitlines()
    return CommitInfo(
        sha=str(commit.id),
        author=f"{commit.author.name} <{commit.author.email}>",
        message=lines[0][:_MESSAGE] if lines else "",
        committed_at=datetime.fromtimestamp(commit.commit_time, UTC),
    )
