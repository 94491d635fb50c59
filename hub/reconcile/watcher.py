"""Notices commits: polls every repository that an application reads, and says which applications a change concerns.

An application is looked at again only if something it read has another Git object id now. So a commit to a repository
of a thousand applications costs a thousand look-ups, a few microseconds each, and the renders of those it touched.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hub.domain.application import Application, Source
from hub.domain.place import place_of
from hub.domain.repo_name import repo_name
from hub.domain.repository import Access, Place
from hub.domain.status import RefreshState
from hub.reconcile.materialize import input_prefix
from hub.source.errors import SourceError
from hub.source.sources import Sources

log = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 3600.0


@dataclass(slots=True)
class _Repository:
    due: float
    """Monotonic time of the next poll."""
    trouble: str = ""
    """Why its server could not be asked the last time."""
    seen: dict[str, str] = field(default_factory=dict)
    """What a source's inputs begin with → the commit its applications were compared with last, and what was told."""


class Entries(Protocol):
    """What is registered of repositories; `hub.source.entries.RepositoryEntries` is the one that is used."""

    def access(self, url: str, project: str) -> Access: ...

    def reader(self, url: str, project: str) -> str: ...

    async def reload(self) -> bool: ...


class Watcher:
    """Knows when each repository is to be asked, and what a new commit means."""

    def __init__(
        self, sources: Sources, poll_seconds: float, jitter_seconds: float, entries: Entries | None = None
    ) -> None:
        self._sources = sources
        self._poll = poll_seconds
        self._jitter = jitter_seconds
        self._entries = entries
        self._repositories: dict[Place, _Repository] = {}
        self._names: dict[str, list[Place]] | None = None
        """What repositories are called, see `repo_name` → where they are read from."""

    def places(self, application: Application) -> set[Place]:
        """Return what is asked for an application's sake."""
        if application.skips_reconcile:
            return set()
        return {self.place(source, application.spec.project) for source in application.spec.sources}

    def place(self, source: Source, project: str) -> Place:
        return place_of(source, self._entries.reader(source.repo_url, project) if self._entries is not None else "")

    async def renew(self, applications: Iterable[Application]) -> list[Place]:
        """Read anew what is registered, and return what is read otherwise since. Raises StoreUnavailable."""
        entries = self._entries
        if entries is None:
            return []
        before = {place: entries.access(place.url, place.project) for place in self._repositories}
        if not await entries.reload():
            return []
        self.follow(applications)
        return [p for p in self._repositories if before.get(p) != entries.access(p.url, p.project)]

    def follow(self, applications: Iterable[Application]) -> None:
        """Poll the repositories these applications read, and no others."""
        places = {place for application in applications for place in self.places(application)}
        now = time.monotonic()
        for place in places - self._repositories.keys():
            self._repositories[place] = _Repository(now + self._next_delay())
        for place in self._repositories.keys() - places:
            del self._repositories[place]
        self._names = None

    def named(self, name: str) -> list[Place]:
        """Return the repositories that are called so, however the applications spell their addresses."""
        if self._names is None:
            self._names = {}
            for place in self._repositories:
                address = f"{place.url.rstrip('/')}/{place.chart}" if place.chart else place.url
                self._names.setdefault(repo_name(address), []).append(place)
        return self._names.get(name, [])

    def due(self) -> list[Place]:
        """Return the repositories whose time has come, and set their next one."""
        now = time.monotonic()
        result = []
        for place, repository in self._repositories.items():
            if repository.due <= now:
                repository.due = now + self._next_delay()
                result.append(place)
        return result

    def seconds_to_next(self) -> float:
        now = time.monotonic()
        return max(0.0, min((r.due - now for r in self._repositories.values()), default=self._poll))

    def troubles(self, places: Iterable[Place]) -> list[str]:
        """Return why servers could not be asked the last time: their repositories are read as they were before."""
        found = (self._repositories.get(place) for place in sorted(places))
        return [repository.trouble for repository in found if repository is not None and repository.trouble]

    def _next_delay(self) -> float:
        return self._poll + random.uniform(0, self._jitter)  # noqa: S311 - jitter

    async def poll(
        self,
        place: Place,
        applications: Mapping[str, Application],
        states: Mapping[str, RefreshState],
        *,
        force: bool = False,
    ) -> list[str]:
        """Ask one repository; return the ids of the applications that read something in it that is now another.

        Applications whose sources failed last time are always among them. Raises SourceError.
        """
        repository = self._repositories.setdefault(place, _Repository(time.monotonic() + self._next_delay()))
        before = repository.trouble
        try:
            await self._sources.refresh(place, force=force)
        except SourceError as error:
            repository.trouble = error.message
            # A server that wants to be left alone is, for an hour at most.
            repository.due = max(repository.due, time.monotonic() + min(error.retry_after, _LONGEST_PAUSE_SECONDS))
            raise
        repository.trouble = ""
        readers: dict[str, list[str]] = {}
        examples: dict[str, Source] = {}
        for id, application in applications.items():
            is_compared = application.deletion is None and not application.skips_reconcile
            for source in application.spec.sources if is_compared else ():
                if source.repo_url == place.url and self.place(source, application.spec.project) == place:
                    prefix = input_prefix(source)
                    examples.setdefault(prefix, source)
                    readers.setdefault(prefix, []).append(id)
        # What was said of the trouble is to be taken back.
        changed: dict[str, None] = dict.fromkeys(itertools.chain(*readers.values())) if before else {}
        for prefix, ids in readers.items():
            changed.update(dict.fromkeys(await self._compare(place, repository, examples[prefix], ids, states)))
        return list(changed)

    async def _compare(
        self, place: Place, repository: _Repository, source: Source, ids: list[str], states: Mapping[str, RefreshState]
    ) -> list[str]:
        prefix = input_prefix(source)
        try:
            resolved = await self._sources.resolve(source, place.project)
        except SourceError:
            # The look at each application says what is wrong, and keeps its last good state.
            repository.seen.pop(prefix, None)
            return ids
        at = f"{resolved.tree.commit} {' '.join(resolved.warnings)}"
        before = repository.seen.get(prefix, at)
        if repository.seen.get(prefix) == at:
            return [id for id in ids if _unsettled(states.get(id))]
        paths = {
            key.removeprefix(prefix)
            for id in ids
            if (state := states.get(id)) is not None
            for key in state.inputs
            if key.startswith(prefix)
        }
        found = await self._sources.object_ids(place, resolved, paths)
        repository.seen[prefix] = at
        if before.partition(" ")[2] != at.partition(" ")[2]:
            # What is said of the revision has to be said anew.
            return ids
        return [id for id in ids if _changed(states.get(id), prefix, found)]


def _unsettled(state: RefreshState | None) -> bool:
    return state is None or not state.inputs or any(c.type == "ComparisonError" for c in state.conditions)


def _changed(state: RefreshState | None, prefix: str, found: Mapping[str, str]) -> bool:
    if state is None or _unsettled(state):
        return True
    return any(
        found.get(key.removeprefix(prefix)) != object_id
        for key, object_id in state.inputs.items()
        if key.startswith(prefix)
    )
